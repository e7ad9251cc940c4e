// SPDX-License-Identifier: BSD-2-Clause
/*
 * Physical interrupts as domains name them (PIRQs, xen/physdev.h).
 *
 * A domain's table maps its numbers to machine interrupts.  It changes with the table's lock held and is read
 * without: descriptors are never freed, and a reader checks in the descriptor, under its lock, that the domain is there.
 * (irq_guest_bind and its kin are called with event-channel locks held, which rank above the table's.)
 */
#include "domain/state.h"
#include "errno.h"
#include "irq/irq_private.h"
#include "lib/bitmap.h"
#include "log.h"
#include "mm/heap.h"

#define SOURCE_NONE 0
#define SOURCE_RESERVED 0xffff

struct irq_domain {
    spinlock_t lock; /* RANK_IRQ_DOMAIN: changes of source */
    bool closed;     /* lock: the domain dies, nothing is mapped any more */
    uint16_t source[MAX_PIRQS]; /* irq + 1, SOURCE_NONE or SOURCE_RESERVED */
    struct frame *eoi_frame;    /* writable reference held */
    uint64_t *eoi_bits;         /* its contents; NULL none */
};

/* The machine's interrupt behind a pirq, or -EINVAL. */
static int irq_of_pirq(struct domain *d, unsigned pirq)
{
    uint16_t source;

    if (d->irq == NULL || pirq >= MAX_PIRQS)
        return -EINVAL;
    source = __atomic_load_n(&d->irq->source[pirq], __ATOMIC_ACQUIRE);
    return source == SOURCE_NONE || source == SOURCE_RESERVED ? -EINVAL : source - 1;
}

/* Locks the descriptor behind pirq; NULL when it has none.  What is unmapped meanwhile is not found: irq_unmap takes the number
 * away first and undoes the binding afterwards, so nothing is bound that it has not seen. */
static struct irq_desc *desc_lock(struct domain *d, unsigned pirq, uint64_t *flags)
{
    int irq = irq_of_pirq(d, pirq);

    if (irq < 0)
        return NULL;
    *flags = spin_lock_irqsave(&irq_descs[irq].lock);
    if (irq_of_pirq(d, pirq) == irq)
        return &irq_descs[irq];
    spin_unlock_irqrestore(&irq_descs[irq].lock, *flags);
    return NULL;
}

static struct irq_guest *guest_find(struct irq_desc *desc, const struct domain *d)
{
    for (unsigned i = 0; i < desc->guest_count; i++)
        if (desc->guests[i].domain == d)
            return &desc->guests[i];
    return NULL;
}

/* ---- binding ---- */

static void eoi_bit_set(struct domain *d, unsigned pirq, bool needed)
{
    uint64_t *bits = d->irq->eoi_bits;

    if (bits == NULL)
        return;
    if (needed)
        bitmap_atomic_set(bits, pirq);
    else
        bitmap_atomic_clear(bits, pirq);
}

/* Descriptor's lock held. */
static int bind_check(struct irq_desc *desc, const struct domain *d, bool shared)
{
    if (desc->handler != NULL)
        return -EBUSY;
    if (desc->guest_count == 0)
        return 0;
    if (!shared || !desc->shared || desc->guest_count == IRQ_MAX_GUESTS || guest_find(desc, d) != NULL)
        return -EBUSY;
    return 0;
}

int irq_guest_bind(struct vcpu *v, unsigned pirq, bool shared)
{
    struct domain *d = v->domain;
    uint64_t flags;
    struct irq_desc *desc = desc_lock(d, pirq, &flags);
    int error;

    if (desc == NULL)
        return -EINVAL;
    error = bind_check(desc, d, shared);
    if (error == 0) {
        desc->guests[desc->guest_count++] = (struct irq_guest){.domain = d, .pirq = (uint16_t)pirq};
        if (desc->guest_count == 1) {
            desc->shared = shared;
            error = irq_start(desc, v->cpu);
            if (error != 0)
                desc->guest_count = 0;
        }
    }
    if (error == 0)
        eoi_bit_set(d, pirq, desc->level);
    spin_unlock_irqrestore(&desc->lock, flags);
    if (error != 0)
        log_domain(LOG_WARNING, d, "cannot bind interrupt %u: error %d\n", pirq, error);
    return error;
}

