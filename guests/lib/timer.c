// SPDX-License-Identifier: BSD-2-Clause
//
// Time. See timer.h; the rule for reading the page is with struct vcpu_time_info in xen/xen.h.

#include "timer.h"

#include <stdint.h>

#include <xen/sched.h>

#include "hypercall.h"
#include "vcpu.h"

static uint64_t scale(uint64_t ticks, uint32_t multiplier, int8_t shift)
{
    ticks = shift < 0 ? ticks >> -shift : ticks << shift;
    return (uint64_t)((unsigned __int128)ticks * multiplier >> 32);
}

uint64_t time_now(void)
{
    const volatile struct vcpu_time_info *time = &vcpu_self()->info->time;
    uint32_t version;
    uint64_t now;

    do {
        version = time->version;
        __asm__ volatile("lfence" : : : "memory");
        now = time->system_time + scale(tsc_read() - time->tsc_timestamp, time->tsc_to_system_mul, time->tsc_shift);
        __asm__ volatile("lfence" : : : "memory");
    } while (version & 1 || version != time->version);
    return now;
}

long timer_set(uint64_t system_time)
{
    return hypercall1(__HYPERVISOR_set_timer_op, system_time);
}

void time_sleep(uint64_t nanoseconds)
{
    struct sched_poll poll = { .timeout = time_now() + nanoseconds };

    sched_op(SCHEDOP_poll, &poll);
}

void time_pass(uint64_t nanoseconds)
{
    uint64_t end = time_now() + nanoseconds;

    while (time_now() < end)
        sched_op(SCHEDOP_yield, 0);
}
