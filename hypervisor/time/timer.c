// SPDX-License-Identifier: BSD-2-Clause
/*
 * Timers: one heap per CPU, the earliest on top, and the CPU's own timer programmed for that one.
 *
 * A timer's CPU changes only with that CPU's lock held, so whoever locks a CPU and still finds the timer
 * there owns it. A heap that is full cannot be enlarged where a timer is armed (an interrupt may do that):
 * the timer waits on the CPU's overflow list, which the softirq empties into a larger heap; when memory is
 * short the list itself is searched. A timer may be freed by its own function after timer_kill: the softirq
 * does not touch it again then.
 */
#include "arch/time.h"
#include "errno.h"
#include "log.h"
#include "mm/heap.h"
#include "sync/softirq.h"
#include "sync/spinlock.h"
#include "time/time_private.h"

#define FIRST_CAPACITY 256
#define RUN_LIMIT 256              /* functions in one go, before others get their turn */

struct timer_cpu {
    spinlock_t lock;
    struct heap heap;
    struct timer *overflow;
    struct timer *running;
    nanoseconds_t programmed;      /* 0: nothing */
};
static PER_CPU_DEFINE(struct timer_cpu, timers);

/* ---- heap and overflow; lock held ---- */

static void remove_armed(struct timer_cpu *c, struct timer *t)
{
    struct timer **at = &c->overflow;

    if (heap_contains(&t->entry))
        heap_remove(&c->heap, &t->entry);
    if (!t->overflowed)
        return;
    while (*at != t) {
        ASSERT(*at != NULL);
        at = &(*at)->overflow_next;
    }
    *at = t->overflow_next;
    t->overflowed = false;
}

/* Neither on the heap nor on the list. */
static void insert(struct timer_cpu *c, struct timer *t, nanoseconds_t expires)
{
    if (heap_insert(&c->heap, &t->entry, expires) == 0)
        return;
    t->entry.key = expires;
    t->overflow_next = c->overflow;
    c->overflow = t;
    t->overflowed = true;
}

/* The earliest armed timer; NULL when there is none. */
static struct timer *earliest(const struct timer_cpu *c)
{
    struct heap_entry *top = heap_first(&c->heap);
    struct timer *first = top != NULL ? container_of(top, struct timer, entry) : NULL;

    for (struct timer *t = c->overflow; t != NULL; t = t->overflow_next)
        if (first == NULL || timer_expires(t) < timer_expires(first))
            first = t;
    return first;
}

/* ---- public ---- */

static struct timer_cpu *timer_lock(struct timer *t, uint64_t *flags)
{
    *flags = irq_save();
    for (;;) {
        uint16_t cpu = __atomic_load_n(&t->cpu, __ATOMIC_RELAXED);
        struct timer_cpu *c = &per_cpu(timers, cpu);

        spin_lock(&c->lock);
        if (__atomic_load_n(&t->cpu, __ATOMIC_RELAXED) == cpu)
            return c;
        spin_unlock(&c->lock);
    }
}

void timer_init(struct timer *t, void (*fn)(void *data), void *data, unsigned cpu)
{
    *t = (struct timer){.fn = fn, .data = data, .cpu = (uint16_t)cpu};
}

/* Lock held.  Makes t's CPU look when t is what it must wake up for now. */
static void announce(struct timer_cpu *c, struct timer *t)
{
    if (c->programmed != 0 && c->programmed <= timer_expires(t) && !t->overflowed)
        return;
    if (t->cpu != cpu_id() || t->overflowed) {
        softirq_raise_on(t->cpu, SOFTIRQ_TIMER);
        return;
    }
    c->programmed = timer_expires(t);
    clock_event_program(c->programmed);
}

void timer_set(struct timer *t, nanoseconds_t expires)
{
    uint64_t flags;
    struct timer_cpu *c = timer_lock(t, &flags);

    if (!t->dead) {
        remove_armed(c, t);
        insert(c, t, max_t(nanoseconds_t, expires, 1));
        announce(c, t);
    }
    spin_unlock_irqrestore(&c->lock, flags);
}

void timer_stop(struct timer *t)
{
    uint64_t flags;
    struct timer_cpu *c = timer_lock(t, &flags);

    remove_armed(c, t);
    spin_unlock_irqrestore(&c->lock, flags);
}

