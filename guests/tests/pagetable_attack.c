// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: whatever bits an entry carries, the hypervisor either refuses it or installs something harmless; a table may
// see itself only read-only; a frame that is a table, pinned or mapped can not leave the domain. It matters because
// large pages, reserved bits, linear maps and ballooned frames were each a way out of a PV guest once.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/memory.h>

#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "trap.h"

const char test_title[] = "page tables: every bit of an entry, large pages, linear maps, frames that leave";

#define NX (1ul << 63)

static long update(const uint64_t *entry, uint64_t value)
{
    return entry_update(entry_machine(entry), value);
}

static uint64_t *table_make(unsigned int pin)
{
    uint64_t *table = page_alloc();

    NEED(page_protect(table, false));
    NEED(mmuext(pin, machine_of(table)));
    return table;
}

static void table_drop(uint64_t *table)
{
    CHECK_EQUAL(mmuext(MMUEXT_UNPIN_TABLE, machine_of(table)), 0);
    CHECK_EQUAL(page_protect(table, true), 0);
    page_free(table);
}

// Level 1: with any one bit more, the entry still names our frame or is refused; the table is released after.
static void bits_check(void)
{
    uint64_t *table = table_make(MMUEXT_PIN_L1_TABLE);
    char *page = page_alloc();
    uint64_t plain = machine_of(page) << PAGE_SHIFT | ENTRY_READ_WRITE;

    for (unsigned int bit = 0; bit < 64; bit++) {
        uint64_t value = plain ^ 1ul << bit;
        long result = update(&table[bit], value);

        if (result >= 0 && table[bit] & ENTRY_PRESENT) {
            unsigned long frame = ENTRY_FRAME(table[bit]);

            if (frame_of_machine(frame) >= memory_frames() || machine_of_frame(frame_of_machine(frame)) != frame)
                test_failure("bit %u: an entry %lx names a frame that is not ours", bit, table[bit]);
        }
    }
    for (unsigned int bit = 0; bit < 64; bit++)
        CHECK_EQUAL(update(&table[bit], 0), 0);
    table_drop(table);
    page_free(page);
}

// Level 2: a large page would map 511 frames nobody checked.
static void large_check(void)
{
    uint64_t *inner = page_alloc(), *table = table_make(MMUEXT_PIN_L2_TABLE);
    char *page = page_alloc();
    uint64_t value = machine_of(page) << PAGE_SHIFT | ENTRY_TABLE;

    CHECK(update(&table[0], value | ENTRY_LARGE) < 0);
    CHECK(update(&table[0], value) < 0);                    /* a writable frame as a table */
    CHECK(update(&table[0], (machine_of(page) & ~511ul) << PAGE_SHIFT | ENTRY_TABLE | ENTRY_LARGE) < 0);
    CHECK_EQUAL(table[0], 0);
    CHECK_EQUAL(page_protect(inner, false), 0);
    CHECK_EQUAL(update(&table[1], machine_of(inner) << PAGE_SHIFT | ENTRY_TABLE), 0);
    CHECK(page_protect(inner, true) < 0);                   /* a table by reference, not by pin */
    CHECK(update(&table[1], table[1] | ENTRY_LARGE) < 0);   /* only the flag, on a live entry */
    CHECK_EQUAL(table[1] & ENTRY_LARGE, 0);
    CHECK_EQUAL(update(&table[1], 0), 0);
    CHECK_EQUAL(page_protect(inner, true), 0);
    table_drop(table);
    page_free(inner);
    page_free(page);
}

