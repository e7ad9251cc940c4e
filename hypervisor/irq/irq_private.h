/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors of machine interrupts, shared by the files of this room: irq.c (descriptors, vectors, arrival)
 * and guest.c (numbers of domains).
 */
#pragma once

#include "arch/devices.h"
#include "irq/irq.h"
#include "time/time.h"

#define IRQ_MAX_GUESTS 8 /* domains that may share a level-triggered line */

enum irq_kind { IRQ_FREE, IRQ_GSI, IRQ_MSI };

struct irq_guest {
    struct domain *domain;
    uint16_t pirq;
    bool in_flight; /* delivered, and no EOI yet */
};

struct irq_desc {
    spinlock_t lock; /* RANK_IRQ: everything below; taken with interrupts off */
    uint8_t kind;
    bool level, low;
    bool enabled;    /* bound to somebody */
    bool in_service; /* level: masked until all guests it was delivered to are done */
    bool shared;
    uint8_t vector, old_vector; /* 0: none; old: still accepted on old_cpu */
    uint16_t cpu, old_cpu;
    int16_t wanted_cpu;         /* move there at the next arrival; -1 stay */
    void (*handler)(void *data);
    void *data;
    struct msi *msi;
    uint64_t arrivals;
    unsigned guest_count;
    struct irq_guest guests[IRQ_MAX_GUESTS];
    /* shared level line: a guest that never answers does not silence the others */
    struct timer guard;
};
extern struct irq_desc irq_descs[MAX_IRQS];

/*
 * A run of count (power of two) free vectors on cpu, aligned; preferred first if it is free.  0 when none is
 * left.
 */
uint8_t vector_allocate(unsigned cpu, unsigned irq, unsigned count, uint8_t preferred);
void vector_release(unsigned cpu, uint8_t vector);

/* Descriptor's lock held, interrupts off. */
int irq_start(struct irq_desc *desc, unsigned cpu); /* vector, programming, unmasking; -ENOSPC */
void irq_stop(struct irq_desc *desc);               /* masked, vector given back */
void irq_mask(struct irq_desc *desc, bool masked);
void irq_move_now(struct irq_desc *desc);           /* to wanted_cpu; the source is quiet or masked */
static inline unsigned irq_number(const struct irq_desc *desc) { return (unsigned)(desc - irq_descs); }

/* A free descriptor run for count message-signalled interrupts, marked IRQ_MSI; -ENOSPC. */
int irq_claim_msi(unsigned count);
void irq_unclaim(unsigned irq);
