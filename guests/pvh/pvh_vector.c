// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: vector registers and XCR0 of each vcpu are its own over every exit and every switch. It matters because the hardware
// switches neither for a guest: a register of a neighbour, or of the hypervisor, is both a wrong result and a leak.
//
// config: vcpus = 4

#include <stdint.h>

#include <xen/sched.h>

#include "hypercall.h"
#include "pvh/machine.h"
#include "result.h"
#include "trap.h"
#include "vcpu.h"

const char test_title[] = "PVH: vector state of four vcpus over exits and switches";

#define ROUNDS 400u
#define CR4_OSXSAVE (1ul << 18)
#define FEATURE_XSAVE (1u << 26) /* leaf 1, ECX */
#define XCR0_WANTED 7u           /* x87, SSE, AVX */
#define AREA 1024u               /* legacy, header, AVX at 576 */
#define XMM 160u
#define XMM_END 416u
#define HEADER 512u
#define YMM 576u
#define YMM_END 832u

static uint8_t wanted[4][AREA] __attribute__((aligned(64)));
static uint8_t got[4][AREA] __attribute__((aligned(64)));
static uint32_t xcr0;

static uint32_t xcr0_read(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static void state_store(uint8_t *area)
{
    if (xcr0)
        __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(xcr0), "d"(0) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

static void state_load(const uint8_t *area)
{
    if (xcr0)
        __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(xcr0), "d"(0) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

static void pattern_make(uint8_t *area, unsigned int number)
{
    __asm__ volatile("fninit");
    state_store(area);
    for (unsigned int i = XMM; i < XMM_END; i++)
        area[i] = (uint8_t)(i * 7 + number * 101 + 3);
    for (unsigned int i = YMM; i < YMM_END && (xcr0 & 4); i++)
        area[i] = (uint8_t)(i * 5 + number * 77 + 1);
    *(uint64_t *)(area + HEADER) = xcr0;
}

static unsigned int differences(const uint8_t *a, const uint8_t *b)
{
    unsigned int count = 0;

    for (unsigned int i = XMM; i < (xcr0 & 4 ? YMM_END : XMM_END); i++)
        count += a[i] != b[i] && (i < XMM_END || i >= YMM);
    return count;
}

static void xcr0_enable(void)
{
    uint64_t cr4;

    __asm__ volatile("mov %%cr4, %0; or %1, %0; mov %0, %%cr4" : "=&r"(cr4) : "r"(CR4_OSXSAVE));
    __asm__ volatile("xsetbv" : : "a"(xcr0), "d"(0), "c"(0));
}

/* Every vcpu has another XCR0 for a while. */
static void xcr0_vary(unsigned int me)
{
    __asm__ volatile("xsetbv" : : "a"(me & 1 ? 1 : 3), "d"(0), "c"(0));
    sched_op(SCHEDOP_yield, 0);
    CHECK_EQUAL(xcr0_read(), me & 1 ? 1 : 3);
    __asm__ volatile("xsetbv" : : "a"(xcr0), "d"(0), "c"(0));
}

static void keep(void *unused)
{
    unsigned int me = vcpu_self()->number;

    (void)unused;
    if (xcr0)
        xcr0_enable();
    pattern_make(wanted[me], me);
    state_load(wanted[me]);
    for (unsigned int round = 0; round < ROUNDS; round++) {
        if (round & 1)
            sched_op(SCHEDOP_yield, 0);
        else
            (void)cpuid(0x40000000, 0);
        state_store(got[me]);
        if (differences(wanted[me], got[me])) {
            test_failure("vcpu %u, round %u: %u bytes of its vector registers changed", me, round,
                         differences(wanted[me], got[me]));
            return;
        }
        if (xcr0 && xcr0_read() != xcr0) {
            test_failure("vcpu %u, round %u: XCR0 is %x", me, round, xcr0_read());
            return;
        }
        if (xcr0 && round % 64 == 63)
            xcr0_vary(me);
    }
}

static void osxsave_set(void *unused)
{
    uint64_t cr4;

    (void)unused;
    __asm__ volatile("mov %%cr4, %0; or %1, %0; mov %0, %%cr4" : "=&r"(cr4) : "r"(CR4_OSXSAVE));
}

void test_main(void)
{
    struct trap_seen seen;

    if (cpuid(1, 0).ecx & FEATURE_XSAVE)
        xcr0 = cpuid(0xd, 0).eax & XCR0_WANTED;
    else if (!trap_catch(osxsave_set, 0, &seen) || seen.vector != TRAP_PROTECTION)
        test_failure("CR4.OSXSAVE can be set without XSAVE");
    for (unsigned int i = 1; i < 4; i++)
        vcpu_run(i, keep, 0);
    keep(0);
    for (unsigned int i = 1; i < 4; i++)
        CHECK(vcpu_wait(i));
}
