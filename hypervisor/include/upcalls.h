/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Upward calls: what a room calls in one above it, as a constant struct of functions that the upper room
 * defines.
 */
#pragma once

#include "public.h"
#include <stdbool.h>

struct domain;
struct vcpu;

/* ---- implemented by event/ ---- */
struct event_upcalls {
    void (*virq)(struct vcpu *v, unsigned virq);            /* per-vcpu VIRQ */
    void (*global_virq)(unsigned virq);                     /* to the domain that handles it */
    void (*pirq)(struct domain *d, unsigned pirq);          /* a bound physical interrupt arrived */
    int (*port_pending)(struct domain *d, evtchn_port_t port); /* for polls: 1, 0, -EINVAL no such port */
};
extern const struct event_upcalls event_upcalls;

/* ---- implemented by door/ ---- */
struct domain_upcalls {
    void (*free_parts)(struct domain *d);    /* the last reference went and the grace period passed */
    /* tells who waits for a suspend; false when nobody asked for that */
    bool (*suspended)(struct domain *d);
    /* what v was doing, in the log: its domain is being crashed; of a vcpu that is not the running one, less */
    void (*crash_report)(const struct vcpu *v);
};
extern const struct domain_upcalls domain_upcalls;

/* ---- implemented by sched/ ---- */
struct sched_upcalls {
    void (*wake)(struct vcpu *v);  /* it may be runnable now */
    void (*sleep)(struct vcpu *v); /* it may not run any more: asks its CPU to let go of it */
};
extern const struct sched_upcalls sched_upcalls;

/* ---- implemented by guest/ ---- */
/* True when the running vcpu v has an interrupt or NMI to take that it does not hold back. */
bool hvm_event_pending(struct vcpu *v);
