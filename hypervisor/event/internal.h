/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the event room share.
 *
 * A port is an index into its domain's table of channels, which grows by one page of channels at a time and never
 * shrinks before the domain is freed; so a channel found without a lock stays memory of that kind, and only its state has to be
 * looked at under its own lock.
 *
 * Locks, in order:
 *   event_domain.lock    allocation, binding, closing
 *   event_channel.lock   the binding of one channel.  Taken with interrupts off, as PIRQs and VIRQs arrive in interrupt handlers
 *   event_vcpu.lock      FIFO queues of one vcpu
 * Two of a kind by ascending address: event_lock_two().
 * Whoever changes a binding holds the domain's and the channel's lock (for interdomain channels those of both ends), so that
 * either is enough to read it.  A sender holds the lock of its own end alone: while it does, the other end is neither
 * closed nor freed, nor are the pages its domain shows events in.
 */
#pragma once

#include "event/event.h"
#include "lib/bitmap.h"

enum event_state {
    EVENT_FREE = 0,
    EVENT_RESERVED, /* taken by an operation under way: the guest cannot touch it */
    EVENT_UNBOUND,
    EVENT_INTERDOMAIN,
    EVENT_PIRQ,
    EVENT_PIRQ_BUSY, /* being bound or unbound: delivers, but cannot be closed */
    EVENT_VIRQ,
    EVENT_IPI,
};

struct event_channel {
    spinlock_t lock;       /* RANK_EVENT_CHANNEL */
    uint8_t state;         /* enum event_state; both locks */
    uint8_t priority;      /* FIFO queue for the next time it is linked; atomic */
    uint8_t pending_saved; /* FIFO: sent before the event array reached this port; atomic */
    uint16_t notify_vcpu;  /* atomic; written under the domain's lock */
    uint16_t last;         /* FIFO queue it was last linked to: vcpu << 4 | priority, of an earlier FIFO perhaps; atomic */
    union {                /* both locks */
        struct {           /* EVENT_INTERDOMAIN */
            struct domain *remote; /* alive as long as the binding */
            evtchn_port_t remote_port;
        };
        uint64_t number;   /* PIRQ, VIRQ; domid an unbound channel waits for */
    };
};
_Static_assert(sizeof(struct event_channel) == 32, "the port table costs 32 bytes a port");

#define EVENT_CHUNK_SHIFT 7 /* channels in a page of the port table */
#define EVENT_CHUNK (1u << EVENT_CHUNK_SHIFT)
_Static_assert(EVENT_CHUNK * sizeof(struct event_channel) == PAGE_SIZE, "a chunk is a page");

#define EVENT_SMALL_PORTS EVTCHN_2L_NR_CHANNELS
#define EVENT_SMALL_CHUNKS (EVENT_SMALL_PORTS / EVENT_CHUNK)
#define EVENT_MAX_CHUNKS (EVTCHN_FIFO_NR_CHANNELS / EVENT_CHUNK)

#define EVENT_WORDS_PER_PAGE (PAGE_SIZE / sizeof(event_word_t))
#define EVENT_ARRAY_PAGES (EVTCHN_FIFO_NR_CHANNELS / EVENT_WORDS_PER_PAGE)

/* FIFO state of a domain: exists from its first init_control to its reset. */
struct event_fifo {
    struct quiesce_node quiesce;            /* polls look at words without a lock: freed after a grace period */
    uint32_t words;                         /* ports the array reaches; atomic, grows */
    event_word_t *pages[EVENT_ARRAY_PAGES]; /* frames of the guest, each with a writable reference */
};

struct event_domain {
    uint32_t valid_ports;            /* ports with a channel; atomic, grows */
    uint32_t max_ports;              /* limit of creation */
    struct event_channel **chunks;   /* small_chunks or big_chunks */
    struct event_fifo *fifo;         /* NULL: the 2-level way; atomic */
    uint32_t *pirq_port;             /* [MAX_PIRQS], port or 0; made on first use; entries atomic */

    spinlock_t lock;                 /* RANK_EVENT */
    uint64_t *used;                  /* ports not free */
    uint32_t first_free;             /* all below are in use */
    uint32_t next_reset;             /* where closing all ports goes on */
    bool closing;                    /* the domain dies: event_domain_destroy has begun */
    uint32_t active;                 /* ports not free */
    struct event_channel **big_chunks;
    uint64_t *big_used;
    struct event_channel *small_chunks[EVENT_SMALL_CHUNKS];
    uint64_t small_used[BITMAP_WORDS(EVENT_SMALL_PORTS)];
};

