// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a reference counts every use exactly, however many there are and whoever races to end them; an entry that its
// owner rewrites in the middle of a use changes nothing of that use. It matters because a use counted once too few is
// a mapping of memory that has a new owner.
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

const char test_title[] = "grants: many maps, racing unmaps, entries rewritten in use, bad arguments";

#define MANY 2000u
#define DURATION 2000000000ul
enum { ONE = GRANT_FIRST, RACED, REPLACED };

static char *page, *window;
static grant_handle_t handles[MANY];
static volatile grant_handle_t raced;
static volatile bool stop;
static volatile unsigned long stolen;

// One reference mapped many times at different addresses, ended in another order.
static void many_check(void)
{
    unsigned int mapped = 0, bad = 0;

    while (mapped < MANY && grant_map(window + mapped * PAGE_SIZE, GNTMAP_host_map, ONE, domain_self(),
                                      &handles[mapped]) == GNTST_okay)
        mapped++;
    print("one reference mapped %u times\n", mapped);     /* the reference's counters end at 128 */
    CHECK(mapped >= 100);
    window[(mapped - 1) * PAGE_SIZE + 7] = 'm';
    CHECK_EQUAL(page[7], 'm');
    for (unsigned int i = 0; i < mapped; i++) {
        unsigned int which = i % 2 ? mapped - 1 - i / 2 : i / 2;

        if (i == mapped - 1)
            CHECK(!grant_take(ONE));
        bad += grant_unmap(window + which * PAGE_SIZE, handles[which]) != GNTST_okay;
    }
    CHECK_EQUAL(bad, 0);
    CHECK_EQUAL(grant_entry(ONE)->flags & (GTF_reading | GTF_writing), 0);
}

// A mapping overwritten by other means: the handle's unmap must not touch what is there now. Whether it fails and the
// grant stays in use, as the reference does it, or succeeds, is not the rule.
static void replaced_check(void)
{
    grant_handle_t handle;
    char *mine = page_alloc();
    int status;

    CHECK_EQUAL(grant_map(window, GNTMAP_host_map, REPLACED, domain_self(), &handle), GNTST_okay);
    CHECK_EQUAL(place_take(window, mine), 0);
    status = grant_unmap(window, handle);
    print("unmap of a replaced mapping: %d\n", status);
    CHECK(page_writable(window));
    CHECK_EQUAL(place_leave(window, mine), 0);
    CHECK(page_unused(mine));
}

static void thief(void *unused)
{
    (void)unused;
    while (!stop) {
        stolen += grant_unmap(window, raced) == GNTST_okay;
        grant_entry(RACED)->flags = (uint16_t)(grant_entry(RACED)->flags ^ GTF_readonly);
    }
}

static void race_check(void)
{
    unsigned long mapped = 0, ended = 0;
    uint64_t end = time_now() + DURATION;

    raced = ~0u;
    vcpu_run(1, thief, NULL);
    while (time_now() < end) {
        grant_handle_t handle;
        int status = grant_map(window, GNTMAP_host_map | GNTMAP_readonly, RACED, domain_self(), &handle);

        if (status != GNTST_okay)
            continue;
        mapped++;
        raced = handle;
        ended += grant_unmap(window, handle) == GNTST_okay;
        /* The thief may be in the middle of it: what is mapped over it now would be what it takes away. */
        while (ended + stolen < mapped && time_now() < end + DURATION)
            __builtin_ia32_pause();
    }
    stop = true;
    CHECK(vcpu_wait(1));
    print("mapped %lu, ended here %lu, ended there %lu\n", mapped, ended, stolen);
    CHECK_EQUAL(ended + stolen, mapped);
    CHECK(mapped > 0);
    CHECK(!page_readable(window));
}

static int copy(struct gnttab_copy request)
{
    long result = grant_op(GNTTABOP_copy, &request, 1);

    return result < 0 ? (int)result : request.status;
}

static void arguments_check(void)
{
    struct gnttab_copy request = {
        .source = { .u.gmfn = machine_of(page), .domid = DOMID_SELF },
        .dest = { .u.ref = ONE, .domid = domain_self() },
        .len = 16, .flags = GNTCOPY_dest_gref,
    };

    request.source.offset = 4095;
    CHECK_EQUAL(copy(request), GNTST_bad_copy_arg);
    request.source.offset = 65535;
    CHECK_EQUAL(copy(request), GNTST_bad_copy_arg);
    request.source.offset = 0;
    request.len = 65535;
    CHECK_EQUAL(copy(request), GNTST_bad_copy_arg);
    request.len = 16;
    request.source.u.gmfn = ~0ul;
    CHECK(copy(request) < 0);
    request.source.u.gmfn = frame_absent();
    CHECK(copy(request) < 0);
    request.source.u.gmfn = machine_of(page);
    request.source.domid = 0;                           /* by frame number only for ourselves */
    CHECK(copy(request) < 0);
    request.source.domid = DOMID_SELF;
    request.dest.u.ref = ~0u;
    CHECK(copy(request) < 0);
    request.flags = 0;
    request.dest.domid = DOMID_SELF;
    request.dest.u.gmfn = frame_untouchable();
    CHECK(copy(request) < 0);
    CHECK_EQUAL(grant_op(GNTTABOP_copy, &request, 0), 0);
    CHECK_EQUAL(grant_entry(ONE)->flags & (GTF_reading | GTF_writing), 0);
}

void test_main(void)
{
    char *other = page_alloc();

    NEED(grant_init());
    page = page_alloc();
    window = range_alloc(MANY);
    grant_give(ONE, domain_self(), page, false);
    grant_give(RACED, domain_self(), other, true);
    grant_give(REPLACED, domain_self(), page_alloc(), false);
    many_check();
    arguments_check();
    race_check();
    replaced_check();
    CHECK(grant_take(ONE) && grant_take(RACED));
    CHECK(page_unused(page));
}
