// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a descriptor table is a frame type of its own, never writable, and holds nothing that gates into privilege: no
// call gates, no system segments, no privilege level 0. It matters because one gate with DPL 0 is ring 0.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "trap.h"

const char test_title[] = "descriptor tables: frames, descriptors, LDT";

#define FLAT_DATA_3 0x00cff3000000fffful
#define FLAT_CODE64_3 0x00affb000000fffful
#define FLAT_DATA_0 0x00cf93000000fffful
#define FLAT_CODE64_0 0x00af9b000000fffful
#define CALL_GATE 0x0000ec0000080000ul
#define TSS 0x0000890000000067ul
#define LDT 0x0000820000000fffful
#define TYPE_CALL_GATE 12

// Present and of use to a guest that wants privilege: a segment of level 0, a system segment, or a gate a guest may
// call whose target has level 0. (A gate of level 0 faults when it is called, which lets a hypervisor emulate it.)
static bool dangerous(uint64_t descriptor)
{
    unsigned int level = descriptor >> 45 & 3, type = descriptor >> 40 & 15;

    if (!(descriptor >> 47 & 1))
        return false;
    if (descriptor >> 44 & 1)
        return level == 0;
    return type != TYPE_CALL_GATE || (level != 0 && (descriptor >> 16 & 3) == 0);
}

static uint64_t *table;

static long descriptor_update(unsigned int index, uint64_t value)
{
    return hypercall2(__HYPERVISOR_update_descriptor, machine_of(table) << PAGE_SHIFT | index * 8, value);
}

static void selector_load(void *selector)
{
    __asm__ volatile("mov %0, %%es; xor %%eax, %%eax; mov %%eax, %%es" : : "r"((uint32_t)(uint64_t)selector) : "eax");
}

static void gdt_check(void)
{
    unsigned long frames[1] = { machine_of(table) };
    struct trap_seen seen;

    CHECK(hypercall2(__HYPERVISOR_set_gdt, frames, 512) < 0);          /* still writable */
    CHECK_EQUAL(page_protect(table, false), 0);
    CHECK_EQUAL(hypercall2(__HYPERVISOR_set_gdt, frames, 512), 0);
    CHECK(page_protect(table, true) < 0);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(table)) < 0);
    CHECK_EQUAL(descriptor_update(4, FLAT_DATA_3), 0);
    CHECK(!trap_catch(selector_load, (void *)(4 * 8 + 3), &seen));
    CHECK_EQUAL(descriptor_update(5, 0), 0);
    CHECK(trap_catch(selector_load, (void *)(5 * 8 + 3), &seen));
    CHECK_EQUAL(seen.vector, TRAP_PROTECTION);
    CHECK_EQUAL(descriptor_update(4, 0), 0);
}

static void bad_check(void)
{
    static const uint64_t bad[] = { TSS, LDT, CALL_GATE, CALL_GATE | 0xe000ul << 16, FLAT_CODE64_0, FLAT_DATA_0 };

    for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (descriptor_update(8, bad[i]) >= 0 && dangerous(table[8]))
            test_failure("descriptor %lx was accepted and reads %lx", bad[i], table[8]);
        descriptor_update(8, 0);
    }
}

static void frames_check(void)
{
    unsigned long frames[2] = { machine_of(table), 0 };
    uint64_t *page = page_alloc();

    CHECK(hypercall2(__HYPERVISOR_set_gdt, frames, 1024) < 0);         /* the machine's first page */
    CHECK(hypercall2(__HYPERVISOR_set_gdt, frames, 100000) < 0);
    frames[0] = ~0ul;
    CHECK(hypercall2(__HYPERVISOR_set_gdt, frames, 512) < 0);
    page[3] = FLAT_CODE64_0;
    page[4] = CALL_GATE;
    CHECK_EQUAL(page_protect(page, false), 0);
    frames[0] = machine_of(page);
    if (hypercall2(__HYPERVISOR_set_gdt, frames, 512) == 0) {
        if (dangerous(page[3]) || dangerous(page[4]))
            test_failure("a table was accepted with the descriptors %lx and %lx", page[3], page[4]);
    }
    CHECK_EQUAL(hypercall2(__HYPERVISOR_set_gdt, frames, 0), 0);
    CHECK_EQUAL(page_protect(page, true), 0);
    CHECK_EQUAL(page_protect(table, true), 0);
}

static long ldt_set(const void *address, unsigned int count)
{
    struct mmuext_op op = {
        .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = (unsigned long)address, .arg2.nr_ents = count,
    };

    return mmuext_op(&op, 1, 0, DOMID_SELF);
}

static void ldt_check(void)
{
    uint64_t *page = page_alloc();
    struct trap_seen seen;

    page[2] = FLAT_DATA_3;
    CHECK_EQUAL(page_protect(page, false), 0);
    CHECK_EQUAL(ldt_set(page, 512), 0);
    CHECK(!trap_catch(selector_load, (void *)(2 * 8 + 7), &seen));
    CHECK(page_protect(page, true) < 0);
    CHECK(trap_catch(selector_load, (void *)(3 * 8 + 7), &seen));
    CHECK(trap_catch(selector_load, (void *)(600 * 8 + 7), &seen));
    CHECK(ldt_set((char *)page + 8, 512) < 0);
    CHECK(ldt_set(page, 10000) < 0);
    CHECK(ldt_set((void *)0xffff830000000000ul, 512) < 0);
    CHECK_EQUAL(ldt_set(NULL, 0), 0);
    CHECK_EQUAL(page_protect(page, true), 0);
    CHECK(trap_catch(selector_load, (void *)(2 * 8 + 7), &seen));
    /* an LDT on an absent page: the load faults, at the address of the descriptor */
    CHECK_EQUAL(ldt_set((void *)0x7fff00000000ul, 512), 0);
    CHECK(trap_catch(selector_load, (void *)(2 * 8 + 7), &seen));
    CHECK_EQUAL(seen.vector, TRAP_PAGE_FAULT);
    CHECK_EQUAL(seen.address, 0x7fff00000010ul);
    CHECK_EQUAL(ldt_set(NULL, 0), 0);
}

void test_main(void)
{
    table = page_alloc();
    gdt_check();
    bad_check();
    frames_check();
    ldt_check();
}
