// SPDX-License-Identifier: BSD-2-Clause
/*
 * Binding ports: unbound, interdomain, VIRQ, IPI, PIRQ, and which vcpu a port
 * notifies. Errors as callers of xen/event_channel.h expect them.
 */
#include "event/internal.h"

#include "errno.h"
#include "irq/irq.h"
#include "mm/heap.h"

struct event_binding {
    enum event_state state;
    uint64_t number;
    unsigned vcpu;
    uint32_t *slot; /* where the port is noted, atomically, unless there is one: NULL nowhere */
};

/* Allocates a port of d and binds it at once.  0, -EEXIST or as event_port_allocate. */
static int event_bind_new(struct domain *d, const struct event_binding *b, evtchn_port_t *port)
{
    struct event_channel *c;
    uint64_t flags;
    int rc = -EEXIST;

    spin_lock(&d->event->lock);
    if (!b->slot || !*b->slot)
        rc = event_port_allocate(d);
    if (rc >= 0) {
        *port = (evtchn_port_t)rc;
        c = event_channel(d->event, *port);
        flags = spin_lock_irqsave(&c->lock);
        c->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
        __atomic_store_n(&c->notify_vcpu, (uint16_t)b->vcpu, __ATOMIC_RELAXED);
        c->number = b->number;
        c->state = (uint8_t)b->state;
        spin_unlock_irqrestore(&c->lock, flags);
        if (b->slot)
            __atomic_store_n(b->slot, *port, __ATOMIC_RELEASE);
        rc = 0;
    }
    spin_unlock(&d->event->lock);
    return rc;
}

int event_alloc_unbound(struct domain *d, domid_t remote, evtchn_port_t *port)
{
    return event_bind_new(d, &(struct event_binding){.state = EVENT_UNBOUND, .number = remote}, port);
}

/* Connects two channels, both domains' locks held. */
static void event_connect(struct domain *d, evtchn_port_t port, struct domain *remote, evtchn_port_t remote_port)
{
    struct event_channel *c = event_channel(d->event, port), *peer = event_channel(remote->event, remote_port);
    uint64_t flags = irq_save();

    event_lock_two(&c->lock, &peer->lock);
    c->remote = remote;
    c->remote_port = remote_port;
    c->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    c->state = EVENT_INTERDOMAIN;
    peer->remote = d;
    peer->remote_port = port;
    peer->state = EVENT_INTERDOMAIN;
    /* The peer may have sent before anybody listened: make sure that nothing is missed. */
    event_set_pending(d, c, port);
    event_unlock_two(&c->lock, &peer->lock);
    irq_restore(flags);
}

int event_bind_interdomain(struct domain *d, domid_t remote_id, evtchn_port_t remote_port, evtchn_port_t *local)
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
    event_lock_two(&d->event->lock, &remote->event->lock);
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
    event_unlock_two(&d->event->lock, &remote->event->lock);
    domain_put(remote);
    return rc;
}

int event_bind_virq(struct domain *d, unsigned virq, unsigned vcpu, evtchn_port_t *port)
{
    struct event_binding b = {.state = EVENT_VIRQ, .number = virq, .vcpu = vcpu};
    struct vcpu *v;

    /* A machine-wide VIRQ starts on vcpu 0 and can be moved afterwards. */
    if (virq >= NR_VIRQS || (event_virq_is_global(virq) && vcpu != 0))
        return -EINVAL;
    v = domain_vcpu(d, vcpu);
    if (!v)
        return -ENOENT;
    b.slot = &v->virq_port[virq];
    return event_bind_new(d, &b, port);
}

int event_bind_ipi(struct domain *d, unsigned vcpu, evtchn_port_t *port)
{
    struct event_binding b = {.state = EVENT_IPI, .vcpu = vcpu};

    return domain_vcpu(d, vcpu) ? event_bind_new(d, &b, port) : -ENOENT;
}

/* ---- physical interrupts ---- */

/* The port of each PIRQ; NULL when memory is short. */
static uint32_t *event_pirq_ports(struct event_domain *e)
{
    spin_lock(&e->lock);
    if (!e->pirq_port)
        __atomic_store_n(&e->pirq_port, mem_new_array(uint32_t, MAX_PIRQS), __ATOMIC_RELEASE);
    spin_unlock(&e->lock);
    return e->pirq_port;
}

int event_bind_pirq(struct domain *d, unsigned pirq, unsigned flags, evtchn_port_t *port)
{
    struct event_binding b = {.state = EVENT_PIRQ_BUSY, .number = pirq};
    struct vcpu *v = domain_vcpu(d, 0);
    int rc;

    if (pirq >= MAX_PIRQS || !v)
        return -EINVAL;
    if (!event_pirq_ports(d->event))
        return -ENOMEM;
    b.slot = &d->event->pirq_port[pirq];
    rc = event_bind_new(d, &b, port);
    if (rc)
        return rc;
    /*
     * The interrupt room's locks come before ours.  From here on the interrupt may arrive: a busy port
     * delivers.
     */
    rc = irq_guest_bind(v, pirq, flags & BIND_PIRQ__WILL_SHARE);
    spin_lock(&d->event->lock);
    if (rc) {
        __atomic_store_n(b.slot, 0, __ATOMIC_RELEASE);
        event_port_release(d, *port);
    } else {
        event_state_set(event_channel(d->event, *port), EVENT_PIRQ);
    }
    spin_unlock(&d->event->lock);
    return rc;
}

/* ---- which vcpu ---- */

static bool event_may_move(const struct event_channel *c)
{
    return c->state == EVENT_UNBOUND || c->state == EVENT_INTERDOMAIN || c->state == EVENT_PIRQ ||
           (c->state == EVENT_VIRQ && event_virq_is_global((unsigned)c->number));
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
    rc = event_may_move(c) ? 0 : -EINVAL;
    is_pirq = c->state == EVENT_PIRQ && event_notify_vcpu(c) != vcpu;
    pirq = c->number;
    if (!rc)
        __atomic_store_n(&c->notify_vcpu, (uint16_t)vcpu, __ATOMIC_RELAXED);
    spin_unlock(&d->event->lock);
    if (!rc && is_pirq)
        irq_guest_set_affinity(d, (unsigned)pirq, v->cpu);
    return rc;
}
