// SPDX-License-Identifier: BSD-2-Clause
//
// CPUID in a PV guest. See cpuid.h.

#include "cpuid.h"

struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r;

    __asm__ volatile("ud2; .ascii \"xen\"; cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}
