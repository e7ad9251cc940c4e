// SPDX-License-Identifier: BSD-2-Clause
/*
 * The machine of host programs: CPUs as threads, messages, softirqs and time.
 *
 * Everything but the setup is weak, so that a program may link the room that owns it instead.
 */
#include "arch/host/host.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/machine.h"
#include "arch/host/private.h"
#include "arch/tlb.h"
#include "lib/string.h"
#include "log.h"

#define WEAK __attribute__((weak))

_Thread_local struct cpu_info host_cpu_info;
WEAK cpu_mask_t cpu_online_mask = {{1}};
WEAK unsigned cpu_online_count = 1;
WEAK PER_CPU_DEFINE(uint32_t, softirq_pending_bits);
WEAK nanoseconds_t host_time = 1000000000;
bool host_log_quiet = true;
struct host_continuation host_continuation;

void host_thread_cpu(unsigned cpu)
{
    static pthread_mutex_t online_mutex = PTHREAD_MUTEX_INITIALIZER;

    host_cpu_info.cpu = cpu;
    pthread_mutex_lock(&online_mutex);
    if (!cpu_online(cpu)) {
        cpu_online_mask.bits[cpu / 64] |= 1UL << (cpu % 64);
        cpu_online_count++;
    }
    pthread_mutex_unlock(&online_mutex);
}

void host_set_current(struct vcpu *v)
{
    current = v;
}

WEAK void cpu_call(const cpu_mask_t *mask, void (*fn)(void *), void *arg)
{
    if (mask->bits[cpu_id() / 64] >> (cpu_id() % 64) & 1)
        fn(arg);
}

WEAK void smp_poll(void)
{
}

WEAK void cpu_poke(unsigned cpu)
{
    (void)cpu;
}

WEAK void cpu_idle_wait(void)
{
}

/* ---- messages ---- */

static void host_log(const char *prefix, const char *format, va_list args)
{
    if (host_log_quiet)
        return;
    fprintf(stderr, "%s", prefix);
    vfprintf(stderr, format, args);
}

WEAK void log_print(enum log_level level, const char *format, ...)
{
    va_list args;

    (void)level;
    va_start(args, format);
    host_log("", format, args);
    va_end(args);
}

WEAK void log_print_guest(enum log_level level, const struct domain *d, const struct vcpu *v, const char *format, ...)
{
    va_list args;
    char prefix[32];

    (void)level;
    snprintf(prefix, sizeof(prefix), "d%d ", d ? d->id : v ? v->domain->id : -1);
    va_start(args, format);
    host_log(prefix, format, args);
    va_end(args);
}

WEAK _Noreturn void panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    abort();
}

/* ---- deferred work ---- */

static struct tasklet *tasklets;
static struct quiesce_node *quiescing;
static void (*softirq_handlers[SOFTIRQ_COUNT])(void);

WEAK void softirq_register(enum softirq number, void (*handler)(void))
{
    softirq_handlers[number] = handler;
}

WEAK void softirq_raise(enum softirq number)
{
    this_cpu(softirq_pending_bits) |= 1u << number;
}

WEAK void softirq_raise_on(unsigned cpu, enum softirq number)
{
    __atomic_fetch_or(&per_cpu(softirq_pending_bits, cpu), 1u << number, __ATOMIC_SEQ_CST);
}

WEAK void softirq_run(void)
{
    for (unsigned i = 0; i < SOFTIRQ_COUNT; i++) {
        uint32_t bit = 1u << i;

        if ((__atomic_fetch_and(&this_cpu(softirq_pending_bits), ~bit, __ATOMIC_SEQ_CST) & bit) &&
            softirq_handlers[i])
            softirq_handlers[i]();
    }
}

WEAK void tasklet_init(struct tasklet *t, void (*fn)(void *data), void *data)
{
    *t = (struct tasklet){.fn = fn, .data = data};
}

WEAK void tasklet_schedule(struct tasklet *t)
{
    if (t->scheduled)
        return;
    t->scheduled = 1;
    t->next = tasklets;
    tasklets = t;
}

void host_tasklets_run(void)
{
    while (tasklets) {
        struct tasklet *t = tasklets;

        tasklets = t->next;
        t->scheduled = 0;
        t->fn(t->data);
    }
}

