// SPDX-License-Identifier: BSD-2-Clause
/*
 * Virtual CPUs: allocation, pausing, wake-ups, run-state accounting (xen/vcpu.h) and the place of their vcpu_info.
 */
#include "domain/domain.h"

#include "errno.h"
#include "lib/string.h"
#include "log.h"
#include "mm/dirty_log.h"
#include "mm/guest_form.h"
#include "mm/heap.h"
#include "mm/physmap.h"
#include <xen/sched.h>

#define PERIODIC_TIMER_DEFAULT 10000000UL /* PV guests start with a 100 Hz tick */

struct vcpu *idle_vcpu[MAX_CPUS];

/* What vcpus beyond the 32 in shared_info point to until they register a place: never deliverable. */
static union {
    struct vcpu_info info;
    uint8_t page[PAGE_SIZE];
} dummy_info __attribute__((aligned(PAGE_SIZE)));

/* ---- timers of a vcpu ---- */

static void vcpu_singleshot_expired(void *data)
{
    event_upcalls.virq(data, VIRQ_TIMER);
}

/* Only pokes: the tick itself is raised where the vcpu is about to run (vcpu_periodic_work in the scheduler). */
static void vcpu_periodic_expired(void *data)
{
    struct vcpu *v = data;
    nanoseconds_t period = __atomic_load_n(&v->periodic_period, __ATOMIC_RELAXED);

    if (!period)
        return;
    event_upcalls.virq(v, VIRQ_TIMER);
    v->periodic_last = time_now();
    if (__atomic_load_n(&v->is_running, __ATOMIC_RELAXED))
        timer_set(&v->periodic_timer, v->periodic_last + period);
}

static void vcpu_poll_expired(void *data)
{
    struct vcpu *v = data;

    if (__atomic_load_n(&v->pause_flags, __ATOMIC_SEQ_CST) & VCPU_POLLING) /* not a later block */
        vcpu_unblock(v);
}

/* ---- allocation ---- */

struct vcpu *vcpu_alloc(struct domain *d, unsigned id)
{
    struct vcpu *v = mem_alloc(sizeof(*v), 64);

    if (!v)
        return NULL;
    v->domain = d;
    v->id = id;
    v->pause_flags = VCPU_DOWN;
    v->runstate.state = RUNSTATE_offline;
    v->runstate.state_entry_time = time_now();
    dummy_info.info.evtchn_upcall_mask = 1; /* not when compiled: a page of the image for one byte */
    v->info = d->shared_info && id < XEN_LEGACY_MAX_VCPUS ? &d->shared_info->vcpu_info[id] : &dummy_info.info;
    if (!d->is_system && !d->is_hvm)
        v->periodic_period = PERIODIC_TIMER_DEFAULT;
    timer_init(&v->periodic_timer, vcpu_periodic_expired, v, cpu_id());
    timer_init(&v->singleshot_timer, vcpu_singleshot_expired, v, cpu_id());
    timer_init(&v->poll_timer, vcpu_poll_expired, v, cpu_id());
    return v;
}

void vcpu_publish(struct vcpu *v)
{
    __atomic_store_n(&v->domain->vcpus[v->id], v, __ATOMIC_RELEASE);
}

void vcpu_free(struct vcpu *v)
{
    timer_kill(&v->periodic_timer);
    timer_kill(&v->singleshot_timer);
    timer_kill(&v->poll_timer);
    mem_free(v);
}

/* ---- pausing and waking ---- */

void vcpu_sleep_sync(struct vcpu *v)
{
    sched_upcalls.sleep(v);
    if (v == current)
        return;
    while (!vcpu_runnable(v) && __atomic_load_n(&v->is_running, __ATOMIC_ACQUIRE))
        cpu_relax();
}

void vcpu_pause_nosync(struct vcpu *v)
{
    __atomic_add_fetch(&v->pause_count, 1, __ATOMIC_SEQ_CST);
    sched_upcalls.sleep(v);
}

void vcpu_pause(struct vcpu *v)
{
    ASSERT(v != current);
    __atomic_add_fetch(&v->pause_count, 1, __ATOMIC_SEQ_CST);
    vcpu_sleep_sync(v);
}

void vcpu_unpause(struct vcpu *v)
{
    if (__atomic_sub_fetch(&v->pause_count, 1, __ATOMIC_SEQ_CST) == 0)
        vcpu_wake(v);
}

void vcpu_wake(struct vcpu *v)
{
    sched_upcalls.wake(v);
}

