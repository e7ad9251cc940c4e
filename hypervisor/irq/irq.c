// SPDX-License-Identifier: BSD-2-Clause
/*
 * Machine interrupts: who they belong to, the vector and CPU they arrive at, and what happens then.
 *
 * An interrupt has one vector on one CPU; vectors are allocated per CPU.  Arrival for the hypervisor calls
 * the handler without any lock.  Arrival for guests: a level-triggered line is masked at its I/O APIC and
 * acknowledged at once, and unmasked when the guests have said they are done, so a slow guest only delays its
 * own line; edges (MSI too) are acknowledged and passed on.  Moves to another CPU are done at an arrival,
 * where the source is quiet.
 */
#include "arch/interrupts.h"
#include "console/console.h"
#include "domain/state.h"
#include "errno.h"
#include "irq/irq_private.h"
#include "log.h"

#define VECTOR_FIRST 0x30 /* below: where the old controllers' spurious interrupts go */
#define GUARD_NS 10000000UL

struct irq_desc irq_descs[MAX_IRQS];
static unsigned gsi_count;

static spinlock_t vector_lock = SPINLOCK_INIT(RANK_INTERRUPT_CONTROLLER); /* every vector_irq */
static PER_CPU_DEFINE(uint16_t, vector_irq)[256];                         /* irq + 1; 0 none */
/* kind of descriptors from gsi_count on */
static spinlock_t claim_lock = SPINLOCK_INIT(RANK_NONE);

unsigned irq_gsi_count(void)
{
    return gsi_count;
}

/* ---- vectors ---- */

static bool vector_usable(unsigned cpu, unsigned vector)
{
    return vector >= VECTOR_FIRST && vector <= VECTOR_LAST_IRQ && vector != 0x80 && vector != 0x82 &&
           per_cpu(vector_irq, cpu)[vector] == 0;
}

static bool run_usable(unsigned cpu, unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!vector_usable(cpu, first + i))
            return false;
    return true;
}

/* Steps of 8 spread single vectors over the priority classes. */
static unsigned vector_search(unsigned cpu, unsigned count)
{
    unsigned step = count > 1 ? count : 8;

    for (unsigned offset = 0; offset < (count > 1 ? 1 : step); offset++)
        for (unsigned v = ROUND_UP(VECTOR_FIRST, step) + offset; v <= VECTOR_LAST_IRQ; v += step)
            if (run_usable(cpu, v, count))
                return v;
    return 0;
}

uint8_t vector_allocate(unsigned cpu, unsigned irq, unsigned count, uint8_t preferred)
{
    uint64_t flags = spin_lock_irqsave(&vector_lock);
    unsigned first =
        preferred != 0 && run_usable(cpu, preferred, count) ? preferred : vector_search(cpu, count);

    for (unsigned i = 0; first != 0 && i < count; i++)
        per_cpu(vector_irq, cpu)[first + i] = (uint16_t)(irq + i + 1);
    spin_unlock_irqrestore(&vector_lock, flags);
    return (uint8_t)first;
}

void vector_release(unsigned cpu, uint8_t vector)
{
    uint64_t flags = spin_lock_irqsave(&vector_lock);

    per_cpu(vector_irq, cpu)[vector] = 0;
    spin_unlock_irqrestore(&vector_lock, flags);
}

/* ---- sources; descriptor's lock held ---- */

void irq_mask(struct irq_desc *desc, bool masked)
{
    if (desc->kind == IRQ_MSI)
        msi_mask(desc->msi, masked);
    else
        ioapic_mask(irq_number(desc), masked);
}

static void program(struct irq_desc *desc, bool masked)
{
    if (desc->kind == IRQ_MSI)
        msi_program(desc->msi, desc->vector, interrupt_target(desc->cpu));
    else
        ioapic_program(irq_number(desc), desc->vector, interrupt_target(desc->cpu), desc->level, desc->low, masked);
}

int irq_start(struct irq_desc *desc, unsigned cpu)
{
    if (desc->vector == 0) {
        desc->cpu = (uint16_t)cpu;
        desc->vector = vector_allocate(cpu, irq_number(desc), 1, 0);
        if (desc->vector == 0)
            return -ENOSPC;
    }
    desc->wanted_cpu = -1;
    desc->enabled = true;
    desc->in_service = false;
    program(desc, true);
    irq_mask(desc, false);
    return 0;
}

