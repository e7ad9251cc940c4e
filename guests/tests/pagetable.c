// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a frame is a page table or writable, never both, and a table's entries name only frames the domain may reach.
// It is the whole of a PV guest's wall: one writable page table is every frame of the machine.

#include <stdint.h>

#include <xen/errno.h>

#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "string.h"
#include "trap.h"

const char test_title[] = "page tables: pin, unpin, map, update, emulated writes";

static uint64_t mapping(const void *page, uint64_t flags)
{
    return machine_of(page) << PAGE_SHIFT | flags;
}

static void pin_check(void)
{
    uint64_t *table = page_alloc();
    char *data = page_alloc();

    table[0] = mapping(data, ENTRY_READ_WRITE);
    table[511] = mapping(data, ENTRY_READ_ONLY);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(table)) < 0);     /* still writable */
    CHECK_EQUAL(page_protect(table, false), 0);
    CHECK_EQUAL(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(table)), 0);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(table)) < 0);     /* twice */
    CHECK(page_protect(table, true) < 0);                           /* writable while a table */
    CHECK(mmuext(MMUEXT_PIN_L2_TABLE, machine_of(table)) < 0);     /* another level */
    CHECK_EQUAL(mmuext(MMUEXT_UNPIN_TABLE, machine_of(table)), 0);
    CHECK(mmuext(MMUEXT_UNPIN_TABLE, machine_of(table)) < 0);
    CHECK_EQUAL(page_protect(table, true), 0);
    page_free(table);
    page_free(data);
}

// A table as a whole is refused for one entry that reaches what the domain does not own, or a table writably.
static void content_check(void)
{
    uint64_t *table = page_alloc(), *inner = page_alloc();
    uint64_t bad[] = {
        0ul << PAGE_SHIFT | ENTRY_READ_WRITE,                    /* the machine's first page */
        0xfffffffffful << PAGE_SHIFT | ENTRY_READ_WRITE,         /* beyond all memory */
        base_table() << PAGE_SHIFT | ENTRY_READ_WRITE,           /* our own top table, writable */
    };

    for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        table[7] = bad[i];
        CHECK_EQUAL(page_protect(table, false), 0);
        CHECK(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(table)) < 0);
        CHECK_EQUAL(page_protect(table, true), 0);
    }
    table[7] = base_table() << PAGE_SHIFT | ENTRY_READ_ONLY;
    CHECK_EQUAL(page_protect(table, false), 0);
    CHECK_EQUAL(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(table)), 0);
    CHECK_EQUAL(page_protect(inner, false), 0);
    CHECK_EQUAL(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(inner)), 0);
    CHECK(entry_update(entry_machine(&table[8]), mapping(inner, ENTRY_READ_WRITE)) < 0);
    CHECK_EQUAL(entry_update(entry_machine(&table[8]), mapping(inner, ENTRY_READ_ONLY)), 0);
    CHECK_EQUAL(ENTRY_FRAME(table[8]), machine_of(inner));
    CHECK_EQUAL(mmuext(MMUEXT_UNPIN_TABLE, machine_of(table)), 0);
    CHECK_EQUAL(mmuext(MMUEXT_UNPIN_TABLE, machine_of(inner)), 0);
    CHECK_EQUAL(page_protect(table, true), 0);
    CHECK_EQUAL(page_protect(inner, true), 0);
}

static void map_check(void)
{
    unsigned long *window = range_alloc(2), *page = page_alloc();

    page[5] = 0x1234;
    page_map(window, machine_of(page), ENTRY_READ_WRITE);
    CHECK_EQUAL(window[5], 0x1234);
    window[6] = 0x5678;
    CHECK_EQUAL(page[6], 0x5678);
    page_map(window, machine_of(page), ENTRY_READ_ONLY);
    CHECK_EQUAL(trap_probe_write(window), TRAP_PAGE_FAULT);
    CHECK_EQUAL(trap_probe_read(window), -1);
    page_map(window, 0, 0);
    CHECK_EQUAL(trap_probe_read(window), TRAP_PAGE_FAULT);
    CHECK_EQUAL(update_va_mapping(window, 0x1000 | ENTRY_READ_WRITE, UVMF_INVLPG) < 0, 1);
    CHECK_EQUAL(update_va_mapping(0xffff830000000000ul, 0, UVMF_INVLPG) < 0, 1);
    page_free(page);
}

// A store into a page table faults, and the hypervisor does it after the same checks; a bad one is the guest's fault.
static void emulated_check(void)
{
    unsigned long *window = range_alloc(1), *page = page_alloc();
    volatile uint64_t *entry = (volatile uint64_t *)entry_find(window, 1);

    page[0] = 0xabcd;
    *entry = mapping(page, ENTRY_READ_WRITE);
    CHECK_EQUAL(ENTRY_FRAME(*entry), machine_of(page));
    CHECK_EQUAL(window[0], 0xabcd);
    *entry = 0;
    mmuext(MMUEXT_INVLPG_LOCAL, (unsigned long)window);
    CHECK_EQUAL(trap_probe_read(window), TRAP_PAGE_FAULT);
    page_free(page);
}

static void bad_store(void *entry)
{
    *(volatile uint64_t *)entry = base_table() << PAGE_SHIFT | ENTRY_READ_WRITE;
}

static void updates_check(void)
{
    struct mmu_update updates[3];
    unsigned int done = 99;
    uint64_t *table = page_alloc();
    char *page = page_alloc();
    struct trap_seen seen;

    CHECK_EQUAL(page_protect(table, false), 0);
    CHECK_EQUAL(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(table)), 0);
    for (unsigned int i = 0; i < 3; i++)
        updates[i] = (struct mmu_update) { entry_machine(&table[i]), mapping(page, ENTRY_READ_WRITE) };
    updates[1].val = base_table() << PAGE_SHIFT | ENTRY_READ_WRITE;
    CHECK(mmu_update(updates, 3, &done, DOMID_SELF) < 0);
    CHECK_EQUAL(done, 1);
    CHECK_EQUAL(ENTRY_FRAME(table[0]), machine_of(page));
    CHECK_EQUAL(table[1], 0);
    CHECK_EQUAL(table[2], 0);
    CHECK(trap_catch(bad_store, &table[3], &seen));
    CHECK_EQUAL(seen.vector, TRAP_PAGE_FAULT);
    CHECK_EQUAL(seen.address, (unsigned long)&table[3]);
    CHECK_EQUAL(table[3], 0);
    CHECK_EQUAL(mmuext(MMUEXT_UNPIN_TABLE, machine_of(table)), 0);
    CHECK_EQUAL(page_protect(table, true), 0);
}

static void base_check(void)
{
    unsigned long old = base_table(), copy = base_table_copy();

    CHECK_EQUAL(mmuext(MMUEXT_NEW_BASEPTR, copy), 0);
    CHECK(mmuext(MMUEXT_NEW_BASEPTR, machine_of(page_alloc())) < 0);
    CHECK_EQUAL(mmuext(MMUEXT_NEW_BASEPTR, old), 0);
    CHECK_EQUAL(mmuext(MMUEXT_UNPIN_TABLE, copy), 0);
}

void test_main(void)
{
    pin_check();
    content_check();
    map_check();
    emulated_check();
    updates_check();
    base_check();
}
