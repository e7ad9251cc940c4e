// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sending events, and showing them to guests.  event_send is a fast path: one channel's lock, no domain's.
 */
#include "event/internal.h"

#include "errno.h"

void event_mark_vcpu(struct vcpu *v)
{
    if (!__atomic_exchange_n(&v->info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST)) {
        /* Before the kick looks whether v is blocked: v marks itself blocked and then looks at this. */
        __atomic_store_n(&v->upcall_edge, 1, __ATOMIC_SEQ_CST);
        vcpu_kick(v);
    }
}

static inline struct event_fifo *event_fifo(const struct domain *d)
{
    return __atomic_load_n(&d->event->fifo, __ATOMIC_ACQUIRE);
}

inline void event_set_pending(struct domain *d, struct event_channel *c, evtchn_port_t port)
{
    struct event_fifo *fifo = event_fifo(d);

    if (fifo)
        fifo_set_pending(d, fifo, c, port);
    else
        two_level_set_pending(d, c, port);
}

void event_clear_pending(struct domain *d, struct event_channel *c, evtchn_port_t port)
{
    struct event_fifo *fifo = event_fifo(d);

    __atomic_store_n(&c->pending_saved, 0, __ATOMIC_RELAXED);
    if (fifo)
        fifo_clear_pending(fifo, port);
    else
        two_level_clear_pending(d, port);
}

event_word_t event_read(struct domain *d, evtchn_port_t port)
{
    struct event_fifo *fifo = event_fifo(d);

    return fifo ? fifo_read(fifo, port) : two_level_read(d, port);
}

/* Delivers at the far end of c, whose lock is held and which is interdomain. */
static inline void event_deliver_remote(const struct event_channel *c)
{
    event_set_pending(c->remote, event_channel(c->remote->event, c->remote_port), c->remote_port);
}

int event_send(struct domain *d, evtchn_port_t port)
{
    struct event_channel *c = event_channel(d->event, port);
    int rc = 0;

    if (unlikely(!c))
        return -EINVAL;
    irq_disable();
    spin_lock(&c->lock);
    if (c->state == EVENT_INTERDOMAIN)
        event_deliver_remote(c);
    else if (c->state == EVENT_IPI)
        event_set_pending(d, c, port);
    else if (c->state != EVENT_UNBOUND) /* nobody there yet: silently dropped */
        rc = -EINVAL;
    spin_unlock(&c->lock);
    irq_enable();
    return rc;
}

void event_notify_hypervisor(struct domain *d, evtchn_port_t port)
{
    struct event_channel *c = event_channel(d->event, port);
    uint64_t flags;

    if (!c)
        return;
    flags = spin_lock_irqsave(&c->lock);
    if (c->state == EVENT_INTERDOMAIN)
        event_deliver_remote(c);
    spin_unlock_irqrestore(&c->lock, flags);
}

int event_unmask(struct domain *d, evtchn_port_t port)
{
    struct event_channel *c = event_channel(d->event, port);
    struct event_fifo *fifo;
    uint64_t flags;

    if (!c)
        return -EINVAL;
    flags = spin_lock_irqsave(&c->lock);
    fifo = event_fifo(d);
    if (event_usable(c) && fifo)
        fifo_unmask(d, fifo, c, port);
    else if (event_usable(c))
        two_level_unmask(d, c, port);
    spin_unlock_irqrestore(&c->lock, flags);
    return 0;
}

void event_vcpu_info_moved(struct vcpu *v)
{
    /* What was shown in the old place is shown again: a guest has to tolerate a look for nothing. */
    two_level_select_all(v);
    __atomic_store_n(&v->info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&v->upcall_edge, 1, __ATOMIC_SEQ_CST);
    vcpu_kick(v);
}

/* ---- polls ---- */

void event_wake_pollers(struct domain *d, evtchn_port_t port)
{
    struct vcpu *v;

    for_each_vcpu(d, v) {
        evtchn_port_t awaited = __atomic_load_n(&v->poll_port, __ATOMIC_RELAXED);

        /* Zero or negative: it polls several, and looks at them again itself. */
        if ((__atomic_load_n(&v->pause_flags, __ATOMIC_SEQ_CST) & VCPU_POLLING) &&
            (awaited == port || (int32_t)awaited <= 0))
            vcpu_unblock(v);
    }
}
