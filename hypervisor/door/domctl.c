// SPDX-License-Identifier: BSD-2-Clause
/*
 * HYPERVISOR_domctl (xen/domctl.h): what a toolstack does to domains.
 *
 * Decoding: interface version, permission, the domain, then one row of the table.  One operation at a time: a
 * caller that finds another at work tries again by continuation, so that it never spins for a guest's long
 * job.
 */
#include "door/domctl.h"

#include "arch/machine.h"
#include "door/domain_life.h"
#include "door/handlers.h"
#include "event/event.h"
#include "guest/hvm.h"
#include "guest/pv.h"
#include "lib/bitmap.h"
#include "lib/checked.h"
#include "lib/string.h"
#include "log.h"
#include "mm/heap.h"
#include "mm/physmap.h"
#include "sched/sched.h"
#include <xen/hvm/hvm_info_table.h>

#define IO_PORTS 65536u
#define POLICY_LEAVES_MAX 1024
#define POLICY_MSRS_MAX 256

static spinlock_t domctl_lock = SPINLOCK_INIT(RANK_CONTROL);

/* ---- bitmaps ---- */

int domctl_bitmap_in(uint64_t *bits, unsigned nr_bits, const struct xenctl_bitmap *from)
{
    unsigned count = from->nr_bits < nr_bits ? from->nr_bits : nr_bits;

    if (guest_read(bits, GUEST_HANDLE(from->bitmap), (count + 7) / 8))
        return -EFAULT;
    if (count < nr_bits)
        bitmap_clear_range(bits, count, nr_bits - count);
    return 0;
}

int domctl_bitmap_out(struct xenctl_bitmap *to, const uint64_t *bits, unsigned nr_bits)
{
    size_t ours = (nr_bits + 7) / 8, theirs = ((size_t)to->nr_bits + 7) / 8;
    size_t common = ours < theirs ? ours : theirs;

    if (guest_write(GUEST_HANDLE(to->bitmap), bits, common))
        return -EFAULT;
    if (theirs > ours)
        return guest_zero(guest_element(GUEST_HANDLE(to->bitmap), ours, 1), theirs - ours);
    return 0;
}

/* ---- what tools see ---- */

static uint32_t info_vcpus(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    uint32_t flags = XEN_DOMINF_blocked;
    struct vcpu *v;

    info->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
    for_each_vcpu(d, v) {
        uint32_t pauses = __atomic_load_n(&v->pause_flags, __ATOMIC_RELAXED);
        struct vcpu_runstate_info runstate;

        vcpu_runstate_get(v, &runstate);
        info->cpu_time += runstate.time[RUNSTATE_running];
        info->max_vcpu_id = v->id;
        if (pauses & VCPU_DOWN)
            continue;
        if (!(pauses & VCPU_BLOCKED))
            flags &= ~XEN_DOMINF_blocked;
        if (__atomic_load_n(&v->is_running, __ATOMIC_RELAXED))
            flags |= XEN_DOMINF_running;
        info->nr_online_vcpus++;
    }
    return info->nr_online_vcpus ? flags : 0;
}

static uint32_t info_state(const struct domain *d)
{
    return (domain_state(d) == DOMAIN_DEAD ? XEN_DOMINF_dying : 0) |
           (d->is_shut_down ? XEN_DOMINF_shutdown : 0) |
           (d->controller_pause_count > 0 ? XEN_DOMINF_paused : 0) |
           (d->debugger_attached ? XEN_DOMINF_debugged : 0) |
           (d->is_hvm ? XEN_DOMINF_hvm_guest | XEN_DOMINF_hap : 0) |
           (d->create_flags & XEN_DOMCTL_CDF_xs_domain ? XEN_DOMINF_xs_domain : 0) |
           (uint32_t)d->shutdown_code << XEN_DOMINF_shutdownshift;
}

void domctl_fill_info(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    memset(info, 0, sizeof(*info)); /* ssidref too: no security modules, labels the toolstack gives are not kept */
    info->domain = d->id;
    info->flags = info_vcpus(d, info) | info_state(d);
    info->tot_pages = d->total_pages;
    info->max_pages = d->max_pages;
    info->outstanding_pages = d->outstanding_claim;
    info->shared_info_frame = ~0UL;
    if (!d->retired_shared_info && d->shared_info)
        info->shared_info_frame = d->is_hvm ? m2p_get(virt_to_mfn(d->shared_info)) : virt_to_mfn(d->shared_info).value;
    memcpy(info->handle, d->handle, sizeof(info->handle));
    info->gpaddr_bits = 52;
    info->arch_config.emulation_flags = d->emulation_flags;
    info->arch_config.misc_flags = d->misc_flags;
}

