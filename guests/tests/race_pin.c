// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: however two vcpus race, a frame never is a page table and writable at the same time. It matters because typing
// is the wall, and the moment between its check and its use is where it was broken before.
//
// config: vcpus = 2

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "timer.h"
#include "trap.h"
#include "vcpu.h"

const char test_title[] = "two vcpus race pinning, writable mapping, updates and stores on one frame";

#define DURATION 3000000000ul

static uint64_t *table;
static char *window;
static volatile bool stop;
static volatile unsigned long pinned, mapped;
static volatile unsigned long both;

static void mapper(void *unused)
{
    (void)unused;
    while (!stop) {
        uint64_t entry = machine_of(table) << PAGE_SHIFT | ENTRY_READ_WRITE;

        if (update_va_mapping(window, entry, UVMF_INVLPG | UVMF_ALL) != 0)
            continue;
        mapped++;
        if (mmuext(MMUEXT_PIN_L1_TABLE, machine_of(table)) == 0) {
            both++;
            mmuext(MMUEXT_UNPIN_TABLE, machine_of(table));
        }
        *(volatile uint64_t *)window = 0x1000 | ENTRY_READ_WRITE;    /* the machine's second page */
        *(volatile uint64_t *)window = 0;
        update_va_mapping(window, 0, UVMF_INVLPG | UVMF_ALL);
    }
}

void test_main(void)
{
    uint64_t end;

    if (vcpu_count() < 2)
        test_error("expected 2 vcpus");
    table = page_alloc();
    window = range_alloc(1);
    NEED(page_protect(table, false));
    vcpu_run(1, mapper, NULL);
    end = time_now() + DURATION;
    while (time_now() < end) {
        uint64_t first;

        if (mmuext(MMUEXT_PIN_L1_TABLE, machine_of(table)) != 0)
            continue;
        pinned++;
        first = table[0];
        if (first & ENTRY_PRESENT) {
            test_failure("a pinned table holds %lx, which nobody checked", first);
            break;
        }
        entry_update(entry_machine(&table[1]), machine_of(table) << PAGE_SHIFT | ENTRY_READ_ONLY);
        entry_update(entry_machine(&table[1]), 0);
        mmuext(MMUEXT_UNPIN_TABLE, machine_of(table));
    }
    stop = true;
    CHECK(vcpu_wait(1));
    print("pinned %lu times, mapped writable %lu times\n", pinned, mapped);
    CHECK_EQUAL(both, 0);
    CHECK(pinned > 0 && mapped > 0);
    CHECK_EQUAL(page_protect(table, true), 0);
}
