// SPDX-License-Identifier: BSD-2-Clause
/*
 * Virtual and physical interrupts as events: what other rooms raise through event_upcalls, in any context,
 * and which domain handles the machine's VIRQs.
 */
#include "event/internal.h"

#include "errno.h"

/* Domains other than the control domain that took over a machine-wide VIRQ; each with a reference. */
static struct domain *virq_handlers[NR_VIRQS]; /* written under the lock, read without */
static spinlock_t virq_handlers_lock = SPINLOCK_INIT(RANK_EVENT);

/* Delivers to a port read without a lock: it may have been closed since, and even bound anew. */
static void deliver(struct domain *d, evtchn_port_t port, enum event_state state, enum event_state or, unsigned number)
{
    struct event_channel *c = event_channel(d->event, port);
    uint64_t flags = spin_lock_irqsave(&c->lock);

    if ((c->state == state || c->state == or) && c->number == number)
        event_set_pending(d, c, port);
    spin_unlock_irqrestore(&c->lock, flags);
}

static void event_deliver_virq(struct vcpu *v, unsigned virq)
{
    evtchn_port_t port = __atomic_load_n(&v->virq_port[virq], __ATOMIC_ACQUIRE);

    if (port && v->domain->event)
        deliver(v->domain, port, EVENT_VIRQ, EVENT_VIRQ, virq);
}

static void event_upcall_virq(struct vcpu *v, unsigned virq)
{
    if (virq < NR_VIRQS && !event_virq_is_global(virq))
        event_deliver_virq(v, virq);
}

static void event_upcall_global_virq(unsigned virq)
{
    struct domain *d;
    struct vcpu *v;

    if (virq >= NR_VIRQS || !event_virq_is_global(virq))
        return;
    /* No reference needed: domains are freed after a grace period. */
    d = __atomic_load_n(&virq_handlers[virq], __ATOMIC_ACQUIRE);
    if (!d)
        d = domain_zero;
    v = d ? domain_vcpu(d, 0) : NULL;
    if (v)
        event_deliver_virq(v, virq);
}

static void event_upcall_pirq(struct domain *d, unsigned pirq)
{
    struct event_domain *e = d->event;
    uint32_t *table = e ? __atomic_load_n(&e->pirq_port, __ATOMIC_ACQUIRE) : NULL;
    evtchn_port_t port = table && pirq < MAX_PIRQS ? __atomic_load_n(&table[pirq], __ATOMIC_ACQUIRE) : 0;

    if (port)
        deliver(d, port, EVENT_PIRQ, EVENT_PIRQ_BUSY, pirq);
}

static int event_upcall_port_pending(struct domain *d, evtchn_port_t port)
{
    return event_channel(d->event, port) ? (event_read(d, port) & EVENT_PENDING) != 0 : -EINVAL;
}

const struct event_upcalls event_upcalls = {
    .virq = event_upcall_virq,
    .global_virq = event_upcall_global_virq,
    .pirq = event_upcall_pirq,
    .port_pending = event_upcall_port_pending,
};

/* ---- who handles machine-wide VIRQs ---- */

int event_set_global_virq_handler(struct domain *d, unsigned virq)
{
    struct domain *old;

    if (virq >= NR_VIRQS || !event_virq_is_global(virq) || !domain_hold(d))
        return -EINVAL;
    spin_lock(&virq_handlers_lock);
    old = virq_handlers[virq];
    if (!domain_is_dying(d))
        __atomic_store_n(&virq_handlers[virq], d, __ATOMIC_RELEASE);
    else
        old = d; /* what was taken goes back */
    spin_unlock(&virq_handlers_lock);
    if (old)
        domain_put(old);
    return 0;
}

void event_virq_handlers_drop(struct domain *d)
{
    for (unsigned virq = 0; virq < NR_VIRQS; virq++) {
        bool mine;

        spin_lock(&virq_handlers_lock);
        mine = virq_handlers[virq] == d;
        if (mine)
            __atomic_store_n(&virq_handlers[virq], NULL, __ATOMIC_RELEASE);
        spin_unlock(&virq_handlers_lock);
        if (mine)
            domain_put(d);
    }
}
