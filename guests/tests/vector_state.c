// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: the vector state of each vcpu (x87, SSE, and with XSAVE every feature CPUID offers) and its XCR0 are its own over
// every exit and every switch, and XCR0 takes the sets the processor takes and no others. It matters because a register
// of a neighbour is both a wrong result and a leak.
//
// kinds: pv pvh
// config: vcpus = 4

#include <stddef.h>
#include <stdint.h>

#include <xen/sched.h>

#include "cpuid.h"
#include "hypercall.h"
#include "result.h"
#include "start.h"
#include "trap.h"
#include "vcpu.h"

const char test_title[] = "vector state of four vcpus over exits and switches; XCR0";

#define ROUNDS 400u
#define VCPUS 4u
#define XSAVE_BYTES 4096u
#define XCR0_X87 1ul
#define XCR0_SSE 2ul
#define XCR0_AVX 4ul
#define XCR0_PKRU 0x200ul
#define CR4_OSXSAVE (1ul << 18)
#define HEADER 512u
#define FEATURE_XSAVE (1u << 26)        /* leaf 1, ECX */
#define LEGACY_USED 416u                /* the rest of the first 512 bytes is free */

static uint64_t offered;                /* features of XCR0; 0 without XSAVE */
static uint8_t wanted[VCPUS][XSAVE_BYTES] __attribute__((aligned(64)));
static uint8_t got[VCPUS][XSAVE_BYTES] __attribute__((aligned(64)));

static void xcr0_set(void *value)
{
    uint64_t features = (uint64_t)value;

    __asm__ volatile("xsetbv" : : "a"((uint32_t)features), "d"((uint32_t)(features >> 32)), "c"(0));
}

static void xcr0_check(void)
{
    static const uint64_t refused[] = { 0, XCR0_SSE, XCR0_X87 | XCR0_AVX, 1ul << 62, ~0ul, XCR0_X87 | 0x20 };
    struct trap_seen trap;

    for (unsigned int i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (!trap_catch(xcr0_set, (void *)refused[i], &trap) || trap.vector != TRAP_PROTECTION)
            test_failure("XCR0 of %lx: expected exception 13", refused[i]);
    }
    if (trap_catch(xcr0_set, (void *)XCR0_X87, &trap) || trap_catch(xcr0_set, (void *)offered, &trap))
        test_failure("XCR0 of %lx: exception %lu", offered, trap.vector);
}

static void osxsave_set(void)
{
    uint64_t cr4;

    __asm__ volatile("mov %%cr4, %0; or %1, %0; mov %0, %%cr4" : "=&r"(cr4) : "r"(CR4_OSXSAVE));
}

// Every vcpu has another XCR0 for a while.
static void xcr0_vary(unsigned int number)
{
    uint64_t mine = number & 1 ? XCR0_X87 : XCR0_X87 | XCR0_SSE;
    uint32_t low, high;

    xcr0_set((void *)mine);
    sched_op(SCHEDOP_yield, 0);
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    CHECK_EQUAL(low, mine);
    xcr0_set((void *)offered);
}

static void state_load(const void *area)
{
    if (offered)
        __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

static void state_store(void *area)
{
    if (offered)
        __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

// Every register of every feature holds bytes of this vcpu: patterns in the data, legal values in the control words.
static unsigned int state_make(uint8_t *area, unsigned int number)
{
    unsigned int end = LEGACY_USED;

    for (unsigned int i = 0; i < XSAVE_BYTES; i++)
        area[i] = 0;
    state_store(area);
    for (unsigned int i = 32; i < LEGACY_USED; i++) {
        if (i < 160 && i % 16 >= 10)
            continue;                   /* x87 registers have ten bytes */
        area[i] = (uint8_t)(i * 7 + number * 101 + 3);
    }
    area[4] = 0xff;                     /* no x87 register is empty */
    *(uint16_t *)area = 0x37f;
    *(uint32_t *)(area + 24) = number % 2 ? 0x1f80 : 0x9fc0;
    for (unsigned int feature = 2; feature < 63; feature++) {
        struct cpuid_result place = cpuid(0xd, feature);

        if (!(offered >> feature & 1))
            continue;
        end = place.ebx + place.eax;
        for (unsigned int i = place.ebx; i < end; i++)
            area[i] = feature == 9 ? 0 : (uint8_t)(i * 5 + number * 77 + 1);
    }
    *(uint64_t *)(area + HEADER) = offered;
    return end;
}

static bool is_free(unsigned int byte)
{
    return (byte >= 6 && byte < 32 && !(byte >= 24 && byte < 28)) || (byte >= LEGACY_USED && byte < HEADER + 64) ||
           (byte >= 32 && byte < 160 && byte % 16 >= 10);
}

static void keep(void *unused)
{
    unsigned int number = vcpu_self()->number, end, wrong = 0, first = 0;
    struct trap_seen trap;

    (void)unused;
    if (offered)
        osxsave_set();
    if (offered && trap_catch(xcr0_set, (void *)offered, &trap))
        test_failure("vcpu %u: XCR0 of %lx refused", number, offered);
    end = state_make(wanted[number], number);
    state_load(wanted[number]);
    for (unsigned int round = 0; round < ROUNDS && !wrong; round++) {
        if (round % 2)
            sched_op(SCHEDOP_yield, 0);
        else
            (void)cpuid(0x40000000, 0);
        state_store(got[number]);
        for (unsigned int i = 0; i < end; i++) {
            if (got[number][i] == wanted[number][i] || is_free(i))
                continue;
            first = wrong++ ? first : i;
        }
        if (offered && round % 64 == 63)
            xcr0_vary(number);
    }
    if (wrong)
        test_failure("vcpu %u: %u bytes of its state changed, the first at %u: expected %x, got %x", number, wrong, first,
                     wanted[number][first], got[number][first]);
}

void test_main(void)
{
    struct cpuid_result features;

    if (cpuid(1, 0).ecx & FEATURE_XSAVE) {
        features = cpuid(0xd, 0);
        offered = (uint64_t)features.edx << 32 | features.eax;
        CHECK((offered & (XCR0_X87 | XCR0_SSE)) == (XCR0_X87 | XCR0_SSE));
        CHECK(features.ecx <= XSAVE_BYTES);
        CHECK(!(offered & XCR0_PKRU) || !guest_is_pv);  /* no protection keys for PV guests */
        osxsave_set();
        xcr0_check();
    }
    print("features %lx\n", offered);
    for (unsigned int i = 1; i < VCPUS; i++)
        vcpu_run(i, keep, NULL);
    keep(NULL);
    for (unsigned int i = 1; i < VCPUS; i++)
        CHECK(vcpu_wait(i));
}
