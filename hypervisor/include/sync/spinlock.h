/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spin locks (ticket) and read-write spin locks.  A lock is declared with its rank beside the fields it guards; debug builds
 * check that a CPU only takes locks of a rank higher than those it holds (ranks: sync/ranks.h).  Sections are
 * short; nothing sleeps.  Locks taken from interrupt handlers use the _irqsave forms everywhere.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/cpu.h"
#include "sync/ranks.h"

typedef struct {
    uint16_t head; /* ticket being served */
    uint16_t tail; /* next ticket to hand out */
    uint8_t rank;  /* enum lock_rank */
    uint8_t pad[3];
} spinlock_t;

typedef struct {
    uint32_t state; /* bit 31: a writer holds or waits; low bits: readers */
    uint8_t rank;
    uint8_t pad[3];
} rwlock_t;

#define SPINLOCK_INIT(lock_rank) {.rank = (lock_rank)}
#define RWLOCK_INIT(lock_rank) {.rank = (lock_rank)}

static inline void spin_init(spinlock_t *lock, enum lock_rank rank) { *lock = (spinlock_t)SPINLOCK_INIT(rank); }
static inline void rwlock_init(rwlock_t *lock, enum lock_rank rank) { *lock = (rwlock_t)RWLOCK_INIT(rank); }

#ifdef XYLEM_DEBUG
void lock_rank_enter(const void *lock, enum lock_rank rank);
void lock_rank_leave(const void *lock, enum lock_rank rank);
/* Around an interrupt's handler, which may take any lock whatever it interrupted holds. */
unsigned lock_rank_interrupt_enter(void);
void lock_rank_interrupt_leave(unsigned base);
#else
static inline unsigned lock_rank_interrupt_enter(void) { return 0; }
static inline void lock_rank_interrupt_leave(unsigned) {}
static inline void lock_rank_enter(const void *, enum lock_rank) {}
static inline void lock_rank_leave(const void *, enum lock_rank) {}
#endif

/* With interrupts off, where the holder may wait for this CPU meanwhile: poll does what others wait for (smp_poll). */
static inline void spin_lock_polling(spinlock_t *lock, void (*poll)(void))
{
    uint16_t ticket = __atomic_fetch_add(&lock->tail, 1, __ATOMIC_RELAXED);

    while (__builtin_expect(__atomic_load_n(&lock->head, __ATOMIC_ACQUIRE) != ticket, 0)) {
        if (poll)
            poll();
        cpu_relax();
    }
    lock_rank_enter(lock, lock->rank);
}

static inline void spin_lock(spinlock_t *lock) { spin_lock_polling(lock, NULL); }

static inline bool spin_trylock(spinlock_t *lock)
{
    uint16_t ticket = __atomic_load_n(&lock->head, __ATOMIC_RELAXED);

    if (!__atomic_compare_exchange_n(&lock->tail, &ticket, (uint16_t)(ticket + 1), false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return false;
    lock_rank_enter(lock, lock->rank);
    return true;
}

static inline void spin_unlock(spinlock_t *lock)
{
    lock_rank_leave(lock, lock->rank);
    __atomic_store_n(&lock->head, (uint16_t)(lock->head + 1), __ATOMIC_RELEASE);
}

static inline uint64_t spin_lock_irqsave(spinlock_t *lock)
{
    uint64_t flags = irq_save();

    spin_lock(lock);
    return flags;
}

static inline void spin_unlock_irqrestore(spinlock_t *lock, uint64_t flags)
{
    spin_unlock(lock);
    irq_restore(flags);
}

#define RWLOCK_WRITER 0x80000000u

static inline void read_lock(rwlock_t *lock)
{
    for (;;) {
        if (!(__atomic_fetch_add(&lock->state, 1, __ATOMIC_ACQUIRE) & RWLOCK_WRITER))
            break;
        __atomic_fetch_sub(&lock->state, 1, __ATOMIC_RELAXED);
        while (__atomic_load_n(&lock->state, __ATOMIC_RELAXED) & RWLOCK_WRITER)
            cpu_relax();
    }
    lock_rank_enter(lock, lock->rank);
}

static inline void read_unlock(rwlock_t *lock)
{
    lock_rank_leave(lock, lock->rank);
    __atomic_fetch_sub(&lock->state, 1, __ATOMIC_RELEASE);
}

static inline void write_lock(rwlock_t *lock)
{
    while (__atomic_fetch_or(&lock->state, RWLOCK_WRITER, __ATOMIC_ACQUIRE) & RWLOCK_WRITER)
        cpu_relax();
    while (__atomic_load_n(&lock->state, __ATOMIC_ACQUIRE) != RWLOCK_WRITER)
        cpu_relax();
    lock_rank_enter(lock, lock->rank);
}

static inline void write_unlock(rwlock_t *lock)
{
    lock_rank_leave(lock, lock->rank);
    __atomic_fetch_and(&lock->state, ~RWLOCK_WRITER, __ATOMIC_RELEASE);
}
