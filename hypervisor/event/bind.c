// SPDX-License-Identifier: BSD-2-Clause
/*
 * Binding ports: unbound, interdomain, VIRQ, IPI, PIRQ, and which vcpu a port
 * notifies. Errors as callers of xen/event_channel.h expect them.
 */
#include "event/internal.h"

#include "config.h"
#include "errno.h"
#include "irq/irq.h"
#include "log.h"
#include "mm/heap.h"

/* Allocates a port of d and binds it at once; d's lock held.  0 or as event_port_allocate. */
static int event_bind_new(struct domain *d, enum event_state state, uint64_t number, unsigned vcpu,
                          evtchn_port_t *port)
{
    int fresh = event_port_allocate(d);

    if (fresh < 0)
        return fresh;
    event_port_bind(d, (evtchn_port_t)fresh, state, number, vcpu);
    *port = (evtchn_port_t)fresh;
    return 0;
}

int event_alloc_unbound(struct domain *d, domid_t remote, evtchn_port_t *port)
{
    int rc;

    spin_lock(&d->event->lock);
    rc = event_bind_new(d, EVENT_UNBOUND, remote, 0, port);
    spin_unlock(&d->event->lock);
    return rc;
}

/* Connects two channels, both domains' locks held. */
static void event_connect(struct domain *d, evtchn_port_t port, struct domain *remote,
                          evtchn_port_t remote_port)
{
    struct event_channel *c = event_channel(d->event, port),
                         *peer = event_channel(remote->event, remote_port);
    struct event_channel *first = c < peer ? c : peer, *second = first == c ? peer : c;
    uint64_t flags;

    ASSERT(c != NULL && peer != NULL);
    flags = spin_lock_irqsave(&first->lock);
    spin_lock(&second->lock);
    c->remote = remote;
    c->remote_port = remote_port;
    c->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    c->state = EVENT_INTERDOMAIN;
    peer->remote = d;
    peer->remote_port = port;
    peer->state = EVENT_INTERDOMAIN;
    /* The peer may have sent before anybody listened: make sure that nothing is missed. */
    event_set_pending(d, c, port);
    spin_unlock(&second->lock);
    spin_unlock_irqrestore(&first->lock, flags);
}

int event_bind_interdomain(struct domain *d, domid_t remote_id, evtchn_port_t remote_port,
                           evtchn_port_t *local)
{
    struct domain *remote = domain_get_or_self(remote_id);
    struct event_channel *peer;
    int rc;

    if (!remote)
        return -ESRCH;
    if (!remote->event) { /* system domains have no ports */
        domain_put(remote);
        return -EINVAL;
    }
    event_lock_pair(d, remote);
    peer = event_channel(remote->event, remote_port);
    rc = event_port_allocate(d);
    if (rc >= 0) {
        if (peer && peer->state == EVENT_UNBOUND && peer->number == d->id) {
            *local = (evtchn_port_t)rc;
            event_connect(d, *local, remote, remote_port);
            rc = 0;
        } else {
            event_port_release(d, (evtchn_port_t)rc);
            rc = -EINVAL;
        }
    }
    event_unlock_pair(d, remote);
    domain_put(remote);
    return rc;
}

int event_bind_virq(struct domain *d, unsigned virq, unsigned vcpu, evtchn_port_t *port)
{
    struct vcpu *v;
    int rc = -EEXIST;

    if (virq >= NR_VIRQS)
        return -EINVAL;
    /* A machine-wide VIRQ starts on vcpu 0 and can be moved afterwards. */
    if (event_virq_is_global(virq) && vcpu != 0)
        return -EINVAL;
    v = domain_vcpu(d, vcpu);
    if (!v)
        return -ENOENT;
    spin_lock(&d->event->lock);
    if (!v->virq_port[virq]) {
        rc = event_bind_new(d, EVENT_VIRQ, virq, vcpu, port);
        if (!rc)
            __atomic_store_n(&v->virq_port[virq], *port, __ATOMIC_RELEASE);
    }
    spin_unlock(&d->event->lock);
    return rc;
}

