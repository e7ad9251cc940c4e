/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Machine interrupts: descriptors, vectors, and interrupts bound to guests as PIRQs (xen/physdev.h).
 */
#ifndef XYLEM_IRQ_IRQ_H
#define XYLEM_IRQ_IRQ_H

#include "config.h"
#include "sync/spinlock.h"
#include "types.h"

struct domain;
struct vcpu;

/* The hypervisor's own handlers (serial, HPET): called with interrupts off. */
int irq_request(unsigned irq, void (*handler)(void *data), void *data, const char *name);

/* Life of a domain's interrupt table. */
int irq_domain_init(struct domain *d);
void irq_domain_destroy(struct domain *d); /* unbinds and unmaps everything */

/*
 * Binds a PIRQ mapped for d to guest delivery: v's CPU receives it and each arrival calls
 * event_upcalls.pirq(d, pirq).  shared: level-triggered sharing allowed.  -EINVAL not mapped, -EBUSY, -ENOMEM.
 */
int irq_guest_bind(struct vcpu *v, unsigned pirq, bool shared);
void irq_guest_unbind(struct domain *d, unsigned pirq);
void irq_guest_eoi(struct domain *d, unsigned pirq);        /* the guest is done with a level interrupt */
bool irq_guest_needs_eoi(struct domain *d, unsigned pirq);
void irq_guest_set_affinity(struct domain *d, unsigned pirq, unsigned cpu); /* follow the vcpu it is bound to */

#endif
