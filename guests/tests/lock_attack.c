// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: locks of a domain that its own vcpus take and drop as fast as they can are still had by domain 0's control
// operations on it, in turn. It matters because a domain that cannot be looked at, changed or destroyed is one that
// has won.
//
// Beside it domain 0 asks for its state and changes its affinity, limits and ports all the time, and says how long the
// slowest answer took; every one has to work. Its last one raises our memory's limit: we have lost and are done.
//
// config: vcpus = 3
// beside: control_worst

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/memory.h>
#include <xen/vcpu.h>

#include "event.h"
#include "grant.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "start.h"
#include "timer.h"
#include "vcpu.h"

const char test_title[] = "three vcpus at the locks that domain 0's control operations need";

#define PATIENCE 80000000000ul

static uint64_t *table;
static char *data;
static volatile bool stop;
static volatile unsigned long rounds[VCPU_MAX];

// Page tables, ports, grants, memory and vcpus: what each has a lock for.
static void locks_take(void *unused)
{
    struct mmu_update requests[64];
    unsigned int self = vcpu_self()->number;
    struct gnttab_query_size size = { .dom = DOMID_SELF };
    struct vcpu_runstate_info runstate;
    domid_t domain = DOMID_SELF;

    (void)unused;
    for (unsigned int i = 0; i < 64; i++)
        requests[i] = (struct mmu_update) {
            .ptr = entry_machine(&table[self * 64 + i]),
            .val = i & 1 ? 0 : machine_of(data) << PAGE_SHIFT | ENTRY_READ_ONLY,
        };
    while (!stop) {
        int port = event_alloc_unbound(DOMID_SELF);

        mmu_update(requests, 64, 0, DOMID_SELF);
        grant_op(GNTTABOP_query_size, &size, 1);
        memory_op(XENMEM_current_reservation, &domain);
        vcpu_op(VCPUOP_get_runstate_info, (self + 1) % 3, &runstate);
        if (port >= 0)
            event_close((evtchn_port_t)port);
        rounds[self]++;
    }
}

static long memory_limit(void)
{
    domid_t self = DOMID_SELF;

    return memory_op(XENMEM_maximum_reservation, &self);
}

void test_main(void)
{
    uint64_t end = time_now() + PATIENCE;
    long limit = memory_limit();

    if (vcpu_count() < 3)
        test_error("expected 3 vcpus");
    NEED(grant_init());
    data = page_alloc();
    table = page_alloc();
    NEED(page_protect(table, false));
    NEED(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(table)));
    vcpu_run(1, locks_take, NULL);
    vcpu_run(2, locks_take, NULL);
    while (memory_limit() == limit && time_now() < end) {
        event_close((evtchn_port_t)event_alloc_unbound(DOMID_SELF));
        mmuext(MMUEXT_PIN_L1_TABLE, machine_of(table));     /* pinned already: an error, under the lock */
        rounds[0]++;
    }
    stop = true;
    CHECK(vcpu_wait(1) && vcpu_wait(2));
    print("rounds: %lu, %lu, %lu\n", rounds[0], rounds[1], rounds[2]);
    CHECK(rounds[0] && rounds[1] && rounds[2]);
    CHECK(memory_limit() > limit);
    CHECK_EQUAL(mmuext(MMUEXT_UNPIN_TABLE, machine_of(table)), 0);
}
