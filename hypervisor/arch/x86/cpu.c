// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the CPUs are and how each is set up.  Sources: Intel SDM volume 2 (CPUID) and volume 3 chapter 2
 * (control registers), AMD APM volume 3 appendix E.
 */
#include "arch/x86/cpufeature.h"

#include "arch/machine.h"
#include "arch/time.h"
#include "arch/x86/fpu.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "arch/x86/ports.h"
#include "arch/x86/regs.h"
#include "errno.h"
#include "lib/string.h"
#include "log.h"
#include "options.h"

#define ARCH_CAPS_RDCL_NO 1UL /* of MSR_ARCH_CAPS: neither Meltdown nor L1TF */

struct cpu_model cpu_model;
uint64_t hypervisor_cr4;

static void identify_vendor(void)
{
    static const char *const names[] = {
        [CPU_VENDOR_INTEL] = "GenuineIntel", [CPU_VENDOR_AMD] = "AuthenticAMD",
        [CPU_VENDOR_HYGON] = "HygonGenuine", [CPU_VENDOR_CENTAUR] = "CentaurHauls",
    };
    struct cpuid_result r = cpuid(0, 0);
    uint32_t name[3] = {r.ebx, r.edx, r.ecx};

    cpu_model.max_leaf = r.eax;
    memcpy(cpu_model.vendor_name, name, sizeof(name));
    for (enum cpu_vendor v = CPU_VENDOR_INTEL; v <= CPU_VENDOR_CENTAUR; v++)
        if (strcmp(cpu_model.vendor_name, names[v]) == 0)
            cpu_model.vendor = v;
}

static void identify_basic(void)
{
    struct cpuid_result r = cpuid(1, 0);
    uint32_t s = r.eax;

    cpu_model.signature = s;
    cpu_model.stepping = s & 15;
    cpu_model.family = (s >> 8 & 15) + ((s >> 8 & 15) == 15 ? s >> 20 & 255 : 0);
    cpu_model.model = (s >> 4 & 15) | (cpu_model.family == 6 || cpu_model.family >= 15 ? s >> 12 & 0xf0 : 0);
}

static void identify_extended(void)
{
    struct cpuid_result r = cpuid(0x80000000, 0);

    cpu_model.max_extended_leaf = r.eax;
    for (unsigned i = 0; cpu_model.max_extended_leaf >= 0x80000004 && i < 3; i++) {
        r = cpuid(0x80000002 + i, 0);
        memcpy(cpu_model.brand + i * sizeof(r), &r, sizeof(r));
    }
    cpu_model.physical_bits = cpu_model.max_extended_leaf >= 0x80000008 ? cpuid(0x80000008, 0).eax & 255 : 36;
}

static void identify_words(void)
{
    static const struct { uint32_t leaf, subleaf; uint8_t word, from; } words[] = {
        {1, 0, CPUID_1_EDX, 3}, {1, 0, CPUID_1_ECX, 2}, {6, 0, CPUID_6_EAX, 0}, {7, 0, CPUID_7_EBX, 1},
        {7, 0, CPUID_7_ECX, 2}, {7, 0, CPUID_7_EDX, 3}, {7, 1, CPUID_71_EAX, 0}, {0xd, 1, CPUID_D1_EAX, 0},
        {0x80000001, 0, CPUID_81_EDX, 3}, {0x80000001, 0, CPUID_81_ECX, 2}, {0x80000007, 0, CPUID_87_EDX, 3},
        {0x80000008, 0, CPUID_88_EBX, 1},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        struct cpuid_result r = cpuid(words[i].leaf, words[i].subleaf);
        uint32_t registers[4] = {r.eax, r.ebx, r.ecx, r.edx};

        if (words[i].leaf <= (words[i].leaf >> 31 ? cpu_model.max_extended_leaf : cpu_model.max_leaf) &&
            words[i].subleaf <= (words[i].leaf == 7 ? cpuid(7, 0).eax : 1))
            cpu_model.words[words[i].word] = registers[words[i].from];
    }
}

/* Words up to CPUID_71_EAX are the ABI's.  81_EDX repeats part of 1_EDX on AMD's CPUs, which the ABI does not number. */
static void hide_features(void)
{
    for (unsigned i = 0; i <= CPUID_71_EAX; i++)
        cpu_model.words[i] &= ~cpu_hidden[i];
}

static void identify_topology(void)
{
    unsigned logical = cpu_model.words[CPUID_1_EDX] >> 28 & 1 ? cpuid(1, 0).ebx >> 16 & 255 : 1;

    cpu_model.threads_per_core = 1;
    cpu_model.cores_per_socket = max(logical, 1u);
    if (cpu_model.max_leaf >= 0xb && cpuid(0xb, 0).ebx != 0) {
        cpu_model.threads_per_core = max(cpuid(0xb, 0).ebx & 0xffff, 1u);
        logical = max(cpuid(0xb, 1).ebx & 0xffff, cpu_model.threads_per_core);
        cpu_model.cores_per_socket = logical / cpu_model.threads_per_core;
    } else if (cpu_model.vendor == CPU_VENDOR_AMD && cpu_model.max_extended_leaf >= 0x8000001e &&
               cpu_model.family >= 0x17) {
        cpu_model.threads_per_core = (cpuid(0x8000001e, 0).ebx >> 8 & 255) + 1;
        cpu_model.cores_per_socket = max(logical / cpu_model.threads_per_core, 1u);
    }
}

