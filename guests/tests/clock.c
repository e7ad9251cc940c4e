// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: system time is one line over all vcpus: what one has read, no other reads less than; each vcpu's page, the copy
// it asked for elsewhere, and the wall clock's base agree with it. It matters because guests order events of several CPUs
// by it.
//
// kinds: pv pvh
// config: vcpus = 4

#include <stddef.h>
#include <stdint.h>

#include <xen/sched.h>
#include <xen/vcpu.h>

#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "start.h"
#include "timer.h"
#include "vcpu.h"

const char test_title[] = "system time of four vcpus, a second time area, the wall clock";

#define READS 4000u
#define YIELD_EVERY 64u
#define MS 1000000ul
#define YEAR_2020 1577836800ul

static uint64_t latest;
static volatile unsigned int back;
static uint64_t worst;

static void reads(void *unused)
{
    (void)unused;
    for (unsigned int i = 0; i < READS; i++) {
        uint64_t before = __atomic_load_n(&latest, __ATOMIC_SEQ_CST), now = time_now();

        if (now < before) {
            back++;
            worst = before - now;
        }
        while (before < now && !__atomic_compare_exchange_n(&latest, &before, now, false, __ATOMIC_SEQ_CST,
                                                            __ATOMIC_SEQ_CST)) {
        }
        if (i % YIELD_EVERY == 0)
            sched_op(SCHEDOP_yield, 0);
    }
}

static uint64_t area_time(const volatile struct vcpu_time_info *area)
{
    uint64_t delta = tsc_read() - area->tsc_timestamp;

    delta = area->tsc_shift < 0 ? delta >> -area->tsc_shift : delta << area->tsc_shift;
    return area->system_time + (uint64_t)((unsigned __int128)delta * area->tsc_to_system_mul >> 32);
}

// The copy is brought up to date when the vcpu comes back to a CPU.
static void area_check(void *unused)
{
    struct vcpu_time_info *copy = page_alloc();
    struct vcpu_register_time_memory_area area = { .addr.p = (uint64_t)copy };
    unsigned int number = vcpu_self()->number;
    uint64_t before, between, after;

    (void)unused;
    CHECK_EQUAL(vcpu_op(VCPUOP_register_vcpu_time_memory_area, number, &area), 0);
    sched_op(SCHEDOP_yield, 0);
    if (copy->version & 1 || !copy->tsc_to_system_mul) {
        test_failure("vcpu %u: nothing in its time area", number);
        return;
    }
    before = time_now();
    between = area_time(copy);
    after = time_now();
    if (between < before || between > after)
        test_failure("vcpu %u: its time area says %lu, its page %lu before and %lu after", number, between, before, after);
    area.addr.p = 0xffff830000000000ul;
    CHECK_EQUAL(vcpu_op(VCPUOP_register_vcpu_time_memory_area, number, &area) < 0, guest_is_pv);  /* or missed */
    area.addr.p = 0;
    vcpu_op(VCPUOP_register_vcpu_time_memory_area, number, &area);
}

static uint64_t wall_base(void)
{
    const volatile struct shared_info *shared = shared_page();
    uint32_t version;
    uint64_t base;

    do {
        version = shared->wc_version;
        __asm__ volatile("" : : : "memory");
        base = (uint64_t)shared->wc_sec_hi << 32 | shared->wc_sec;
        base = base * 1000000000ul + shared->wc_nsec;
        __asm__ volatile("" : : : "memory");
    } while (version & 1 || version != shared->wc_version);
    return base;
}

void test_main(void)
{
    NEED(vcpu_count() == 4 ? 0 : -1);
    for (unsigned int vcpu = 1; vcpu < 4; vcpu++)
        vcpu_run(vcpu, reads, NULL);
    reads(NULL);
    for (unsigned int vcpu = 1; vcpu < 4; vcpu++)
        CHECK(vcpu_wait(vcpu));
    if (back)
        test_failure("time went back %u times, last by %lu ns", back, worst);
    for (unsigned int vcpu = 1; vcpu < 4; vcpu++) {
        vcpu_run(vcpu, area_check, NULL);
        CHECK(vcpu_wait(vcpu));
    }
    area_check(NULL);
    CHECK(wall_base() / 1000000000ul > YEAR_2020);
    time_pass(50 * MS);
    CHECK(wall_base() / 1000000000ul > YEAR_2020);
}
