// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: pinning and unpinning a tree of four levels, stopped at every point where the hypervisor gives way, counts each
// entry once, whatever the guest does at each stop with tables that are checked by half: what is not checked yet may
// become wrong, and the tree is then refused whole; what is half checked is neither written, nor used, nor given away.
// It matters because a half-checked table that is used, or whose entries are given back twice, is memory of a stranger.
//
// config: memory = 24

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/memory.h>

#include "hypercall.h"
#include "memory.h"
#include "preempt.h"
#include "result.h"

const char test_title[] = "a tree pinned and unpinned, stopped at every point and tampered with at each";

#define LEAVES 24u
#define SECONDS_TABLES 3u
#define NOBODYS 0x1ul   /* a machine frame that is not ours */

static uint64_t *leaves[LEAVES], *second[SECONDS_TABLES], *third, *fourth;
static unsigned int tamper_kind;
static unsigned long tampered, broken;

static void table_close(uint64_t *table)
{
    NEED(page_protect(table, false));
}

static void tree_build(void)
{
    char *data = page_alloc();

    third = page_alloc();
    fourth = page_alloc();
    for (unsigned int i = 0; i < LEAVES; i++) {
        leaves[i] = page_alloc();
        for (unsigned int entry = 0; entry < ENTRIES; entry += 3)
            leaves[i][entry] = machine_of(data) << PAGE_SHIFT | ENTRY_READ_WRITE;
        table_close(leaves[i]);
    }
    for (unsigned int i = 0; i < SECONDS_TABLES; i++) {
        second[i] = page_alloc();
        for (unsigned int leaf = i; leaf < LEAVES; leaf += SECONDS_TABLES)
            second[i][leaf * 20] = machine_of(leaves[leaf]) << PAGE_SHIFT | ENTRY_TABLE;
        table_close(second[i]);
        third[i * 100] = machine_of(second[i]) << PAGE_SHIFT | ENTRY_TABLE;
    }
    table_close(third);
    fourth[0] = *entry_find(NULL, 4);       /* our own memory: it may become the base table */
    fourth[1] = machine_of(third) << PAGE_SHIFT | ENTRY_TABLE;
    fourth[511] = machine_of(third) << PAGE_SHIFT | ENTRY_TABLE;
    table_close(fourth);
}

// Every count is back: all of them can be written again.
static void tree_check_free(const char *when)
{
    uint64_t *const upper[] = { second[0], second[1], second[2], third, fourth };

    for (unsigned int i = 0; i < LEAVES + 5; i++) {
        uint64_t *table = i < LEAVES ? leaves[i] : upper[i - LEAVES];
        long result = page_protect(table, true);

        if (result)
            test_failure("%s (%u): table %u cannot be written: %ld", when, tamper_kind, i, result);
        else
            NEED(page_protect(table, false));
    }
}

static long pin(void *unused)
{
    (void)unused;
    return mmuext(MMUEXT_PIN_L4_TABLE, machine_of(fourth));
}

static long unpin(void *unused)
{
    (void)unused;
    return mmuext(MMUEXT_UNPIN_TABLE, machine_of(fourth));
}

// Checked as a table by now: it cannot be mapped writable.
static bool is_table(uint64_t *page)
{
    if (page_protect(page, true))
        return true;
    NEED(page_protect(page, false));
    return false;
}

static void must_fail(const char *what, unsigned long stop, long result)
{
    if (result < 0)
        return;
    if (!broken++)
        test_failure("stop %lu: %s while the tree is half checked: expected an error, got %ld", stop, what, result);
}

// Exchange needs a frame nobody refers to; a half-checked table refers to itself.
static long released(const void *page)
{
    xen_pfn_t in = machine_of(page), out = (unsigned long)page >> PAGE_SHIFT;
    struct xen_memory_exchange request = {
        .in = { .nr_extents = 1, .domid = DOMID_SELF }, .out = { .nr_extents = 1, .domid = DOMID_SELF },
    };

    set_xen_guest_handle(request.in.extent_start, &in);
    set_xen_guest_handle(request.out.extent_start, &out);
    return memory_op(XENMEM_exchange, &request);
}

// A half-checked top table is offered as every thing it could be mistaken for.
static void upper_tamper(unsigned long stop)
{
    uint64_t nobody = NOBODYS << PAGE_SHIFT | ENTRY_TABLE;

    must_fail("a writable mapping of the top", stop, page_protect(fourth, true));
    must_fail("an update with a frame of nobody", stop, entry_update(entry_machine(&fourth[3]), nobody));
    if (is_table(leaves[0]))
        must_fail("an update of a checked leaf with a frame of nobody", stop,
                  entry_update(entry_machine(&leaves[0][1]), NOBODYS << PAGE_SHIFT | ENTRY_READ_WRITE));
    must_fail("clearing the page of the top", stop, mmuext(MMUEXT_CLEAR_PAGE, machine_of(fourth)));
    must_fail("giving the top away and getting a new frame for it", stop, released(fourth));
}

