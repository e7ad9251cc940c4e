// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a status page of version 2 of the grant table is nobody's once the version changed, and never writable; a machine
// number kept from before names nothing of ours any more. It matters because the page goes back to the hypervisor, and the
// next one to have it is anybody.

#include <stdint.h>

#include "grant.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"

const char test_title[] = "status pages kept while the version changes, written to, and mapped by an old number";

#define ROUNDS 20u

static long version_set(uint32_t version)
{
    struct gnttab_set_version set = { .version = version };

    return grant_op(GNTTABOP_set_version, &set, 1);
}

static long entry_set(const void *place, uint64_t machine, uint64_t flags)
{
    return update_va_mapping(place, machine << PAGE_SHIFT | flags, UVMF_INVLPG);
}

void test_main(void)
{
    char *place = range_alloc(1);
    uint64_t machine = 0;
    long result;

    NEED(grant_init());
    NEED(version_set(2));
    NEED(grant_status_frame(&machine));
    result = entry_set(place, machine, ENTRY_READ_WRITE);
    print("a writable entry for a status page: %ld\n", result);
    page_map(place, 0, 0);
    for (unsigned int i = 0; i < ROUNDS; i++) {
        CHECK_EQUAL(version_set(1), 0);
        CHECK(entry_set(place, machine, ENTRY_READ_ONLY) < 0);
        CHECK(grant_status_frame(&machine) < 0);
        page_map(place, 0, 0);
        CHECK_EQUAL(version_set(2), 0);
        NEED(grant_status_frame(&machine));
    }
    CHECK_EQUAL(version_set(1), 0);
}
