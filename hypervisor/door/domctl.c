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
#include "door/hypercall.h"
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
    memset(info, 0, sizeof(*info));
    info->domain = d->id;
    info->flags = info_vcpus(d, info) | info_state(d);
    info->tot_pages = d->total_pages;
    info->max_pages = d->max_pages;
    info->outstanding_pages = d->outstanding_claim;
    info->shared_info_frame = ~0UL;
    if (!d->retired_shared_info && d->shared_info)
        info->shared_info_frame = d->is_hvm ? m2p_get(virt_to_mfn(d->shared_info)) : virt_to_mfn(d->shared_info).value;
    info->ssidref = 0; /* no security modules: labels the toolstack gives are not kept */
    memcpy(info->handle, d->handle, sizeof(info->handle));
    info->gpaddr_bits = 52;
    info->arch_config.emulation_flags = d->emulation_flags;
    info->arch_config.misc_flags = d->misc_flags;
}

/* By id, or the next one there is: tools walk the list this way. */
static long domctl_get_info(struct domain *d, struct xen_domctl *op)
{
    d = op->domain < DOMID_FIRST_RESERVED ? domain_next(op->domain) : NULL;
    if (!d)
        return -ESRCH;
    domctl_fill_info(d, &op->u.getdomaininfo);
    op->domain = d->id;
    domain_put(d);
    return 0;
}

/* ---- life ---- */

/*
 * What a hardware-assisted guest has to be: with nested paging, and with the one emulated device a guest without a device model
 * has, its local APICs.
 */
static bool hvm_creation_is_sane(const struct xen_domctl_createdomain *c)
{
    if (!hvm_available()) {
        log_warning("a hardware-assisted guest was asked for, which this machine cannot run\n");
        return false;
    }
    return (c->flags & XEN_DOMCTL_CDF_hap) && c->arch.emulation_flags == XEN_X86_EMU_LAPIC &&
           c->max_vcpus <= HVM_MAX_VCPUS;
}

static bool creation_is_sane(const struct xen_domctl_createdomain *c)
{
    const uint32_t offered = XEN_DOMCTL_CDF_xs_domain | XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap |
                             XEN_DOMCTL_CDF_oos_off;
    unsigned grant_version = XEN_DOMCTL_GRANT_version(c->grant_opts);

    if (c->flags & ~offered) /* iommu, nested_virt, vpmu: not offered yet */
        return false;
    if (c->flags & XEN_DOMCTL_CDF_hvm) {
        if (!hvm_creation_is_sane(c))
            return false;
    } else if ((c->flags & ~XEN_DOMCTL_CDF_xs_domain) || c->arch.emulation_flags) {
        return false;
    }
    return !c->iommu_opts && c->max_vcpus > 0 && c->max_vcpus <= MAX_VCPUS_PV && !c->vmtrace_size &&
           !(c->grant_opts & ~XEN_DOMCTL_GRANT_version_mask) && grant_version >= 1 && grant_version <= 2 &&
           !(c->arch.misc_flags & ~XEN_X86_MSR_RELAXED);
}

static long domctl_create(struct domain *d, struct xen_domctl *op)
{
    domid_t id = op->domain;
    int result;

    if (!creation_is_sane(&op->u.createdomain))
        return -EINVAL;
    if (op->u.createdomain.cpupool_id != 0)
        return -ESRCH;
    if (id == 0 || id >= DOMID_FIRST_RESERVED)
        id = domain_pick_id();
    else if ((d = domain_get(id)) != NULL) {
        domain_put(d);
        return -EEXIST;
    }
    if (id == DOMID_INVALID)
        return -ENOMEM;
    result = domain_create(id, &op->u.createdomain, false, &d);
    if (result)
        return result;
    op->domain = d->id;
    domain_put(d);
    return 0;
}

static long domctl_destroy(struct domain *d, struct xen_domctl *op)
{
    (void)op;
    return d == domain_zero ? -EINVAL : domain_kill(d);
}

