/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the files of this room. */
#pragma once

#include "time/time.h"

/* Gives cpu its heap of timers; 0, -ENOMEM.  Called before cpu takes timer interrupts. */
int timer_cpu_init(unsigned cpu);
/* How ticks of a frequency (Hz) become nanoseconds: struct vcpu_time_info in xen/xen.h. */
void time_scale_choose(uint64_t frequency, uint32_t *mul, int8_t *shift);
/* All CPUs' counters are one. */
bool time_tsc_shared(void);

/*
 * How many cycles the counter of the CPU that runs this is ahead of the boot CPU's, which must be calling
 * time_answer; 0 when no difference can be seen.  One CPU at a time.
 */
int64_t tsc_compare(void);