/* Locks of both CPUs, lower number first. */
static void lock_pair(struct timer_cpu *a, struct timer_cpu *b)
{
    spin_lock(a < b ? &a->lock : &b->lock);
    spin_lock(a < b ? &b->lock : &a->lock);
}

void timer_migrate(struct timer *t, unsigned cpu)
{
    struct timer_cpu *to = &per_cpu(timers, cpu);
    uint64_t flags = irq_save();

    for (;;) {
        uint16_t old = __atomic_load_n(&t->cpu, __ATOMIC_RELAXED);
        struct timer_cpu *from = &per_cpu(timers, old);
        bool armed;

        if (old == cpu)
            break;
        lock_pair(from, to);
        if (__atomic_load_n(&t->cpu, __ATOMIC_RELAXED) != old) {
            spin_unlock(&from->lock);
            spin_unlock(&to->lock);
            continue;
        }
        armed = timer_armed(t);
        remove_armed(from, t);
        __atomic_store_n(&t->cpu, (uint16_t)cpu, __ATOMIC_RELAXED); /* others look before they lock */
        if (armed) {
            insert(to, t, timer_expires(t));
            announce(to, t);
        }
        spin_unlock(&from->lock);
        spin_unlock(&to->lock);
        break;
    }
    irq_restore(flags);
}

void timer_kill(struct timer *t)
{
    uint64_t flags;
    struct timer_cpu *c = timer_lock(t, &flags);
    bool by_itself = this_cpu(timers).running == t;

    remove_armed(c, t);
    t->dead = 1;
    spin_unlock_irqrestore(&c->lock, flags);
    while (__atomic_load_n(&t->running, __ATOMIC_ACQUIRE) > by_itself)
        cpu_relax();
    if (by_itself) /* it may be freed on return */
        this_cpu(timers).running = NULL;
}

/* ---- softirq ---- */

/* Softirq context, no lock held: room for what overflowed. */
static void grow(struct timer_cpu *c)
{
    size_t capacity = c->heap.capacity * 2;
    struct heap_entry **larger = mem_new_array(struct heap_entry *, capacity), **old;
    struct timer *t;
    uint64_t flags;

    if (larger == NULL)
        return;
    flags = spin_lock_irqsave(&c->lock);
    old = heap_grow(&c->heap, larger, capacity);
    while (c->heap.count < capacity && (t = c->overflow) != NULL) {
        remove_armed(c, t);
        insert(c, t, timer_expires(t));
    }
    spin_unlock_irqrestore(&c->lock, flags);
    mem_free(old);
}

/*
 * Lock held, interrupts off; dropped and taken again around the function.  A timer that is set again and moved while its function runs
 * may run on two CPUs at once: `running` counts.
 */
static void run_one(struct timer_cpu *c, struct timer *t)
{
    remove_armed(c, t);
    c->running = t;
    __atomic_fetch_add(&t->running, 1, __ATOMIC_RELAXED);
    spin_unlock(&c->lock);
    irq_enable();
    t->fn(t->data);
    irq_disable();
    spin_lock(&c->lock);
    if (c->running == t)
        __atomic_fetch_sub(&t->running, 1, __ATOMIC_RELEASE);
    c->running = NULL;
}

static void timer_softirq(void)
{
    struct timer_cpu *c = &this_cpu(timers);
    nanoseconds_t now = time_now();
    struct timer *t;
    unsigned run = 0;

    if (c->overflow != NULL)
        grow(c);
    irq_disable();
    spin_lock(&c->lock);
    while ((t = earliest(c)) != NULL && timer_expires(t) <= now && run++ < RUN_LIMIT)
        run_one(c, t);
    t = earliest(c);
    c->programmed = t != NULL ? timer_expires(t) : 0;
    clock_event_program(c->programmed);
    spin_unlock(&c->lock);
    irq_enable();
}

int timer_cpu_init(unsigned cpu)
{
    struct timer_cpu *c = &per_cpu(timers, cpu);
    struct heap_entry **slots = mem_new_array(struct heap_entry *, FIRST_CAPACITY);

    if (slots == NULL)
        return -ENOMEM;
    spin_init(&c->lock, RANK_TIMER);
    heap_init(&c->heap, slots, FIRST_CAPACITY);
    softirq_register(SOFTIRQ_TIMER, timer_softirq);
    return 0;
}
