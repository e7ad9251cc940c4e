/* SPDX-License-Identifier: BSD-2-Clause */
/* Notices a CPU that no longer serves its timers (watchdog=, watchdog_timeout=), and ends the machine's run
 * then. */
#ifndef XYLEM_ARCH_X86_WATCHDOG_H
#define XYLEM_ARCH_X86_WATCHDOG_H

#include "public.h"
#include <stdbool.h>

/* Boot CPU, at the end of start of day, interrupts on: begins to watch, when an option asks for it. */
void watchdog_start(void);
/* For loops that wait for other CPUs, serving no timers, at least once a second: one that hangs is found. Any context. */
void watchdog_look(void);
/* An NMI arrived, with these registers: false when it was not the watchdog's. Panics when this CPU hangs. */
bool watchdog_nmi(const struct cpu_user_regs *regs);

#endif
