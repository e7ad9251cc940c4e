/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the files of this room. */
#ifndef XYLEM_TIME_PRIVATE_H
#define XYLEM_TIME_PRIVATE_H

#include "time/time.h"

/* Gives cpu its heap of timers; 0, -ENOMEM.  Called before cpu takes timer interrupts. */
int timer_cpu_init(unsigned cpu);

#endif
