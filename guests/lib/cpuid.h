/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID as the hypervisor shows it to the guest: a PV guest has to ask for that (xen/arch-x86/cpuid.h). */
#ifndef GUEST_CPUID_H
#define GUEST_CPUID_H

#include <stdint.h>

struct cpuid_result { uint32_t eax, ebx, ecx, edx; };
struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf);

#endif
