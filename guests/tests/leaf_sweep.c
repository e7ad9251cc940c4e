// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a guest reads and writes the model-specific registers of a list and no others, and CPUID shows it no feature
// that the hypervisor would have to do something for and does not. It matters because each register that is let through
// is state of the machine, and each feature that is shown is used.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "trap.h"

const char test_title[] = "every model-specific register and CPUID leaf against the list of what is allowed";

struct msr {
    uint32_t index;
    uint64_t value;
};

static void msr_read(void *argument)
{
    struct msr *msr = argument;
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr->index));
    msr->value = (uint64_t)high << 32 | low;
}

static void msr_write(void *argument)
{
    const struct msr *msr = argument;

    __asm__ volatile("wrmsr" : : "c"(msr->index), "a"((uint32_t)msr->value), "d"((uint32_t)(msr->value >> 32)));
}

struct allowed {
    uint32_t first, last;
    bool kept;          /* what is written stays: the rest is ignored or refused */
};

static const struct allowed list[] = {
    { 0x10, 0x10, true },                   /* TSC */
    { 0x17, 0x17, false },                  /* platform ID */
    { 0x1b, 0x1b, false },                  /* APIC base */
    { 0x49, 0x49, false },                  /* prediction barrier */
    { 0x8b, 0x8b, false },                  /* microcode level */
    { 0xce, 0xce, false },                  /* platform information */
    { 0x10a, 0x10a, false },                /* architectural capabilities */
    { 0x140, 0x140, false },                /* miscellaneous features */
    { 0x179, 0x17a, false },                /* machine checks: none */
    { 0x1a0, 0x1a0, false },                /* miscellaneous enable */
    { 0x277, 0x277, false },                /* page attributes */
    { 0x345, 0x345, false },                /* performance capabilities */
    { 0xc0000080, 0xc0000080, false },      /* EFER */
    { 0xc0000100, 0xc0000102, true },       /* segment bases */
    { 0xc0000103, 0xc0000103, true },       /* TSC_AUX */
    { 0xc0010000, 0xc0010007, false },      /* counters, dead */
    { 0xc0010010, 0xc0010010, false },
    { 0xc0010015, 0xc0010015, false },      /* HWCR */
    { 0xc001001f, 0xc001001f, false },
    { 0xc0010020, 0xc0010020, false },
    { 0xc0010041, 0xc0010042, false },
    { 0xc0010061, 0xc001006b, false },      /* frequency states */
    { 0xc0010140, 0xc0010141, false },
    { 0xc0011020, 0xc0011023, false },
    { 0xc0011029, 0xc0011029, false },      /* decode configuration */
};

static const struct allowed *allowed_find(uint32_t index)
{
    for (unsigned int i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        if (index >= list[i].first && index <= list[i].last)
            return &list[i];
    }
    return NULL;
}

static unsigned int readable, taken;

static void msr_check(uint32_t index)
{
    const struct allowed *allowed = allowed_find(index);
    struct msr msr = { .index = index }, after = { .index = index };
    struct trap_seen seen;
    bool read = !trap_catch(msr_read, &msr, &seen);

    if (read) {
        readable++;
        if (!allowed)
            test_failure("rdmsr %x gives %lx: not on the list", index, msr.value);
    } else if (seen.vector != TRAP_PROTECTION) {
        test_failure("rdmsr %x: exception %lu", index, seen.vector);
    }
    if (allowed && allowed->kept)
        return;
    for (unsigned int i = 0; i < 3; i++) {
        struct msr written = { index, i == 0 ? 0 : i == 1 ? ~msr.value : ~0ul };

        if (trap_catch(msr_write, &written, &seen))
            continue;
        taken++;
        if (!allowed)
            test_failure("wrmsr %x of %lx was taken: not on the list", index, written.value);
        if (read && !trap_catch(msr_read, &after, &seen) && after.value != msr.value)
            test_failure("wrmsr %x of %lx changed %lx to %lx", index, written.value, msr.value, after.value);
    }
}

