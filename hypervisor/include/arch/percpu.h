/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Per-CPU variables.  PER_CPU_DEFINE(type, name) in one .c file, PER_CPU_DECLARE in a header, then
 * this_cpu(name) and per_cpu(name, cpu) are lvalues.  The boot CPU uses the linked image of the section
 * itself, so they work from the first C instruction; every other CPU gets a zeroed copy before it starts.
 */
#pragma once

#include "arch/cpu.h"

#ifdef XYLEM_HOST
#define PER_CPU_DECLARE(type, name) extern __typeof__(type) percpu_##name[MAX_CPUS]
#define PER_CPU_DEFINE(type, name) __typeof__(type) percpu_##name[MAX_CPUS]
#define per_cpu(name, cpu) (percpu_##name[cpu])
#define this_cpu(name) per_cpu(name, cpu_id())
#else
extern uint64_t percpu_offset[MAX_CPUS];
#define PER_CPU_DECLARE(type, name) extern __typeof__(type) percpu_##name
#define PER_CPU_DEFINE(type, name) __attribute__((section(".percpu"))) __typeof__(type) percpu_##name
#define PER_CPU_AT(name, offset) (*(__typeof__(percpu_##name) *)((char *)&percpu_##name + (offset)))
#define per_cpu(name, cpu) PER_CPU_AT(name, percpu_offset[cpu])
#define this_cpu(name) PER_CPU_AT(name, cpu_info()->percpu_offset)
#endif
