// SPDX-License-Identifier: BSD-2-Clause
/*
 * Event channels: the port table of a domain and the life of a port.  Locks and structures: internal.h.
 */
#include "console/console.h"
#include "event/internal.h"

#include "domain/preempt.h"
#include "errno.h"
#include "irq/irq.h"
#include "lib/string.h"
#include "log.h"
#include "mm/heap.h"

/* Ports closed between two looks at pending work. */
#define EVENT_CLOSE_BATCH 64
#define LINKED_MOST 4096 /* free ports that one search passes over because their guest has them linked */

uint32_t event_port_limit(const struct domain *d)
{
    const struct event_domain *e = d->event;
    uint32_t shown = e->fifo ? EVTCHN_FIFO_NR_CHANNELS : two_level_ports(d);

    return min(e->max_ports, shown);
}

/* ---- the table ---- */

/* From the tables inside struct event_domain to those for every port of the FIFO way. */
static int event_table_enlarge(struct event_domain *e)
{
    struct event_channel **chunks;
    uint64_t *used;

    if (e->big_chunks)
        return 0;
    chunks = mem_new_array(struct event_channel *, EVENT_MAX_CHUNKS);
    used = mem_new_array(uint64_t, BITMAP_WORDS(EVTCHN_FIFO_NR_CHANNELS));
    if (!chunks || !used) {
        mem_free(chunks);
        mem_free(used);
        return -ENOMEM;
    }
    memcpy(chunks, e->small_chunks, sizeof(e->small_chunks));
    memcpy(used, e->small_used, sizeof(e->small_used));
    e->big_chunks = chunks;
    e->used = e->big_used = used;
    /* Readers go through the old table or the new: ports they may ask for are in both. */
    __atomic_store_n(&e->chunks, chunks, __ATOMIC_RELEASE);
    return 0;
}

/* Makes the next page of channels. */
static int event_table_grow(struct event_domain *e)
{
    struct event_channel *chunk;

    if (e->valid_ports == EVENT_SMALL_PORTS && event_table_enlarge(e))
        return -ENOMEM;
    chunk = heap_alloc(0, HEAP_ZERO);
    if (!chunk)
        return -ENOMEM;
    for (unsigned i = 0; i < EVENT_CHUNK; i++)
        spin_init(&chunk[i].lock, RANK_EVENT_CHANNEL);
    e->chunks[e->valid_ports >> EVENT_CHUNK_SHIFT] = chunk;
    __atomic_store_n(&e->valid_ports, e->valid_ports + EVENT_CHUNK, __ATOMIC_RELEASE);
    return 0;
}

int event_port_allocate(struct domain *d)
{
    struct event_domain *e = d->event;
    struct event_channel *c;
    uint64_t flags;
    unsigned passed = 0;
    size_t port;

    if (domain_is_dying(d))
        return -EINVAL;
    port = bitmap_find_next_zero(e->used, e->valid_ports, e->first_free);
    e->first_free = (uint32_t)port;
    while (port < e->valid_ports && e->fifo && (fifo_read(e->fifo, (evtchn_port_t)port) & 1u << EVTCHN_FIFO_LINKED))
        port = ++passed < LINKED_MOST ? bitmap_find_next_zero(e->used, e->valid_ports, port + 1) : e->valid_ports;
    if (port >= event_port_limit(d))
        return -ENOSPC;
    if (port >= e->valid_ports && event_table_grow(e))
        return -ENOMEM;
    bitmap_set(e->used, port);
    e->active++;
    c = event_channel(e, (evtchn_port_t)port);
    flags = spin_lock_irqsave(&c->lock); /* senders may look at it */
    c->state = EVENT_RESERVED;
    c->pending_saved = 0;
    spin_unlock_irqrestore(&c->lock, flags);
    return (int)port;
}

void event_port_release(struct domain *d, evtchn_port_t port)
{
    struct event_domain *e = d->event;
    struct event_channel *c = event_channel(e, port);
    uint64_t flags = spin_lock_irqsave(&c->lock);

    event_clear_pending(d, c, port);
    c->state = EVENT_FREE;
    c->number = 0;
    c->remote_port = 0;
    c->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    /* Whoever gets the port next starts on vcpu 0. */
    __atomic_store_n(&c->notify_vcpu, 0, __ATOMIC_RELAXED);
    spin_unlock_irqrestore(&c->lock, flags);
    bitmap_clear(e->used, port);
    e->first_free = min(e->first_free, port);
    e->active--;
}

void event_state_set(struct event_channel *c, enum event_state state)
{
    uint64_t flags = spin_lock_irqsave(&c->lock);

    c->state = state;
    spin_unlock_irqrestore(&c->lock, flags);
}

/* ---- closing ---- */

