// SPDX-License-Identifier: BSD-2-Clause
/*
 * HYPERVISOR_vcpu_op (xen/vcpu.h): a guest's operations on its own vcpus.
 */
#include "arch/machine.h"
#include "door/handlers.h"
#include "door/hypercall.h"
#include "door/nmi.h"
#include "errno.h"
#include "event/event.h"
#include "guest/hvm.h"
#include "guest/pv.h"
#include "lib/bitmap.h"
#include "log.h"
#include "mm/guest_form.h"
#include "mm/heap.h"
#include "sched/sched.h"
#include <xen/hvm/hvm_vcpu.h>
#include <xen/sched.h>

#define PERIOD_MIN 1000000UL               /* ns: 1 ms */
#define PERIOD_MAX (100UL * 365 * 86400 * 1000000000) /* ns: beyond that sums could wrap */

static long vcpu_initialise_hvm(struct vcpu *v, guest_addr_t arg)
{
    struct vcpu_hvm_context context;
    long result = -EEXIST;

    if (guest_read(&context, arg, sizeof(context)))
        return -EFAULT;
    spin_lock(&v->domain->lock);
    if (!v->is_initialised)
        result = hvm_context_set(v, &context);
    spin_unlock(&v->domain->lock);
    return result;
}

static long vcpu_initialise(struct vcpu *v, guest_addr_t arg)
{
    struct vcpu_guest_context *context;
    long result = -EEXIST;

    if (v->domain->is_hvm)
        return vcpu_initialise_hvm(v, arg);
    context = mem_new(struct vcpu_guest_context);
    if (!context)
        return -ENOMEM;
    if (guest_read(context, arg, sizeof(*context))) {
        mem_free(context);
        return -EFAULT;
    }
    spin_lock(&v->domain->lock);
    if (!v->is_initialised)
        result = pv_set_context(v, context);
    if (result == 0)
        v->is_initialised = true;
    spin_unlock(&v->domain->lock);
    mem_free(context);
    if (result == -ERESTART_LATER)
        return hypercall_continue(__HYPERVISOR_vcpu_op, 3, (uint64_t)VCPUOP_initialise, (uint64_t)v->id,
                                  arg.value);
    return result;
}

static long vcpu_up(struct vcpu *v)
{
    uint32_t old;

    if (!v->is_initialised)
        return -EINVAL;
    old = __atomic_fetch_and(&v->pause_flags, ~VCPU_DOWN, __ATOMIC_SEQ_CST);
    if (old & VCPU_DOWN)
        vcpu_wake(v);
    return 0;
}

static long vcpu_set_periodic(struct vcpu *v, guest_addr_t arg)
{
    struct vcpu_set_periodic_timer set;

    if (guest_read(&set, arg, sizeof(set)))
        return -EFAULT;
    if (set.period_ns < PERIOD_MIN || set.period_ns > PERIOD_MAX)
        return -EINVAL;
    v->periodic_last = time_now();
    __atomic_store_n(&v->periodic_period, set.period_ns, __ATOMIC_RELEASE);
    if (v == current) {
        if (v->periodic_timer.cpu != cpu_id())
            timer_migrate(&v->periodic_timer, cpu_id());
        timer_set(&v->periodic_timer, v->periodic_last + set.period_ns);
    }
    return 0;
}

static long vcpu_stop_periodic(struct vcpu *v)
{
    __atomic_store_n(&v->periodic_period, 0, __ATOMIC_RELEASE);
    timer_stop(&v->periodic_timer);
    return 0;
}

static long vcpu_set_singleshot(struct vcpu *v, guest_addr_t arg)
{
    struct vcpu_set_singleshot_timer set;

    if (v != current)
        return -EINVAL;
    if (guest_read_form(&set, arg, sizeof(set), FORM_SINGLESHOT))
        return -EFAULT;
    if ((set.flags & VCPU_SSHOTTMR_future) && set.timeout_abs_ns < time_now())
        return -ETIME;
    if (v->singleshot_timer.cpu != cpu_id())
        timer_migrate(&v->singleshot_timer, cpu_id());
    timer_set(&v->singleshot_timer, set.timeout_abs_ns);
    return 0;
}

static long vcpu_stop_singleshot(struct vcpu *v)
{
    if (v != current)
        return -EINVAL;
    timer_stop(&v->singleshot_timer);
    return 0;
}

static long vcpu_get_runstate(struct vcpu *v, guest_addr_t arg)
{
    struct vcpu_runstate_info info;

    vcpu_runstate_get(v, &info);
    return guest_write_form(arg, &info, sizeof(info), FORM_RUNSTATE);
}