/* Descriptor's lock held: nobody is served any more, the line may speak again. */
static void service_finish(struct irq_desc *desc)
{
    for (unsigned i = 0; i < desc->guest_count; i++)
        if (desc->guests[i].in_flight)
            return;
    if (!desc->in_service)
        return;
    timer_stop(&desc->guard);
    if (desc->wanted_cpu >= 0)
        irq_move_now(desc);
    desc->in_service = false;
    if (desc->enabled)
        irq_mask(desc, false);
}

/* Descriptor's lock held. */
static void guest_unbind(struct irq_desc *desc, struct domain *d, unsigned pirq)
{
    struct irq_guest *guest = guest_find(desc, d);

    if (guest == NULL || guest->pirq != pirq)
        return;
    *guest = desc->guests[--desc->guest_count];
    if (desc->guest_count == 0) {
        timer_stop(&desc->guard);
        irq_stop(desc);
    } else {
        service_finish(desc);
    }
    eoi_bit_set(d, pirq, false);
}

void irq_guest_unbind(struct domain *d, unsigned pirq)
{
    uint64_t flags;
    struct irq_desc *desc = desc_lock(d, pirq, &flags);

    if (desc == NULL)
        return;
    guest_unbind(desc, d, pirq);
    spin_unlock_irqrestore(&desc->lock, flags);
}

void irq_guest_eoi(struct domain *d, unsigned pirq)
{
    uint64_t flags;
    struct irq_desc *desc = desc_lock(d, pirq, &flags);
    struct irq_guest *guest;

    if (desc == NULL)
        return;
    guest = guest_find(desc, d);
    if (guest != NULL && guest->in_flight) {
        guest->in_flight = false;
        service_finish(desc);
    }
    spin_unlock_irqrestore(&desc->lock, flags);
}

static bool needs_eoi(struct domain *d, unsigned pirq)
{
    int irq = irq_of_pirq(d, pirq);

    return irq >= 0 && irq_descs[irq].kind == IRQ_GSI && irq_descs[irq].level;
}

bool irq_guest_shared(struct domain *d, unsigned pirq)
{
    int irq = irq_of_pirq(d, pirq);

    return irq >= 0 && irq_descs[irq].shared && irq_descs[irq].guest_count > 1;
}

void irq_guest_set_affinity(struct domain *d, unsigned pirq, unsigned cpu)
{
    uint64_t flags;
    struct irq_desc *desc = desc_lock(d, pirq, &flags);

    if (desc == NULL)
        return;
    if (desc->guest_count == 1 && guest_find(desc, d) != NULL && cpu != desc->cpu && cpu_online(cpu))
        desc->wanted_cpu = (int16_t)cpu;
    spin_unlock_irqrestore(&desc->lock, flags);
}

/* ---- mapping; table's lock held ---- */

static bool run_free(const struct irq_domain *t, unsigned pirq, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (t->source[pirq + i] != SOURCE_NONE)
            return false;
    return true;
}

/* Numbers at and above the GSIs, so that these stay free for their own. */
static int number_search(const struct irq_domain *t, unsigned count)
{
    for (unsigned pirq = max(irq_gsi_count(), 16u); pirq + count <= MAX_PIRQS; pirq++)
        if (run_free(t, pirq, count))
            return (int)pirq;
    return -ENOSPC;
}

static int number_choose(const struct irq_domain *t, int wanted, unsigned count)
{
    if (wanted < 0)
        return number_search(t, count);
    if ((unsigned)wanted + count > MAX_PIRQS)
        return -EINVAL;
    for (unsigned i = 0; i < count; i++)
        if (t->source[(unsigned)wanted + i] != SOURCE_NONE && t->source[(unsigned)wanted + i] != SOURCE_RESERVED)
            return -EEXIST;
    return wanted;
}

/* Gives count numbers their sources, from irq on or SOURCE_RESERVED: the first number. */
static int numbers_take(struct irq_domain *t, int wanted, unsigned count, uint16_t source)
{
    int number = t->closed ? -EINVAL : number_choose(t, wanted, count);

    for (unsigned i = 0; number >= 0 && i < count; i++)
        __atomic_store_n(&t->source[(unsigned)number + i], (uint16_t)(source + i), __ATOMIC_RELEASE);
    return number;
}

