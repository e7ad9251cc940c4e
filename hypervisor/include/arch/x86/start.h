/* SPDX-License-Identifier: BSD-2-Clause */
/* Start of day: what boot/start.c calls in each room, in the order it stands there. */
#pragma once

#include "types.h"

_Noreturn void start_of_day(void); /* from head.S, on the boot stack */
/* other CPUs, from arch/x86/smp.c: per-CPU set-up done, not yet online */
_Noreturn void start_of_day_cpu(unsigned cpu);
/* on the boot CPU, before a CPU is started: what its rooms need; 0 or -errno */
int start_of_day_cpu_prepare(unsigned cpu);

/* arch/x86 */
void multiboot_parse(uint32_t magic, uint64_t information); /* fills boot_info */
void memory_init(void);       /* page tables, frame table, machine-to-physical table, heap */
/* before memory_init: bytes nothing may be put into */
void boot_memory_reserve(uint64_t start, uint64_t end);
/* Boot CPU, after acpi_init, before others run: tells the heap which memory is of which node (arch/machine.h). */
void numa_init(void);
