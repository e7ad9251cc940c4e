// SPDX-License-Identifier: BSD-2-Clause
/*
 * HYPERVISOR_domctl (xen/domctl.h): what a toolstack does to domains.
 *
 * Decoding: interface version, permission, the domain, then one row of the table.  One operation at a time: a
 * caller that finds another at work tries again by continuation, so that it never spins for a guest's long
 * job.
 */
#include "door/domctl.h"

#include "door/domain_life.h"
#include "door/handlers.h"
#include "errno.h"
#include "event/event.h"
#include "guest/hvm.h"
#include "lib/bitmap.h"
#include "lib/string.h"
#include "log.h"
#include "sched/sched.h"
#include <xen/hvm/hvm_info_table.h>

static spinlock_t domctl_lock = SPINLOCK_INIT(RANK_CONTROL);

/* ---- bitmaps ---- */

int domctl_bitmap_in(uint64_t *bits, unsigned nr_bits, const struct xenctl_bitmap *from)
{
    unsigned count = from->nr_bits < nr_bits ? from->nr_bits : nr_bits;

    bitmap_zero(bits, nr_bits);
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
    ROW(settimeoffset, domctl_time_offset, OP_ALIVE),
    ROW_VCPU(getvcpuaffinity, domctl_affinity, OP_VCPU_EINVAL),
    ROW(resumedomain, domctl_simple, OP_OTHERS | OP_ALIVE),
    ROW(sendtrigger, domctl_send_trigger, OP_ALIVE, .vcpu = offsetof(struct xen_domctl, u.sendtrigger.vcpu)),
    ROW(subscribe, domctl_simple, OP_ALIVE),
    ROW(gethvmcontext, domctl_get_hvm_context, OP_ANSWER | OP_OTHERS | OP_PAUSED),
    ROW(sethvmcontext, domctl_set_hvm_context, OP_OTHERS | OP_ALIVE | OP_PAUSED),
    ROW(set_address_size, domctl_set_address_size, OP_ALIVE),
    ROW(get_address_size, domctl_get_address_size, OP_ANSWER | OP_ALIVE),
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
    struct xen_domctl op;
    struct call c = {.domctl = &op, .size = sizeof(op), .at = GUEST_ADDR(arg)};
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
