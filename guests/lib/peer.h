/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A test and its peer, two domains the runner starts one after the other: the peer first, so its number is the test's
 * less one. The peer grants pages to the test by the references here; the first holds a struct peer_page through which
 * they talk. The runner destroys the peer when the test prints PEER_DESTROY.
 */
#ifndef GUEST_PEER_H
#define GUEST_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "grant.h"

#define PEER_REFERENCE GRANT_FIRST      /* of the shared page; more follow */
#define PEER_MAGIC 0x7065657270656572ul
#define PEER_DESTROY "PEER: destroy\n"

struct peer_page {
    volatile uint64_t magic;            /* PEER_MAGIC once all else is set */
    volatile uint64_t progress;         /* the peer's, ever growing */
    volatile uint64_t events;           /* upcalls the peer took */
    volatile uint32_t port;             /* unbound port of the peer for the test */
    volatile uint32_t pages;            /* granted after the first: references PEER_REFERENCE + 1 and up */
    volatile uint64_t command, answer;  /* as the pair agrees */
};

/* In the peer: shares a page and says so; the test's number. */
struct peer_page *peer_offer(unsigned int pages, char *const granted[]);
/* In the test: maps the peer's page, waiting for it. Ends the guest with ERROR when there is none. */
struct peer_page *peer_find(void);
/* In the test: a copy from a page of the peer into one of ours; its status, GNTST_okay as long as the peer lives. */
int peer_copy(grant_ref_t reference, const void *page);
/* The other's number, on each side. */
domid_t peer_of_test(void);
domid_t test_of_peer(void);

#endif