/* The peer waits for a new connection.  Both domains' locks held. */
static void event_disconnect(struct domain *d, struct event_channel *c)
{
    struct event_channel *peer = event_channel(c->remote->event, c->remote_port);
    uint64_t flags = irq_save();

    event_lock_two(&c->lock, &peer->lock);
    BUG_ON(peer->state != EVENT_INTERDOMAIN || peer->remote != d || peer == c);
    peer->state = EVENT_UNBOUND;
    peer->number = d->id;
    peer->remote_port = 0;
    c->state = EVENT_RESERVED;
    event_unlock_two(&c->lock, &peer->lock);
    irq_restore(flags);
}

/* Closes an interdomain port, d's lock held: that of the peer may come first, so state is looked at again. */
static int event_close_interdomain(struct domain *d, struct event_channel *c)
{
    while (c->state == EVENT_INTERDOMAIN) {
        struct domain *remote = c->remote;

        /* The peer may close its end meanwhile, and its domain be freed once that is done: hold it. */
        if (!domain_hold(remote))
            return -EAGAIN;
        spin_unlock(&d->event->lock);
        event_lock_two(&d->event->lock, &remote->event->lock);
        if (c->state == EVENT_INTERDOMAIN && c->remote == remote)
            event_disconnect(d, c);
        if (remote != d)
            spin_unlock(&remote->event->lock);
        domain_put(remote);
    }
    return 0;
}

static void event_close_virq(struct domain *d, evtchn_port_t port, uint64_t virq)
{
    struct vcpu *v;

    for_each_vcpu(d, v) {
        if (v->virq_port[virq] == port)
            __atomic_store_n(&v->virq_port[virq], 0, __ATOMIC_RELEASE);
    }
}

/* The interrupt room's locks come before ours: the port is kept busy while ours is not held. */
static void event_close_pirq(struct domain *d, struct event_channel *c, uint64_t pirq)
{
    event_state_set(c, EVENT_PIRQ_BUSY);
    spin_unlock(&d->event->lock);
    irq_guest_unbind(d, (unsigned)pirq);
    spin_lock(&d->event->lock);
    __atomic_store_n(&d->event->pirq_port[pirq], 0, __ATOMIC_RELEASE);
}

/* d's lock held; may be dropped and taken again. */
static int event_close_locked(struct domain *d, struct event_channel *c, evtchn_port_t port)
{
    int rc = 0;

    switch (c->state) {
    case EVENT_FREE:
    case EVENT_RESERVED:
        return -EINVAL;
    case EVENT_PIRQ_BUSY:
        return -EBUSY;
    case EVENT_INTERDOMAIN:
        rc = event_close_interdomain(d, c);
        if (!rc && c->state != EVENT_RESERVED && c->state != EVENT_UNBOUND)
            rc = -EINVAL; /* closed by another vcpu, and bound anew, while the lock was dropped */
        break;
    case EVENT_PIRQ:
        event_close_pirq(d, c, c->number);
        break;
    case EVENT_VIRQ:
        event_close_virq(d, port, c->number);
        break;
    }
    if (!rc)
        event_port_release(d, port);
    return rc;
}

int event_close(struct domain *d, evtchn_port_t port)
{
    struct event_channel *c = event_channel(d->event, port);
    int rc;

    if (!c)
        return -EINVAL;
    spin_lock(&d->event->lock);
    rc = event_close_locked(d, c, port);
    spin_unlock(&d->event->lock);
    return rc;
}

/* Closes from next_reset on, a batch at a time.  -ERESTART_LATER when work is pending. */
static int event_close_all(struct domain *d)
{
    struct event_domain *e = d->event;

    for (;;) {
        uint32_t port = __atomic_load_n(&e->next_reset, __ATOMIC_RELAXED);
        uint32_t end = min(port + EVENT_CLOSE_BATCH, e->valid_ports);

        if (port >= e->valid_ports)
            return 0;
        for (; port < end; port++) {
            if (event_channel(e, port)->state != EVENT_FREE)
                event_close(d, port);
        }
        __atomic_store_n(&e->next_reset, end, __ATOMIC_RELAXED);
        if (end < e->valid_ports && hypercall_should_stop())
            return -ERESTART_LATER;
    }
}

int event_reset(struct domain *d)
{
    struct event_domain *e = d->event;
    int rc;

    /* Another domain's channels are closed under it only while its controller keeps it still. */
    if (d != current->domain && !d->controller_pause_count)
        return -EINVAL;
    rc = event_close_all(d);
    if (rc)
        return rc;
    spin_lock(&e->lock);
    e->next_reset = 0;
    if (e->active > 0)
        rc = -EAGAIN;
    else if (e->fifo)
        fifo_drop(d);
    spin_unlock(&e->lock);
    return rc;
}

/* ---- life ---- */

