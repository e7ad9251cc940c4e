/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this machine's CPUs can do, as found on the boot CPU.  Bit numbers: Intel SDM volume 2 (CPUID), AMD
 * APM volume 3 appendix E.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum cpu_vendor { CPU_VENDOR_OTHER, CPU_VENDOR_INTEL, CPU_VENDOR_AMD, CPU_VENDOR_HYGON, CPU_VENDOR_CENTAUR };

/* Words kept of CPUID: those of xen/arch-x86/cpufeatureset.h in its order, then ours. */
enum cpuid_word {
    CPUID_1_EDX, CPUID_1_ECX, CPUID_81_EDX, CPUID_81_ECX, CPUID_D1_EAX, CPUID_7_EBX, CPUID_7_ECX, CPUID_87_EDX,
    CPUID_88_EBX, CPUID_7_EDX, CPUID_71_EAX, CPUID_6_EAX, CPUID_WORDS
};
/* Features nobody may use, by the ABI's numbers: cpuid= (cpu_features.c). */
#define CPU_HIDDEN_WORDS 19
extern uint32_t cpu_hidden[CPU_HIDDEN_WORDS];
#define CPU_FEATURE(word, bit) ((word) * 32 + (bit))
#define FEATURE_MCE        CPU_FEATURE(CPUID_1_EDX, 7)
#define FEATURE_X2APIC     CPU_FEATURE(CPUID_1_ECX, 21)
#define FEATURE_TSC_DEADLINE CPU_FEATURE(CPUID_1_ECX, 24)
#define FEATURE_XSAVE      CPU_FEATURE(CPUID_1_ECX, 26)
#define FEATURE_AVX        CPU_FEATURE(CPUID_1_ECX, 28)
#define FEATURE_HYPERVISOR CPU_FEATURE(CPUID_1_ECX, 31)
#define FEATURE_1G_PAGES   CPU_FEATURE(CPUID_81_EDX, 26)
#define FEATURE_RDTSCP     CPU_FEATURE(CPUID_81_EDX, 27)
#define FEATURE_SVM        CPU_FEATURE(CPUID_81_ECX, 2)
#define FEATURE_FSGSBASE   CPU_FEATURE(CPUID_7_EBX, 0)
#define FEATURE_SMEP       CPU_FEATURE(CPUID_7_EBX, 7)
#define FEATURE_AVX512F    CPU_FEATURE(CPUID_7_EBX, 16)
#define FEATURE_UMIP       CPU_FEATURE(CPUID_7_ECX, 2)
#define FEATURE_ARCH_CAPS  CPU_FEATURE(CPUID_7_EDX, 29)
#define FEATURE_INVARIANT_TSC CPU_FEATURE(CPUID_87_EDX, 8)

struct cpu_model {
    enum cpu_vendor vendor;
    char vendor_name[13], brand[49];
    uint32_t max_leaf, max_extended_leaf, signature; /* CPUID 0, 0x80000000, 1.eax */
    unsigned family, model, stepping;
    unsigned physical_bits;
    unsigned threads_per_core, cores_per_socket;
    uint32_t words[CPUID_WORDS];
};
extern struct cpu_model cpu_model;
static inline bool cpu_is_amd(void)
{
    return cpu_model.vendor == CPU_VENDOR_AMD || cpu_model.vendor == CPU_VENDOR_HYGON;
}

static inline bool cpu_has(unsigned feature) { return cpu_model.words[feature / 32] >> (feature % 32) & 1; }

struct cpuid_result { uint32_t eax, ebx, ecx, edx; };
static inline struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r;

    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

/* Fills cpu_model (boot CPU, once). */
void cpu_identify(void);
/* Sets up control registers, EFER, XCR0 and system-call MSRs of the calling CPU. */
void cpu_setup(void);
/* cr4 as the hypervisor wants it; what a guest runs with too, but for TSD. */
extern uint64_t hypervisor_cr4;