/* By id, or the next one there is: tools walk the list this way. */
static long domctl_get_info(struct call *c)
{
    struct xen_domctl *op = c->domctl;
    struct domain *d = op->domain < DOMID_FIRST_RESERVED ? domain_next(op->domain) : NULL;

    if (!d)
        return -ESRCH;
    domctl_fill_info(d, &op->u.getdomaininfo);
    op->domain = d->id;
    domain_put(d);
    return 0;
}

/* ---- life ---- */

/*
 * A hardware-assisted guest has nested paging, and the one emulated device a guest without a device model has, its local APICs.
 * iommu, nested_virt, vpmu are not offered yet.
 */
static bool creation_is_sane(const struct xen_domctl_createdomain *c)
{
    const bool is_hvm = c->flags & XEN_DOMCTL_CDF_hvm;
    const uint32_t needed = is_hvm ? XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap : 0;
    const uint32_t offered = needed | XEN_DOMCTL_CDF_xs_domain | (is_hvm ? XEN_DOMCTL_CDF_oos_off : 0);
    unsigned grant_version = XEN_DOMCTL_GRANT_version(c->grant_opts);

    if (is_hvm && !hvm_available()) {
        log_warning("a hardware-assisted guest was asked for, which this machine cannot run\n");
        return false;
    }
    return (c->flags & needed) == needed && !(c->flags & ~offered) &&
           c->arch.emulation_flags == (is_hvm ? XEN_X86_EMU_LAPIC : 0) && !c->iommu_opts && c->max_vcpus > 0 &&
           c->max_vcpus <= (is_hvm ? HVM_MAX_VCPUS : MAX_VCPUS_PV) && !c->vmtrace_size &&
           !(c->grant_opts & ~XEN_DOMCTL_GRANT_version_mask) && grant_version >= 1 && grant_version <= 2 &&
           !(c->arch.misc_flags & ~XEN_X86_MSR_RELAXED);
}

static long domctl_create(struct call *c)
{
    const struct xen_domctl_createdomain *config = &c->domctl->u.createdomain;
    domid_t id = c->domctl->domain;
    struct domain *d;
    int result;

    if (!creation_is_sane(config))
        return -EINVAL;
    if (config->cpupool_id != 0)
        return -ESRCH;
    if (id == 0 || id >= DOMID_FIRST_RESERVED) {
        id = domain_pick_id();
    } else if ((d = domain_get(id)) != NULL) {
        domain_put(d);
        return -EEXIST;
    }
    if (id == DOMID_INVALID)
        return -ENOMEM;
    result = domain_create(id, config, false, &d);
    if (result)
        return result;
    c->domctl->domain = id;
    domain_put(d);
    return 0;
}

/* What is one step. */
static long domctl_simple(struct call *c)
{
    struct domain *d = c->d;

    switch (c->command) {
    case XEN_DOMCTL_destroydomain:
        return d == domain_zero ? -EINVAL : domain_kill(d);
    case XEN_DOMCTL_pausedomain:
        return domain_pause_by_controller(d);
    case XEN_DOMCTL_unpausedomain:
        return domain_unpause_by_controller(d);
    case XEN_DOMCTL_resumedomain:
        domain_resume(d);
        return 0;
    case XEN_DOMCTL_scheduler_op:
        return sched_domain_adjust(d, &c->domctl->u.scheduler_op);
    case XEN_DOMCTL_max_mem:
        d->max_pages = c->domctl->u.max_mem.max_memkb >> (PAGE_SHIFT - 10);
        return 0;
    case XEN_DOMCTL_setdomainhandle:
        memcpy(d->handle, c->domctl->u.setdomainhandle.handle, sizeof(d->handle));
        return 0;
    case XEN_DOMCTL_setdebugging: /* may run again with breakpoints reported to the controller */
        d->debugger_attached = c->domctl->u.setdebugging.enable != 0;
        return 0;
    case XEN_DOMCTL_settimeoffset:
        d->time_offset_seconds = c->domctl->u.settimeoffset.time_offset_seconds;
        time_publish_wallclock(d);
        return 0;
    case XEN_DOMCTL_set_address_size: /* of a PV guest: 32-bit ones are not offered */
        if (d->is_hvm)
            return -EOPNOTSUPP;
        return c->domctl->u.address_size.size == 64 ? 0 : -EINVAL;
    case XEN_DOMCTL_get_address_size:
        c->domctl->u.address_size.size = 64;
        return 0;
    case XEN_DOMCTL_subscribe:
        d->suspend_port = c->domctl->u.subscribe.port;
        return 0;
    default: /* XEN_DOMCTL_set_virq_handler */
        return event_set_global_virq_handler(d, c->domctl->u.set_virq_handler.virq);
    }
}

