// SPDX-License-Identifier: BSD-2-Clause
/*
 * HYPERVISOR_sched_op, its older form, and set_timer_op (xen/sched.h, xen/xen.h).
 *
 * Blocking only marks the vcpu and asks for a new choice: the switch happens on the way back to the guest. 
 * The mark comes before the look at pending events, as senders set the event before they look at the mark; so
 * one of the two sees the other.
 */
#include "door/handlers.h"
#include "door/operation.h"
#include "log.h"
#include "mm/guest_form.h"
#include "sched/sched.h"
#include <xen/sched.h>

#define POLL_PORTS_MAX 128
#define POLL_MANY ((evtchn_port_t)-1)
#define WATCHDOGS 2
#define FAR_AWAY (1UL << 50)      /* ns: further ahead than any kernel means */
#define FAR_AWAY_INSTEAD 100000000UL

static bool must_not_block(struct vcpu *v)
{
    return vcpu_event_deliverable(v) || v->nmi_pending;
}

static long sched_block(struct vcpu *v)
{
    v->info->evtchn_upcall_mask = 0;
    __atomic_fetch_or(&v->pause_flags, VCPU_BLOCKED, __ATOMIC_SEQ_CST);
    if (must_not_block(v))
        __atomic_fetch_and(&v->pause_flags, ~VCPU_BLOCKED, __ATOMIC_SEQ_CST);
    else
        softirq_raise(SOFTIRQ_SCHEDULE);
    return 0;
}

/* ---- poll ---- */

/* Looks at the ports: 1 when one is pending, 0, -EFAULT, -EINVAL no such port.  *only: a single one. */
static int poll_look(struct domain *d, const struct sched_poll *poll, evtchn_port_t *only)
{
    for (unsigned i = 0; i < poll->nr_ports; i++) {
        int rc;

        if (guest_read(only, guest_element(GUEST_HANDLE(poll->ports), i, sizeof(*only)), sizeof(*only)))
            return -EFAULT;
        rc = event_upcalls.port_pending(d, *only);
        if (rc)
            return rc;
    }
    return 0;
}

static long sched_poll_ports(struct call *c)
{
    const struct sched_poll *poll = c->arg;
    struct vcpu *v = current;
    evtchn_port_t only = 0;
    int found;

    if (poll->nr_ports > POLL_PORTS_MAX)
        return -EINVAL;
    v->poll_port = POLL_MANY;
    __atomic_add_fetch(&v->domain->poll_count, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&v->pause_flags, VCPU_BLOCKED | VCPU_POLLING, __ATOMIC_SEQ_CST);
    found = must_not_block(v) ? 1 : poll_look(v->domain, poll, &only);
    if (found) {
        vcpu_unblock(v);
        return found < 0 ? found : 0;
    }
    if (poll->nr_ports == 1)
        v->poll_port = only;
    if (poll->timeout)
        timer_set_here(&v->poll_timer, poll->timeout);
    softirq_raise(SOFTIRQ_SCHEDULE);
    return 0;
}

/* ---- watchdogs ---- */

static void watchdog_expired(void *data)
{
    struct domain *d = data;

    log_warning("domain %u: its watchdog expired\n", d->id);
    domain_shutdown(d, SHUTDOWN_watchdog);
}

static void watchdog_arm(struct domain *d, unsigned number, uint32_t seconds)
{
    struct timer *t = &d->watchdog_timers[number];

    if (!t->fn)
        timer_init(t, watchdog_expired, d, cpu_id());
    timer_set(t, time_now() + seconds * NS_PER_S);
}

/* Returns the new watchdog's id (from 1), or 0 for changes of one. */
static long watchdog_set(struct domain *d, uint32_t id, uint32_t seconds)
{
    const bool is_new = id == 0;

    if (is_new)
        id = (uint32_t)__builtin_ctz(~d->watchdogs_used) + 1;
    if (is_new && id > WATCHDOGS)
        return -ENOSPC;
    if (!is_new && (id > WATCHDOGS || !(d->watchdogs_used & 1u << (id - 1))))
        return -EINVAL;
    if (is_new || seconds) {
        d->watchdogs_used |= 1u << (id - 1);
        watchdog_arm(d, id - 1, seconds);
    } else {
        timer_stop(&d->watchdog_timers[id - 1]);
        d->watchdogs_used &= ~(1u << (id - 1));
    }
    return is_new ? (long)id : 0;
}