// A level 4 table in its own slot: allowed read-only at most, and gone before the table is.
static void linear_check(void)
{
    unsigned long copy = base_table_copy();
    uint64_t *table = page_of_frame(frame_of_machine(copy));
    long writable, read_only;

    writable = update(&table[5], copy << PAGE_SHIFT | ENTRY_TABLE);
    if (writable >= 0) {
        test_failure("a level 4 table maps itself writable: entry %lx", table[5]);
        update(&table[5], 0);
    }
    read_only = update(&table[6], copy << PAGE_SHIFT | ENTRY_READ_ONLY | ENTRY_ACCESSED);
    print("read-only linear map: %ld\n", read_only);
    if (read_only >= 0) {
        CHECK(update(&table[6], table[6] | ENTRY_WRITABLE) < 0);
        CHECK_EQUAL(update(&table[6], 0), 0);
    }
    CHECK(update(&table[256], copy << PAGE_SHIFT | ENTRY_READ_ONLY) < 0);      /* the hypervisor's slots */
    CHECK(update(&table[271], 0) < 0);
    table_drop(table);
}

static long decrease(unsigned long machine)
{
    xen_pfn_t frame = machine;
    struct xen_memory_reservation request = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(request.extent_start, &frame);
    return memory_op(XENMEM_decrease_reservation, &request);
}

// A pinned table given away stays a table until it is unpinned, and what it maps stays reachable only as before.
static void leave_check(void)
{
    uint64_t *table = table_make(MMUEXT_PIN_L1_TABLE);
    unsigned long machine = machine_of(table);
    char *page = page_alloc();

    CHECK_EQUAL(update(&table[0], machine_of(page) << PAGE_SHIFT | ENTRY_READ_WRITE), 0);
    decrease(machine);
    CHECK(update_va_mapping(table, machine << PAGE_SHIFT | ENTRY_READ_WRITE, UVMF_INVLPG) < 0);
    CHECK_EQUAL(ENTRY_FRAME(table[0]), machine_of(page));
    mmuext(MMUEXT_UNPIN_TABLE, machine);
    CHECK_EQUAL(update_va_mapping(table, 0, UVMF_INVLPG), 0);
    CHECK(update_va_mapping(table, machine << PAGE_SHIFT | ENTRY_READ_ONLY, UVMF_INVLPG) < 0);
    CHECK(decrease(base_table()) <= 1);
    CHECK_EQUAL(*(volatile uint64_t *)entry_find(page, 4) & ENTRY_PRESENT, ENTRY_PRESENT);
}

// Base pointers that are no level 4 tables; our own stays in force.
static void base_check(void)
{
    uint64_t *table = table_make(MMUEXT_PIN_L3_TABLE);
    unsigned long cr3;

    CHECK(mmuext(MMUEXT_NEW_BASEPTR, machine_of(table)) < 0);
    CHECK(mmuext(MMUEXT_NEW_USER_BASEPTR, machine_of(table)) < 0);
    CHECK(mmuext(MMUEXT_NEW_BASEPTR, 0xffffffffful) < 0);
    CHECK(mmuext(MMUEXT_NEW_BASEPTR, 0) < 0);
    CHECK(mmuext(MMUEXT_PIN_L4_TABLE, 0) < 0);
    CHECK(mmuext(99, machine_of(table)) < 0);
    CHECK_EQUAL(mmuext(MMUEXT_NEW_USER_BASEPTR, 0), 0);
    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    CHECK_EQUAL(cr3 >> PAGE_SHIFT, base_table());
    table_drop(table);
}

// mmu_update aimed at memory that is no table of ours: data is written only in our own writable frames.
static void target_check(void)
{
    uint64_t *page = page_alloc();

    CHECK(entry_update(0x1000, 0) < 0);
    CHECK(entry_update(0xffffffff000ul, 0) < 0);
    CHECK(entry_update(~7ul, 0) < 0);
    if (entry_update(machine_of(page) << PAGE_SHIFT | 8, 77) >= 0)
        CHECK_EQUAL(page[1], 77);
    CHECK(entry_update((machine_of(page) << PAGE_SHIFT | 8) + 3, 77) < 0 || page[1] == 77);
    page_free(page);
}

void test_main(void)
{
    bits_check();
    large_check();
    linear_check();
    base_check();
    target_check();
    leave_check();
}