static long domctl_set_target(struct call *c)
{
    struct domain *d = c->d, *target = domain_get(c->domctl->u.set_target.target);
    long result = -EINVAL;

    if (!target)
        return -ESRCH;
    spin_lock(&d->lock);
    if (target != d && !d->target) {
        d->target = target; /* keeps the reference */
        result = 0;
    }
    spin_unlock(&d->lock);
    if (result)
        domain_put(target);
    return result;
}

/* ---- types of pages, for save ---- */

static uint32_t page_kind(struct domain *d, uint64_t gfn)
{
    static const uint32_t kinds[] = {XEN_DOMCTL_PFINFO_NOTAB, XEN_DOMCTL_PFINFO_L1TAB, XEN_DOMCTL_PFINFO_L2TAB,
                                     XEN_DOMCTL_PFINFO_L3TAB, XEN_DOMCTL_PFINFO_L4TAB};
    struct frame *frame;
    uint64_t type, level;
    uint32_t kind;

    if (physmap_get_frame(d, GFN(gfn), &frame))
        return XEN_DOMCTL_PFINFO_XTAB;
    type = __atomic_load_n(&frame->type, __ATOMIC_RELAXED);
    level = (type & FRAME_TYPE_MASK) >> FRAME_TYPE_SHIFT;
    kind = (type & FRAME_TYPE_COUNT_MASK) && level < ARRAY_SIZE(kinds) ? kinds[level] : XEN_DOMCTL_PFINFO_NOTAB;
    if (type & FRAME_PINNED)
        kind |= XEN_DOMCTL_PFINFO_LPINTAB;
    frame_put(frame);
    return kind;
}

/* Frame numbers come in, kinds go out in their place.  Stops at pending work with the rest described in the argument. */
static long domctl_page_info(struct call *c)
{
    struct xen_domctl_getpageframeinfo3 *p = &c->domctl->u.getpageframeinfo3;
    enum { BATCH = 64 };
    uint64_t entries[BATCH];

    while (p->num) {
        unsigned count = p->num < BATCH ? (unsigned)p->num : BATCH;
        guest_addr_t place = GUEST_HANDLE(p->array);

        if (guest_read(entries, place, count * sizeof(entries[0])))
            return -EFAULT;
        for (unsigned i = 0; i < count; i++)
            entries[i] = page_kind(c->d, entries[i]);
        if (guest_write(place, entries, count * sizeof(entries[0])))
            return -EFAULT;
        p->num -= count;
        p->array.p = (void *)(place.value + count * sizeof(entries[0]));
        if (p->num && hypercall_should_stop())
            return -ERESTART_LATER;
    }
    return 0;
}

/* ---- what it may touch: nobody gives what he has not ---- */

static int permission_change(struct rangeset *mine, struct rangeset *theirs, uint64_t first, uint64_t last, bool allow)
{
    if (!rangeset_contains(mine, first, last))
        return -EPERM;
    return allow ? rangeset_add(theirs, first, last) : rangeset_remove(theirs, first, last);
}

static long domctl_irq_permission(struct call *c)
{
    const struct xen_domctl_irq_permission *p = &c->domctl->u.irq_permission;

    if (p->pirq >= MAX_PIRQS || p->pad[0] || p->pad[1] || p->pad[2])
        return -EINVAL;
    return permission_change(&current->domain->irqs, &c->d->irqs, p->pirq, p->pirq, p->allow_access);
}

static long domctl_memory_permission(struct call *c)
{
    const struct xen_domctl_iomem_permission *p = &c->domctl->u.iomem_permission;
    uint64_t last;

    if (p->nr_mfns == 0 || !checked_add(p->first_mfn, p->nr_mfns - 1, &last) || last >> (64 - PAGE_SHIFT))
        return -EINVAL;
    return permission_change(&current->domain->io_memory, &c->d->io_memory, p->first_mfn, last, p->allow_access);
}