static void old_vector_release(struct irq_desc *desc)
{
    if (desc->old_vector != 0)
        vector_release(desc->old_cpu, desc->old_vector);
    desc->old_vector = 0;
}

void irq_stop(struct irq_desc *desc)
{
    irq_mask(desc, true);
    desc->enabled = false;
    desc->in_service = false;
    old_vector_release(desc);
    if (desc->vector != 0 && desc->kind == IRQ_GSI) { /* an MSI keeps its vector as long as it is mapped */
        vector_release(desc->cpu, desc->vector);
        desc->vector = 0;
    }
}

/* An unmaskable message must change in one write: same vector there, or it stays. */
static bool move_allowed(const struct irq_desc *desc, uint8_t vector)
{
    return desc->kind != IRQ_MSI || desc->msi->maskable || vector == desc->vector;
}

void irq_move_now(struct irq_desc *desc)
{
    unsigned cpu = (unsigned)desc->wanted_cpu;
    bool wanted = desc->wanted_cpu >= 0 && cpu != desc->cpu;
    uint8_t vector;

    desc->wanted_cpu = -1;
    if (!wanted || !cpu_online(cpu) || desc->old_vector != 0 || (desc->kind == IRQ_MSI && desc->msi->count > 1))
        return;
    vector = vector_allocate(cpu, irq_number(desc), 1, desc->vector);
    if (vector == 0)
        return;
    if (!move_allowed(desc, vector)) {
        vector_release(cpu, vector);
        return;
    }
    desc->old_vector = desc->vector;
    desc->old_cpu = desc->cpu;
    desc->vector = vector;
    desc->cpu = (uint16_t)cpu;
    program(desc, desc->in_service);
}

/* ---- arrival ---- */

static void arrive_stray(unsigned vector)
{
    static unsigned reported;

    if (interrupt_in_service(vector))
        interrupt_end();
    if (reported++ < 10)
        log_warning("interrupt: vector %#x on CPU %u belongs to nothing\n", vector, cpu_id());
}

/* The hypervisor's own: lock held on entry, released here. */
static void arrive_own(struct irq_desc *desc)
{
    void (*handler)(void *) = desc->handler;
    void *data = desc->data;
    bool level = desc->level;

    spin_unlock(&desc->lock);
    if (!level)
        interrupt_end();
    handler(data);
    if (level)
        interrupt_end();
}

static void guests_mark_level(struct irq_desc *desc)
{
    desc->in_service = true;
    irq_mask(desc, true);
    for (unsigned i = 0; i < desc->guest_count; i++)
        desc->guests[i].in_flight = true;
    if (desc->guest_count > 1)
        timer_set(&desc->guard, time_now() + GUARD_NS);
}

/* Bound to guests: lock held on entry, released here before anyone is told. */
static void arrive_guests(struct irq_desc *desc)
{
    struct irq_guest guests[IRQ_MAX_GUESTS];
    unsigned count = desc->guest_count;

    for (unsigned i = 0; i < count; i++)
        guests[i] = desc->guests[i];
    if (desc->level)
        guests_mark_level(desc);
    else if (desc->wanted_cpu >= 0)
        irq_move_now(desc);
    spin_unlock(&desc->lock);
    interrupt_end();
    for (unsigned i = 0; i < count; i++)
        event_upcalls.pirq(guests[i].domain, guests[i].pirq);
}

void irq_dispatch(struct cpu_user_regs *regs)
{
    unsigned vector = regs->entry_vector & 0xff;
    unsigned irq = this_cpu(vector_irq)[vector];
    struct irq_desc *desc;

    if (irq == 0) {
        arrive_stray(vector);
        return;
    }
    desc = &irq_descs[irq - 1];
    spin_lock(&desc->lock);
    desc->arrivals++;
    if (desc->old_vector != 0 && desc->cpu == cpu_id() && vector == desc->vector)
        old_vector_release(desc);
    if (desc->handler != NULL) {
        arrive_own(desc);
    } else if (desc->guest_count > 0) {
        arrive_guests(desc);
    } else {
        irq_mask(desc, true);
        spin_unlock(&desc->lock);
        interrupt_end();
    }
}

