// SPDX-License-Identifier: BSD-2-Clause
//
// What exits cost, in ticks of the time-stamp counter: instructions, on a machine that counts them (--icount with its
// sleep off). It shows and does not judge; docs/performance.md has the budgets.

#include <stdint.h>

#include "event.h"
#include "hypercall.h"
#include "pvh/machine.h"
#include "result.h"
#include "timer.h"

const char test_title[] = "PVH: cost of hypercalls and exits";

#define ROUNDS 40u
#define OPERATIONS 32u

static evtchn_port_t port;

static void null_call(void) { version_op(0, 0); }
static void yield_call(void) { sched_op(0, 0); }
static void cpuid_exit(void) { cpuid(0, 0); }
static void msr_exit(void) { rdmsr(MSR_APIC_BASE); }
static void timer_call(void) { timer_set(0); }
static void event_call(void)
{
    struct evtchn_send send = { .port = port };

    event_op(EVTCHNOP_send, &send);
}
static void nothing(void) { __asm__ volatile(""); }

/* The best of several rounds: an interrupt only makes one longer. */
static uint64_t cost(void (*operation)(void))
{
    uint64_t best = ~0ul;

    for (unsigned int round = 0; round < ROUNDS; round++) {
        uint64_t start = tsc_read(), passed;

        for (unsigned int i = 0; i < OPERATIONS; i++)
            operation();
        passed = tsc_read() - start;
        best = passed < best ? passed : best;
    }
    return best / OPERATIONS;
}

void test_main(void)
{
    static const struct { const char *name; void (*operation)(void); } rows[] = {
        { "nothing", nothing }, { "null hypercall", null_call }, { "yield, alone", yield_call },
        { "event send, masked port", event_call }, { "set_timer_op", timer_call }, { "cpuid exit", cpuid_exit },
        { "rdmsr exit", msr_exit },
    };

    port = (evtchn_port_t)event_bind_ipi(0);
    for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t ticks = cost(rows[i].operation);

        print("%s: %lu\n", rows[i].name, ticks);
        CHECK(ticks < 1000000000);
    }
}