int event_domain_init(struct domain *d, uint32_t max_port)
{
    struct event_domain *e = mem_new(struct event_domain);

    if (!e)
        return -ENOMEM;
    spin_init(&e->lock, RANK_EVENT);
    e->chunks = e->small_chunks;
    e->used = e->small_used;
    e->max_ports = max_port >= EVTCHN_FIFO_NR_CHANNELS ? EVTCHN_FIFO_NR_CHANNELS : max_port + 1;
    if (event_table_grow(e)) {
        mem_free(e);
        return -ENOMEM;
    }
    /* Port 0 means "none" in the ABI and is never handed out. */
    e->first_free = 1;
    e->chunks[0][0].state = EVENT_RESERVED;
    bitmap_set(e->used, 0);
    d->event = e;
    return 0;
}

int event_domain_destroy(struct domain *d)
{
    struct event_domain *e = d->event;
    int rc;

    if (!e)
        return 0;
    event_virq_handlers_drop(d);
    /* Whoever was allocating has seen that the domain is dying once it gave the lock back. */
    spin_lock(&e->lock);
    if (!e->closing)
        e->next_reset = 0;
    e->closing = true;
    spin_unlock(&e->lock);
    rc = event_close_all(d);
    if (rc)
        return rc;
    spin_lock(&e->lock);
    if (e->fifo)
        fifo_drop(d);
    spin_unlock(&e->lock);
    return 0;
}

void event_domain_free(struct domain *d)
{
    struct event_domain *e = d->event;

    if (!e)
        return;
    d->event = NULL;
    for (uint32_t port = 0; port < e->valid_ports; port += EVENT_CHUNK)
        heap_free(e->chunks[port >> EVENT_CHUNK_SHIFT], 0);
    mem_free(e->fifo);
    mem_free(e->pirq_port);
    mem_free(e->big_chunks);
    mem_free(e->big_used);
    mem_free(e);
}

int event_vcpu_init(struct vcpu *v)
{
    v->event = mem_new(struct event_vcpu);
    if (!v->event)
        return -ENOMEM;
    spin_init(&v->event->lock, RANK_EVENT_QUEUE);
    return 0;
}

void event_vcpu_free(struct vcpu *v)
{
    mem_free(v->event);
    v->event = NULL;
}

/* ---- questions ---- */

static const struct {
    const char *name;
    uint32_t status;
} event_states[] = {
    [EVENT_FREE] = {"free", EVTCHNSTAT_closed}, [EVENT_RESERVED] = {"reserved", EVTCHNSTAT_closed},
    [EVENT_UNBOUND] = {"unbound", EVTCHNSTAT_unbound}, [EVENT_INTERDOMAIN] = {"interdomain", EVTCHNSTAT_interdomain},
    [EVENT_PIRQ] = {"pirq", EVTCHNSTAT_pirq}, [EVENT_PIRQ_BUSY] = {"pirq", EVTCHNSTAT_pirq},
    [EVENT_VIRQ] = {"virq", EVTCHNSTAT_virq}, [EVENT_IPI] = {"ipi", EVTCHNSTAT_ipi},
};

static void event_status_fill(const struct event_channel *c, struct evtchn_status *status)
{
    status->vcpu = event_notify_vcpu(c);
    status->status = event_states[c->state].status;
    if (status->status == EVTCHNSTAT_unbound) {
        status->u.unbound.dom = (domid_t)c->number;
    } else if (status->status == EVTCHNSTAT_interdomain) {
        status->u.interdomain.dom = c->remote->id;
        status->u.interdomain.port = c->remote_port;
    } else if (status->status == EVTCHNSTAT_pirq || status->status == EVTCHNSTAT_virq) {
        status->u.virq = (uint32_t)c->number;
    }
}

int event_status(struct domain *d, struct evtchn_status *status)
{
    struct event_channel *c = event_channel(d->event, status->port);

    if (!c)
        return -EINVAL;
    spin_lock(&d->event->lock);
    event_status_fill(c, status);
    spin_unlock(&d->event->lock);
    return 0;
}

static void event_dump_port(struct domain *d, const struct event_channel *c, evtchn_port_t port)
{
    bool interdomain = c->state == EVENT_INTERDOMAIN;
    event_word_t word = event_read(d, port);

    log_error("  port %4u [%c%c] vcpu %u %s %d:%u\n", port, word & EVENT_PENDING ? 'p' : '-',
              word & EVENT_MASKED ? 'm' : '-', event_notify_vcpu(c), event_states[c->state].name,
              interdomain ? c->remote->id : (int)c->number, interdomain ? c->remote_port : 0);
}

static void event_dump(struct domain *d)
{
    struct event_domain *e = d->event;

    if (!e)
        return;
    log_error("d%u: %u event ports of %u, %s\n", d->id, e->active, event_port_limit(d), e->fifo ? "FIFO" : "2-level");
    spin_lock(&e->lock);
    for (evtchn_port_t port = 1; port < e->valid_ports; port++) {
        const struct event_channel *c = event_channel(e, port);

        if (event_usable(c))
            event_dump_port(d, c, port);
    }
    spin_unlock(&e->lock);
}

static void event_dump_all(void)
{
    domain_for_each(event_dump);
}

void event_init(void)
{
    debug_key_register('e', "dump event channels", event_dump_all);
}
