// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a granted frame can be reached by the named domain alone, as it was granted, and stays its granter's until
// every use has ended. It matters because a use that outlives the grant reads or writes somebody else's memory.
//
// kinds: pv pvh

#include <stdint.h>

#include <xen/errno.h>

#include "grant.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "start.h"
#include "string.h"

const char test_title[] = "grants, version 1, to ourselves: map, copy, flags, errors";

enum { RW = GRANT_FIRST, RO, FOREIGN };

static char *page, *other, *window;

static void map_check(void)
{
    grant_handle_t handle, second;

    CHECK_EQUAL(grant_map(window, GNTMAP_host_map, RW, domain_self(), &handle), GNTST_okay);
    CHECK_EQUAL(grant_entry(RW)->flags & (GTF_reading | GTF_writing), GTF_reading | GTF_writing);
    window[9] = 'x';
    CHECK_EQUAL(page[9], 'x');
    CHECK(!grant_take(RW));
    CHECK_EQUAL(grant_map(window + PAGE_SIZE, GNTMAP_host_map | GNTMAP_readonly, RW, domain_self(), &second),
                GNTST_okay);
    CHECK(page_readable(window + PAGE_SIZE) && !page_writable(window + PAGE_SIZE));
    CHECK_EQUAL(window[PAGE_SIZE + 9], 'x');
    CHECK_EQUAL(grant_unmap(window, handle), GNTST_okay);
    CHECK(!page_readable(window));
    CHECK_EQUAL(grant_entry(RW)->flags & (GTF_reading | GTF_writing), GTF_reading);
    CHECK_EQUAL(grant_unmap(window, handle), GNTST_bad_handle);
    CHECK_EQUAL(grant_unmap(window + PAGE_SIZE, second), GNTST_okay);
    CHECK_EQUAL(grant_entry(RW)->flags & (GTF_reading | GTF_writing), 0);
}

static void refused_check(void)
{
    grant_handle_t handle;

    CHECK_EQUAL(grant_map(window, GNTMAP_host_map, RO, domain_self(), &handle), GNTST_general_error);
    CHECK_EQUAL(grant_map(window, GNTMAP_host_map, FOREIGN, domain_self(), &handle), GNTST_general_error);
    CHECK_EQUAL(grant_map(window, GNTMAP_host_map, 300, domain_self(), &handle), GNTST_general_error);
    CHECK_EQUAL(grant_map(window, GNTMAP_host_map, 1u << 30, domain_self(), &handle), GNTST_bad_gntref);
    CHECK_EQUAL(grant_map(window, GNTMAP_host_map, RW, 12345, &handle), GNTST_bad_domain);
    CHECK_EQUAL(grant_unmap(window, 12345678), GNTST_bad_handle);
    CHECK(grant_map((void *)0xffff830000000000ul, GNTMAP_host_map, RW, domain_self(), &handle) < 0);
    CHECK_EQUAL(grant_entry(RW)->flags & (GTF_reading | GTF_writing), 0);
    CHECK_EQUAL(grant_entry(RO)->flags & (GTF_reading | GTF_writing), 0);
}

static int copy(struct gnttab_copy *request)
{
    long result = grant_op(GNTTABOP_copy, request, 1);

    return result < 0 ? (int)result : request->status;
}

static void copy_check(void)
{
    struct gnttab_copy request = {
        .source = { .u.gmfn = (unsigned long)other >> PAGE_SHIFT, .domid = DOMID_SELF, .offset = 100 },
        .dest = { .u.ref = RW, .domid = domain_self(), .offset = 200 },
        .len = 64,
        .flags = GNTCOPY_dest_gref,
    };

    request.source.u.gmfn = machine_of(other);
    memset(other, 'o', PAGE_SIZE);
    memset(page, 'p', PAGE_SIZE);
    CHECK_EQUAL(copy(&request), GNTST_okay);
    CHECK(page[199] == 'p' && page[200] == 'o' && page[263] == 'o' && page[264] == 'p');
    request.dest.u.ref = RO;
    CHECK_EQUAL(copy(&request), GNTST_general_error);
    request.dest.u.ref = RW;
    request.len = PAGE_SIZE;
    CHECK_EQUAL(copy(&request), GNTST_bad_copy_arg);
    request.source.offset = request.dest.offset = 0;
    CHECK_EQUAL(copy(&request), GNTST_okay);
    CHECK(memcmp(page, other, PAGE_SIZE) == 0);
    CHECK_EQUAL(grant_entry(RW)->flags & (GTF_reading | GTF_writing), 0);
}

static void query_check(void)
{
    struct gnttab_query_size size = { .dom = DOMID_SELF };
    struct gnttab_get_version version = { .dom = DOMID_SELF };

    CHECK_EQUAL(grant_op(GNTTABOP_query_size, &size, 1), 0);
    CHECK_EQUAL(size.status, GNTST_okay);
    CHECK(size.nr_frames >= 1 && size.max_nr_frames >= size.nr_frames);
    CHECK_EQUAL(grant_op(GNTTABOP_get_version, &version, 1), 0);
    CHECK_EQUAL(version.version, 1);
    CHECK_EQUAL(grant_op(1000, &version, 1), -XEN_ENOSYS);
}

void test_main(void)
{
    NEED(grant_init());
    page = page_alloc();
    other = page_alloc();
    window = range_alloc(2);
    grant_give(RW, domain_self(), page, false);
    grant_give(RO, domain_self(), page, true);
    grant_give(FOREIGN, 4321, page, false);
    query_check();
    map_check();
    refused_check();
    copy_check();
    CHECK(grant_take(RW) && grant_take(RO) && grant_take(FOREIGN));
}
