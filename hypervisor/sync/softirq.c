// SPDX-License-Identifier: BSD-2-Clause
/*
 * Softirqs, tasklets and grace periods (sync/softirq.h).
 *
 * A grace period covers a batch of objects: every online CPU is asked to run SOFTIRQ_QUIESCE, and the last
 * one to do so frees the batch.  Objects deferred meanwhile form the next batch.
 */
#include "sync/softirq.h"

#include "lib/bitmap.h"
#include "sync/spinlock.h"

PER_CPU_DEFINE(uint32_t, softirq_pending_bits);
static void (*handlers[SOFTIRQ_COUNT])(void);

void softirq_register(enum softirq number, void (*handler)(void)) { handlers[number] = handler; }

void softirq_raise(enum softirq number)
{
    __atomic_fetch_or(&this_cpu(softirq_pending_bits), 1u << number, __ATOMIC_SEQ_CST);
}

void softirq_raise_on(unsigned cpu, enum softirq number)
{
    uint32_t before = __atomic_fetch_or(&per_cpu(softirq_pending_bits, cpu), 1u << number, __ATOMIC_SEQ_CST);

    if (cpu != cpu_id() && !(before & 1u << number))
        cpu_poke(cpu);
}

void softirq_run(void)
{
    uint32_t *bits = &this_cpu(softirq_pending_bits), pending;

    while ((pending = __atomic_load_n(bits, __ATOMIC_ACQUIRE)) != 0) {
        unsigned number = (unsigned)__builtin_ctz(pending);

        __atomic_fetch_and(bits, ~(1u << number), __ATOMIC_SEQ_CST);
        if (number < SOFTIRQ_COUNT && handlers[number])
            handlers[number]();
    }
}

/* ---- tasklets: the list is this CPU's alone, changed with interrupts off ---- */

struct tasklet_list { struct tasklet *first, **end; };
static PER_CPU_DEFINE(struct tasklet_list, tasklets);

void tasklet_init(struct tasklet *t, void (*fn)(void *data), void *data)
{
    *t = (struct tasklet){.fn = fn, .data = data};
}

void tasklet_schedule(struct tasklet *t)
{
    struct tasklet_list *list;
    uint64_t flags;

    if (__atomic_exchange_n(&t->scheduled, 1, __ATOMIC_ACQ_REL))
        return;
    flags = irq_save();
    list = &this_cpu(tasklets);
    t->next = NULL;
    if (!list->first)
        list->end = &list->first;
    *list->end = t;
    list->end = &t->next;
    softirq_raise(SOFTIRQ_TASKLET);
    irq_restore(flags);
}

static void tasklet_softirq(void)
{
    uint64_t flags = irq_save();
    struct tasklet *t = this_cpu(tasklets).first;

    this_cpu(tasklets).first = NULL;
    irq_restore(flags);
    while (t) {
        struct tasklet *next = t->next;

        __atomic_store_n(&t->scheduled, 0, __ATOMIC_RELEASE); /* fn may schedule it again, or free it */
        t->fn(t->data);
        t = next;
    }
}

/* ---- grace periods ---- */

static spinlock_t quiesce_lock = SPINLOCK_INIT(RANK_NONE);
static struct quiesce_node *quiesce_next, *quiesce_batch; /* quiesce_lock */
static cpu_mask_t quiesce_waiting;                        /* quiesce_lock: CPUs the batch waits for */

/* quiesce_lock held */
static void quiesce_start(void)
{
    size_t cpu;

    if (quiesce_batch || !quiesce_next)
        return;
    quiesce_batch = quiesce_next;
    quiesce_next = NULL;
    quiesce_waiting = cpu_online_mask;
    bitmap_for_each(cpu, quiesce_waiting.bits, MAX_CPUS)
        softirq_raise_on((unsigned)cpu, SOFTIRQ_QUIESCE);
}

void quiesce_defer(struct quiesce_node *node, void (*fn)(void *data), void *data)
{
    uint64_t flags = spin_lock_irqsave(&quiesce_lock);

    *node = (struct quiesce_node){quiesce_next, fn, data};
    quiesce_next = node;
    quiesce_start();
    spin_unlock_irqrestore(&quiesce_lock, flags);
}

static void quiesce_softirq(void)
{
    struct quiesce_node *done = NULL;
    uint64_t flags = spin_lock_irqsave(&quiesce_lock);

    bitmap_clear(quiesce_waiting.bits, cpu_id());
    if (bitmap_empty(quiesce_waiting.bits, MAX_CPUS)) {
        done = quiesce_batch;
        quiesce_batch = NULL;
        quiesce_start();
    }
    spin_unlock_irqrestore(&quiesce_lock, flags);
    while (done) {
        struct quiesce_node *next = done->next;

        done->fn(done->data);
        done = next;
    }
}

void softirq_init(void)
{
    softirq_register(SOFTIRQ_TASKLET, tasklet_softirq);
    softirq_register(SOFTIRQ_QUIESCE, quiesce_softirq);
}