static long sched_watchdog(struct call *c)
{
    const struct sched_watchdog *watchdog = c->arg;
    long result;

    spin_lock(&c->d->lock);
    result = watchdog_set(c->d, watchdog->id, watchdog->timeout);
    spin_unlock(&c->d->lock);
    return result;
}

/* ---- shutting down ---- */

/* Says why before the fact: the domain's later end reports this reason. */
static long sched_shutdown_code(struct call *c)
{
    const struct sched_shutdown *shutdown = c->arg;

    spin_lock(&c->d->lock);
    if (c->d->shutdown_code == SHUTDOWN_CODE_NONE)
        c->d->shutdown_code = (uint8_t)shutdown->reason;
    spin_unlock(&c->d->lock);
    return 0;
}

/* Of oneself, or of the domain the argument names. */
static long sched_shut_down(struct call *c)
{
    const struct sched_shutdown *own = c->arg;
    const struct sched_remote_shutdown *remote = c->arg;

    domain_shutdown(c->d, (uint8_t)(c->command == SCHEDOP_shutdown ? own->reason : remote->reason));
    return 0;
}

static long sched_pin(struct call *c)
{
    const struct sched_pin_override *pin = c->arg;

    return sched_pin_override(current, pin->pcpu < 0 ? -1 : pin->pcpu);
}

static const struct operation operations[] = {
    [SCHEDOP_shutdown] = OPERATION(sched_shut_down, sched_shutdown, 0),
    [SCHEDOP_poll] = OPERATION(sched_poll_ports, sched_poll, 0, .form = FORM_POLL),
    [SCHEDOP_remote_shutdown] = OPERATION(sched_shut_down, sched_remote_shutdown, OP_DOMAIN | OP_BY_ID | OP_CONTROL),
    [SCHEDOP_shutdown_code] = OPERATION(sched_shutdown_code, sched_shutdown, 0),
    [SCHEDOP_watchdog] = OPERATION(sched_watchdog, sched_watchdog, 0),
    [SCHEDOP_pin_override] = OPERATION(sched_pin, sched_pin_override, OP_PRIVILEGED),
};

long sched_op(uint64_t command, uint64_t arg, uint64_t, uint64_t, uint64_t)
{
    struct call c = {.command = (uint32_t)command, .at = GUEST_ADDR(arg)};

    switch (c.command) {
    case SCHEDOP_yield:
        sched_yield();
        return 0;
    case SCHEDOP_block:
        return sched_block(current);
    default:
        return operation_run(operations, ARRAY_SIZE(operations), &c);
    }
}

/* Before interface 0x00030101: a shutdown's reason is the argument itself. */
long sched_op_compat(uint64_t command, uint64_t arg, uint64_t a3, uint64_t a4, uint64_t a5)
{
    switch ((uint32_t)command) {
    case SCHEDOP_yield:
    case SCHEDOP_block:
        return sched_op(command, arg, a3, a4, a5);
    case SCHEDOP_shutdown:
        domain_shutdown(current->domain, (uint8_t)arg);
        return 0;
    default:
        return -ENOSYS;
    }
}

long set_timer_op(uint64_t timeout, uint64_t a2, uint64_t, uint64_t, uint64_t)
{
    struct timer *t = &current->singleshot_timer;
    nanoseconds_t now;

    if (guest_is_32bit()) /* low half, high half */
        timeout |= a2 << 32;
    if (timeout == 0) {
        timer_stop(t);
        return 0;
    }
    /* Kernels whose tick counter wrapped ask for times absurdly far ahead: let them think again soon. */
    now = time_now();
    if ((int64_t)timeout < 0 || (timeout > now && timeout - now >= FAR_AWAY))
        timeout = now + FAR_AWAY_INSTEAD;
    timer_set_here(t, timeout);
    return 0;
}