/* An area that is kept by address: of a PV guest outside of the hypervisor's range, which is a PVH guest's like any other. */
static bool area_ok(const struct vcpu *v, uint64_t address, size_t size)
{
    return v->domain->is_hvm || guest_range_ok(address, size);
}

static long vcpu_register_runstate(struct vcpu *v, guest_addr_t arg)
{
    struct vcpu_register_runstate_memory_area area;
    struct vcpu_runstate_info info;

    if (guest_read_form(&area, arg, sizeof(area), FORM_AREA))
        return -EFAULT;
    if (!area_ok(v, area.addr.p, sizeof(info)))
        return -EFAULT;
    v->runstate_guest = GUEST_ADDR(area.addr.p);
    if (v == current) {
        vcpu_runstate_publish(v);
    } else {
        vcpu_runstate_get(v, &info); /* where it fails the next switch tries again */
        (void)form_write(domain_shared_32bit(v->domain), v->runstate_guest, &info, sizeof(info), FORM_RUNSTATE);
    }
    return 0;
}

static long vcpu_register_time(struct vcpu *v, guest_addr_t arg)
{
    struct vcpu_register_time_memory_area area;

    if (guest_read_form(&area, arg, sizeof(area), FORM_AREA))
        return -EFAULT;
    if (!area_ok(v, area.addr.p, sizeof(struct vcpu_time_info)))
        return -EFAULT;
    v->time_guest = GUEST_ADDR(area.addr.p);
    if (v == current)
        time_update_vcpu(v);
    return 0;
}

static long vcpu_register_info(struct vcpu *v, guest_addr_t arg)
{
    struct vcpu_register_vcpu_info place;
    int result;

    if (guest_read(&place, arg, sizeof(place)))
        return -EFAULT;
    spin_lock(&v->domain->lock);
    result = vcpu_map_info(v, GFN(place.mfn), place.offset);
    spin_unlock(&v->domain->lock);
    if (result == 0)
        event_vcpu_info_moved(v);
    return result;
}

/* Meaningful only for domain 0's vcpus that never move. */
static long vcpu_get_physical_id(struct vcpu *v, guest_addr_t arg)
{
    struct vcpu_get_physid id;
    cpu_mask_t hard, soft;

    sched_get_affinity(v, &hard, &soft);
    if (!v->domain->is_privileged || bitmap_weight(hard.bits, MAX_CPUS) != 1)
        return -EINVAL;
    id.phys_id = (uint64_t)machine_acpi_id(v->cpu) << 32 | machine_apic_id(v->cpu);
    return guest_write(arg, &id, sizeof(id));
}

long vcpu_op(uint64_t command, uint64_t vcpu, uint64_t arg_value, uint64_t a4, uint64_t a5)
{
    struct vcpu *v = domain_vcpu(current->domain, (unsigned)vcpu);
    const guest_addr_t arg = GUEST_ADDR(arg_value);

    (void)a4, (void)a5;
    if (!v)
        return -ENOENT;
    switch ((uint32_t)command) {
    case VCPUOP_initialise:
        return vcpu_initialise(v, arg);
    case VCPUOP_up:
        return vcpu_up(v);
    case VCPUOP_down:
        vcpu_take_down(v);
        return 0;
    case VCPUOP_is_up:
        return !(__atomic_load_n(&v->pause_flags, __ATOMIC_RELAXED) & VCPU_DOWN);
    case VCPUOP_get_runstate_info:
        return vcpu_get_runstate(v, arg);
    case VCPUOP_register_runstate_memory_area:
        return vcpu_register_runstate(v, arg);
    case VCPUOP_set_periodic_timer:
        return vcpu_set_periodic(v, arg);
    case VCPUOP_stop_periodic_timer:
        return vcpu_stop_periodic(v);
    case VCPUOP_set_singleshot_timer:
        return vcpu_set_singleshot(v, arg);
    case VCPUOP_stop_singleshot_timer:
        return vcpu_stop_singleshot(v);
    case VCPUOP_register_vcpu_info:
        return vcpu_register_info(v, arg);
    case VCPUOP_send_nmi:
        nmi_send(v);
        return 0;
    case VCPUOP_get_physid:
        return vcpu_get_physical_id(v, arg);
    case VCPUOP_register_vcpu_time_memory_area:
        return vcpu_register_time(v, arg);
    default:
        return -ENOSYS;
    }
}
