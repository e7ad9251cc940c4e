// SPDX-License-Identifier: BSD-2-Clause
/*
 * Control operations on vcpus (xen/domctl.h): their state for builders, save and restore, and where they run.
 */
#include "door/domain_life.h"
#include "door/domctl.h"
#include "door/handlers.h"
#include "guest/hvm.h"
#include "guest/pv.h"
#include "lib/bitmap.h"
#include "lib/string.h"
#include "mm/heap.h"
#include "sched/sched.h"

/* Vector state as it travels: XCR0, every feature ever enabled, then an XSAVE area in standard format. */
struct vector_state {
    uint64_t xcr0, accumulated;
    uint8_t area[];
};

/* ---- contexts ---- */

static long context_apply(struct vcpu *v, const struct vcpu_guest_context *context)
{
    long result = v->domain->is_hvm ? hvm_guest_context_set(v, context) : pv_set_context(v, context);

    if (result)
        return result;
    v->is_initialised = true;
    /* The builder cleared the shared page after creation; this is its last step. */
    if (v->id == 0)
        time_publish_wallclock(v->domain);
    if (context->flags & VGCF_online)
        __atomic_fetch_and(&v->pause_flags, ~VCPU_DOWN, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_or(&v->pause_flags, VCPU_DOWN, __ATOMIC_SEQ_CST);
    return 0;
}

long domctl_set_context(struct call *c)
{
    const guest_addr_t from = GUEST_HANDLE(c->domctl->u.vcpucontext.ctxt);
    struct vcpu_guest_context *context;
    long result;

    if (guest_addr_null(from))
        return -EOPNOTSUPP; /* the ABI's reset of a vcpu */
    context = argument_copy(from, sizeof(*context), &result);
    if (context)
        result = context_apply(c->v, context);
    mem_free(context);
    return result;
}

long domctl_get_context(struct call *c)
{
    struct vcpu *v = c->v;
    struct vcpu_guest_context *context;
    long result;

    if (v == current || !v->is_initialised)
        return -ENODATA;
    context = mem_new(struct vcpu_guest_context);
    if (!context)
        return -ENOMEM;
    vcpu_pause(v);
    if (c->d->is_hvm)
        hvm_guest_context_get(v, context);
    else
        pv_get_context(v, context);
    vcpu_unpause(v);
    if (!(__atomic_load_n(&v->pause_flags, __ATOMIC_RELAXED) & VCPU_DOWN))
        context->flags |= VGCF_online;
    result = guest_write(GUEST_HANDLE(c->domctl->u.vcpucontext.ctxt), context, sizeof(*context));
    mem_free(context);
    return result;
}

/* Callbacks beyond the first three.  Bits of callback_masks: guest/pv.h. */
long domctl_get_extended_context(struct call *c)
{
    struct xen_domctl_ext_vcpucontext *e = &c->domctl->u.ext_vcpucontext;
    struct vcpu *v = c->v;

    if (v == current || c->d->is_hvm)
        return -EINVAL;
    vcpu_pause(v);
    memset(&e->vmce, 0, sizeof(e->vmce));
    e->size = sizeof(*e);
    e->syscall32_callback_eip = v->pv->callbacks[CALLBACKTYPE_syscall32];
    e->syscall32_callback_cs = v->pv->syscall32_callback_cs;
    e->syscall32_disables_events = v->pv->callback_masks >> CALLBACKTYPE_syscall32 & 1;
    e->sysenter_callback_eip = v->pv->callbacks[CALLBACKTYPE_sysenter];
    e->sysenter_callback_cs = v->pv->sysenter_callback_cs;
    e->sysenter_disables_events = v->pv->callback_masks >> CALLBACKTYPE_sysenter & 1;
    vcpu_unpause(v);
    return 0;
}

static bool address_canonical(uint64_t address)
{
    return (int64_t)(address << 16) >> 16 == (int64_t)address;
}

/* A guest's code selector always has privilege 3; 0 stays 0. */
static uint16_t guest_selector(uint16_t selector)
{
    return selector ? selector | 3 : 0;
}

long domctl_set_extended_context(struct call *c)
{
    const struct xen_domctl_ext_vcpucontext *e = &c->domctl->u.ext_vcpucontext;
    struct vcpu *v = c->v;

    if (c->d->is_hvm || e->size < offsetof(struct xen_domctl_ext_vcpucontext, mcg_cap))
        return -EINVAL;
    if (!address_canonical(e->syscall32_callback_eip) || !address_canonical(e->sysenter_callback_eip))
        return -EINVAL;
    v->pv->callbacks[CALLBACKTYPE_syscall32] = e->syscall32_callback_eip;
    v->pv->syscall32_callback_cs = guest_selector(e->syscall32_callback_cs);
    v->pv->callbacks[CALLBACKTYPE_sysenter] = e->sysenter_callback_eip;
    v->pv->sysenter_callback_cs = guest_selector(e->sysenter_callback_cs);
    v->pv->callback_masks &= (uint8_t)~(1u << CALLBACKTYPE_syscall32 | 1u << CALLBACKTYPE_sysenter);
    v->pv->callback_masks |= (uint8_t)(!!e->syscall32_disables_events << CALLBACKTYPE_syscall32 |
                                       !!e->sysenter_disables_events << CALLBACKTYPE_sysenter);
    return 0;
}

/* ---- vector state ---- */

static size_t vector_size(uint64_t features)
{
    return sizeof(struct vector_state) + (features ? xsave_size_of(features) : 0);
}

long domctl_get_vector_state(struct call *c)
{
    struct xen_domctl_vcpuextstate *e = &c->domctl->u.vcpuextstate;
    const struct arch_vcpu *arch = &c->v->arch;
    const uint64_t header[2] = {arch->xcr0, arch->xcr0_accum};
    const guest_addr_t to = GUEST_HANDLE(e->buffer);
    size_t size = vector_size(arch->xcr0_accum);

    if ((!e->size && !e->xfeature_mask) || guest_addr_null(to)) {
        e->xfeature_mask = xsave_features;
        e->size = vector_size(xsave_features);
        return 0;
    }
    if (e->size < size || e->xfeature_mask != xsave_features)
        return -EINVAL;
    if (guest_write(to, header, sizeof(header)) ||
        guest_write(guest_element(to, sizeof(header), 1), arch->xsave_area, size - sizeof(header)))
        return -EFAULT;
    e->size = size;
    return 0;
}

static long vector_load(struct vcpu *v, const struct vector_state *s, size_t size)
{
    if (size == sizeof(*s))
        return s->xcr0 || s->accumulated ? -EINVAL : 0;
    return size != vector_size(s->accumulated)
               ? -EINVAL : guest_vector_load(v, s->xcr0, s->accumulated, s->area, size - sizeof(*s));
}

long domctl_set_vector_state(struct call *c)
{
    const struct xen_domctl_vcpuextstate *e = &c->domctl->u.vcpuextstate;
    struct vector_state *state;
    long result;

    if (e->size < sizeof(struct vector_state) || e->size > vector_size(xsave_features))
        return -EINVAL;
    state = argument_copy(GUEST_HANDLE(e->buffer), e->size, &result);
    if (state)
        result = vector_load(c->v, state, e->size);
    mem_free(state);
    return result;
}

/* ---- MSRs that travel: none of those we let a PV guest have keeps state ---- */

long domctl_get_msrs(struct call *c)
{
    struct xen_domctl_vcpu_msrs *msrs = &c->domctl->u.vcpu_msrs;
    struct xen_domctl_vcpu_msr list[PV_SAVED_MSRS] = {0};
    uint32_t room = msrs->msr_count;

    msrs->msr_count = PV_SAVED_MSRS;
    if (guest_addr_null(GUEST_HANDLE(msrs->msrs)))
        return 0; /* how many there may be */
    msrs->msr_count = pv_saved_msrs_get(c->v, list);
    if (msrs->msr_count > room)
        return -ENOBUFS;
    return guest_write(GUEST_HANDLE(msrs->msrs), list, msrs->msr_count * sizeof(list[0]));
}

/* msr_count on return: the index of the first that is not taken. */
long domctl_set_msrs(struct call *c)
{
    struct xen_domctl_vcpu_msrs *msrs = &c->domctl->u.vcpu_msrs;
    struct xen_domctl_vcpu_msr list[PV_SAVED_MSRS];
    uint32_t count = msrs->msr_count;
    long result = 0;

    if (count > PV_SAVED_MSRS)
        return -EINVAL;
    if (guest_read(list, GUEST_HANDLE(msrs->msrs), count * sizeof(list[0])))
        return -EFAULT;
    for (msrs->msr_count = 0; msrs->msr_count < count && result == 0; msrs->msr_count += result == 0) {
        const struct xen_domctl_vcpu_msr *msr = &list[msrs->msr_count];

        result = msr->reserved ? -EINVAL : pv_saved_msr_set(c->v, msr->index, msr->value);
    }
    return result;
}

/* ---- where it is and may be ---- */

long domctl_get_vcpu_info(struct call *c)
{
    struct xen_domctl_getvcpuinfo *info = &c->domctl->u.getvcpuinfo;
    uint32_t flags = __atomic_load_n(&c->v->pause_flags, __ATOMIC_RELAXED);
    struct vcpu_runstate_info runstate;

    vcpu_runstate_get(c->v, &runstate);
    info->online = !(flags & VCPU_DOWN);
    info->blocked = (flags & VCPU_BLOCKED) != 0;
    info->running = __atomic_load_n(&c->v->is_running, __ATOMIC_RELAXED);
    info->cpu_time = runstate.time[RUNSTATE_running];
    info->cpu = c->v->cpu;
    return 0;
}

/*
 * Where it may run, hard and soft, whichever the caller names; set first.  What goes back is what the wishes come to: within the
 * CPUs there are, and soft within hard.
 */
long domctl_affinity(struct call *c)
{
    struct xen_domctl_vcpuaffinity *a = &c->domctl->u.vcpuaffinity;
    const bool is_set = c->command == XEN_DOMCTL_setvcpuaffinity;
    const bool is_hard = a->flags & XEN_VCPUAFFINITY_HARD, is_soft = a->flags & XEN_VCPUAFFINITY_SOFT;
    const uint32_t all = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT | XEN_VCPUAFFINITY_FORCE;
    cpu_mask_t hard, soft;
    int result;

    if ((!is_hard && !is_soft) || (is_set ? a->flags & ~all : a->flags & XEN_VCPUAFFINITY_FORCE))
        return -EINVAL;
    if (is_set) {
        if ((is_hard && domctl_bitmap_in(hard.bits, MAX_CPUS, &a->cpumap_hard)) ||
            (is_soft && domctl_bitmap_in(soft.bits, MAX_CPUS, &a->cpumap_soft)))
            return -EFAULT;
        if (a->flags & XEN_VCPUAFFINITY_FORCE)
            (void)sched_pin_override(c->v, -1);
        result = sched_set_affinity(c->v, is_hard ? &hard : NULL, is_soft ? &soft : NULL);
        if (result)
            return result;
    }
    sched_get_affinity(c->v, &hard, &soft);
    if (is_set) {
        bitmap_and(hard.bits, hard.bits, cpu_online_mask.bits, MAX_CPUS);
        bitmap_and(soft.bits, soft.bits, hard.bits, MAX_CPUS);
    }
    return (is_hard && domctl_bitmap_out(&a->cpumap_hard, hard.bits, MAX_CPUS)) ||
           (is_soft && domctl_bitmap_out(&a->cpumap_soft, soft.bits, MAX_CPUS)) ? -EFAULT : 0;
}

long domctl_send_trigger(struct call *c)
{
    const uint32_t trigger = c->domctl->u.sendtrigger.trigger;

    if (trigger != XEN_DOMCTL_SENDTRIGGER_NMI) /* the others we know are buttons of hardware-assisted guests */
        return trigger == XEN_DOMCTL_SENDTRIGGER_POWER || trigger == XEN_DOMCTL_SENDTRIGGER_SLEEP ? -EINVAL : -ENOSYS;
    nmi_send(c->v);
    return 0;
}

/* Makes all vcpus; called again it goes on with those that are missing. */
long domctl_max_vcpus(struct call *c)
{
    if (c->domctl->u.max_vcpus.max != c->d->max_vcpus)
        return -EINVAL;
    for (unsigned id = 0; id < c->d->max_vcpus; id++) {
        int result;

        if (domain_vcpu(c->d, id))
            continue;
        result = domain_add_vcpu(c->d, id);
        if (result)
            return result;
        if (id + 1 < c->d->max_vcpus && hypercall_should_stop())
            return -ERESTART_LATER;
    }
    return 0;
}