static void msrs_check(void)
{
    static const uint32_t ranges[] = { 0, 0x800, 0x1000, 0x40000000, 0x4b564d00, 0xc0000000, 0xc0001000, 0xc0010000,
                                       0xc0011000, 0xfffff000 };

    for (unsigned int range = 0; range < sizeof(ranges) / sizeof(ranges[0]); range++) {
        for (uint32_t i = 0; i < 0x800; i++)
            msr_check(ranges[range] + i);
    }
    print("%u registers can be read, %u writes were taken\n", readable, taken);
}

static void leaf_read(uint32_t leaf, uint32_t subleaf, uint32_t registers[4])
{
    __asm__ volatile("ud2; .ascii \"xen\"; cpuid"
                     : "=a"(registers[0]), "=b"(registers[1]), "=c"(registers[2]), "=d"(registers[3])
                     : "a"(leaf), "c"(subleaf));
}

enum { EAX, EBX, ECX, EDX };

struct hidden {
    uint32_t leaf, subleaf, place, bits;
    const char *what;
};

static const struct hidden hidden[] = {
    { 1, 0, ECX, 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 15,
      "DTES64, MONITOR, DS-CPL, VMX, SMX, PDCM" },
    { 1, 0, EDX, 1u << 21 | 1u << 29, "DS, thermal monitor" },
    { 7, 0, EBX, 1u << 1 | 1u << 2 | 1u << 10 | 1u << 12 | 1u << 14 | 1u << 15 | 1u << 25,
      "TSC_ADJUST, SGX, INVPCID, RDT, MPX, RDT-A, processor trace" },
    { 7, 0, ECX, 1u << 3 | 1u << 4 | 1u << 7 | 1u << 30, "PKU, OSPKE, shadow stacks, SGX_LC" },
    { 0xa, 0, EAX, 0xff, "performance counters" },
    { 0x12, 0, EAX, ~0u, "SGX" },
    { 0x14, 0, EBX, ~0u, "processor trace" },
    { 0x1d, 0, EAX, ~0u, "tiles" },
    { 0x80000001, 0, ECX, 1u << 2 | 1u << 3 | 1u << 10 | 1u << 12 | 1u << 15, "SVM, extended APIC, IBS, SKINIT, LWP" },
    { 0x8000000a, 0, EDX, ~0u, "SVM's details" },
    { 0x8000001b, 0, EAX, ~0u, "IBS's details" },
    { 0x8000001c, 0, EAX, ~0u, "LWP's details" },
};

static void leaves_check(void)
{
    uint32_t registers[4], again[4];
    static const uint32_t ranges[] = { 0, 0x40000000, 0x40000100, 0x80000000, 0x8fffff00, 0xc0000000, 0xffffffe0 };

    for (unsigned int i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        leaf_read(hidden[i].leaf, hidden[i].subleaf, registers);
        if (registers[hidden[i].place] & hidden[i].bits)
            test_failure("CPUID %x register %u is %x: shows of %s", hidden[i].leaf, hidden[i].place,
                         registers[hidden[i].place], hidden[i].what);
    }
    for (unsigned int range = 0; range < sizeof(ranges) / sizeof(ranges[0]); range++) {
        for (uint32_t leaf = 0; leaf < 32; leaf++) {
            for (uint32_t subleaf = 0; subleaf < 70; subleaf += subleaf < 4 ? 1 : 33) {
                leaf_read(ranges[range] + leaf, subleaf, registers);
                leaf_read(ranges[range] + leaf, subleaf, again);
                for (unsigned int i = 0; i < 4; i++) {
                    if (registers[i] != again[i] && ranges[range] != 0x40000000 && ranges[range] != 0x40000100)
                        test_failure("CPUID %x/%u gives %x, then %x", ranges[range] + leaf, subleaf, registers[i],
                                     again[i]);
                }
            }
        }
    }
    leaf_read(0, 0, registers);
    if (registers[EAX] > 0x40)
        test_failure("the last CPUID leaf is %x", registers[EAX]);
}

void test_main(void)
{
    msrs_check();
    leaves_check();
}
