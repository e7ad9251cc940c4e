// SPDX-License-Identifier: BSD-2-Clause
//
// What exits cost, in ticks of the time-stamp counter: instructions, on a machine that counts them (--icount with its
// sleep off). It shows, as "BENCH KEY VALUE", and does not judge; bench/run has the budgets. With "loop=KEY" on the command
// line only that row runs, for ever after the line "LOOP", for bench/profile.

#include <stdint.h>

#include <xen/grant_table.h>
#include <xen/memory.h>

#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "pvh/machine.h"
#include "result.h"
#include "start.h"
#include "string.h"
#include "timer.h"

const char test_title[] = "PVH: cost of hypercalls and exits";

#define ROUNDS 40u
#define OPERATIONS 32u
#define REFERENCE 8u /* the first that is not the tools' */

static evtchn_port_t port;
static struct gnttab_copy copy = { .source = { .domid = DOMID_SELF }, .dest = { .domid = DOMID_SELF },
                                   .flags = GNTCOPY_source_gref };

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
static void copy_call(void)
{
    NEED(grant_op(GNTTABOP_copy, &copy, 1));
    CHECK_EQUAL(copy.status, GNTST_okay);
}
static void copy_64_call(void)
{
    copy.len = 64;
    copy_call();
}
static void copy_4096_call(void)
{
    copy.len = 4096;
    copy_call();
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

/* A page of ours, granted to ourselves, and another one to copy it to. */
static void copy_prepare(void)
{
    struct grant_entry_v1 *table = page_alloc();

    NEED(physmap_add(XENMAPSPACE_grant_table, 0, machine_of(table)));
    table[REFERENCE].frame = (uint32_t)machine_of(page_alloc());
    table[REFERENCE].domid = domain_self();
    __atomic_store_n(&table[REFERENCE].flags, GTF_permit_access, __ATOMIC_SEQ_CST);
    copy.source.domid = domain_self();
    copy.source.u.ref = REFERENCE;
    copy.dest.u.gmfn = machine_of(page_alloc());
}

void test_main(void)
{
    static const struct { const char *key; void (*operation)(void); } rows[] = {
        { "pvh_nothing", nothing }, { "pvh_null", null_call }, { "pvh_yield", yield_call }, { "pvh_event", event_call },
        { "pvh_set_timer", timer_call }, { "pvh_cpuid", cpuid_exit }, { "pvh_rdmsr", msr_exit },
        { "pvh_grant_copy_64", copy_64_call }, { "pvh_grant_copy_4096", copy_4096_call },
    };
    const char *wanted = strstr((const char *)start_page()->cmd_line, "loop=");

    port = (evtchn_port_t)event_bind_ipi(0);
    copy_prepare();
    for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t ticks;

        if (wanted && strcmp(wanted + 5, rows[i].key))
            continue;
        if (wanted)
            print("LOOP %s\n", rows[i].key);
        do
            ticks = cost(rows[i].operation);
        while (wanted);
        print("BENCH %s %lu\n", rows[i].key, ticks);
        CHECK(ticks < 1000000000);
    }
}
