// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a domain without devices maps its memory write-back and in no other way, by whatever way it asks. It matters
// because memory that is reached through the cache and past it at once holds two contents, and the hypervisor may check
// one of them (a page table before it is used) while the CPU uses the other.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "grant.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "start.h"
#include "trap.h"

const char test_title[] = "cache attributes: mappings, tables, grants; promotion of what was mapped so";

#define WRITE_THROUGH 0x08ul
#define UNCACHED 0x10ul
#define PAT_4K 0x80ul
#define CACHE (WRITE_THROUGH | UNCACHED | PAT_4K)
#define REFERENCE GRANT_FIRST

static void *window;

static void mapping_check(uint64_t attributes)
{
    uint64_t *table = page_alloc(), *page = page_alloc();
    uint64_t value = machine_of(page) << PAGE_SHIFT | ENTRY_READ_WRITE | attributes;
    const uint64_t *entry = entry_find(window, 1);
    struct mmu_update update = { .ptr = entry_machine(entry), .val = value };

    if (update_va_mapping(window, value, UVMF_INVLPG) == 0 && *(volatile const uint64_t *)entry & CACHE)
        test_failure("update_va_mapping gave %lx", *entry);
    if (mmu_update(&update, 1, 0, DOMID_SELF) == 0 && *(volatile const uint64_t *)entry & CACHE)
        test_failure("mmu_update gave %lx", *entry);
    NEED(update_va_mapping(window, 0, UVMF_INVLPG));
    table[7] = value;                                   /* found by the check of a whole table */
    NEED(page_protect(table, false));
    if (mmuext(MMUEXT_PIN_L1_TABLE, machine_of(table)) == 0) {
        if (table[7] & CACHE)
            test_failure("a pinned table holds %lx", table[7]);
        NEED(mmuext(MMUEXT_UNPIN_TABLE, machine_of(table)));
    }
    NEED(page_protect(table, true));
    NEED(page_protect(page, false));                    /* no mapping of it is left: it may be a table */
    CHECK_EQUAL(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(page)), 0);
    CHECK_EQUAL(mmuext(MMUEXT_UNPIN_TABLE, machine_of(page)), 0);
    NEED(page_protect(page, true));
    page_free(table);
    page_free(page);
}

// The granter's entry has bits for device memory it shares; on its ordinary memory they mean nothing.
static void grant_check(uint16_t attributes)
{
    const uint64_t *entry = entry_find(window, 1);
    grant_handle_t handle;
    int status;

    grant_give(REFERENCE, domain_self(), page_alloc(), false);
    grant_entry(REFERENCE)->flags |= attributes;
    status = grant_map(window, GNTMAP_host_map, REFERENCE, domain_self(), &handle);
    if (status == GNTST_okay) {
        if (*(volatile const uint64_t *)entry & CACHE)
            test_failure("a grant with flags %x was mapped as %lx", attributes, *entry);
        CHECK_EQUAL(grant_unmap(window, handle), GNTST_okay);
    }
    grant_entry(REFERENCE)->flags &= (uint16_t)~attributes;
    CHECK(grant_take(REFERENCE));
}

// Instructions and operations on caches: for those with devices.
static void flush_check(void)
{
    CHECK(mmuext(MMUEXT_FLUSH_CACHE, 0) < 0);
    CHECK(mmuext(MMUEXT_FLUSH_CACHE_GLOBAL, 0) < 0);
}

void test_main(void)
{
    static const uint64_t attributes[] = { WRITE_THROUGH, UNCACHED, PAT_4K, CACHE, WRITE_THROUGH | UNCACHED };

    NEED(grant_init());
    window = range_alloc(1);
    for (unsigned int i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++)
        mapping_check(attributes[i]);
    grant_check(GTF_PWT);
    grant_check(GTF_PCD);
    grant_check(GTF_PAT);
    grant_check(GTF_PWT | GTF_PCD | GTF_PAT);
    flush_check();
}