static int source_of_gsi(const struct irq_domain *t, unsigned gsi)
{
    for (unsigned pirq = 0; pirq < MAX_PIRQS; pirq++)
        if (t->source[pirq] == gsi + 1)
            return (int)pirq;
    return -1;
}

int irq_map_gsi(struct domain *d, unsigned gsi, int *pirq)
{
    struct irq_domain *t = d->irq;
    int number;

    if (gsi >= irq_gsi_count() || !ioapic_gsi_valid(gsi))
        return -EINVAL;
    spin_lock(&t->lock);
    number = source_of_gsi(t, gsi);
    if (number < 0 || t->closed) { /* otherwise it is mapped already: the same answer again */
        bool own = *pirq < 0 && d->is_privileged && t->source[gsi] == SOURCE_NONE;

        number = numbers_take(t, own ? (int)gsi : *pirq, 1, (uint16_t)(gsi + 1));
    } else if (*pirq >= 0 && *pirq != number) {
        number = -EEXIST;
    }
    spin_unlock(&t->lock);
    if (number < 0)
        return number;
    *pirq = number;
    return 0;
}

/* Gives the descriptors their messages and vectors; -ENOSPC without vectors. */
static int msi_attach(unsigned irq, struct msi *block, unsigned count)
{
    unsigned cpu = cpu_id();
    uint8_t vector = vector_allocate(cpu, irq, count, 0);

    for (unsigned i = 0; i < count; i++) {
        struct irq_desc *desc = &irq_descs[irq + i];
        uint64_t flags = spin_lock_irqsave(&desc->lock);

        desc->level = desc->low = desc->shared = false;
        desc->msi = block + i;
        desc->cpu = (uint16_t)cpu;
        desc->vector = (uint8_t)(vector ? vector + i : 0);
        desc->arrivals = 0;
        spin_unlock_irqrestore(&desc->lock, flags);
    }
    return vector ? 0 : -ENOSPC;
}

static void msi_detach(unsigned irq)
{
    struct irq_desc *desc = &irq_descs[irq];
    uint64_t flags = spin_lock_irqsave(&desc->lock);
    struct msi *msi = desc->msi;

    if (desc->enabled)
        irq_stop(desc);
    if (desc->vector != 0)
        vector_release(desc->cpu, desc->vector);
    desc->vector = 0;
    desc->msi = NULL;
    spin_unlock_irqrestore(&desc->lock, flags);
    msi_free(msi);
    irq_unclaim(irq);
}

/* Is this message of the device mapped already (by whomever)? */
static bool msi_taken(const struct msi_request *r)
{
    bool taken = false;

    for (unsigned irq = irq_gsi_count(); irq < MAX_IRQS && !taken; irq++) {
        struct irq_desc *desc = &irq_descs[irq];
        uint64_t flags = spin_lock_irqsave(&desc->lock);
        const struct msi *m = desc->msi;

        taken = m != NULL && m->at.device == r->device && (m->at.msix != r->msix || !r->msix || m->at.entry == r->entry);
        spin_unlock_irqrestore(&desc->lock, flags);
    }
    return taken;
}

int irq_map_msi(struct domain *d, const struct msi_request *request, unsigned count, int *pirq)
{
    struct msi *block;
    int irq, error, number = 0;

    if (count == 0 || count > 32 || !IS_POWER_OF_TWO(count))
        return -EINVAL;
    if (msi_taken(request))
        return -EEXIST;
    error = msi_prepare(request, count, &block);
    if (error != 0)
        return error;
    irq = irq_claim_msi(count);
    if (irq < 0) {
        for (unsigned i = count; i-- > 0;)
            msi_free(block + i);
        return irq;
    }
    error = msi_attach((unsigned)irq, block, count);
    if (error == 0) {
        spin_lock(&d->irq->lock);
        number = numbers_take(d->irq, *pirq, count, (uint16_t)(irq + 1));
        spin_unlock(&d->irq->lock);
        error = min(number, 0);
    }
    for (unsigned i = count; error != 0 && i-- > 0;)
        msi_detach((unsigned)irq + i);
    if (error == 0)
        *pirq = number;
    return error;
}

/*
 * How many numbers go with this one: the first of a block of messages takes the others along, and they do not go alone
 * (Linux unmaps the first only). 0: this one does not go. Lock held, so that what it stands for stays.
 */
