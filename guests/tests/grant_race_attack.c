// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: what a copy or a mapping does was decided from one reading of the entry: its owner rewriting the frame, the
// flags, the domain or the part of the page meanwhile changes the next use, never this one; a table changes its version
// when no use is left of it, with status pages in place too. It matters because an entry that is read twice is checked
// once and used another way.
//
// kinds: pv pvh
// config: vcpus = 2

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
#include "timer.h"
#include "vcpu.h"

const char test_title[] = "grant entries rewritten during copies and maps, versions switched, status pages";

#define DURATION 2000000000ul
#define ALLOWED_A 0xaaaaaaaaaaaaaaaaul
#define ALLOWED_B 0xbbbbbbbbbbbbbbbbul
#define WORDS (PAGE_SIZE / 8)
enum { COPIED = GRANT_FIRST, CLOSED };

static uint64_t *page_a, *page_b, *target;
static volatile bool stop;
static volatile unsigned long rewrites;
static union grant_entry_v2 *entries_v2;
static uint16_t *status_page;

static void page_fill(uint64_t *page, uint64_t value)
{
    for (unsigned int i = 0; i < WORDS; i++)
        page[i] = value;
}

static int copy(grant_ref_t reference, uint16_t offset, uint16_t length, bool to_grant)
{
    struct gnttab_copy request = { .len = length, .flags = to_grant ? GNTCOPY_dest_gref : GNTCOPY_source_gref };
    typeof(request.source) *grant = to_grant ? (void *)&request.dest : (void *)&request.source;
    typeof(request.source) *own = to_grant ? (void *)&request.source : (void *)&request.dest;
    long result;

    grant->u.ref = reference;
    grant->domid = domain_self();
    grant->offset = offset;
    own->u.gmfn = machine_of(target);
    own->domid = DOMID_SELF;
    own->offset = offset;
    result = grant_op(GNTTABOP_copy, &request, 1);
    return result < 0 ? (int)result : request.status;
}

static void rewriter(void *unused)
{
    (void)unused;
    while (!stop) {
        struct grant_entry_v1 *entry = grant_entry(COPIED);

        entry->frame = (uint32_t)machine_of(page_b);
        entry->flags = GTF_invalid;
        entry->frame = (uint32_t)~0u;               /* while it is not valid */
        entry->domid = DOMID_INVALID;
        entry->frame = (uint32_t)machine_of(page_a);
        entry->domid = domain_self();
        entry->flags = GTF_permit_access;
        entry->flags = GTF_permit_access | GTF_readonly;
        rewrites++;
    }
}

// Each copy is all of one page or nothing; a copy into the grant never when it is read-only is a matter of its moment,
// but the entry's use bits are gone after every copy whatever its outcome.
static void rewrite_check(void)
{
    uint64_t end = time_now() + DURATION;
    unsigned long good = 0, refused = 0, torn = 0;

    grant_give(COPIED, domain_self(), page_a, true);
    vcpu_run(1, rewriter, NULL);
    while (time_now() < end) {
        page_fill(target, 0);
        if (copy(COPIED, 0, PAGE_SIZE, false) != GNTST_okay) {
            refused++;
            torn += target[0] != 0 || target[WORDS - 1] != 0;
            continue;
        }
        good++;
        for (unsigned int i = 1; i < WORDS; i++) {
            if (target[i] != target[0]) {
                torn++;
                break;
            }
        }
        torn += target[0] != ALLOWED_A && target[0] != ALLOWED_B;
    }
    stop = true;
    CHECK(vcpu_wait(1));
    print("%lu copies, %lu refused, %lu rewrites\n", good, refused, rewrites);
    CHECK_EQUAL(torn, 0);
    CHECK(good + refused > 0);
    grant_entry(COPIED)->flags = (uint16_t)(grant_entry(COPIED)->flags & ~(GTF_reading | GTF_writing));
    grant_give(COPIED, domain_self(), page_a, true);
    CHECK_EQUAL(copy(COPIED, 0, 16, false), GNTST_okay);
    CHECK_EQUAL(grant_entry(COPIED)->flags & (GTF_reading | GTF_writing), 0);
    CHECK(copy(COPIED, 0, 16, true) != GNTST_okay);     /* read-only */
    CHECK_EQUAL(page_a[0], ALLOWED_A);
    CHECK(grant_take(COPIED));
}

