/* SPDX-License-Identifier: BSD-2-Clause */
/* Time of a PV guest: struct vcpu_time_info of xen/xen.h, and the time stamp counter itself. */
#ifndef GUEST_TIMER_H
#define GUEST_TIMER_H

#include <stdint.h>

static inline uint64_t tsc_read(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* Nanoseconds since the hypervisor started, as this vcpu's page tells. */
uint64_t time_now(void);
/* set_timer_op: VIRQ_TIMER at or after this system time; 0 for never. */
long timer_set(uint64_t system_time);
/* Sleeps for so many nanoseconds at most: the CPU is others'. Call it with upcalls masked. */
void time_sleep(uint64_t nanoseconds);
/* Yields until so many nanoseconds have passed. */
void time_pass(uint64_t nanoseconds);

#endif
