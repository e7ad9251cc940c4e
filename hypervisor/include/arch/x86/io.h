/* SPDX-License-Identifier: BSD-2-Clause */
/* The time-stamp counter; ports and device registers: arch/x86/ports.h. */
#ifndef XYLEM_ARCH_X86_IO_H
#define XYLEM_ARCH_X86_IO_H

#include <stdint.h>

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

#endif