static long domctl_port_permission(struct call *c)
{
    const struct xen_domctl_ioport_permission *p = &c->domctl->u.ioport_permission;

    if (!checked_range(p->first_port, p->nr_ports, IO_PORTS))
        return -EINVAL;
    if (p->nr_ports == 0)
        return 0;
    return permission_change(&current->domain->io_ports, &c->d->io_ports, p->first_port,
                             p->first_port + p->nr_ports - 1, p->allow_access);
}

static long domctl_hypercall_page(struct call *c)
{
    struct frame *frame;

    if (physmap_get_writable(c->d, GFN(c->domctl->u.hypercall_init.gmfn), &frame))
        return -EINVAL;
    hypercall_page_fill(c->d, frame_to_virt(frame));
    frame_put_both(frame);
    return 0;
}

/* ---- time ---- */

static long domctl_set_tsc(struct call *c)
{
    const struct xen_domctl_tsc_info *info = &c->domctl->u.tsc_info;

    return time_tsc_set(c->d, info->tsc_mode, info->gtsc_khz, info->incarnation, info->elapsed_nsec);
}

static long domctl_get_tsc(struct call *c)
{
    struct xen_domctl_tsc_info *info = &c->domctl->u.tsc_info;

    info->tsc_mode = c->d->tsc.mode;
    info->incarnation = c->d->tsc.incarnation;
    info->pad = 0;
    time_tsc_get(c->d, &info->gtsc_khz, &info->elapsed_nsec);
    return 0;
}

/* ---- nodes ---- */

static uint64_t nodes_there(void) { return BIT(machine_nodes()) - 1; }

static long domctl_set_nodes(struct call *c)
{
    uint64_t nodes;

    if (domctl_bitmap_in(&nodes, 64, &c->domctl->u.nodeaffinity.nodemap))
        return -EFAULT;
    if (!(nodes & nodes_there()))
        return -EINVAL;
    c->d->node_affinity = nodes;
    return 0;
}

static long domctl_get_nodes(struct call *c)
{
    const uint64_t nodes = c->d->node_affinity & nodes_there();

    return domctl_bitmap_out(&c->domctl->u.nodeaffinity.nodemap, &nodes, 64);
}

/* ---- CPU policy ---- */

struct policy_lists {
    xen_cpuid_leaf_t leaves[POLICY_LEAVES_MAX];
    xen_msr_entry_t msrs[POLICY_MSRS_MAX];
};

long policy_answer(struct domain *d, unsigned which, guest_addr_t leaves, uint32_t *nr_leaves, guest_addr_t msrs,
                   uint32_t *nr_msrs)
{
    const bool want_leaves = !guest_addr_null(leaves), want_msrs = !guest_addr_null(msrs);
    struct policy_lists *lists = mem_new(struct policy_lists);
    long result;

    if (!lists)
        return -ENOMEM;
    *nr_leaves = min(*nr_leaves, (uint32_t)POLICY_LEAVES_MAX);
    *nr_msrs = min(*nr_msrs, (uint32_t)POLICY_MSRS_MAX);
    result = cpu_policy_get(d, which, want_leaves ? lists->leaves : NULL, nr_leaves, want_msrs ? lists->msrs : NULL,
                            nr_msrs);
    if (result == 0 && ((want_leaves && guest_write(leaves, lists->leaves, *nr_leaves * sizeof(lists->leaves[0]))) ||
                        (want_msrs && guest_write(msrs, lists->msrs, *nr_msrs * sizeof(lists->msrs[0])))))
        result = -EFAULT;
    mem_free(lists);
    return result;
}

static long domctl_get_policy(struct call *c)
{
    struct xen_domctl_cpu_policy *p = &c->domctl->u.cpu_policy;

    return policy_answer(c->d, 0, GUEST_HANDLE(p->leaves), &p->nr_leaves, GUEST_HANDLE(p->msrs), &p->nr_msrs);
}