static long domctl_pause(struct domain *d, struct xen_domctl *op)
{
    (void)op;
    return domain_pause_by_controller(d);
}

static long domctl_unpause(struct domain *d, struct xen_domctl *op)
{
    (void)op;
    return domain_unpause_by_controller(d);
}

static long domctl_resume(struct domain *d, struct xen_domctl *op)
{
    (void)op;
    domain_resume(d);
    return 0;
}

static long domctl_set_handle(struct domain *d, struct xen_domctl *op)
{
    memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
    return 0;
}

static long domctl_set_debugging(struct domain *d, struct xen_domctl *op)
{
    domain_pause(d);
    d->debugger_attached = op->u.setdebugging.enable != 0;
    domain_unpause(d); /* may run again with breakpoints reported to the controller */
    return 0;
}

static long domctl_scheduler(struct domain *d, struct xen_domctl *op)
{
    return sched_domain_adjust(d, &op->u.scheduler_op);
}

static long domctl_set_target(struct domain *d, struct xen_domctl *op)
{
    struct domain *target = domain_get(op->u.set_target.target);
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

static long domctl_subscribe(struct domain *d, struct xen_domctl *op)
{
    d->suspend_port = op->u.subscribe.port;
    return 0;
}

static long domctl_set_virq_handler(struct domain *d, struct xen_domctl *op)
{
    return event_set_global_virq_handler(d, op->u.set_virq_handler.virq);
}

/* ---- not offered, with the answers the ABI has for that ---- */

static long answer_unsupported(struct domain *d, struct xen_domctl *op)
{
    (void)d, (void)op;
    return -EOPNOTSUPP;
}

static long answer_invalid(struct domain *d, struct xen_domctl *op)
{
    (void)d, (void)op;
    return -EINVAL;
}

static long answer_no_device(struct domain *d, struct xen_domctl *op)
{
    (void)d, (void)op;
    return -ENODEV;
}

static const struct domctl_row table[] = {
    [XEN_DOMCTL_createdomain] = {domctl_create, DOMCTL_NO_DOMAIN | DOMCTL_COPY_BACK},
    [XEN_DOMCTL_destroydomain] = {domctl_destroy, DOMCTL_OTHERS | DOMCTL_DYING_OK},
    [XEN_DOMCTL_pausedomain] = {domctl_pause, DOMCTL_OTHERS | DOMCTL_DYING_OK},
    [XEN_DOMCTL_unpausedomain] = {domctl_unpause, DOMCTL_DYING_OK},
    [XEN_DOMCTL_getdomaininfo] = {domctl_get_info, DOMCTL_NO_DOMAIN | DOMCTL_COPY_BACK},
    [XEN_DOMCTL_setvcpuaffinity] = {domctl_set_affinity, DOMCTL_COPY_BACK},
    [XEN_DOMCTL_shadow_op] = {domctl_log_dirty, DOMCTL_COPY_BACK | DOMCTL_OTHERS | DOMCTL_DYING_OK},
    [XEN_DOMCTL_max_mem] = {domctl_max_mem, 0},
    [XEN_DOMCTL_setvcpucontext] = {domctl_set_context, DOMCTL_OTHERS},
    [XEN_DOMCTL_getvcpucontext] = {domctl_get_context, DOMCTL_DYING_OK},
    [XEN_DOMCTL_getvcpuinfo] = {domctl_get_vcpu_info, DOMCTL_COPY_BACK | DOMCTL_DYING_OK},
    [XEN_DOMCTL_max_vcpus] = {domctl_max_vcpus, DOMCTL_OTHERS},
    [XEN_DOMCTL_scheduler_op] = {domctl_scheduler, DOMCTL_COPY_BACK},
    [XEN_DOMCTL_setdomainhandle] = {domctl_set_handle, 0},
    [XEN_DOMCTL_setdebugging] = {domctl_set_debugging, DOMCTL_OTHERS},
    [XEN_DOMCTL_irq_permission] = {domctl_irq_permission, 0},
    [XEN_DOMCTL_iomem_permission] = {domctl_memory_permission, 0},
    [XEN_DOMCTL_ioport_permission] = {domctl_port_permission, 0},
    [XEN_DOMCTL_hypercall_init] = {domctl_hypercall_page, 0},
    [XEN_DOMCTL_settimeoffset] = {domctl_time_offset, 0},
    [XEN_DOMCTL_getvcpuaffinity] = {domctl_get_affinity, DOMCTL_DYING_OK},
    [XEN_DOMCTL_resumedomain] = {domctl_resume, DOMCTL_OTHERS},
    [XEN_DOMCTL_sendtrigger] = {domctl_send_trigger, 0},
    [XEN_DOMCTL_subscribe] = {domctl_subscribe, 0},
    [XEN_DOMCTL_gethvmcontext] = {domctl_get_hvm_context, DOMCTL_COPY_BACK | DOMCTL_OTHERS | DOMCTL_DYING_OK},
    [XEN_DOMCTL_sethvmcontext] = {domctl_set_hvm_context, DOMCTL_OTHERS},
    [XEN_DOMCTL_set_address_size] = {domctl_set_address_size, 0},
    [XEN_DOMCTL_get_address_size] = {domctl_get_address_size, DOMCTL_COPY_BACK},
    [XEN_DOMCTL_assign_device] = {answer_unsupported, 0},
    [XEN_DOMCTL_bind_pt_irq] = {answer_invalid, 0},
    [XEN_DOMCTL_memory_mapping] = {answer_unsupported, 0},
    [XEN_DOMCTL_ioport_mapping] = {answer_unsupported, 0},
    [XEN_DOMCTL_set_ext_vcpucontext] = {domctl_set_extended_context, DOMCTL_OTHERS},
    [XEN_DOMCTL_get_ext_vcpucontext] = {domctl_get_extended_context, DOMCTL_COPY_BACK | DOMCTL_DYING_OK},
    [XEN_DOMCTL_test_assign_device] = {answer_unsupported, DOMCTL_NO_DOMAIN},
    [XEN_DOMCTL_set_target] = {domctl_set_target, 0},
    [XEN_DOMCTL_deassign_device] = {answer_unsupported, DOMCTL_DYING_OK},
    [XEN_DOMCTL_unbind_pt_irq] = {answer_invalid, 0},
    [XEN_DOMCTL_get_device_group] = {answer_unsupported, 0},
    [XEN_DOMCTL_debug_op] = {answer_invalid, 0},
    [XEN_DOMCTL_gethvmcontext_partial] = {domctl_get_hvm_record, DOMCTL_COPY_BACK | DOMCTL_OTHERS | DOMCTL_DYING_OK},
    [XEN_DOMCTL_vm_event_op] = {answer_unsupported, 0},
    [XEN_DOMCTL_mem_sharing_op] = {answer_unsupported, 0},
    [XEN_DOMCTL_gettscinfo] = {domctl_get_tsc, DOMCTL_COPY_BACK | DOMCTL_OTHERS},
    [XEN_DOMCTL_settscinfo] = {domctl_set_tsc, DOMCTL_OTHERS},
    [XEN_DOMCTL_getpageframeinfo3] = {domctl_page_info, DOMCTL_COPY_BACK | DOMCTL_DYING_OK},
    [XEN_DOMCTL_setvcpuextstate] = {domctl_set_vector_state, DOMCTL_OTHERS},
    [XEN_DOMCTL_getvcpuextstate] = {domctl_get_vector_state,
                                    DOMCTL_COPY_BACK | DOMCTL_OTHERS | DOMCTL_DYING_OK},
    [XEN_DOMCTL_set_access_required] = {answer_unsupported, 0},
    [XEN_DOMCTL_set_virq_handler] = {domctl_set_virq_handler, 0},
    [XEN_DOMCTL_set_broken_page_p2m] = {answer_invalid, 0},
    [XEN_DOMCTL_setnodeaffinity] = {domctl_set_nodes, 0},
    [XEN_DOMCTL_getnodeaffinity] = {domctl_get_nodes, 0},
    [XEN_DOMCTL_get_vcpu_msrs] = {domctl_get_msrs, DOMCTL_COPY_BACK | DOMCTL_OTHERS | DOMCTL_DYING_OK},
    [XEN_DOMCTL_set_vcpu_msrs] = {domctl_set_msrs, DOMCTL_COPY_ALWAYS | DOMCTL_OTHERS},
    [XEN_DOMCTL_setvnumainfo] = {answer_unsupported, 0},
    [XEN_DOMCTL_psr_cmt_op] = {answer_no_device, 0},
    [XEN_DOMCTL_monitor_op] = {answer_unsupported, 0},
    [XEN_DOMCTL_psr_alloc] = {answer_no_device, 0},
    [XEN_DOMCTL_soft_reset] = {answer_unsupported, 0},
    [XEN_DOMCTL_vuart_op] = {answer_unsupported, 0},
    [XEN_DOMCTL_get_cpu_policy] = {domctl_get_policy, DOMCTL_COPY_BACK | DOMCTL_DYING_OK},
    [XEN_DOMCTL_set_cpu_policy] = {domctl_set_policy, DOMCTL_COPY_ALWAYS | DOMCTL_OTHERS},
    [XEN_DOMCTL_vmtrace_op] = {answer_unsupported, 0},
    [XEN_DOMCTL_get_paging_mempool_size] = {domctl_get_paging_pool, DOMCTL_COPY_BACK},
    [XEN_DOMCTL_set_paging_mempool_size] = {domctl_set_paging_pool, DOMCTL_OTHERS},
};

static long domctl_run(const struct domctl_row *row, struct xen_domctl *op)
{
    struct domain *d;
    long result;

    if (row->flags & DOMCTL_NO_DOMAIN)
        return row->fn(NULL, op);
    d = domain_get(op->domain);
    if (!d)
        return -ESRCH;
    if ((row->flags & DOMCTL_OTHERS) && d == current->domain)
        result = -EINVAL;
    else if (!(row->flags & DOMCTL_DYING_OK) && domain_is_dying(d))
        result = -EINVAL;
    else
        result = row->fn(d, op);
    domain_put(d);
    return result;
}

long domctl(uint64_t arg, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    const struct domctl_row *row;
    struct xen_domctl op;
    long result;

    (void)a2, (void)a3, (void)a4, (void)a5;
    if (permission_privileged()) /* nothing here is for a device model's domain with PV guests */
        return -EPERM;
    if (guest_read(&op, GUEST_ADDR(arg), sizeof(op)))
        return -EFAULT;
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
        return -EACCES;
    row = op.cmd < ARRAY_SIZE(table) ? &table[op.cmd] : NULL;
    if (!row || !row->fn)
        return op.cmd >= XEN_DOMCTL_gdbsx_guestmemio && op.cmd <= XEN_DOMCTL_gdbsx_domstatus ? -EOPNOTSUPP
                                                                                             : -ENOSYS;
    if (!spin_trylock(&domctl_lock))
        return hypercall_continue(__HYPERVISOR_domctl, 1, arg);
    result = domctl_run(row, &op);
    spin_unlock(&domctl_lock);
    if (((row->flags & DOMCTL_COPY_ALWAYS) || (result >= 0 && (row->flags & DOMCTL_COPY_BACK)) ||
         (result == -ERESTART_LATER && (row->flags & DOMCTL_COPY_BACK))) &&
        guest_write(GUEST_ADDR(arg), &op, sizeof(op)))
        return -EFAULT;
    if (result == -ERESTART_LATER)
        return hypercall_continue(__HYPERVISOR_domctl, 1, arg);
    return result;
}
