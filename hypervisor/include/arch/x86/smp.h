/* SPDX-License-Identifier: BSD-2-Clause */
/* Other CPUs: bring-up (INIT, startup IPI), calls between CPUs, stopping them all, watching them. */
#pragma once

#include "arch/cpu.h"

/* Makes per-CPU data, stack, stub page and tables of cpu; 0 or -ENOMEM. */
int smp_prepare_cpu(unsigned cpu);
/* The boot CPU moves from its boot stack to a guarded one, and goes on in fn. */
_Noreturn void smp_boot_cpu_restack(void (*fn)(void));
/* Boot CPU, after apic_init: which CPU it is. */
void smp_init(void);
/* Starts all enabled CPUs of acpi_cpus[]; reports those that do not come. */
void smp_start_cpus(void);
/* Panic and reboot: stops every other CPU with an NMI, whatever they do. */
void smp_stop_others(void);
bool smp_stopping(void);    /* somebody did that */
bool smp_stop_wanted(void); /* and this CPU is to stop */

/* What others ask for, by interrupt or to be found by who spins with interrupts off (smp_poll). */
void smp_poke_arrived(void);
void smp_call_serve(void);
void tlb_flush_serve(void);

/* ---- the watchdog: notices a CPU that no longer serves its timers, and ends the machine's run then ---- */

/* Boot CPU, at the end of start of day, interrupts on: begins to watch, when an option asks for it. */
void watchdog_start(void);
/* For loops that wait for other CPUs, serving no timers, at least once a second: one that hangs is found. Any context. */
void watchdog_look(void);
/* An NMI arrived, with these registers: false when it was not the watchdog's. Panics when this CPU hangs. */
bool watchdog_nmi(const struct cpu_user_regs *regs);
