/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Machine interrupts: descriptors, vectors, and interrupts bound to guests as PIRQs (xen/physdev.h).
 */
#pragma once

#include "config.h"
#include "sync/spinlock.h"
#include "types.h"

struct domain;
struct frame;
struct vcpu;

/* The hypervisor's own handlers (serial, HPET): called with interrupts off. */
int irq_request(unsigned irq, void (*handler)(void *data), void *data);

/* Life of a domain's interrupt table. */
int irq_domain_init(struct domain *d);
void irq_domain_release(struct domain *d); /* of a dying domain: unbinds and unmaps everything, for good */
void irq_domain_destroy(struct domain *d); /* the table goes too: nobody can look the domain up any more */

/*
 * Binds a PIRQ mapped for d to guest delivery: v's CPU receives it and each arrival calls
 * event_upcalls.pirq(d, pirq).  shared: level-triggered sharing allowed.  -EINVAL not mapped, -EBUSY, -ENOMEM.
 */
int irq_guest_bind(struct vcpu *v, unsigned pirq, bool shared);
void irq_guest_unbind(struct domain *d, unsigned pirq);
void irq_guest_eoi(struct domain *d, unsigned pirq);        /* the guest is done with a level interrupt */
void irq_guest_set_affinity(struct domain *d, unsigned pirq, unsigned cpu); /* follow the vcpu it is bound to */

/* Start of day, boot CPU, before interrupts are enabled: controllers silenced, descriptors made. */
void irq_init(void);
unsigned irq_gsi_count(void); /* GSIs are numbered below this; message-signalled interrupts from here on */
/* Trigger and polarity of a GSI as firmware describes it, before it is bound.  -EINVAL no such GSI. */
int irq_gsi_setup(unsigned gsi, bool level, bool low);

/*
 * The table of a domain: pirq -1 asks for a free number (a GSI's own number where it is free and d is privileged).
 * 0 with *pirq; -EINVAL, -EEXIST number taken, -ENOSPC, and what msi_prepare says.
 */
struct msi_request;
int irq_map_gsi(struct domain *d, unsigned gsi, int *pirq);
int irq_map_msi(struct domain *d, const struct msi_request *request, unsigned count, int *pirq);
/* -EINVAL not mapped, or of a block of messages and not its first, with which all of them go. */
int irq_unmap(struct domain *d, unsigned pirq);
/* Reserves a number without a source: its later mapping must name it.  Number or -ENOSPC. */
int irq_reserve(struct domain *d);
bool irq_guest_shared(struct domain *d, unsigned pirq);
/* Page of d (with a writable reference handed over) whose bit n says that pirq n needs an EOI.  -EBUSY has one. */
int irq_set_eoi_page(struct domain *d, struct frame *page);
/* Writes the messages of a device (pci_name()) again after it lost them.  -ENODEV nothing is set up there. */
int irq_restore_device(uint32_t device);
