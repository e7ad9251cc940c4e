// SPDX-License-Identifier: BSD-2-Clause
/*
 * HYPERVISOR_vcpu_op (xen/vcpu.h): a guest's operations on its own vcpus.
 */
#include "arch/machine.h"
#include "door/handlers.h"
#include "door/operation.h"
#include "event/event.h"
#include "guest/hvm.h"
#include "guest/pv.h"
#include "lib/bitmap.h"
#include "mm/guest_form.h"
#include "mm/heap.h"
#include "sched/sched.h"
#include <xen/hvm/hvm_vcpu.h>

#define PERIOD_MIN 1000000UL               /* ns: 1 ms */
#define PERIOD_MAX (100UL * 365 * 86400 * 1000000000) /* ns: beyond that sums could wrap */

/* The argument is a whole context: of a PV guest some pages long. */
static long vcpu_initialise(struct call *c)
{
    const size_t size = c->d->is_hvm ? sizeof(struct vcpu_hvm_context) : sizeof(struct vcpu_guest_context);
    long result;
    void *context = argument_copy(c->at, size, &result);

    if (!context)
        return result;
    result = -EEXIST;
    spin_lock(&c->d->lock);
    if (!c->v->is_initialised)
        result = c->d->is_hvm ? hvm_context_set(c->v, context) : pv_set_context(c->v, context);
    if (result == 0)
        c->v->is_initialised = true;
    spin_unlock(&c->d->lock);
    mem_free(context);
    return result;
}

static long vcpu_set_periodic(struct call *c)
{
    const uint64_t period = ((const struct vcpu_set_periodic_timer *)c->arg)->period_ns;
    struct vcpu *v = c->v;

    if (period < PERIOD_MIN || period > PERIOD_MAX)
        return -EINVAL;
    v->periodic_last = time_now();
    __atomic_store_n(&v->periodic_period, period, __ATOMIC_RELEASE);
    if (v == current)
        timer_set_here(&v->periodic_timer, v->periodic_last + period);
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
    timer_set_here(&v->singleshot_timer, set.timeout_abs_ns);
    return 0;
}

static long vcpu_get_runstate(struct call *c)
{
    struct vcpu_runstate_info info;

    vcpu_runstate_get(c->v, &info);
    return guest_write_form(c->at, &info, sizeof(info), FORM_RUNSTATE);
}

/* Areas that are kept by address: of a PV guest outside of the hypervisor's range, which is a PVH guest's like any other. */
static long vcpu_register_area(struct call *c)
{
    const bool is_time = c->command == VCPUOP_register_vcpu_time_memory_area;
    const guest_addr_t area = GUEST_ADDR(((const struct vcpu_register_time_memory_area *)c->arg)->addr.p);
    struct vcpu_runstate_info info;
    struct vcpu *v = c->v;

    if (!c->d->is_hvm && !guest_range_ok(area.value, is_time ? sizeof(struct vcpu_time_info) : sizeof(info)))
        return -EFAULT;
    if (is_time) {
        v->time_guest = area;
        if (v == current)
            time_update_vcpu(v);
        return 0;
    }
    v->runstate_guest = area;
    if (v == current) {
        vcpu_runstate_publish(v);
    } else {
        vcpu_runstate_get(v, &info); /* where it fails the next switch tries again */
        (void)form_write(domain_shared_32bit(c->d), area, &info, sizeof(info), FORM_RUNSTATE);
    }
    return 0;
}

static long vcpu_register_info(struct call *c)
{
    const struct vcpu_register_vcpu_info *place = c->arg;
    int result;

    spin_lock(&c->d->lock);
    result = vcpu_map_info(c->v, GFN(place->mfn), place->offset);
    spin_unlock(&c->d->lock);
    if (result == 0)
        event_vcpu_info_moved(c->v);
    return result;
}

/* Meaningful only for domain 0's vcpus that never move. */
static long vcpu_get_physical_id(struct call *c)
{
    const unsigned cpu = c->v->cpu;
    const struct vcpu_get_physid id = {(uint64_t)machine_acpi_id(cpu) << 32 | machine_apic_id(cpu)};
    cpu_mask_t hard, soft;

    sched_get_affinity(c->v, &hard, &soft);
    if (!c->d->is_privileged || bitmap_weight(hard.bits, MAX_CPUS) != 1)
        return -EINVAL;
    return guest_write(c->at, &id, sizeof(id));
}

static const struct operation operations[] = {
    [VCPUOP_initialise] = {.run = vcpu_initialise},
    [VCPUOP_get_runstate_info] = {.run = vcpu_get_runstate},
    [VCPUOP_register_runstate_memory_area] =
        OPERATION(vcpu_register_area, vcpu_register_runstate_memory_area, 0, .form = FORM_AREA),
    [VCPUOP_set_periodic_timer] = OPERATION(vcpu_set_periodic, vcpu_set_periodic_timer, 0),
    [VCPUOP_register_vcpu_info] = OPERATION(vcpu_register_info, vcpu_register_vcpu_info, 0),
    [VCPUOP_get_physid] = {.run = vcpu_get_physical_id},
    [VCPUOP_register_vcpu_time_memory_area] =
        OPERATION(vcpu_register_area, vcpu_register_time_memory_area, 0, .form = FORM_AREA),
};

long vcpu_op(uint64_t command, uint64_t vcpu, uint64_t arg, uint64_t, uint64_t)
{
    struct vcpu *v = domain_vcpu(current->domain, (unsigned)vcpu);
    struct call c = {.command = (uint32_t)command, .at = GUEST_ADDR(arg), .v = v};
    long rc;

    if (!v)
        return -ENOENT;
    switch (c.command) {
    case VCPUOP_up:
        if (!v->is_initialised)
            return -EINVAL;
        if (__atomic_fetch_and(&v->pause_flags, ~VCPU_DOWN, __ATOMIC_SEQ_CST) & VCPU_DOWN)
            vcpu_wake(v);
        return 0;
    case VCPUOP_down:
        vcpu_take_down(v);
        return 0;
    case VCPUOP_is_up:
        return !(__atomic_load_n(&v->pause_flags, __ATOMIC_RELAXED) & VCPU_DOWN);
    case VCPUOP_stop_periodic_timer:
        __atomic_store_n(&v->periodic_period, 0, __ATOMIC_RELEASE);
        timer_stop(&v->periodic_timer);
        return 0;
    case VCPUOP_set_singleshot_timer:
        return vcpu_set_singleshot(v, c.at);
    case VCPUOP_stop_singleshot_timer:
        if (v != current)
            return -EINVAL;
        timer_stop(&v->singleshot_timer);
        return 0;
    case VCPUOP_send_nmi:
        nmi_send(v);
        return 0;
    default:
        rc = operation_run(operations, ARRAY_SIZE(operations), &c);
        return rc == -ERESTART_LATER ? hypercall_continue(__HYPERVISOR_vcpu_op, 3, command, vcpu, arg) : rc;
    }
}