int event_bind_ipi(struct domain *d, unsigned vcpu, evtchn_port_t *port)
{
    int rc;

    if (!domain_vcpu(d, vcpu))
        return -ENOENT;
    spin_lock(&d->event->lock);
    rc = event_bind_new(d, EVENT_IPI, 0, vcpu, port);
    spin_unlock(&d->event->lock);
    return rc;
}

/* ---- physical interrupts ---- */

/* Names a port for the PIRQ, busy until the interrupt is bound.  d's lock held. */
static int event_pirq_reserve(struct domain *d, unsigned pirq, evtchn_port_t *port)
{
    struct event_domain *e = d->event;
    int rc;

    if (!e->pirq_port) {
        uint32_t *table = mem_new_array(uint32_t, MAX_PIRQS);

        if (!table)
            return -ENOMEM;
        __atomic_store_n(&e->pirq_port, table, __ATOMIC_RELEASE);
    }
    if (e->pirq_port[pirq])
        return -EEXIST;
    rc = event_bind_new(d, EVENT_PIRQ_BUSY, pirq, 0, port);
    if (!rc)
        __atomic_store_n(&e->pirq_port[pirq], *port, __ATOMIC_RELEASE);
    return rc;
}

/* The interrupt is bound, or could not be. */
static void event_pirq_settle(struct domain *d, unsigned pirq, evtchn_port_t port, bool bound)
{
    struct event_channel *c = event_channel(d->event, port);
    uint64_t flags;

    spin_lock(&d->event->lock);
    if (bound) {
        flags = spin_lock_irqsave(&c->lock);
        c->state = EVENT_PIRQ;
        spin_unlock_irqrestore(&c->lock, flags);
    } else {
        __atomic_store_n(&d->event->pirq_port[pirq], 0, __ATOMIC_RELEASE);
        event_port_release(d, port);
    }
    spin_unlock(&d->event->lock);
}

int event_bind_pirq(struct domain *d, unsigned pirq, unsigned flags, evtchn_port_t *port)
{
    struct vcpu *v = domain_vcpu(d, 0);
    int rc;

    if (pirq >= MAX_PIRQS || !v)
        return -EINVAL;
    spin_lock(&d->event->lock);
    rc = event_pirq_reserve(d, pirq, port);
    spin_unlock(&d->event->lock);
    if (rc)
        return rc;
    /*
     * The interrupt room's locks come before ours.  From here on the interrupt may arrive: a busy port
     * delivers.
     */
    rc = irq_guest_bind(v, pirq, flags & BIND_PIRQ__WILL_SHARE);
    event_pirq_settle(d, pirq, *port, rc == 0);
    return rc;
}

/* ---- which vcpu ---- */

static int event_may_move(const struct event_channel *c)
{
    switch (c->state) {
    case EVENT_UNBOUND:
    case EVENT_INTERDOMAIN:
    case EVENT_PIRQ:
        return 0;
    case EVENT_VIRQ:
        return event_virq_is_global((unsigned)c->number) ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

int event_bind_vcpu(struct domain *d, evtchn_port_t port, unsigned vcpu)
{
    struct event_channel *c = event_channel(d->event, port);
    struct vcpu *v = domain_vcpu(d, vcpu);
    bool is_pirq;
    uint64_t pirq;
    int rc;

    if (!v)
        return -ENOENT;
    if (!c)
        return -EINVAL;
    spin_lock(&d->event->lock);
    rc = event_may_move(c);
    is_pirq = c->state == EVENT_PIRQ && event_notify_vcpu(c) != vcpu;
    pirq = c->number;
    if (!rc)
        __atomic_store_n(&c->notify_vcpu, (uint16_t)vcpu, __ATOMIC_RELAXED);
    spin_unlock(&d->event->lock);
    if (!rc && is_pirq)
        irq_guest_set_affinity(d, (unsigned)pirq, v->cpu);
    return rc;
}