static long domctl_set_policy(struct call *c)
{
    struct xen_domctl_cpu_policy *p = &c->domctl->u.cpu_policy;
    struct policy_lists *lists;
    long result = -EFAULT;

    p->err_leaf = p->err_subleaf = p->err_msr = ~0u;
    if (p->nr_leaves > POLICY_LEAVES_MAX || p->nr_msrs > POLICY_MSRS_MAX)
        return -E2BIG;
    lists = mem_new(struct policy_lists);
    if (!lists)
        return -ENOMEM;
    if (!guest_read(lists->leaves, GUEST_HANDLE(p->leaves), p->nr_leaves * sizeof(lists->leaves[0])) &&
        !guest_read(lists->msrs, GUEST_HANDLE(p->msrs), p->nr_msrs * sizeof(lists->msrs[0])))
        result = cpu_policy_set(c->d, lists->leaves, p->nr_leaves, lists->msrs, p->nr_msrs, &p->err_leaf,
                                &p->err_subleaf, &p->err_msr);
    mem_free(lists);
    return result;
}

/* ---- the table ---- */

#define ROW(name, function, bits, ...)                                                                           \
    [XEN_DOMCTL_##name] = {.run = (function), .flags = OP_DOMAIN | OP_BY_ID | (bits),                            \
                           .domain = offsetof(struct xen_domctl, domain), __VA_ARGS__}
#define ROW_VCPU(name, function, bits) ROW(name, function, bits, .vcpu = offsetof(struct xen_domctl, u))
/* Not offered: the answer the ABI has for that. */
#define ROW_NOT(name, error) ROW(name, NULL, OP_ALIVE, .answer = (error))