struct event_vcpu {
    spinlock_t lock;                           /* RANK_EVENT_QUEUE */
    struct evtchn_fifo_control_block *control; /* in a guest frame with a writable reference; atomic */
    uint32_t tail[EVTCHN_FIFO_MAX_QUEUES];     /* last port linked to each queue, 0 none */
};

/* The channel of a port; NULL when the port does not exist.  No lock needed. */
static inline struct event_channel *event_channel(const struct event_domain *e, evtchn_port_t port)
{
    if (unlikely(port >= __atomic_load_n(&e->valid_ports, __ATOMIC_ACQUIRE)))
        return NULL;
    return &__atomic_load_n(&e->chunks, __ATOMIC_RELAXED)[port >> EVENT_CHUNK_SHIFT][port & (EVENT_CHUNK - 1)];
}

static inline unsigned event_notify_vcpu(const struct event_channel *c)
{
    return __atomic_load_n(&c->notify_vcpu, __ATOMIC_RELAXED);
}

/* Is the channel bound to something, so that its pending bit may be written?  Its lock or that of its peer is held. */
static inline bool event_usable(const struct event_channel *c)
{
    return c->state != EVENT_FREE && c->state != EVENT_RESERVED;
}

/* Is this VIRQ the machine's (one handler) rather than each vcpu's? */
static inline bool event_virq_is_global(unsigned virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

/* They may be the same. */
static inline void event_lock_two(spinlock_t *a, spinlock_t *b)
{
    spin_lock(a < b ? a : b);
    if (a != b)
        spin_lock(a < b ? b : a);
}

static inline void event_unlock_two(spinlock_t *a, spinlock_t *b)
{
    spin_unlock(a);
    if (a != b)
        spin_unlock(b);
}

/* ---- event.c ---- */
/* Takes a free port, state RESERVED.  d's lock held.  Port, or -EINVAL d is dying, -ENOSPC, -ENOMEM. */
int event_port_allocate(struct domain *d);
/* Gives it back, not pending any more.  d's lock held. */
void event_port_release(struct domain *d, evtchn_port_t port);
/* Of a channel whose domain's lock is held. */
void event_state_set(struct event_channel *c, enum event_state state);
/* Ports the way events are shown now allows. */
uint32_t event_port_limit(const struct domain *d);

/* ---- send.c: delivery; the lock of a channel that keeps d's channel bound is held ---- */
void event_set_pending(struct domain *d, struct event_channel *c, evtchn_port_t port);
void event_clear_pending(struct domain *d, struct event_channel *c, evtchn_port_t port);
/* How a port is shown, by bits of the FIFO way's words: at least these two.  As if it were masked where it is not shown. */
#define EVENT_PENDING (1u << EVTCHN_FIFO_PENDING)
#define EVENT_MASKED  (1u << EVTCHN_FIFO_MASKED)
event_word_t event_read(struct domain *d, evtchn_port_t port);
/* Tells v that its vcpu_info has something new. */
void event_mark_vcpu(struct vcpu *v);
/* Wakes the vcpus of d that wait for the port in sched_op poll. */
void event_wake_pollers(struct domain *d, evtchn_port_t port);
static inline void event_check_pollers(struct domain *d, evtchn_port_t port)
{
    if (unlikely(__atomic_load_n(&d->poll_count, __ATOMIC_RELAXED)))
        event_wake_pollers(d, port);
}

/* ---- virq.c ---- */
void event_virq_handlers_drop(struct domain *d);

/* ---- two_level.c ---- */
uint32_t two_level_ports(const struct domain *d);
/* v is to look at every word of pending bits. */
void two_level_select_all(struct vcpu *v);
void two_level_set_pending(struct domain *d, struct event_channel *c, evtchn_port_t port);
void two_level_clear_pending(struct domain *d, evtchn_port_t port);
void two_level_unmask(struct domain *d, struct event_channel *c, evtchn_port_t port);
event_word_t two_level_read(struct domain *d, evtchn_port_t port);

/* ---- fifo.c ---- */
void fifo_set_pending(struct domain *d, struct event_fifo *fifo, struct event_channel *c, evtchn_port_t port);
void fifo_clear_pending(struct event_fifo *fifo, evtchn_port_t port);
void fifo_unmask(struct domain *d, struct event_fifo *fifo, struct event_channel *c, evtchn_port_t port);
event_word_t fifo_read(struct event_fifo *fifo, evtchn_port_t port);
/* Back to the 2-level way: every port is closed and d's lock is held. */
void fifo_drop(struct domain *d);
