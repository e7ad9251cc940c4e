/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of tsc_mode share: the same guest is started once for each mode. See xen/arch-x86/cpuid.h, leaf 4 of the
 * hypervisor's own.
 */
#ifndef GUEST_TSC_H
#define GUEST_TSC_H

#include <stddef.h>
#include <stdint.h>

#include "cpuid.h"
#include "event.h"
#include "result.h"
#include "timer.h"
#include "trap.h"
#include "user.h"
#include "vcpu.h"

#define CPUID_TIME_LEAF 0x40000003u
#define TSC_READS 3000u
#define TSC_AUX_MSR 0xc0000103u
#define FEATURE_RDTSCP (1u << 27)   /* of leaf 0x80000001, EDX */

static inline uint64_t tsc_read_aux(uint32_t *aux)
{
    uint32_t low, high;

    __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(*aux));
    return (uint64_t)high << 32 | low;
}

static uint64_t tsc_latest;          /* the highest value any vcpu has read */
static volatile unsigned int tsc_back;

/* Reads the counter again and again; what another vcpu has read is never before it. */
static void tsc_reads(void *unused)
{
    (void)unused;
    for (unsigned int i = 0; i < TSC_READS; i++) {
        uint64_t before = __atomic_load_n(&tsc_latest, __ATOMIC_SEQ_CST), now = tsc_read();

        tsc_back += now < before;
        while (before < now && !__atomic_compare_exchange_n(&tsc_latest, &before, now, false, __ATOMIC_SEQ_CST,
                                                            __ATOMIC_SEQ_CST)) {
        }
    }
}

static void tsc_user(long unused)
{
    (void)unused;
    __asm__ volatile("rdtsc; shl $32, %%rdx; or %%rdx, %%rax; mov %%rax, %%rdi; syscall" : : : "rax", "rdx", "rdi");
}

static void tsc_user_leave(struct trap_frame *frame)
{
    trap_leave((long)frame->rdi);
}

/* TSC_AUX of this vcpu is its own. */
static void tsc_aux_check(void *argument)
{
    uint32_t value = (uint32_t)(unsigned long)argument, got;

    if (!(cpuid(0x80000001, 0).edx & FEATURE_RDTSCP))
        return;
    __asm__ volatile("wrmsr" : : "c"(TSC_AUX_MSR), "a"(value), "d"(0));
    for (int i = 0; i < 50; i++) {
        sched_op(SCHEDOP_yield, 0);
        tsc_read_aux(&got);
        if (got != value) {
            test_failure("TSC_AUX of vcpu %u: expected %x, got %x", vcpu_self()->number, value, got);
            return;
        }
    }
}

/* Each reading of the counter lies between two of the clock, so that a pause anywhere changes nothing. */
static void tsc_rate_check(uint32_t khz)
{
    uint64_t first = time_now(), from = tsc_read(), second = time_now(), third, to, least, most;

    time_pass(100000000ul);
    third = time_now();
    to = tsc_read();
    least = (third - second) / 1000 * khz / 1000;
    most = (time_now() - first) / 1000 * khz / 1000;
    if (to - from < least - least / 100 || to - from > most + most / 100)
        test_failure("the counter went on by %lu, expected %lu to %lu", to - from, least, most);
}

/*
 * The counter runs at the rate of the time page, from kernel and user mode, never back on any vcpu, and CPUID tells how.
 * emulated: 0 or 1, or -1 when either may be.
 */
static void tsc_check(unsigned int mode, int emulated)
{
    struct cpuid_result leaf = cpuid(CPUID_TIME_LEAF, 0);
    uint64_t kernel, user, after;

    print("flags %x mode %u khz %u incarnation %u\n", leaf.eax, leaf.ebx, leaf.ecx, leaf.edx);
    CHECK_EQUAL(leaf.ebx, mode);
    if (emulated >= 0)
        CHECK_EQUAL(leaf.eax & 1, emulated);
    CHECK(leaf.ecx > 10000);
    user_init();
    trap_handle(TRAP_SYSCALL, tsc_user_leave);
    kernel = tsc_read();
    user = (uint64_t)user_run(tsc_user, 0);
    after = tsc_read();
    if (user < kernel || after < user)
        test_failure("kernel %lu, user %lu, kernel %lu: expected a counter that goes on", kernel, user, after);
    tsc_rate_check(leaf.ecx);
    vcpu_run(1, tsc_reads, NULL);
    tsc_reads(NULL);
    CHECK(vcpu_wait(1));
    CHECK_EQUAL(tsc_back, 0);
    vcpu_run(1, tsc_aux_check, (void *)0x1111ul);
    tsc_aux_check((void *)0x2222ul);
    CHECK(vcpu_wait(1));
}

#endif