static long version_set(uint32_t version)
{
    struct gnttab_set_version set = { .version = version };

    return grant_op(GNTTABOP_set_version, &set, 1);
}

// The part of a page of version 2: bytes outside are never copied, however the part moves during the copy.
static void part_rewriter(void *unused)
{
    volatile struct grant_entry_header *header = &entries_v2[COPIED].hdr;

    (void)unused;
    while (!stop) {
        entries_v2[COPIED].sub_page.page_off = 0;
        entries_v2[COPIED].sub_page.length = 64;
        entries_v2[COPIED].sub_page.page_off = 2048;
        entries_v2[COPIED].sub_page.length = 128;
        header->flags = GTF_permit_access;              /* the whole page, with the part's fields as padding */
        header->flags = GTF_permit_access | GTF_sub_page;
        rewrites++;
    }
}

static void part_check(void)
{
    uint64_t end = time_now() + DURATION / 2;
    unsigned long good = 0, refused = 0;

    entries_v2[COPIED].sub_page.page_off = 2048;
    entries_v2[COPIED].sub_page.length = 64;
    entries_v2[COPIED].sub_page.frame = machine_of(page_a);
    entries_v2[COPIED].hdr.domid = domain_self();
    __atomic_store_n(&entries_v2[COPIED].hdr.flags, GTF_permit_access | GTF_sub_page, __ATOMIC_SEQ_CST);
    CHECK(copy(COPIED, 0, 64, false) != GNTST_okay);
    CHECK(copy(COPIED, 2048, 65, false) != GNTST_okay);
    CHECK(copy(COPIED, 2040, 16, false) != GNTST_okay);
    CHECK_EQUAL(copy(COPIED, 2048, 64, false), GNTST_okay);
    CHECK_EQUAL(status_page[COPIED], 0);
    stop = false;
    vcpu_run(1, part_rewriter, NULL);
    while (time_now() < end) {
        int status = copy(COPIED, 2040, 16, false);     /* inside no part: only of the whole page */

        good += status == GNTST_okay;
        refused += status != GNTST_okay;
    }
    stop = true;
    CHECK(vcpu_wait(1));
    print("parts: %lu copies, %lu refused\n", good, refused);
    entries_v2[COPIED].hdr.flags = 0;
    CHECK_EQUAL(status_page[COPIED], 0);
}

static void version_check(void)
{
    grant_handle_t handle;
    char *window = range_alloc(1);
    long result;

    grant_give(CLOSED, domain_self(), page_b, false);
    CHECK_EQUAL(grant_map(window, GNTMAP_host_map, CLOSED, domain_self(), &handle), GNTST_okay);
    CHECK(version_set(2) < 0);                          /* in use */
    CHECK_EQUAL(grant_unmap(window, handle), GNTST_okay);
    CHECK(grant_take(CLOSED));
    CHECK(version_set(3) < 0 && version_set(~0u) < 0);
    result = version_set(2);
    if (result < 0) {
        print("no version 2: %ld\n", result);
        return;
    }
    status_page = range_alloc(1);
    NEED(grant_frame_show(status_page, true));
    entries_v2 = (union grant_entry_v2 *)grant_entry(0);
    part_check();
    for (unsigned int i = 0; i < 20; i++) {             /* with the page still there */
        result = version_set(1);
        if (result == 0) {
            NEED(version_set(2));
            NEED(grant_frame_show(status_page, true));
        }
    }
    print("version 1 while a status page is mapped: %ld\n", result);
    NEED(grant_frame_hide(status_page));
    for (unsigned int i = 0; i < 20; i++) {
        CHECK_EQUAL(version_set(1), 0);
        CHECK(grant_frame_show(status_page, true) < 0);
        CHECK_EQUAL(version_set(2), 0);
        CHECK_EQUAL(grant_frame_show(status_page, true), 0);
        CHECK_EQUAL(grant_frame_hide(status_page), 0);
    }
    CHECK_EQUAL(version_set(1), 0);
}

void test_main(void)
{
    NEED(grant_init());
    page_a = page_alloc();
    page_b = page_alloc();
    target = page_alloc();
    page_fill(page_a, ALLOWED_A);
    page_fill(page_b, ALLOWED_B);
    rewrite_check();
    version_check();
    CHECK(page_unused(page_a));
}