static unsigned unmap_count(const struct irq_domain *t, unsigned pirq)
{
    uint16_t source = t->source[pirq];
    const struct msi *m;

    if (source == SOURCE_NONE || source == SOURCE_RESERVED)
        return source == SOURCE_RESERVED;
    m = irq_descs[source - 1].msi;
    if (m == NULL)
        return 1;
    return m->index == 0 ? m->count : 0;
}

static void source_undo(struct domain *d, unsigned pirq, unsigned irq)
{
    struct irq_desc *desc = &irq_descs[irq];
    uint64_t flags = spin_lock_irqsave(&desc->lock);

    guest_unbind(desc, d, pirq);
    spin_unlock_irqrestore(&desc->lock, flags);
    if (desc->kind == IRQ_MSI)
        msi_detach(irq);
}

int irq_unmap(struct domain *d, unsigned pirq)
{
    struct irq_domain *t = d->irq;
    unsigned count;
    uint16_t source;

    if (pirq >= MAX_PIRQS)
        return -EINVAL;
    /* Whoever takes the numbers away undoes what they stood for: one of two that try. */
    spin_lock(&t->lock);
    source = t->source[pirq];
    count = unmap_count(t, pirq);
    for (unsigned i = 0; i < count; i++)
        __atomic_store_n(&t->source[pirq + i], SOURCE_NONE, __ATOMIC_SEQ_CST);
    spin_unlock(&t->lock);
    for (unsigned i = count; i-- > 0 && source != SOURCE_RESERVED;)
        source_undo(d, pirq + i, source - 1u + i);
    return count == 0 ? -EINVAL : 0;
}

int irq_reserve(struct domain *d)
{
    int number;

    spin_lock(&d->irq->lock);
    number = numbers_take(d->irq, -1, 1, SOURCE_RESERVED);
    spin_unlock(&d->irq->lock);
    return number;
}

int irq_set_eoi_page(struct domain *d, struct frame *page)
{
    struct irq_domain *t = d->irq;
    int error = -EBUSY;

    spin_lock(&t->lock);
    if (t->eoi_frame == NULL && !t->closed) {
        uint64_t *bits = frame_to_virt(page);

        for (unsigned pirq = 0; pirq < MAX_PIRQS; pirq++)
            if (needs_eoi(d, pirq))
                bitmap_atomic_set(bits, pirq);
            else
                bitmap_atomic_clear(bits, pirq);
        t->eoi_frame = page;
        __atomic_store_n(&t->eoi_bits, bits, __ATOMIC_RELEASE);
        error = 0;
    }
    spin_unlock(&t->lock);
    return error;
}

int irq_restore_device(uint32_t device)
{
    int result = -ENODEV;

    for (unsigned irq = irq_gsi_count(); irq < MAX_IRQS; irq++) {
        struct irq_desc *desc = &irq_descs[irq];
        uint64_t flags = spin_lock_irqsave(&desc->lock);
        struct msi *m = desc->msi;

        if (m != NULL && m->at.device == device) {
            msi_restore(m);
            result = 0;
        }
        spin_unlock_irqrestore(&desc->lock, flags);
    }
    return result;
}

/* ---- life ---- */

int irq_domain_init(struct domain *d)
{
    struct irq_domain *t = mem_new(struct irq_domain);

    if (t == NULL)
        return -ENOMEM;
    spin_init(&t->lock, RANK_IRQ_DOMAIN);
    for (unsigned gsi = 1; d->is_privileged && gsi < 16; gsi++) /* the ISA ones are there without asking */
        if (ioapic_gsi_valid(gsi))
            t->source[gsi] = (uint16_t)(gsi + 1);
    d->irq = t;
    return 0;
}

void irq_domain_release(struct domain *d)
{
    struct irq_domain *t = d->irq;

    if (t == NULL)
        return;
    spin_lock(&t->lock);
    t->closed = true;
    spin_unlock(&t->lock);
    for (unsigned pirq = 0; pirq < MAX_PIRQS; pirq++)
        if (t->source[pirq] != SOURCE_NONE)
            irq_unmap(d, pirq);
    t->eoi_bits = NULL;
    if (t->eoi_frame != NULL)
        frame_put_both(t->eoi_frame);
    t->eoi_frame = NULL;
}

void irq_domain_destroy(struct domain *d)
{
    irq_domain_release(d);
    mem_free(d->irq);
    d->irq = NULL;
}