static pthread_mutex_t quiesce_mutex = PTHREAD_MUTEX_INITIALIZER;

WEAK void quiesce_defer(struct quiesce_node *node, void (*fn)(void *data), void *data)
{
    node->fn = fn;
    node->data = data;
    pthread_mutex_lock(&quiesce_mutex);
    node->next = quiescing;
    quiescing = node;
    pthread_mutex_unlock(&quiesce_mutex);
}

void host_quiesce_run(void)
{
    for (;;) {
        struct quiesce_node *node;

        pthread_mutex_lock(&quiesce_mutex);
        node = quiescing;
        if (node)
            quiescing = node->next;
        pthread_mutex_unlock(&quiesce_mutex);
        if (!node)
            return;
        node->fn(node->data);
    }
}

/* ---- lock ranks: the same check as the hypervisor's debug build ---- */

#ifdef XYLEM_DEBUG
#define MAX_HELD 16
static _Thread_local struct { const void *lock; unsigned rank; } held[MAX_HELD];
static _Thread_local unsigned held_count;

WEAK void lock_rank_enter(const void *lock, enum lock_rank rank)
{
    if (rank == RANK_NONE)
        return;
    for (unsigned i = 0; i < held_count; i++) {
        if (held[i].rank > rank || held[i].lock == lock)
            panic("lock of rank %u taken while one of rank %u is held\n", rank, held[i].rank);
    }
    BUG_ON(held_count == MAX_HELD);
    held[held_count].lock = lock;
    held[held_count++].rank = rank;
}

WEAK void lock_rank_leave(const void *lock, enum lock_rank rank)
{
    if (rank == RANK_NONE)
        return;
    for (unsigned i = held_count; i-- > 0;) {
        if (held[i].lock == lock) {
            held[i] = held[--held_count];
            return;
        }
    }
    panic("a lock that is not held is released\n");
}
#endif

WEAK unsigned machine_node(unsigned cpu)
{
    (void)cpu;
    return 0;
}

/* ---- time ---- */

WEAK nanoseconds_t time_now(void)
{
    return host_time;
}

WEAK void time_delay_us(unsigned microseconds)
{
    host_time += microseconds * 1000UL;
}

WEAK void timer_init(struct timer *t, void (*fn)(void *data), void *data, unsigned cpu)
{
    *t = (struct timer){.fn = fn, .data = data, .cpu = (uint16_t)cpu};
}

WEAK void timer_set(struct timer *t, nanoseconds_t expires)
{
    t->entry.key = expires;
    t->entry.number = 1;
}

WEAK void timer_stop(struct timer *t)
{
    t->entry.number = 0;
}

WEAK void timer_migrate(struct timer *t, unsigned cpu)
{
    t->cpu = (uint16_t)cpu;
}

WEAK void timer_kill(struct timer *t)
{
    t->entry.number = 0;
    t->dead = 1;
}

/* ---- door ---- */

long hypercall_continue(unsigned op, unsigned count, ...);
WEAK long hypercall_continue(unsigned op, unsigned count, ...)
{
    va_list args;

    host_continuation.op = op;
    host_continuation.count = count;
    va_start(args, count);
    for (unsigned i = 0; i < count && i < 6; i++)
        host_continuation.args[i] = va_arg(args, uint64_t);
    va_end(args);
    return -1025; /* not an errno: tests see that nothing but the dispatcher interprets it */
}

/* ---- setup ---- */

void host_setup(size_t frames)
{
    host_memory_setup(frames);
    memset(&host_continuation, 0, sizeof(host_continuation));
    memset(&cpu_online_mask, 0, sizeof(cpu_online_mask));
    memset(percpu_softirq_pending_bits, 0, sizeof(percpu_softirq_pending_bits));
    cpu_online_count = 0;
    tasklets = NULL;
    quiescing = NULL;
    host_thread_cpu(0);
    host_domains_setup();
}

void host_teardown(void)
{
    host_quiesce_run();
    host_domains_teardown();
    host_memory_teardown();
}

/* ---- translations: a process has none to flush, but counts the asking ---- */

static uint32_t tlb_clock = 1;

WEAK uint32_t tlb_clock_now(void)
{
    return tlb_clock;
}

WEAK void tlb_flush_older(uint32_t stamp)
{
    if (stamp >= tlb_clock)
        tlb_clock = stamp + 1;
}