static void choose_cr4(void)
{
    static const struct { unsigned feature; uint64_t bit; } optional[] = {
        {FEATURE_MCE, CR4_MCE}, {FEATURE_XSAVE, CR4_OSXSAVE}, {FEATURE_FSGSBASE, CR4_FSGSBASE},
        {FEATURE_UMIP, CR4_UMIP}, {FEATURE_SMEP, CR4_SMEP},
    };

    hypervisor_cr4 = CR4_DE | CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    for (unsigned i = 0; i < ARRAY_SIZE(optional); i++)
        if (cpu_has(optional[i].feature))
            hypervisor_cr4 |= optional[i].bit;
}

/* What a PV guest can read of this CPU's memory without being allowed to, since nothing here hides it: docs/security.md. */
static void warn_of_leaks(void)
{
    uint64_t capabilities = 0;

    if (cpu_model.vendor != CPU_VENDOR_INTEL || cpu_has(FEATURE_HYPERVISOR))
        return;
    if (cpu_has(FEATURE_ARCH_CAPS))
        (void)rdmsr_safe(MSR_ARCH_CAPS, &capabilities);
    if (!(capabilities & ARCH_CAPS_RDCL_NO))
        log_warning("CPU: leaks all memory to guests (Meltdown, L1TF): run only guests you trust\n");
}

void cpu_identify(void)
{
    identify_vendor();
    identify_basic();
    identify_extended();
    identify_words();
    hide_features();
    identify_topology();
    choose_cr4();
    log_info("CPU: %s, family %u model %u stepping %u, %u-bit physical addresses\n",
             cpu_model.brand[0] ? cpu_model.brand : cpu_model.vendor_name, cpu_model.family, cpu_model.model,
             cpu_model.stepping, cpu_model.physical_bits);
    warn_of_leaks();
}

void cpu_setup(void)
{
    write_cr4(hypervisor_cr4);
    write_cr0(CR0_PG | CR0_WP | CR0_AM | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
    write_dr6(DR6_DEFAULT);
    write_dr7(DR7_DEFAULT);
    fpu_cpu_init();
}

/*
 * ---- facts for hypercalls (arch/machine.h); APIC ids number threads, then cores, in as many bits as they
 * need ----
 */

unsigned machine_threads_per_core(void) { return cpu_model.threads_per_core; }
unsigned machine_cores_per_socket(void) { return cpu_model.cores_per_socket; }

static unsigned id_bits(unsigned n) { return n > 1 ? 32 - (unsigned)__builtin_clz(n - 1) : 0; }

unsigned machine_socket(unsigned cpu)
{
    return machine_apic_id(cpu) >>
           (id_bits(cpu_model.threads_per_core) + id_bits(cpu_model.cores_per_socket));
}

unsigned machine_core(unsigned cpu)
{
    return machine_apic_id(cpu) >> id_bits(cpu_model.threads_per_core) &
           ((1u << id_bits(cpu_model.cores_per_socket)) - 1);
}

void machine_hw_caps(uint32_t caps[8])
{
    memcpy(caps, cpu_model.words, 8 * sizeof(uint32_t));
}

/* tsc=: what the administrator knows better than we find out. */
static enum { TSC_BY_TEST, TSC_UNSTABLE, TSC_SKEWED, TSC_STABLE_IN_SOCKET } tsc_claim;

static int tsc_option(const char *value)
{
    static const char *const claims[] = {
        [TSC_UNSTABLE] = "unstable", [TSC_SKEWED] = "skewed", [TSC_STABLE_IN_SOCKET] = "stable:socket",
    };

    for (unsigned i = TSC_UNSTABLE; i <= TSC_STABLE_IN_SOCKET; i++) {
        if (strcmp(value, claims[i]) != 0)
            continue;
        tsc_claim = i;
        if (i == TSC_UNSTABLE)
            cpu_hidden[CPUID_87_EDX] |= 1u << (FEATURE_INVARIANT_TSC % 32);
        return 0;
    }
    return -EINVAL;
}
OPTION_FUNCTION(tsc, "tsc", tsc_option);

bool tsc_constant(void)
{
    return tsc_claim != TSC_UNSTABLE && (cpu_has(FEATURE_INVARIANT_TSC) || cpu_has(FEATURE_HYPERVISOR));
}

bool tsc_differs(void) { return tsc_claim == TSC_UNSTABLE || tsc_claim == TSC_SKEWED; }

bool tsc_is_boot_cpus(unsigned cpu)
{
    return tsc_claim == TSC_STABLE_IN_SOCKET && machine_socket(cpu) == machine_socket(0);
}

void delay_uncalibrated(void)
{
    port_out8(0x80, 0); /* takes about a microsecond on every PC */
}
