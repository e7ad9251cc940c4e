// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: memory that is mapped through a grant stays what it was until the last mapping goes, though the domain that
// granted it has ended; nobody else gets it before, and everything comes back after. It matters because a granter can
// be killed at any moment, and its frames are the next domain's.
//
// kinds: pv pvh
// peer: grants

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "grant.h"
#include "hypercall.h"
#include "memory.h"
#include "peer.h"
#include "result.h"
#include "start.h"
#include "timer.h"

const char test_title[] = "a granter destroyed while its grants are mapped, copied from and taken";

#define WAIT_NS 80000000000ul

static char *window;
static grant_handle_t handles[64];

static void pages_check(unsigned int pages, const char *when)
{
    for (unsigned int i = 0; i < pages; i++) {
        volatile uint64_t *page = (volatile uint64_t *)(window + i * PAGE_SIZE);

        for (unsigned int word = 0; word < PAGE_SIZE / 8; word += 61) {
            if (page[word] != PEER_MAGIC + i) {
                test_failure("%s: page %u holds %lx", when, i, page[word]);
                break;
            }
        }
    }
}

void test_main(void)
{
    struct peer_page *peer = peer_find();
    unsigned int pages = peer->pages;
    uint64_t deadline, last;
    grant_handle_t handle;
    char *own = page_alloc();

    window = range_alloc(pages + 1);
    for (unsigned int i = 0; i < pages; i++)
        CHECK_EQUAL(grant_map(window + i * PAGE_SIZE, GNTMAP_host_map, PEER_REFERENCE + 1 + i, peer_of_test(),
                              &handles[i]), GNTST_okay);
    pages_check(pages, "alive");
    CHECK_EQUAL(peer_copy(PEER_REFERENCE + 1, own), GNTST_okay);
    print(PEER_DESTROY);
    deadline = time_now() + WAIT_NS;
    while (peer_copy(PEER_REFERENCE + 1, own) == GNTST_okay) {     /* copies in the middle of its end */
        if (time_now() > deadline)
            test_error("the peer was not destroyed");
        time_sleep(1000000);
    }
    last = peer->progress;
    time_pass(50000000);
    CHECK_EQUAL(peer->progress, last);
    pages_check(pages, "destroyed");
    *(volatile uint64_t *)window = PEER_MAGIC;                       /* still writable, and nobody's else */
    CHECK(grant_map(window + pages * PAGE_SIZE, GNTMAP_host_map, PEER_REFERENCE + 1, peer_of_test(), &handle) !=
          GNTST_okay);
    CHECK(!page_readable(window + pages * PAGE_SIZE));
    for (unsigned int i = 0; i < pages / 2; i++)                     /* half is ended here, half with us */
        CHECK_EQUAL(grant_unmap(window + i * PAGE_SIZE, handles[i]), GNTST_okay);
    CHECK(!page_readable(window));
    CHECK(grant_unmap(window, handles[0]) != GNTST_okay);
}
