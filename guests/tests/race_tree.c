// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a tree of four levels that is pinned and unpinned while another vcpu changes entries inside it is validated
// whole or not at all, however often the work is interrupted. It matters because a half-validated tree that is used,
// or put twice, is a frame with the wrong count.
//
// config: vcpus = 2
// config: memory = 24

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "timer.h"
#include "vcpu.h"

const char test_title[] = "two vcpus: a full tree pinned and unpinned, interrupted and changed under way";

#define DURATION 4000000000ul
#define LEAVES 16u

static uint64_t *leaves[LEAVES], *second, *third, *fourth;
static volatile bool stop;
static volatile unsigned long changes;

static uint64_t *table_fill(uint64_t *const *below, unsigned int count)
{
    uint64_t *table = page_alloc();

    for (unsigned int i = 0; i < count; i++)
        table[i * 7] = machine_of(below[i]) << PAGE_SHIFT | ENTRY_TABLE;
    NEED(page_protect(table, false));
    return table;
}

static void tree_build(void)
{
    char *data = page_alloc();

    for (unsigned int leaf = 0; leaf < LEAVES; leaf++) {
        leaves[leaf] = page_alloc();
        for (unsigned int i = 0; i < ENTRIES; i++)
            leaves[leaf][i] = machine_of(data) << PAGE_SHIFT | ENTRY_READ_WRITE;
        NEED(page_protect(leaves[leaf], false));
    }
    second = table_fill(leaves, LEAVES);
    third = table_fill(&second, 1);
    fourth = table_fill(&third, 1);
}

// Unhooks and hooks leaves, and pins and unpins lower levels; every call may fail, none may corrupt.
static void changer(void *unused)
{
    unsigned int turn = 0;

    (void)unused;
    while (!stop) {
        unsigned int leaf = turn++ % LEAVES;
        uint64_t value = machine_of(leaves[leaf]) << PAGE_SHIFT | ENTRY_TABLE;

        changes += entry_update(entry_machine(&second[leaf * 7]), 0) == 0;
        changes += entry_update(entry_machine(&second[leaf * 7]), value) == 0;
        if (mmuext(MMUEXT_PIN_L1_TABLE, machine_of(leaves[leaf])) == 0)
            mmuext(MMUEXT_UNPIN_TABLE, machine_of(leaves[leaf]));
        if (turn % 5 == 0 && mmuext(MMUEXT_PIN_L3_TABLE, machine_of(third)) == 0)
            mmuext(MMUEXT_UNPIN_TABLE, machine_of(third));
    }
}

static void tick(evtchn_port_t port)
{
    (void)port;
    timer_set(time_now() + 50000);
}

void test_main(void)
{
    unsigned long pins = 0, refused = 0;
    int timer = event_bind_virq(VIRQ_TIMER, 0);
    uint64_t end;

    NEED(timer);
    if (vcpu_count() < 2)
        test_error("expected 2 vcpus");
    tree_build();
    event_handle((evtchn_port_t)timer, tick);
    event_mask_restore(false);
    event_port_unmask((evtchn_port_t)timer);
    timer_set(time_now() + 50000);
    vcpu_run(1, changer, NULL);
    for (end = time_now() + DURATION; time_now() < end;) {
        if (mmuext(MMUEXT_PIN_L4_TABLE, machine_of(fourth)) == 0) {
            pins++;
            CHECK_EQUAL(mmuext(MMUEXT_UNPIN_TABLE, machine_of(fourth)), 0);
        } else {
            refused++;
        }
    }
    stop = true;
    CHECK(vcpu_wait(1));
    event_port_mask((evtchn_port_t)timer);
    print("pinned %lu times, refused %lu times, %lu changes, %u interrupts\n", pins, refused, changes,
          event_count((evtchn_port_t)timer));
    CHECK(pins > 0);
    for (unsigned int leaf = 0; leaf < LEAVES; leaf++)      /* every count is back: all become writable again */
        CHECK_EQUAL(page_protect(leaves[leaf], true), 0);
    CHECK_EQUAL(page_protect(second, true), 0);
    CHECK_EQUAL(page_protect(third, true), 0);
    CHECK_EQUAL(page_protect(fourth, true), 0);
}
