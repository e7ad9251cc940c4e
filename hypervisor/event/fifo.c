// SPDX-License-Identifier: BSD-2-Clause
/*
 * Events the FIFO way (xen/event_channel.h; design: "Event Channel Internals", FIFO-based event channels, draft H).
 *
 * Each port has one word in an event array of guest pages: PENDING, MASKED, LINKED, BUSY, and LINK, the next port on its
 * queue.  Each vcpu has 16 queues by priority; its control block holds their heads and a "ready" bit for each.
 * The hypervisor appends at the tail, which it alone remembers; the guest consumes from the head, clearing LINKED and
 * LINK of what it takes.  So the tail's LINK may only be written while the tail is still LINKED; once it is not, the queue was
 * drained and the new port becomes its head.
 *
 * Words and heads are guest memory: whatever they hold, ports read from them are not followed here, and retries are
 * bounded.  Only the guest loses events when it breaks the protocol.
 */
#include "event/internal.h"

#include "errno.h"
#include "lib/string.h"
#include "mm/dirty_log.h"
#include "mm/heap.h"
#include "mm/physmap.h"

#define LINKED  (1u << EVTCHN_FIFO_LINKED)
#define BUSY    (1u << EVTCHN_FIFO_BUSY)

/* A guest that keeps to the protocol changes a linked, busy word four times at most: mask, unmask, consume, unlink. */
#define LINK_TRIES 5
#define QUEUE_TRIES 3

static inline event_word_t *fifo_word(struct event_fifo *fifo, evtchn_port_t port)
{
    if (unlikely(port >= __atomic_load_n(&fifo->words, __ATOMIC_ACQUIRE)))
        return NULL;
    return &fifo->pages[port / EVENT_WORDS_PER_PAGE][port % EVENT_WORDS_PER_PAGE];
}

static event_word_t word_read(event_word_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static event_word_t word_set(event_word_t *word, event_word_t bits)
{
    return __atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST);
}

static void word_clear(event_word_t *word, event_word_t bits)
{
    __atomic_fetch_and(word, ~bits, __ATOMIC_SEQ_CST);
}

/* ---- linking ---- */

/*
 * Writes the tail's LINK if it is still LINKED; clears BUSY on the way.  BUSY asks the guest not to unmask the word meanwhile,
 * which bounds how often the exchange can fail.  False: the tail was consumed, so the queue is empty.
 */
