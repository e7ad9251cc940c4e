// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a table may refer to a table of its own level only read-only, never so that references form a circle of more
// than one, and never to a level that is not the next or its own; however such tables are taken apart, each count goes
// back. It matters because linear maps were the source of wrong counts again and again: a table that is freed while
// another still refers to it is a page table in a stranger's hands.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypercall.h"
#include "memory.h"
#include "preempt.h"
#include "result.h"

const char test_title[] = "linear maps at every level: circles, chains, wrong levels, taken apart in every order";

#define TABLES 4u

static uint64_t *tables[TABLES];
static unsigned int level;

static long update(uint64_t *table, unsigned int index, uint64_t value)
{
    return entry_update(entry_machine(&table[index]), value);
}

static uint64_t linear_to(const uint64_t *table)
{
    return machine_of(table) << PAGE_SHIFT | ENTRY_READ_ONLY;
}

static unsigned int pin_command(unsigned int of_level)
{
    return MMUEXT_PIN_L1_TABLE + of_level - 1;
}

static void all_make(void)
{
    for (unsigned int i = 0; i < TABLES; i++) {
        tables[i] = page_alloc();
        NEED(page_protect(tables[i], false));
        NEED(mmuext(pin_command(level), machine_of(tables[i])));
    }
}

// Unpins in an order; then nothing may be left of any of them.
static void all_drop(unsigned int order)
{
    for (unsigned int i = 0; i < TABLES; i++)
        CHECK_EQUAL(mmuext(MMUEXT_UNPIN_TABLE, machine_of(tables[(i * (order % 2 ? 3 : 1) + order / 2) % TABLES])), 0);
    for (unsigned int i = 0; i < TABLES; i++) {
        long result = page_protect(tables[i], true);

        if (result)
            test_failure("level %u, order %u: table %u is still in use: %ld", level, order, i, result);
        else
            page_free(tables[i]);
    }
}

static void circle_check(unsigned int order)
{
    long there, back;

    all_make();
    CHECK(update(tables[0], 0, linear_to(tables[0]) | ENTRY_WRITABLE) < 0);
    CHECK(update(tables[0], 0, linear_to(tables[1]) | ENTRY_WRITABLE) < 0);
    update(tables[0], 1, linear_to(tables[0]));
    there = update(tables[0], 2, linear_to(tables[1]));
    back = update(tables[1], 2, linear_to(tables[0]));
    if (there == 0 && back == 0)
        test_failure("level %u: two tables refer to each other", level);
    if (there == 0) {       /* a chain of three, and the same table many times */
        CHECK(update(tables[1], 3, linear_to(tables[2])) < 0);
        CHECK(update(tables[2], 3, linear_to(tables[0])) < 0);
        for (unsigned int i = 10; i < 40; i++)
            CHECK_EQUAL(update(tables[0], i, linear_to(tables[1])), 0);
        CHECK_EQUAL(update(tables[2], 5, linear_to(tables[1])), 0);
        CHECK(page_protect(tables[1], true) < 0);
        for (unsigned int i = 10; i < 20; i++)
            CHECK_EQUAL(update(tables[0], i, 0), 0);
        CHECK_EQUAL(update(tables[0], 20, linear_to(tables[3])), 0);    /* one for another */
        CHECK(update(tables[0], 21, linear_to(tables[1]) | ENTRY_WRITABLE) < 0);
    }
    all_drop(order);
}

// A table as an entry of any level but the one above its own, and its own read-only.
static void level_check(void)
{
    all_make();
    for (unsigned int upper = 2; upper <= 4; upper++) {
        uint64_t *table = page_alloc();

        if (upper == level || upper == level + 1)
            continue;
        NEED(page_protect(table, false));
        NEED(mmuext(pin_command(upper), machine_of(table)));
        if (update(table, 3, linear_to(tables[0])) >= 0 || update(table, 4, linear_to(tables[0]) | ENTRY_WRITABLE) >= 0)
            test_failure("a level %u table is an entry of a level %u table", level, upper);
        CHECK_EQUAL(mmuext(MMUEXT_UNPIN_TABLE, machine_of(table)), 0);
        CHECK_EQUAL(page_protect(table, true), 0);
        page_free(table);
    }
    all_drop(0);
}

// Filled while writable, so that all is checked at once by a pin: circles have to be found there too.
static long pin_first(void *unused)
{
    (void)unused;
    return mmuext(pin_command(level), machine_of(tables[0]));
}

static long unpin_first(void *unused)
{
    (void)unused;
    return mmuext(MMUEXT_UNPIN_TABLE, machine_of(tables[0]));
}

static void whole_check(bool circle)
{
    unsigned long stops, back = 0;
    long first, second;

    for (unsigned int i = 0; i < TABLES; i++)
        tables[i] = page_alloc();
    tables[0][0] = linear_to(tables[0]);
    tables[0][1] = linear_to(tables[1]);
    tables[0][400] = linear_to(tables[1]);
    if (circle)
        tables[1][0] = linear_to(tables[0]);
    for (unsigned int i = 0; i < TABLES; i++)
        NEED(page_protect(tables[i], false));
    second = mmuext(pin_command(level), machine_of(tables[1]));
    first = preempt_all(pin_first, NULL, NULL, &stops);
    print("level %u%s: %ld and %ld, %lu stops\n", level, circle ? ", circle" : "", first, second, stops);
    if (circle && first == 0 && second == 0)
        test_failure("level %u: a circle was pinned", level);
    if (second == 0)
        CHECK_EQUAL(mmuext(MMUEXT_UNPIN_TABLE, machine_of(tables[1])), 0);
    if (first == 0)
        CHECK_EQUAL(preempt_all(unpin_first, NULL, NULL, &back), 0);
    for (unsigned int i = 0; i < TABLES; i++) {
        CHECK_EQUAL(page_protect(tables[i], true), 0);
        page_free(tables[i]);
    }
}

// Left behind for the end of the domain: a table that refers to itself and one that is referred to, both pinned.
static void death_leave(void)
{
    all_make();
    update(tables[0], 1, linear_to(tables[0]));
    update(tables[0], 2, linear_to(tables[1]));
    update(tables[2], 2, linear_to(tables[1]));
    mmuext(MMUEXT_UNPIN_TABLE, machine_of(tables[1]));
}

void test_main(void)
{
    for (level = 2; level <= 4; level++) {
        for (unsigned int order = 0; order < 8; order++)
            circle_check(order);
        level_check();
        whole_check(false);
        whole_check(true);
    }
    for (level = 2; level <= 4; level++)
        death_leave();
}