void vcpu_take_down(struct vcpu *v)
{
    struct vcpu *other;

    for_each_vcpu(v->domain, other) {
        if (other == v || (__atomic_load_n(&other->pause_flags, __ATOMIC_RELAXED) & VCPU_DOWN))
            continue;
        if (!(__atomic_fetch_or(&v->pause_flags, VCPU_DOWN, __ATOMIC_SEQ_CST) & VCPU_DOWN))
            sched_upcalls.sleep(v);
        return;
    }
    domain_shutdown(v->domain, SHUTDOWN_poweroff);
}

void vcpu_unblock(struct vcpu *v)
{
    uint32_t old;

    if (!(__atomic_load_n(&v->pause_flags, __ATOMIC_SEQ_CST) & VCPU_BLOCKED))
        return;
    old = __atomic_fetch_and(&v->pause_flags, ~(VCPU_BLOCKED | VCPU_POLLING), __ATOMIC_SEQ_CST);
    if (old & VCPU_POLLING) {
        v->poll_port = 0;
        __atomic_sub_fetch(&v->domain->poll_count, 1, __ATOMIC_SEQ_CST);
    }
    if (old & VCPU_BLOCKED)
        vcpu_wake(v);
}

void vcpu_kick(struct vcpu *v)
{
    bool running = __atomic_load_n(&v->is_running, __ATOMIC_RELAXED);

    vcpu_unblock(v);
    if (running && v->cpu != cpu_id()) /* here: looked at on the way back to the guest */
        cpu_poke(v->cpu);
}

/* ---- run state ---- */

void vcpu_runstate_change(struct vcpu *v, int state, nanoseconds_t now)
{
    nanoseconds_t passed = now - v->runstate.state_entry_time;

    if ((int64_t)passed > 0) {
        v->runstate.time[v->runstate.state] += passed;
        v->runstate.state_entry_time = now;
    }
    v->runstate.state = state;
}

void vcpu_runstate_publish(struct vcpu *v)
{
    const size_t offset = offsetof(struct vcpu_runstate_info, state_entry_time);
    const bool narrow = domain_shared_32bit(v->domain);
    const guest_addr_t area = v->runstate_guest;
    const guest_addr_t entry = GUEST_ADDR(area.value + (narrow ? form_offset_32(FORM_RUNSTATE, offset) : offset));
    struct vcpu_runstate_info info;
    bool flagged;

    if (area.value == 0)
        return;
    info = v->runstate;
    flagged = v->domain->vm_assist & (1u << VMASST_TYPE_runstate_update_flag);
    if (flagged) {
        info.state_entry_time |= XEN_RUNSTATE_UPDATE;
        if (guest_write(entry, &info.state_entry_time, sizeof(info.state_entry_time)))
            return;
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    if (form_write(narrow, area, &info, sizeof(info), FORM_RUNSTATE) || !flagged)
        return;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    info.state_entry_time &= ~XEN_RUNSTATE_UPDATE;
    (void)guest_write(entry, &info.state_entry_time, sizeof(info.state_entry_time));
}

/* ---- vcpu_info ---- */

int vcpu_map_info(struct vcpu *v, gfn_t gfn, unsigned offset)
{
    struct vcpu_info *place;
    struct frame *frame;
    int result;

    if (offset > PAGE_SIZE - sizeof(*place) || offset % _Alignof(struct vcpu_info))
        return -ENXIO;
    if (v->info_frame)
        return -EINVAL;
    if (v != current && !(__atomic_load_n(&v->pause_flags, __ATOMIC_RELAXED) & VCPU_DOWN))
        return -EINVAL;
    result = physmap_get_writable(v->domain, gfn, &frame);
    if (result)
        return -EINVAL;
    place = (struct vcpu_info *)((char *)frame_to_virt(frame) + offset);
    if (v->info == &dummy_info.info) {
        memset(place, 0, sizeof(*place));
        place->evtchn_upcall_mask = 1;
    } else {
        memcpy(place, v->info, sizeof(*place));
    }
    v->info_frame = frame;
    __atomic_store_n(&v->info, place, __ATOMIC_RELEASE);
    return 0;
}

void vcpu_unmap_info(struct vcpu *v)
{
    struct frame *frame = v->info_frame;

    if (!frame)
        return;
    vcpu_retire_info(v);
    v->info_frame = NULL;
    dirty_log_frame(frame);
    frame_put_both(frame);
}

void vcpu_retire_info(struct vcpu *v)
{
    __atomic_store_n(&v->info, &dummy_info.info, __ATOMIC_RELEASE);
}