/* ---- claims ---- */

int irq_request(unsigned irq, void (*handler)(void *data), void *data)
{
    struct irq_desc *desc;
    uint64_t flags;
    int error = -EBUSY;

    if (irq >= gsi_count || !ioapic_gsi_valid(irq))
        return -EINVAL;
    desc = &irq_descs[irq];
    flags = spin_lock_irqsave(&desc->lock);
    if (desc->handler == NULL && desc->guest_count == 0) {
        desc->handler = handler;
        desc->data = data;
        error = irq_start(desc, 0);
        if (error != 0)
            desc->handler = NULL;
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    return error;
}

int irq_gsi_setup(unsigned gsi, bool level, bool low)
{
    struct irq_desc *desc;
    uint64_t flags;

    if (gsi >= gsi_count || !ioapic_gsi_valid(gsi))
        return -EINVAL;
    desc = &irq_descs[gsi];
    flags = spin_lock_irqsave(&desc->lock);
    if (!desc->enabled) { /* in use: what it was started with stays */
        desc->level = level;
        desc->low = low;
    }
    spin_unlock_irqrestore(&desc->lock, flags);
    return 0;
}

static bool run_free(unsigned irq, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (irq_descs[irq + i].kind != IRQ_FREE)
            return false;
    return true;
}

int irq_claim_msi(unsigned count)
{
    uint64_t flags = spin_lock_irqsave(&claim_lock);
    int found = -ENOSPC;

    for (unsigned irq = gsi_count; irq + count <= MAX_IRQS; irq++)
        if (run_free(irq, count)) {
            for (unsigned i = 0; i < count; i++)
                irq_descs[irq + i].kind = IRQ_MSI;
            found = (int)irq;
            break;
        }
    spin_unlock_irqrestore(&claim_lock, flags);
    return found;
}

void irq_unclaim(unsigned irq)
{
    uint64_t flags = spin_lock_irqsave(&claim_lock);

    irq_descs[irq].kind = IRQ_FREE;
    spin_unlock_irqrestore(&claim_lock, flags);
}

/* A guest that shares a line did not answer: the line is opened for the others again. */
static void guard_expired(void *data)
{
    struct irq_desc *desc = data;
    uint64_t flags = spin_lock_irqsave(&desc->lock);

    if (desc->in_service && desc->enabled) {
        for (unsigned i = 0; i < desc->guest_count; i++)
            desc->guests[i].in_flight = false;
        desc->in_service = false;
        irq_mask(desc, false);
    }
    spin_unlock_irqrestore(&desc->lock, flags);
}

static void irqs_dump(void)
{
    for (unsigned irq = 0; irq < MAX_IRQS; irq++) {
        const struct irq_desc *desc = &irq_descs[irq];

        if (!desc->enabled && desc->arrivals == 0)
            continue;
        log_error("irq %u: %s %s%s cpu %u vector %#x, %lu arrivals%s%s\n", irq,
                  desc->kind == IRQ_MSI ? "msi" : "gsi", desc->level ? "level" : "edge",
                  desc->low ? " low" : "", desc->cpu, desc->vector, desc->arrivals,
                  desc->in_service ? ", in service" : "", desc->handler != NULL ? ", hypervisor" : "");
        for (unsigned i = 0; i < desc->guest_count; i++)
            log_error("    d%u pirq %u%s\n", desc->guests[i].domain->id, desc->guests[i].pirq,
                      desc->guests[i].in_flight ? " in flight" : "");
    }
}

void irq_init(void)
{
    pic_init();
    gsi_count = ioapic_init();
    for (unsigned irq = 0; irq < MAX_IRQS; irq++) {
        struct irq_desc *desc = &irq_descs[irq];

        spin_init(&desc->lock, RANK_IRQ);
        desc->kind = irq < gsi_count ? IRQ_GSI : IRQ_FREE;
        desc->wanted_cpu = -1;
        timer_init(&desc->guard, guard_expired, desc, 0);
        if (irq < gsi_count)
            isa_irq_defaults(irq, &desc->level, &desc->low);
    }
    debug_key_register('i', "dump interrupt bindings", irqs_dump);
}
