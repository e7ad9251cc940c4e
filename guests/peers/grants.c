// SPDX-License-Identifier: BSD-2-Clause
//
// Grants pages, each filled with its own word, and waits for its end.

#include <stdint.h>

#include "memory.h"
#include "peer.h"
#include "result.h"
#include "timer.h"

const char test_title[] = "a granter that will be destroyed";

#define PAGES 32u

void test_main(void)
{
    char *pages[PAGES];
    struct peer_page *shared;

    for (unsigned int i = 0; i < PAGES; i++) {
        uint64_t *page = page_alloc();

        for (unsigned int word = 0; word < PAGE_SIZE / 8; word++)
            page[word] = PEER_MAGIC + i;
        pages[i] = (char *)page;
    }
    shared = peer_offer(PAGES, pages);
    for (;;) {
        shared->progress++;
        time_sleep(1000000);
    }
}