static const struct operation operations[] = {
    [XEN_DOMCTL_createdomain] = {.run = domctl_create, .flags = OP_ANSWER},
    ROW(destroydomain, domctl_simple, OP_OTHERS),
    ROW(pausedomain, domctl_simple, OP_OTHERS),
    ROW(unpausedomain, domctl_simple, 0),
    [XEN_DOMCTL_getdomaininfo] = {.run = domctl_get_info, .flags = OP_ANSWER},
    ROW_VCPU(setvcpuaffinity, domctl_affinity, OP_ANSWER | OP_ALIVE | OP_VCPU_EINVAL),
    ROW(shadow_op, domctl_log_dirty, OP_ANSWER | OP_REST | OP_OTHERS),
    ROW(max_mem, domctl_simple, OP_ALIVE),
    ROW_VCPU(setvcpucontext, domctl_set_context, OP_OTHERS | OP_ALIVE | OP_PAUSED | OP_VCPU_EINVAL),
    ROW_VCPU(getvcpucontext, domctl_get_context, 0),
    ROW_VCPU(getvcpuinfo, domctl_get_vcpu_info, OP_ANSWER),
    ROW(max_vcpus, domctl_max_vcpus, OP_OTHERS | OP_ALIVE),
    ROW(scheduler_op, domctl_simple, OP_ANSWER | OP_ALIVE),
    ROW(setdomainhandle, domctl_simple, OP_ALIVE),
    ROW(setdebugging, domctl_simple, OP_OTHERS | OP_ALIVE | OP_PAUSED),
    ROW(irq_permission, domctl_irq_permission, OP_ALIVE),
    ROW(iomem_permission, domctl_memory_permission, OP_ALIVE),
    ROW(ioport_permission, domctl_port_permission, OP_ALIVE),
    ROW(hypercall_init, domctl_hypercall_page, OP_ALIVE),
    ROW(settimeoffset, domctl_simple, OP_ALIVE),
    ROW_VCPU(getvcpuaffinity, domctl_affinity, OP_VCPU_EINVAL),
    ROW(resumedomain, domctl_simple, OP_OTHERS | OP_ALIVE),
    ROW(sendtrigger, domctl_send_trigger, OP_ALIVE, .vcpu = offsetof(struct xen_domctl, u.sendtrigger.vcpu)),
    ROW(subscribe, domctl_simple, OP_ALIVE),
    ROW(gethvmcontext, domctl_get_hvm_context, OP_ANSWER | OP_OTHERS | OP_PAUSED),
    ROW(sethvmcontext, domctl_set_hvm_context, OP_OTHERS | OP_ALIVE | OP_PAUSED),
    ROW(set_address_size, domctl_simple, OP_ALIVE),
    ROW(get_address_size, domctl_simple, OP_ANSWER | OP_ALIVE),
    ROW_NOT(assign_device, -EOPNOTSUPP),
    ROW_NOT(bind_pt_irq, -EINVAL),
    ROW_NOT(memory_mapping, -EOPNOTSUPP),
    ROW_NOT(ioport_mapping, -EOPNOTSUPP),
    ROW_VCPU(set_ext_vcpucontext, domctl_set_extended_context, OP_OTHERS | OP_ALIVE | OP_PAUSED),
    ROW_VCPU(get_ext_vcpucontext, domctl_get_extended_context, OP_ANSWER),
    [XEN_DOMCTL_test_assign_device] = {.answer = -EOPNOTSUPP},
    ROW(set_target, domctl_set_target, OP_ALIVE),
    ROW(deassign_device, NULL, 0, .answer = -EOPNOTSUPP),
    ROW_NOT(unbind_pt_irq, -EINVAL),
    ROW_NOT(get_device_group, -EOPNOTSUPP),
    ROW_NOT(debug_op, -EINVAL),
    ROW(gethvmcontext_partial, domctl_get_hvm_record, OP_ANSWER | OP_OTHERS | OP_PAUSED),
    ROW_NOT(vm_event_op, -EOPNOTSUPP),
    ROW_NOT(mem_sharing_op, -EOPNOTSUPP),
    ROW(gettscinfo, domctl_get_tsc, OP_ANSWER | OP_OTHERS | OP_ALIVE),
    ROW(settscinfo, domctl_set_tsc, OP_OTHERS | OP_ALIVE | OP_PAUSED),
    ROW(getpageframeinfo3, domctl_page_info, OP_ANSWER | OP_REST),
    ROW_VCPU(setvcpuextstate, domctl_set_vector_state, OP_OTHERS | OP_ALIVE | OP_PAUSED),
    ROW_VCPU(getvcpuextstate, domctl_get_vector_state, OP_ANSWER | OP_OTHERS | OP_PAUSED),
    ROW_NOT(set_access_required, -EOPNOTSUPP),
    ROW(set_virq_handler, domctl_simple, OP_ALIVE),
    ROW_NOT(set_broken_page_p2m, -EINVAL),
    ROW(setnodeaffinity, domctl_set_nodes, OP_ALIVE),
    ROW(getnodeaffinity, domctl_get_nodes, OP_ALIVE),
    ROW_VCPU(get_vcpu_msrs, domctl_get_msrs, OP_ANSWER | OP_OTHERS),
    ROW_VCPU(set_vcpu_msrs, domctl_set_msrs, OP_ANSWER | OP_EXPLAIN | OP_OTHERS | OP_ALIVE | OP_PAUSED),
    ROW_NOT(setvnumainfo, -EOPNOTSUPP),
    ROW_NOT(psr_cmt_op, -ENODEV),
    ROW_NOT(monitor_op, -EOPNOTSUPP),
    ROW_NOT(psr_alloc, -ENODEV),
    ROW_NOT(soft_reset, -EOPNOTSUPP),
    ROW_NOT(vuart_op, -EOPNOTSUPP),
    ROW(get_cpu_policy, domctl_get_policy, OP_ANSWER),
    ROW(set_cpu_policy, domctl_set_policy, OP_ANSWER | OP_EXPLAIN | OP_OTHERS | OP_ALIVE | OP_PAUSED),
    ROW_NOT(vmtrace_op, -EOPNOTSUPP),
    ROW(get_paging_mempool_size, domctl_paging_pool, OP_ANSWER | OP_ALIVE),
    ROW(set_paging_mempool_size, domctl_paging_pool, OP_OTHERS | OP_ALIVE),
};

long domctl(uint64_t arg, uint64_t, uint64_t, uint64_t, uint64_t)
{
    struct call c = {.size = sizeof(struct xen_domctl), .at = GUEST_ADDR(arg)};
    long result;

    if (!spin_trylock(&domctl_lock))
        return hypercall_continue(__HYPERVISOR_domctl, 1, arg);
    result = operation_run_versioned(operations, ARRAY_SIZE(operations), &c, XEN_DOMCTL_INTERFACE_VERSION);
    spin_unlock(&domctl_lock);
    if (result == -ERESTART_LATER)
        return hypercall_continue(__HYPERVISOR_domctl, 1, arg);
    if (result == -ENOSYS && c.command >= XEN_DOMCTL_gdbsx_guestmemio && c.command <= XEN_DOMCTL_gdbsx_domstatus)
        return -EOPNOTSUPP;
    return result;
}
