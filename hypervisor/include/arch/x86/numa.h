/* SPDX-License-Identifier: BSD-2-Clause */
/* Nodes of memory and CPUs; what they are is asked through arch/machine.h. */
#ifndef XYLEM_ARCH_X86_NUMA_H
#define XYLEM_ARCH_X86_NUMA_H

/* Boot CPU, after acpi_init, before others run: tells the heap which memory is whose. */
void numa_init(void);

#endif
