/* SPDX-License-Identifier: BSD-2-Clause */
/* Model-specific registers (Intel SDM volume 4, AMD APM volume 2 appendix A) and how to reach them. */
#pragma once

#define MSR_TSC                   0x10
#define MSR_APIC_BASE             0x1b
#define MSR_PRED_CMD              0x49
#define MSR_AMD_PATCHLEVEL        0x8b
#define MSR_PLATFORM_INFO         0xce
#define MSR_MTRR_CAP              0xfe
#define MSR_ARCH_CAPS             0x10a
#define MSR_MISC_FEATURES_ENABLES 0x140
#define MSR_SYSENTER_CS           0x174
#define MSR_SYSENTER_ESP          0x175
#define MSR_SYSENTER_EIP          0x176
#define MSR_MCG_CAP               0x179
#define MSR_MCG_STATUS            0x17a
#define MSR_MCG_CTL               0x17b
#define MSR_MISC_ENABLE           0x1a0
#define MSR_DEBUGCTL              0x1d9
#define MSR_PAT                   0x277
#define MSR_MTRR_DEF_TYPE         0x2ff
#define MSR_PERF_CAPABILITIES     0x345
#define MSR_TSC_DEADLINE          0x6e0
#define MSR_X2APIC_BASE           0x800
#define MSR_XSS                   0xda0
#define MSR_EFER                  0xc0000080
#define MSR_STAR                  0xc0000081
#define MSR_LSTAR                 0xc0000082
#define MSR_CSTAR                 0xc0000083
#define MSR_SYSCALL_MASK          0xc0000084
#define MSR_FS_BASE               0xc0000100
#define MSR_GS_BASE               0xc0000101
#define MSR_KERNEL_GS_BASE        0xc0000102 /* the inactive one: swapgs */
#define MSR_TSC_AUX               0xc0000103
#define MSR_AMD_PERF_FIRST        0xc0010000 /* K7 event selects and counters */
#define MSR_AMD_PERF_LAST         0xc0010007
#define MSR_K8_HWCR               0xc0010015
#define MSR_AMD_NB_CFG            0xc001001f
#define MSR_AMD_PSTATE_FIRST      0xc0010061 /* current limit, then control, status and the states themselves */
#define MSR_AMD_PSTATE_LAST       0xc001006b
#define MSR_VM_CR                 0xc0010114
#define MSR_AMD_DE_CFG            0xc0011029

#define DE_CFG_LFENCE_SERIALIZE 2UL

#define EFER_SCE   0x001
#define EFER_LME   0x100
#define EFER_LMA   0x400
#define EFER_NXE   0x800
#define EFER_SVME  0x1000
#define EFER_FFXSE 0x4000

#ifndef __ASSEMBLER__
#include "arch/extable.h"

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/* False when the CPU refuses (#GP); *value is then 0. */
static inline bool rdmsr_safe(uint32_t msr, uint64_t *value)
{
    uint32_t low = 0, high = 0, failed = 1;

    __asm__ volatile("1: rdmsr\n   xor %2, %2\n2:\n" EXTABLE(1b, 2b)
                     : "+a"(low), "+d"(high), "+r"(failed)
                     : "c"(msr)
                     : "cc");
    *value = failed ? 0 : (uint64_t)high << 32 | low;
    return !failed;
}

static inline bool wrmsr_safe(uint32_t msr, uint64_t value)
{
    uint32_t failed = 1;

    __asm__ volatile("1: wrmsr\n   xor %0, %0\n2:\n" EXTABLE(1b, 2b)
                     : "+r"(failed)
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory", "cc");
    return !failed;
}
#endif
