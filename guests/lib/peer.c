// SPDX-License-Identifier: BSD-2-Clause
//
// Two domains that work together. See peer.h.

#include "peer.h"

#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "start.h"
#include "timer.h"

#define WAIT_NS 20000000000ul

domid_t peer_of_test(void)
{
    return (domid_t)(domain_self() - 1);
}

domid_t test_of_peer(void)
{
    return (domid_t)(domain_self() + 1);
}

struct peer_page *peer_offer(unsigned int pages, char *const granted[])
{
    struct peer_page *page = page_alloc();
    int port = -1;
    uint64_t deadline = time_now() + WAIT_NS;

    NEED(grant_init());
    for (unsigned int i = 0; i < pages; i++)
        grant_give(PEER_REFERENCE + 1 + i, test_of_peer(), granted[i], false);
    grant_give(PEER_REFERENCE, test_of_peer(), page, false);
    page->pages = pages;
    while ((port = event_alloc_unbound(test_of_peer())) < 0 && time_now() < deadline)
        time_pass(1000000);         /* the other is not there yet */
    page->port = (uint32_t)port;
    __atomic_store_n(&page->magic, PEER_MAGIC, __ATOMIC_SEQ_CST);
    return page;
}

struct peer_page *peer_find(void)
{
    struct peer_page *page = range_alloc(1);
    uint64_t deadline = time_now() + WAIT_NS;
    grant_handle_t handle;

    while (grant_map(page, GNTMAP_host_map, PEER_REFERENCE, peer_of_test(), &handle) != GNTST_okay) {
        if (time_now() > deadline)
            test_error("domain %u grants nothing: no peer", peer_of_test());
        time_pass(1000000);
    }
    while (page->magic != PEER_MAGIC) {
        if (time_now() > deadline)
            test_error("the peer does not get ready");
        time_pass(1000000);
    }
    return page;
}

int peer_copy(grant_ref_t reference, const void *page)
{
    struct gnttab_copy request = {
        .source = { .u.ref = reference, .domid = peer_of_test() },
        .dest = { .u.gmfn = machine_of(page), .domid = DOMID_SELF },
        .len = 8, .flags = GNTCOPY_source_gref,
    };
    long result = grant_op(GNTTABOP_copy, &request, 1);

    return result < 0 ? (int)result : request.status;
}
