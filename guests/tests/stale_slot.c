// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a page that was a table, or was mapped, changes its use only when no CPU can still reach it by what it
// remembers of the tables: an entry of any level that is unhooked without a flush gives nothing. It matters because a
// remembered upper entry that leads to a page the guest may write by now is a page table of the guest's own making.
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

const char test_title[] = "upper levels unhooked without a flush, and reached through what is remembered of them";

#define SECRET 0x5ec7e75ec7e75ec7ul
#define FORGED 0xf0f0f0f0f0f0f0f0ul  /* in a page no checked entry leads to */
#define ROUNDS 60u
#define TOP_SLOT 5u                 /* of our level 4 table: 512 GiB that nobody uses */

static uint64_t *first, *second, *third, *page, *forged;
static volatile uint64_t *window;
static volatile bool stop;
static volatile unsigned long reached, broken;

static void hook(uint64_t *table, unsigned int index, const uint64_t *below)
{
    uint64_t value = below ? machine_of(below) << PAGE_SHIFT | ENTRY_TABLE : 0;

    CHECK_EQUAL(entry_update(entry_machine(&table[index]), value), 0);
}

static const uint64_t *top_entry(void)
{
    return entry_find((void *)((unsigned long)TOP_SLOT << 39), 4);
}

static void top_hook(const uint64_t *below)
{
    uint64_t value = below ? machine_of(below) << PAGE_SHIFT | ENTRY_TABLE : 0;

    CHECK_EQUAL(entry_update(entry_machine(top_entry()), value), 0);
}

// What the window shows is our page, as long as it is remembered, or a fault; never what only a forged entry leads to.
static void window_look(void *unused)
{
    uint64_t seen;

    (void)unused;
    seen = *window;
    reached += seen == SECRET;
    broken += seen == FORGED;
}

static void watcher(void *unused)
{
    struct trap_seen seen;

    (void)unused;
    while (!stop)
        trap_catch(window_look, NULL, &seen);
}

static void tree_make(void)
{
    first[0] = machine_of(page) << PAGE_SHIFT | ENTRY_READ_WRITE;
    second[0] = machine_of(first) << PAGE_SHIFT | ENTRY_TABLE;
    third[0] = machine_of(second) << PAGE_SHIFT | ENTRY_TABLE;
    *page = SECRET;
    CHECK_EQUAL(page_protect(first, false), 0);
    CHECK_EQUAL(page_protect(second, false), 0);
    CHECK_EQUAL(page_protect(third, false), 0);
    top_hook(third);
}

// Unhooks at a level, makes all that is free by then writable, forges an entry in it, and looks without a flush.
static void round_run(unsigned int level)
{
    uint64_t *const tables[] = { NULL, first, second, third };
    struct trap_seen seen;

    tree_make();
    trap_catch(window_look, NULL, &seen);       /* remembered now */
    if (level == 4)
        top_hook(NULL);
    else
        hook(tables[level], 0, NULL);
    for (unsigned int below = level - 1; below >= 1; below--) {
        CHECK_EQUAL(update_va_mapping(tables[below], machine_of(tables[below]) << PAGE_SHIFT | ENTRY_READ_WRITE, 0), 0);
        tables[below][0] = below == 1 ? machine_of(forged) << PAGE_SHIFT | ENTRY_READ_WRITE :
                                        machine_of(tables[below - 1]) << PAGE_SHIFT | ENTRY_TABLE;
    }
    trap_catch(window_look, NULL, &seen);
    if (level < 4)
        top_hook(NULL);
    for (unsigned int below = 1; below < 4; below++) {
        CHECK_EQUAL(page_protect(tables[below], true), 0);
        tables[below][0] = 0;
    }
}

// The page becomes a table while a writable translation of it may be remembered; a store must not get into it.
static void page_round(void)
{
    tree_make();
    *window = SECRET;
    hook(first, 0, NULL);
    *page = 0;
    CHECK_EQUAL(update_va_mapping(page, machine_of(page) << PAGE_SHIFT | ENTRY_READ_ONLY, 0), 0);
    CHECK_EQUAL(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(page)), 0);
    CHECK_EQUAL(trap_probe_write((void *)window), TRAP_PAGE_FAULT);
    CHECK_EQUAL(*page, 0);
    CHECK_EQUAL(mmuext(MMUEXT_UNPIN_TABLE, machine_of(page)), 0);
    top_hook(NULL);
    CHECK_EQUAL(page_protect(page, true), 0);
    for (unsigned int i = 0; i < 3; i++)
        CHECK_EQUAL(page_protect(i == 0 ? first : i == 1 ? second : third, true), 0);
}

static void rounds_run(void)
{
    for (unsigned int i = 0; i < ROUNDS; i++) {
        round_run(2 + i % 3);
        page_round();
    }
}

void test_main(void)
{
    if (vcpu_count() < 2)
        test_error("expected 2 vcpus");
    first = page_alloc();
    second = page_alloc();
    third = page_alloc();
    page = page_alloc();
    forged = page_alloc();
    *forged = FORGED;
    window = (volatile uint64_t *)((unsigned long)TOP_SLOT << 39);
    rounds_run();
    print("alone: the page was reached %lu times\n", reached);
    CHECK(reached >= ROUNDS);
    vcpu_run(1, watcher, NULL);                 /* another CPU remembers too */
    rounds_run();
    stop = true;
    CHECK(vcpu_wait(1));
    print("watched: reached %lu times\n", reached);
    CHECK_EQUAL(broken, 0);
}
