/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The counter system time is made of, and the interrupt at a point in time, of the CPU that runs this code.
 */
#pragma once

#include "types.h"

/* In program order with the instructions before it: the form every measurement wants. */
#ifdef XYLEM_HOST
uint64_t tsc_read_ordered(void); /* the test's own */
#else
static inline uint64_t tsc_read_ordered(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}
#endif

/* The machine promises one rate, whatever the CPU does; under a hypervisor, which sees to it, too. */
bool tsc_constant(void);
/* What tsc= says of the CPUs' counters: that they differ; that cpu's is the boot CPU's, and need not be
 * compared. */
bool tsc_differs(void);
bool tsc_is_boot_cpus(unsigned cpu);
/* About a microsecond, before the counter's rate is known. */
void delay_uncalibrated(void);
/* One interrupt (SOFTIRQ_TIMER is raised) at or soon after deadline; 0: none. Interrupts off. */
void clock_event_program(nanoseconds_t deadline);
