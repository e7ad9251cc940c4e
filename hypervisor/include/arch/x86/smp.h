/* SPDX-License-Identifier: BSD-2-Clause */
/* Other CPUs: bring-up (INIT, startup IPI), calls between CPUs, stopping them all. */
#ifndef XYLEM_ARCH_X86_SMP_H
#define XYLEM_ARCH_X86_SMP_H

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
bool smp_stopping(void); /* somebody did that */
/* While spinning with interrupts off: does what other CPUs wait for. */
void smp_poll(void);

#endif
