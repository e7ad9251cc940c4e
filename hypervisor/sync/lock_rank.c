// SPDX-License-Identifier: BSD-2-Clause
/*
 * The run-time check of lock ranks in debug builds: each CPU keeps what it holds, in the order it was taken. 
 * An interrupt starts with an empty hand, since what it interrupted is not its caller.
 */
#ifdef XYLEM_DEBUG
#include "arch/percpu.h"
#include "log.h"
#include "sync/spinlock.h"

#define MAX_HELD 24
struct held_locks {
    unsigned count, base; /* base: held by what was interrupted */
    bool off;
    struct held_lock { const void *lock; enum lock_rank rank; } held[MAX_HELD];
};
static PER_CPU_DEFINE(struct held_locks, held_locks);

void lock_rank_enter(const void *lock, enum lock_rank rank)
{
    uint64_t flags = irq_save();
    struct held_locks *h = &this_cpu(held_locks);

    if (rank != RANK_NONE && !h->off) {
        for (unsigned i = h->base; i < h->count; i++)
            if (h->held[i].rank > rank) {
                h->off = true;
                panic("lock %p of rank %d taken while %p of rank %d is held\n", lock, (int)rank,
                      h->held[i].lock, (int)h->held[i].rank);
            }
        if (h->count < MAX_HELD)
            h->held[h->count++] = (struct held_lock){lock, rank};
    }
    irq_restore(flags);
}

void lock_rank_leave(const void *lock, enum lock_rank rank)
{
    uint64_t flags = irq_save();
    struct held_locks *h = &this_cpu(held_locks);

    for (unsigned i = h->count; rank != RANK_NONE && i-- > 0;)
        if (h->held[i].lock == lock) {
            for (h->count--; i < h->count; i++)
                h->held[i] = h->held[i + 1];
            break;
        }
    irq_restore(flags);
}

unsigned lock_rank_interrupt_enter(void)
{
    struct held_locks *h = &this_cpu(held_locks);
    unsigned base = h->base;

    h->base = h->count;
    return base;
}

void lock_rank_interrupt_leave(unsigned base) { this_cpu(held_locks).base = base; }
#else
typedef int lock_rank_not_checked; /* a file must hold something */
#endif