static bool fifo_set_link(event_word_t *tail, evtchn_port_t port)
{
    event_word_t old = word_read(tail);

    for (unsigned i = 0; i < LINK_TRIES && (old & LINKED); i++) {
        event_word_t new = (old & ~(BUSY | (event_word_t)EVTCHN_FIFO_LINK_MASK)) | port;

        if (__atomic_compare_exchange_n(tail, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return true;
        if (i == 0)
            old = word_set(tail, BUSY) | BUSY;
    }
    if (old & BUSY)
        word_clear(tail, BUSY);
    /* Still linked: the guest plays with the word, and will find its queue short. */
    return old & LINKED;
}

/* Locks the queues of v and of the vcpu the port was last linked on; false if that one kept moving. */
static bool fifo_lock_queues(struct vcpu *v, struct event_channel *c, struct vcpu **old_v, uint16_t *last)
{
    for (unsigned i = 0; i < QUEUE_TRIES; i++) {
        *last = __atomic_load_n(&c->last, __ATOMIC_RELAXED);
        *old_v = domain_vcpu(v->domain, *last >> 4);
        event_lock_two(&v->event->lock, &(*old_v)->event->lock);
        if (__atomic_load_n(&c->last, __ATOMIC_RELAXED) == *last)
            return true;
        event_unlock_two(&v->event->lock, &(*old_v)->event->lock);
    }
    return false;
}

/*
 * Appends a port just marked LINKED to v's queue.  Both queue locks are held.  True when the queue was empty, so
 * that the guest has to be told.
 */
static bool fifo_append(struct vcpu *v, struct event_fifo *fifo, struct event_channel *c, evtchn_port_t port,
                        struct vcpu *old_v, uint16_t last)
{
    unsigned priority = __atomic_load_n(&c->priority, __ATOMIC_RELAXED);
    uint32_t *tail = &v->event->tail[priority], *old_tail = &old_v->event->tail[last & 15];
    event_word_t *tail_word;
    bool linked = false;

    /* As a tail it was consumed (it was not LINKED): nothing may be chained to it on the queue it leaves. */
    if (*old_tail == port)
        *old_tail = 0;
    __atomic_store_n(&c->last, (uint16_t)(v->id << 4 | priority), __ATOMIC_RELAXED);
    if (*tail) {
        tail_word = fifo_word(fifo, *tail);
        linked = tail_word && fifo_set_link(tail_word, port);
    }
    if (!linked)
        __atomic_store_n(&v->event->control->head[priority], port, __ATOMIC_RELEASE);
    *tail = port;
    return !linked && !(__atomic_fetch_or(&v->event->control->ready, 1u << priority, __ATOMIC_SEQ_CST) >> priority & 1);
}

/* Marks pending and links.  *first: it was not pending before. */
static void fifo_queue(struct vcpu *v, struct event_fifo *fifo, struct event_channel *c, evtchn_port_t port,
                       event_word_t *word, bool *first)
{
    struct vcpu *old_v;
    uint16_t last;
    bool tell = false;
    event_word_t old;

    /* PENDING is set with the queue held until the port is linked: no vcpu sees it pending but in no queue for long. */
    if (!fifo_lock_queues(v, c, &old_v, &last))
        return;
    /* Without a control block the guest has not asked for events here yet: its mask must still be set. */
    if (v->event->control) {
        old = word_set(word, EVENT_PENDING);
        *first |= !(old & EVENT_PENDING);
        if (!(old & EVENT_MASKED) && !(word_set(word, LINKED) & LINKED))
            tell = fifo_append(v, fifo, c, port, old_v, last);
    }
    event_unlock_two(&v->event->lock, &old_v->event->lock);
    if (tell)
        event_mark_vcpu(v);
}

void fifo_set_pending(struct domain *d, struct event_fifo *fifo, struct event_channel *c, evtchn_port_t port)
{
    event_word_t *word = fifo_word(fifo, port);
    bool first = false;
    struct vcpu *v;

    if (unlikely(!word)) {
        /* The array does not reach the port yet: kept until it does, which may have been just now. */
        __atomic_exchange_n(&c->pending_saved, 1, __ATOMIC_SEQ_CST);
        word = fifo_word(fifo, port);
        if (!word || !__atomic_exchange_n(&c->pending_saved, 0, __ATOMIC_SEQ_CST))
            return;
    }
    if (word_read(word) & EVENT_MASKED) {
        /* Pending and mask in one step: whoever unmasks later sees it and asks for the link. */
        event_word_t old = word_set(word, EVENT_PENDING);

        first = !(old & EVENT_PENDING);
        if (old & EVENT_MASKED)
            goto polls;
    }
    v = domain_vcpu(d, event_notify_vcpu(c));
    if (v)
        fifo_queue(v, fifo, c, port, word, &first);
polls:
    if (first)
        event_check_pollers(d, port);
}

void fifo_clear_pending(struct event_fifo *fifo, evtchn_port_t port)
{
    event_word_t *word = fifo_word(fifo, port);

    /* Its link stays: the guest drops what is not pending when it meets it. */
    if (word)
        word_clear(word, EVENT_PENDING);
}

void fifo_unmask(struct domain *d, struct event_fifo *fifo, struct event_channel *c, evtchn_port_t port)
{
    event_word_t *word = fifo_word(fifo, port);

    if (!word)
        return;
    word_clear(word, EVENT_MASKED);
    if (word_read(word) & EVENT_PENDING)
        fifo_set_pending(d, fifo, c, port);
}

event_word_t fifo_read(struct event_fifo *fifo, evtchn_port_t port)
{
    event_word_t *word = fifo_word(fifo, port);

    return word ? word_read(word) : EVENT_MASKED;
}

/* ---- pages of the guest ---- */

static void guest_page_put(void *address)
{
    dirty_log_frame(virt_to_frame(address));
    frame_put_both(virt_to_frame(address));
}

/* Pending bits of the 2-level way are carried over: shown as soon as the array reaches their port. */
static void fifo_carry_over(struct domain *d)
{
    struct event_domain *e = d->event;

    for (evtchn_port_t port = 1; port < min_t(uint32_t, e->valid_ports, EVTCHN_2L_NR_CHANNELS); port++) {
        if (two_level_read(d, port) & EVENT_PENDING)
            __atomic_store_n(&event_channel(e, port)->pending_saved, 1, __ATOMIC_SEQ_CST);
    }
}

/* The first control block of a domain switches it over; one of v's that is there already stays.  The domain's lock is held. */
static int fifo_add_control(struct vcpu *v, struct evtchn_fifo_control_block *control)
{
    struct domain *d = v->domain;
    struct event_fifo *fresh = NULL;
    uint64_t flags;

    if (domain_is_dying(d) || v->event->control)
        return -EINVAL;
    if (!d->event->fifo) {
        fresh = mem_new(struct event_fifo);
        if (!fresh)
            return -ENOMEM;
    }
    memset(control, 0, sizeof(*control));
    flags = spin_lock_irqsave(&v->event->lock);
    v->event->control = control;
    spin_unlock_irqrestore(&v->event->lock, flags);
    if (fresh) {
        __atomic_store_n(&d->event->fifo, fresh, __ATOMIC_RELEASE);
        fifo_carry_over(d);
    }
    return 0;
}

int event_init_control(struct domain *d, struct evtchn_init_control *args)
{
    struct vcpu *v = domain_vcpu(d, args->vcpu);
    struct frame *frame;
    int rc;

    if (!v)
        return -ENOENT;
    if (args->offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) || (args->offset & 7))
        return -EINVAL;
    args->link_bits = EVTCHN_FIFO_LINK_BITS;
    rc = physmap_get_writable(d, GFN(args->control_gfn), &frame);
    if (rc)
        return rc;
    spin_lock(&d->event->lock);
    rc = fifo_add_control(v, (struct evtchn_fifo_control_block *)((char *)frame_to_virt(frame) + args->offset));
    spin_unlock(&d->event->lock);
    if (rc)
        frame_put_both(frame);
    return rc;
}

/* Shows what was sent to the ports a new page of the array reaches. */
static void fifo_show_saved(struct domain *d, evtchn_port_t first)
{
    struct event_domain *e = d->event;
    evtchn_port_t end = min_t(uint32_t, first + EVENT_WORDS_PER_PAGE, e->valid_ports);

    for (evtchn_port_t port = first; port < end; port++) {
        struct event_channel *c = event_channel(e, port);
        uint64_t flags;

        if (!c->pending_saved)
            continue;
        flags = spin_lock_irqsave(&c->lock);
        if (__atomic_exchange_n(&c->pending_saved, 0, __ATOMIC_SEQ_CST) && event_usable(c))
            fifo_set_pending(d, e->fifo, c, port);
        spin_unlock_irqrestore(&c->lock, flags);
    }
}

/* The domain's lock is held. */
static int fifo_add_page(struct domain *d, event_word_t *page)
{
    struct event_domain *e = d->event;
    struct event_fifo *fifo = e->fifo;
    uint32_t words;

    if (!fifo)
        return -EOPNOTSUPP;
    if (domain_is_dying(d))
        return -EINVAL;
    words = fifo->words;
    if (words >= ROUND_UP(e->max_ports, EVENT_WORDS_PER_PAGE))
        return -ENOSPC;
    fifo->pages[words / EVENT_WORDS_PER_PAGE] = page;
    __atomic_store_n(&fifo->words, words + EVENT_WORDS_PER_PAGE, __ATOMIC_SEQ_CST);
    fifo_show_saved(d, words);
    return 0;
}

int event_expand_array(struct domain *d, gfn_t gfn)
{
    struct frame *frame;
    int rc;

    if (!__atomic_load_n(&d->event->fifo, __ATOMIC_ACQUIRE))
        return -EOPNOTSUPP;
    rc = physmap_get_writable(d, gfn, &frame);
    if (rc)
        return rc;
    spin_lock(&d->event->lock);
    rc = fifo_add_page(d, frame_to_virt(frame));
    spin_unlock(&d->event->lock);
    if (rc)
        frame_put_both(frame);
    return rc;
}

int event_set_priority(struct domain *d, evtchn_port_t port, unsigned priority)
{
    struct event_channel *c = event_channel(d->event, port);
    int rc = 0;

    if (!c)
        return -EINVAL;
    spin_lock(&d->event->lock);
    if (!d->event->fifo)
        rc = -ENOSYS;
    else if (priority > EVTCHN_FIFO_PRIORITY_MIN)
        rc = -EINVAL;
    else /* from the next time on; where it is linked now it stays */
        __atomic_store_n(&c->priority, (uint8_t)priority, __ATOMIC_RELAXED);
    spin_unlock(&d->event->lock);
    return rc;
}

void fifo_drop(struct domain *d)
{
    struct event_fifo *fifo = d->event->fifo;
    struct vcpu *v;

    __atomic_store_n(&d->event->fifo, NULL, __ATOMIC_SEQ_CST);
    for_each_vcpu(d, v) {
        if (v->event && v->event->control) {
            guest_page_put(v->event->control);
            v->event->control = NULL;
        }
        if (v->event)
            memset(v->event->tail, 0, sizeof(v->event->tail));
    }
    for (uint32_t i = 0; i < fifo->words / EVENT_WORDS_PER_PAGE; i++)
        guest_page_put(fifo->pages[i]);
    quiesce_defer(&fifo->quiesce, mem_free, fifo);
}

/* ---- written frames ---- */

void event_mark_written(struct domain *d)
{
    struct event_fifo *fifo;
    struct vcpu *v;

    spin_lock(&d->event->lock);
    fifo = d->event->fifo;
    for (unsigned i = 0; fifo && i < EVENT_ARRAY_PAGES && fifo->pages[i]; i++)
        dirty_log_frame(virt_to_frame(fifo->pages[i]));
    for_each_vcpu(d, v)
        if (v->event && v->event->control)
            dirty_log_frame(virt_to_frame(v->event->control));
    spin_unlock(&d->event->lock);
}
