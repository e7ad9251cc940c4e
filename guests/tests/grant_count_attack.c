// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: the counter of a reference's uses never wraps: the use that would wrap it is refused, and every earlier one is
// found again when it ends. It matters because 65,536 uses counted as none are 65,536 mappings of memory that its owner
// takes back and gives to another.
//
// kinds: pv pvh
// config: memory = 32

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>

#include "grant.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "start.h"
#include "string.h"

const char test_title[] = "one reference mapped 100,000 times";

#define WANTED 100000u
#define BATCH 64u
#define REFERENCE GRANT_FIRST

static uint64_t window;
static grant_handle_t *handles;

static uint64_t place_of(unsigned int index)
{
    return window + index * PAGE_SIZE;
}

// Maps up to BATCH more; how many worked.
static unsigned int batch_map(unsigned int first, unsigned int count, int *status)
{
    struct gnttab_map_grant_ref maps[BATCH];
    unsigned int mapped = 0;

    for (unsigned int i = 0; i < count; i++) {
        maps[i] = (struct gnttab_map_grant_ref) {
            .host_addr = place_of(first + i), .flags = GNTMAP_host_map | GNTMAP_readonly,
            .ref = REFERENCE, .dom = domain_self(),
        };
    }
    NEED(grant_op(GNTTABOP_map_grant_ref, maps, count));
    while (mapped < count && maps[mapped].status == GNTST_okay) {
        handles[first + mapped] = maps[mapped].handle;
        mapped++;
    }
    if (mapped < count)
        *status = maps[mapped].status;
    for (unsigned int i = mapped; i < count; i++) {
        if (maps[i].status == GNTST_okay)
            test_failure("map %u failed and map %u did not", first + mapped, first + i);
    }
    return mapped;
}

static unsigned int batch_unmap(unsigned int first, unsigned int count)
{
    struct gnttab_unmap_grant_ref unmaps[BATCH];
    unsigned int done = 0;

    for (unsigned int i = 0; i < count; i++) {
        unmaps[i] = (struct gnttab_unmap_grant_ref) {
            .host_addr = place_of(first + i), .handle = handles[first + i],
        };
    }
    NEED(grant_op(GNTTABOP_unmap_grant_ref, unmaps, count));
    for (unsigned int i = 0; i < count; i++)
        done += unmaps[i].status == GNTST_okay;
    return done;
}

static unsigned int at_most(unsigned int count)
{
    return count < BATCH ? count : BATCH;
}

void test_main(void)
{
    unsigned int mapped = 0, got, ended = 0;
    char *page = page_alloc();
    int status = GNTST_okay;

    NEED(grant_init());
    handles = pages_alloc((WANTED * sizeof(*handles) + PAGE_SIZE - 1) / PAGE_SIZE);
    window = (uint64_t)range_alloc(WANTED);
    grant_give(REFERENCE, domain_self(), page, true);
    do {
        got = batch_map(mapped, at_most(WANTED - mapped), &status);
        mapped += got;
    } while (got == BATCH && mapped < WANTED);
    print("mapped %u times, then status %d\n", mapped, status);
    CHECK(mapped >= 100);
    CHECK(!grant_take(REFERENCE));
    for (unsigned int at = 0; at < mapped; at += BATCH) {
        if (at)
            CHECK(grant_entry(REFERENCE)->flags & GTF_reading);
        ended += batch_unmap(at, at_most(mapped - at));
    }
    CHECK_EQUAL(ended, mapped);
    CHECK_EQUAL(batch_unmap(0, BATCH), 0);              /* each handle once */
    CHECK_EQUAL(grant_entry(REFERENCE)->flags & (GTF_reading | GTF_writing), 0);
    CHECK(grant_take(REFERENCE));
    CHECK(page_unused(page));
}
