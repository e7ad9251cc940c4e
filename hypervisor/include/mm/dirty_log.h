/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which guest frames of a domain were written, while somebody wants to know (live migration).
 *
 * d->dirty_log is NULL most of the time.  The guest's own stores are caught by its room (guest/pv/shadow.c);
 * whoever else writes into a frame of a domain says so with dirty_log_frame() once the store is done and
 * before the frame is let go. A frame's number is what the machine-to-physical table says; numbers beyond
 * the log always count as written.
 */
#pragma once

#include "domain/state.h"
#include "mm/frame.h"

#define DIRTY_LOG_PAGE_BITS (PAGE_SIZE * 8)

struct dirty_log {
    struct quiesce_node quiesce;
    uint64_t limit;         /* frame numbers below it have a bit */
    uint64_t allocated;     /* pages of bits there are */
    uint32_t faults;        /* first writes caught since the last harvest */
    uint64_t position;      /* a harvest under way: pages of bits that are done */
    uint32_t found;         /* and dirty frames met */
    uint32_t next_grant;    /* and entries of the grant table looked at */
    uint64_t *bits[];       /* limit rounded up to whole pages */
};

/*
 * Makes some of the log d is to have, for the frame numbers below said as far as it may have so many.  0 all is there,
 * 1 call again, -ENOMEM: nothing is kept.  d has none.
 */
int dirty_log_make(struct domain *d, uint64_t said);
void dirty_log_begin(struct domain *d); /* that log is there in full, and is d's from now on */
/* d has a log no more, nor the beginning of one: freed when no CPU can still look at it. */
void dirty_log_end(struct domain *d);
uint64_t dirty_log_bytes(const struct dirty_log *log);

/* Guest frame gfn of d was written.  Any context.  True if that is news. */
bool dirty_log_mark(struct domain *d, uint64_t gfn);
bool dirty_log_test(const struct dirty_log *log, uint64_t gfn);
void dirty_log_frame_slow(struct domain *owner, const struct frame *f);

/* A referenced frame was written, whoever's it is. */
static inline void dirty_log_frame(const struct frame *f)
{
    struct domain *owner = frame_owner(f);

    if (owner && __builtin_expect(__atomic_load_n(&owner->dirty_log, __ATOMIC_RELAXED) != NULL, 0))
        dirty_log_frame_slow(owner, f);
}

/*
 * Page number index of the bits as they are, into words; with clear they are taken away.  Returns the bits
 * set. To clear, no vcpu of the domain may run.
 */
uint32_t dirty_log_harvest(struct dirty_log *log, uint64_t index, bool clear, uint64_t *words);
