// SPDX-License-Identifier: BSD-2-Clause
/*
 * The timer of a local APIC: once, periodic, or by TSC deadline.  It counts as the interface says, at 100 MHz before its
 * divider.  Intel SDM volume 3, 11.5.4.
 */
#include "guest/hvm/internal.h"
#include "guest/hvm/lapic.h"

#define BUS_CYCLE_NS 10
#define PERIOD_MIN 100000UL /* ns: a shorter period would keep the machine busy with one guest's timer */

unsigned lapic_timer_divider(struct lapic *l)
{
    uint32_t d = *lapic_register(l, LAPIC_TIMER_DIVIDE);

    return 1u << ((((d & 3) | (d >> 1 & 4)) + 1) & 7);
}

static bool timer_mode(struct lapic *l, uint32_t mode)
{
    return (*lapic_register(l, LAPIC_LVT_TIMER) & (LAPIC_LVT_PERIODIC | LAPIC_LVT_DEADLINE)) == mode;
}

static void timer_fired(void *data)
{
    struct lapic *l = data;
    uint32_t lvt = *lapic_register(l, LAPIC_LVT_TIMER);
    nanoseconds_t period = __atomic_load_n(&l->period, __ATOMIC_RELAXED);

    if (!(lvt & LAPIC_LVT_MASKED))
        lapic_interrupt(l->vcpu, (uint8_t)lvt);
    if (timer_mode(l, LAPIC_LVT_DEADLINE)) {
        __atomic_store_n(&l->deadline, 0, __ATOMIC_RELAXED);
    } else if (timer_mode(l, LAPIC_LVT_PERIODIC) && period) {
        l->armed_at = time_now();
        timer_set(&l->timer, l->armed_at + max(period, (nanoseconds_t)PERIOD_MIN));
    } else {
        __atomic_store_n(&l->period, 0, __ATOMIC_RELAXED);
    }
}

void lapic_timer_init(struct lapic *l, unsigned cpu) { timer_init(&l->timer, timer_fired, l, cpu); }

void lapic_timer_changed(struct lapic *l)
{
    uint64_t count = *lapic_register(l, LAPIC_TIMER_INITIAL);

    if (timer_mode(l, LAPIC_LVT_DEADLINE)) {
        if (!l->deadline)
            timer_stop(&l->timer);
        return;
    }
    __atomic_store_n(&l->period, count * lapic_timer_divider(l) * BUS_CYCLE_NS, __ATOMIC_RELAXED);
    if (!l->period) {
        timer_stop(&l->timer);
        return;
    }
    l->armed_at = time_now();
    timer_set(&l->timer, l->armed_at + l->period);
}

uint32_t lapic_timer_current(struct lapic *l)
{
    nanoseconds_t period = l->period, passed = time_now() - l->armed_at;

    if (!period || timer_mode(l, LAPIC_LVT_DEADLINE))
        return 0;
    if (passed >= period)
        passed = timer_mode(l, LAPIC_LVT_PERIODIC) ? passed % period : period;
    return (uint32_t)((period - passed) / (BUS_CYCLE_NS * lapic_timer_divider(l)));
}

void lapic_deadline_set(struct lapic *l, uint64_t deadline)
{
    uint64_t now = hvm_tsc(l->vcpu), khz = time_tsc_guest_khz(l->vcpu->domain);
    uint64_t left = deadline > now ? deadline - now : 0;

    if (!timer_mode(l, LAPIC_LVT_DEADLINE))
        return;
    l->deadline = deadline;
    if (!deadline)
        timer_stop(&l->timer);
    else
        timer_set(&l->timer, time_now() + left / khz * 1000000 + left % khz * 1000000 / khz);
}
