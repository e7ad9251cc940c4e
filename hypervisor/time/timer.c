// SPDX-License-Identifier: BSD-2-Clause
/*
 * Timers: one heap per CPU, the earliest on top, and the CPU's own timer programmed for that one.
 *
 * A timer's CPU changes only with that CPU's lock held, so whoever locks a CPU and still finds the timer there owns it.
 * A heap that is full cannot be enlarged where a timer is armed (an interrupt may do that): the timer waits on the CPU's
 * overflow list, which the softirq empties into a larger heap; when memory is short the list itself is searched.
 * A timer may be freed by its own function after timer_kill: the softirq does not touch it again then.
 */
#include "arch/percpu.h"
#include "arch/time.h"
#include "errno.h"
#include "lib/base.h"
#include "lib/string.h"
#include "log.h"
#include "mm/heap.h"
#include "sync/softirq.h"
#include "sync/spinlock.h"
#include "time/time_private.h"

#define FIRST_CAPACITY 256
#define RUN_LIMIT 256              /* functions in one go, before others get their turn */
#define OVERFLOW 0xffffffffu       /* heap_index of a timer on the overflow list */

struct timer_cpu {
    spinlock_t lock;
    uint32_t count, capacity;
    struct timer **slots;
    struct timer *overflow;
    struct timer *running;
    nanoseconds_t programmed;      /* 0: nothing */
};
static PER_CPU_DEFINE(struct timer_cpu, timers);

/* ---- heap; lock held ---- */

static void slot_put(struct timer_cpu *c, uint32_t i, struct timer *t)
{
    c->slots[i] = t;
    t->heap_index = i + 1;
}

static void sift_up(struct timer_cpu *c, uint32_t i, struct timer *t)
{
    for (; i > 0 && c->slots[(i - 1) / 2]->expires > t->expires; i = (i - 1) / 2)
        slot_put(c, i, c->slots[(i - 1) / 2]);
    slot_put(c, i, t);
}

static void sift_down(struct timer_cpu *c, uint32_t i, struct timer *t)
{
    for (;;) {
        uint32_t child = 2 * i + 1;

        if (child + 1 < c->count && c->slots[child + 1]->expires < c->slots[child]->expires)
            child++;
        if (child >= c->count || c->slots[child]->expires >= t->expires)
            break;
        slot_put(c, i, c->slots[child]);
        i = child;
    }
    slot_put(c, i, t);
}

static void overflow_remove(struct timer_cpu *c, struct timer *t)
{
    struct timer **at = &c->overflow;

    while (*at != t)
        at = &(*at)->overflow_next;
    *at = t->overflow_next;
}

static void remove_armed(struct timer_cpu *c, struct timer *t)
{
    uint32_t i = t->heap_index - 1;
    struct timer *last;

    if (t->heap_index == 0)
        return;
    if (t->heap_index == OVERFLOW) {
        overflow_remove(c, t);
        t->heap_index = 0;
        return;
    }
    t->heap_index = 0;
    last = c->slots[--c->count];
    if (last == t)
        return;
    sift_down(c, i, last);
    sift_up(c, last->heap_index - 1, last);
}

static void insert(struct timer_cpu *c, struct timer *t)
{
    if (c->count < c->capacity) {
        c->count++;
        sift_up(c, c->count - 1, t);
        return;
    }
    t->overflow_next = c->overflow;
    c->overflow = t;
    t->heap_index = OVERFLOW;
}

/* The earliest armed timer; NULL when there is none. */
static struct timer *earliest(const struct timer_cpu *c)
{
    struct timer *first = c->count > 0 ? c->slots[0] : NULL;

    for (struct timer *t = c->overflow; t != NULL; t = t->overflow_next)
        if (first == NULL || t->expires < first->expires)
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
        if (t->cpu == cpu)
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
    if (c->programmed != 0 && c->programmed <= t->expires && t->heap_index != OVERFLOW)
        return;
    if (t->cpu != cpu_id() || t->heap_index == OVERFLOW) {
        softirq_raise_on(t->cpu, SOFTIRQ_TIMER);
        return;
    }
    c->programmed = t->expires;
    clock_event_program(t->expires);
}

void timer_set(struct timer *t, nanoseconds_t expires)
{
    uint64_t flags;
    struct timer_cpu *c = timer_lock(t, &flags);

    if (!t->dead) {
        remove_armed(c, t);
        t->expires = max_t(nanoseconds_t, expires, 1);
        insert(c, t);
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
        if (t->cpu != old) {
            spin_unlock(&from->lock);
            spin_unlock(&to->lock);
            continue;
        }
        armed = t->heap_index != 0;
        remove_armed(from, t);
        t->cpu = (uint16_t)cpu;
        if (armed) {
            insert(to, t);
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

    remove_armed(c, t);
    t->dead = 1;
    spin_unlock_irqrestore(&c->lock, flags);
    if (this_cpu(timers).running == t) { /* by its own function: it may be freed on return */
        this_cpu(timers).running = NULL;
        return;
    }
    while (__atomic_load_n(&t->running, __ATOMIC_ACQUIRE))
        cpu_relax();
}

/* ---- softirq ---- */

/* Softirq context, no lock held: room for what overflowed. */
static void grow(struct timer_cpu *c)
{
    uint32_t capacity = c->capacity != 0 ? c->capacity * 2 : FIRST_CAPACITY;
    struct timer **larger = mem_new_array(struct timer *, capacity), **old = c->slots;
    struct timer *t;
    uint64_t flags;

    if (larger == NULL)
        return;
    flags = spin_lock_irqsave(&c->lock);
    if (c->count > 0)
        memcpy(larger, old, c->count * sizeof(*larger));
    c->slots = larger;
    c->capacity = capacity;
    while (c->count < c->capacity && (t = c->overflow) != NULL) {
        c->overflow = t->overflow_next;
        insert(c, t);
    }
    spin_unlock_irqrestore(&c->lock, flags);
    mem_free(old);
}

/* Lock held, interrupts off; dropped and taken again around the function. */
static void run_one(struct timer_cpu *c, struct timer *t)
{
    remove_armed(c, t);
    c->running = t;
    t->running = 1;
    spin_unlock(&c->lock);
    irq_enable();
    t->fn(t->data);
    irq_disable();
    spin_lock(&c->lock);
    if (c->running == t)
        __atomic_store_n(&t->running, 0, __ATOMIC_RELEASE);
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
    while ((t = earliest(c)) != NULL && t->expires <= now && run++ < RUN_LIMIT)
        run_one(c, t);
    t = earliest(c);
    c->programmed = t != NULL ? t->expires : 0;
    clock_event_program(c->programmed);
    spin_unlock(&c->lock);
    irq_enable();
}

int timer_cpu_init(unsigned cpu)
{
    struct timer_cpu *c = &per_cpu(timers, cpu);
    struct timer **slots = mem_new_array(struct timer *, FIRST_CAPACITY);

    if (slots == NULL)
        return -ENOMEM;
    spin_init(&c->lock, RANK_TIMER);
    c->slots = slots;
    c->capacity = FIRST_CAPACITY;
    softirq_register(SOFTIRQ_TIMER, timer_softirq);
    return 0;
}