// Whoever asks for the half-checked top as a base table goes on with the check; what is used then is checked whole.
static void base_tamper(void)
{
    if (mmuext(MMUEXT_NEW_BASEPTR, machine_of(fourth)) == 0) {
        CHECK_EQUAL(page_protect(leaves[LEAVES - 1], true) < 0, true);
        CHECK_EQUAL(mmuext(MMUEXT_NEW_BASEPTR, base_table()), 0);
    }
    if (mmuext(MMUEXT_NEW_USER_BASEPTR, machine_of(fourth)) == 0)
        CHECK_EQUAL(mmuext(MMUEXT_NEW_USER_BASEPTR, 0), 0);
}

// What is not checked yet is made wrong: the tree has to be refused, and nothing kept.
static void leaf_tamper(unsigned long stop)
{
    uint64_t *leaf = leaves[(stop + tamper_kind) % LEAVES];

    if (tampered || page_protect(leaf, true) != 0)
        return;
    leaf[4] = NOBODYS << PAGE_SHIFT | ENTRY_READ_WRITE;
    NEED(page_protect(leaf, false));
    tampered = (unsigned long)leaf;
}

static void tree_tamper(unsigned long stop)
{
    long result;

    switch (tamper_kind) {
    case 0:
        return;
    case 1:
        upper_tamper(stop);
        return;
    case 2:
    case 3:
    case 4:
        leaf_tamper(stop);
        return;
    case 5:     /* the same work asked for again, and taken back, in the middle of it */
        mmuext(stop % 2 ? MMUEXT_PIN_L3_TABLE : MMUEXT_UNPIN_TABLE, machine_of(third));
        return;
    case 6:     /* what another call finished and undid begins again: now and then only, or it never ends */
        if (stop % 8 == 3 && stop < 100 && mmuext(MMUEXT_PIN_L4_TABLE, machine_of(fourth)) == 0)
            CHECK_EQUAL(mmuext(MMUEXT_UNPIN_TABLE, machine_of(fourth)), 0);
        return;
    case 7:     /* entries below go and come back */
        result = entry_update(entry_machine(&second[stop % 3][(stop % 3) * 20]), 0);
        if (result == 0)
            entry_update(entry_machine(&second[stop % 3][(stop % 3) * 20]),
                         machine_of(leaves[stop % 3]) << PAGE_SHIFT | ENTRY_TABLE);
        return;
    case 8:     /* gone again, it is checked from the start: now and then only */
        if (stop % 8 == 3 && stop < 100)
            base_tamper();
        return;
    case 9:     /* fails, and may undo what was checked: then it begins again */
        if (stop > 64)
            return;
        CHECK(mmuext(MMUEXT_PIN_L3_TABLE, machine_of(fourth)) < 0);
        return;
    default:    /* the half-checked top into itself and below itself: this begins the check again, too */
        if (stop > 64)
            return;
        if (is_table(third))
            must_fail("the top as its own lower table", stop,
                      entry_update(entry_machine(&third[7]), machine_of(fourth) << PAGE_SHIFT | ENTRY_READ_ONLY));
        if (is_table(leaves[0]))
            must_fail("the top mapped writable below", stop,
                      entry_update(entry_machine(&leaves[0][2]), machine_of(fourth) << PAGE_SHIFT | ENTRY_READ_WRITE));
    }
}

static void leaf_repair(void)
{
    uint64_t *leaf = (uint64_t *)tampered;

    if (!leaf)
        return;
    NEED(page_protect(leaf, true));
    leaf[4] = 0;
    NEED(page_protect(leaf, false));
    tampered = 0;
}

static void kind_check(void)
{
    unsigned long stops, back = 0;
    long result = preempt_all(pin, NULL, tree_tamper, &stops);

    if (result == 0) {
        /* Any call on tables finishes an unpin that was stopped: what those would say then is true of no half. */
        bool quiet = tamper_kind >= 5 && tamper_kind <= 7;
        long undone = preempt_all(unpin, NULL, quiet ? tree_tamper : NULL, &back);

        if (undone != 0 && tamper_kind != 6)
            test_failure("kind %u: unpin: %ld", tamper_kind, undone);
    }
    print("kind %u: pin %ld after %lu stops, unpin after %lu\n", tamper_kind, result, stops, back);
    if (stops >= PREEMPT_MOST || back >= PREEMPT_MOST)
        test_failure("kind %u: no progress", tamper_kind);
    if (tamper_kind == 0) {
        CHECK_EQUAL(result, 0);
        CHECK(stops > LEAVES && back > LEAVES);
    }
    if (tampered)
        CHECK(result < 0);
    mmuext(MMUEXT_UNPIN_TABLE, machine_of(third));      /* kind 5 may have left it */
    tree_check_free("after");
    leaf_repair();
}

void test_main(void)
{
    tree_build();
    for (tamper_kind = 0; tamper_kind < 11; tamper_kind++)
        kind_check();
}
