// SPDX-License-Identifier: BSD-2-Clause
/*
 * Scheduler core: run queues, blocking and waking, affinity, switches.
 *
 * Rules.  A vcpu belongs to the queue of v->cpu; that field and its other scheduling state change only under
 * that queue's lock.  It is in at most one of: running (queue->running), waiting (in the tree), neither
 * (blocked, paused, parked or homeless). v->is_running stays set from being chosen until its registers are
 * saved, and nobody moves it to another CPU before that: whoever finds it so marks it homeless, and
 * sched_switched() finds it a place.  The softirq handler runs on an empty stack with nothing locked, so a
 * switch may simply never return.
 */
#include "sched/sched.h"

#include "console/console.h"
#include "errno.h"
#include "lib/bitmap.h"
#include "lib/print.h"
#include "lib/string.h"
#include "log.h"
#include "mm/heap.h"
#include "options.h"
#include "sched/policy.h"

#define BALANCE_INTERVAL 2000000UL /* how often a busy CPU looks for vcpus that are behind; ns */

static PER_CPU_DEFINE(struct run_queue, run_queue);
static cpu_mask_t idle_mask; /* CPUs with nothing to run that nobody has called yet; atomic bits */

static int sched_option(const char *value)
{
    if (strcmp(value, SCHED_NAME) != 0)
        log_warning("sched=%s is not offered, using " SCHED_NAME "\n", value);
    return 0;
}
OPTION_FUNCTION(sched_name, "sched", sched_option);

/*
 * Accepted for compatibility: this policy keeps one queue per CPU and balances by lag, so they change
 * nothing.
 */
static char ignored_text[32];
OPTION_TEXT(sched_credit2_runqueue, "sched_credit2_runqueue", ignored_text);
OPTION_TEXT(sched_credit2_load_shift, "sched_credit2_load_precision_shift", ignored_text);
OPTION_TEXT(sched_credit2_load_window, "sched_credit2_load_window_shift", ignored_text);
OPTION_TEXT(sched_credit2_underload, "credit2_balance_under", ignored_text);
OPTION_TEXT(sched_credit2_overload, "credit2_balance_over", ignored_text);
OPTION_TEXT(sched_credit2_migrate, "sched_credit2_migrate_resist", ignored_text);
OPTION_TEXT(sched_credit2_cap_period, "credit2_cap_period_ms", ignored_text);
OPTION_TEXT(sched_granularity, "sched-gran", ignored_text);
OPTION_TEXT(sched_smt_power, "sched_smt_power_savings", ignored_text);

/* ---- small helpers ---- */

static struct run_queue *queue_of(unsigned cpu)
{
    return &per_cpu(run_queue, cpu);
}

static struct run_queue *vcpu_queue_lock(const struct vcpu *v, uint64_t *flags)
{
    for (;;) {
        unsigned cpu = __atomic_load_n(&v->cpu, __ATOMIC_RELAXED);
        struct run_queue *q = queue_of(cpu);

        *flags = spin_lock_irqsave(&q->lock);
        if (__atomic_load_n(&v->cpu, __ATOMIC_RELAXED) == cpu)
            return q;
        spin_unlock_irqrestore(&q->lock, *flags);
    }
}

bool sched_allowed(const struct sched_vcpu *s, unsigned cpu)
{
    return s->pinned_to >= 0 ? (unsigned)s->pinned_to == cpu : bitmap_test(s->hard.bits, cpu);
}

static void sched_ask(unsigned cpu)
{
    if (cpu == cpu_id())
        softirq_raise(SOFTIRQ_SCHEDULE);
    else
        softirq_raise_on(cpu, SOFTIRQ_SCHEDULE);
}

/* The same of one that may be idle; MAX_CPUS: nobody. */
static void sched_call(unsigned cpu)
{
    if (likely(cpu >= MAX_CPUS))
        return;
    bitmap_atomic_clear(idle_mask.bits, cpu);
    sched_ask(cpu);
}

static int stopped_runstate(const struct vcpu *v)
{
    bool paused = (v->pause_flags & ~(VCPU_BLOCKED | VCPU_POLLING)) | v->pause_count | v->domain->pause_count;

    return paused ? RUNSTATE_offline : RUNSTATE_blocked;
}

/* ---- placing ---- */

static unsigned mask_pick_idle(const cpu_mask_t *mask, unsigned near)
{
    cpu_mask_t idle;
    size_t cpu;

    bitmap_and(idle.bits, mask->bits, idle_mask.bits, MAX_CPUS);
    if (bitmap_test(idle.bits, near))
        return near;
    cpu = bitmap_find_next(idle.bits, MAX_CPUS, near);
    if (cpu >= MAX_CPUS)
        cpu = bitmap_find_first(idle.bits, MAX_CPUS);
    return (unsigned)cpu;
}

static unsigned mask_pick_least_loaded(const cpu_mask_t *mask, unsigned near)
{
    unsigned best = MAX_CPUS, best_count = ~0u;
    size_t cpu;

    if (bitmap_test(mask->bits, near)) {
        best = near;
        best_count = queue_of(near)->count;
    }
    bitmap_for_each(cpu, mask->bits, MAX_CPUS)
        if (queue_of((unsigned)cpu)->count < best_count) {
            best = (unsigned)cpu;
            best_count = queue_of(best)->count;
        }
    return best;
}

static unsigned choose_cpu(const struct sched_vcpu *s)
{
    cpu_mask_t hard, soft;
    unsigned near = s->vcpu->cpu, cpu;

    if (s->pinned_to >= 0)
        return (unsigned)s->pinned_to;
    if (bitmap_test(idle_mask.bits, near) && bitmap_test(s->hard.bits, near) && bitmap_test(s->soft.bits, near))
        return near;
    bitmap_and(hard.bits, s->hard.bits, cpu_online_mask.bits, MAX_CPUS);
    if (bitmap_empty(hard.bits, MAX_CPUS))
        return near;
    bitmap_and(soft.bits, hard.bits, s->soft.bits, MAX_CPUS);
    if (bitmap_empty(soft.bits, MAX_CPUS))
        soft = hard;
    cpu = mask_pick_idle(&soft, near);
    if (cpu >= MAX_CPUS)
        cpu = mask_pick_idle(&hard, near);
    return cpu < MAX_CPUS ? cpu : mask_pick_least_loaded(&soft, near);
}

/* s waits in q from here on; its CPU is asked to choose again if s should run now or soon. */
static void queue_add(struct run_queue *q, struct sched_vcpu *s, nanoseconds_t now)
{
    nanoseconds_t when;

    s->parked = false;
    weighted_enqueue(q, s, ENQUEUE_WAKE);
    when = weighted_preempts(q, s, now);
    if (when == 0) {
        sched_call(q->cpu);
    } else if (when != ~0UL && timer_armed(&q->tick) && when < timer_expires(&q->tick)) {
        timer_set(&q->tick, when);
    }
}

/*
 * Finds v a queue if it should be in one.  Moving takes two steps, each under one lock: v goes over to the
 * other queue's CPU, then is looked at again under that one's lock, since anything may have happened in
 * between.
 */
static void sched_wake(struct vcpu *v)
{
    struct sched_vcpu *s = v->sched;
    bool chosen = false;

    while (s) {
        nanoseconds_t now = time_now();
        uint64_t flags;
        struct run_queue *q = vcpu_queue_lock(v, &flags);
        bool settled = s->waiting || q->running == v || !vcpu_runnable(v);

        if (settled) {
            if (!s->waiting && q->running != v && !s->parked)
                vcpu_runstate_change(v, stopped_runstate(v), now);
            spin_unlock_irqrestore(&q->lock, flags);
            return;
        }
        vcpu_runstate_change(v, RUNSTATE_runnable, now);
        if (!chosen && !v->is_running) {
            unsigned cpu = choose_cpu(s);

            chosen = true;
            if (cpu != q->cpu) {
                __atomic_store_n(&v->cpu, cpu, __ATOMIC_RELAXED);
                spin_unlock_irqrestore(&q->lock, flags);
                continue;
            }
        }
        if (v->is_running && !sched_allowed(s, q->cpu))
            s->homeless = true;
        else
            queue_add(q, s, now);
        spin_unlock_irqrestore(&q->lock, flags);
        return;
    }
}

/* Stops choosing it; asks its CPU to choose again if it runs. */
static void sched_sleep(struct vcpu *v)
{
    struct run_queue *q;
    uint64_t flags;

    if (!v->sched)
        return;
    q = vcpu_queue_lock(v, &flags);
    if (!vcpu_runnable(v)) {
        if (q->running == v) {
            sched_ask(q->cpu);
        } else {
            if (v->sched->waiting)
                weighted_dequeue(q, v->sched);
            v->sched->homeless = false;
            vcpu_runstate_change(v, stopped_runstate(v), time_now());
        }
    }
    spin_unlock_irqrestore(&q->lock, flags);
}

void sched_yield(void)
{
    if (current->sched)
        current->sched->yielding = true;
    softirq_raise(SOFTIRQ_SCHEDULE);
}

void sched_unpark(struct sched_domain *sd)
{
    struct vcpu *v;

    for_each_vcpu(sd->domain, v)
        if (v->sched && v->sched->parked)
            sched_wake(v);
}

/* ---- choosing ---- */

/* It runs where it would rather not, and a CPU it prefers has nothing to do. */
static bool sched_prefers_another(const struct sched_vcpu *s, unsigned cpu)
{
    cpu_mask_t wanted;

    if (likely(bitmap_test(s->soft.bits, cpu)) || s->pinned_to >= 0)
        return false;
    bitmap_and(wanted.bits, s->hard.bits, s->soft.bits, MAX_CPUS);
    return bitmap_intersects(wanted.bits, idle_mask.bits, MAX_CPUS);
}

/* The running one stops for now: account for it and put it where it belongs. */
static void sched_put_back(struct run_queue *q, struct vcpu *prev, nanoseconds_t now)
{
    struct sched_vcpu *s = prev->sched;

    if (prev->is_idle)
        return;
    weighted_charge(q, s, now - q->charged);
    q->charged = now;
    if (!vcpu_runnable(prev)) {
        s->yielding = false;
        return;
    }
    if (sched_allowed(s, q->cpu) && !sched_prefers_another(s, q->cpu))
        weighted_enqueue(q, s, ENQUEUE_AGAIN);
    else
        s->homeless = true;
}

/*
 * Somebody waits in q, which is locked, while a CPU that could run it sleeps: that one, to be asked once the
 * lock is free, as it comes to take.  MAX_CPUS: none.
 */
static unsigned sched_helper(struct run_queue *q)
{
    struct sched_vcpu *s;
    unsigned cpu;

    if (likely(q->count == 0) || bitmap_empty(idle_mask.bits, MAX_CPUS))
        return MAX_CPUS;
    s = weighted_movable(q, &idle_mask);
    cpu = s ? mask_pick_idle(&s->hard, q->cpu) : MAX_CPUS;
    return cpu == q->cpu ? MAX_CPUS : cpu;
}

static struct sched_vcpu *sched_steal(struct run_queue *q, struct sched_vcpu *choice)
{
    for (unsigned step = 1; step < MAX_CPUS; step++) {
        unsigned cpu = (q->cpu + step) % MAX_CPUS;
        struct run_queue *victim;
        struct sched_vcpu *s;

        if (!cpu_online(cpu))
            continue;
        victim = queue_of(cpu);
        if (!weighted_wants(choice, victim) || !spin_trylock(&victim->lock))
            continue;
        s = weighted_steal(q, choice, victim);
        if (s)
            __atomic_store_n(&s->vcpu->cpu, q->cpu, __ATOMIC_RELAXED);
        spin_unlock(&victim->lock);
        if (s)
            return s;
    }
    return NULL;
}

static struct vcpu *sched_choose(struct run_queue *q, nanoseconds_t now)
{
    struct sched_vcpu *choice = weighted_pick(q), *better = NULL;

    if (cpu_online_count > 1 && (!choice || now >= q->next_balance)) {
        q->next_balance = now + BALANCE_INTERVAL;
        better = sched_steal(q, choice);
    }
    if (better) {
        if (choice)
            weighted_enqueue(q, choice, ENQUEUE_AGAIN);
        choice = better;
    }
    return choice ? choice->vcpu : idle_vcpu[q->cpu];
}

static void sched_set_running(struct run_queue *q, struct vcpu *prev, struct vcpu *next, nanoseconds_t now)
{
    if (next->is_idle)
        bitmap_atomic_set(idle_mask.bits, q->cpu);
    else if (prev->is_idle)
        bitmap_atomic_clear(idle_mask.bits, q->cpu);
    if (next == prev)
        return;
    vcpu_runstate_change(prev, vcpu_runnable(prev) ? RUNSTATE_runnable : stopped_runstate(prev), now);
    vcpu_runstate_change(next, RUNSTATE_running, now);
    q->running = next;
    q->run_start = q->charged = now;
    __atomic_store_n(&next->is_running, 1, __ATOMIC_RELAXED);
}

/* Timers of the vcpu that starts to run follow it here. */
static void sched_bring_timers(struct vcpu *v, unsigned cpu, nanoseconds_t now)
{
    if (v->singleshot_timer.cpu != cpu)
        timer_migrate(&v->singleshot_timer, cpu);
    if (v->poll_timer.cpu != cpu)
        timer_migrate(&v->poll_timer, cpu);
    if (!v->periodic_period)
        return;
    if (v->periodic_timer.cpu != cpu)
        timer_migrate(&v->periodic_timer, cpu);
    if (now - v->periodic_last >= v->periodic_period) {
        v->periodic_last = now;
        event_upcalls.virq(v, VIRQ_TIMER);
    }
    timer_set(&v->periodic_timer, v->periodic_last + v->periodic_period);
}

/* SOFTIRQ_SCHEDULE: chooses again. */
static void sched_run(void)
{
    struct run_queue *q = &this_cpu(run_queue);
    struct vcpu *prev = current, *next;
    nanoseconds_t now, slice = 0;
    unsigned helper = MAX_CPUS;

    irq_disable();
    now = time_now();
    spin_lock(&q->lock);
    sched_put_back(q, prev, now);
    next = sched_choose(q, now);
    if (!next->is_idle)
        slice = weighted_slice(q, next->sched);
    sched_set_running(q, prev, next, now);
    if (next == prev)
        helper = sched_helper(q); /* else in sched_switched(), when prev may be taken, too */
    spin_unlock(&q->lock);

    sched_call(helper);
    if (next->is_idle)
        timer_stop(&q->tick);
    else
        timer_set(&q->tick, now + slice);
    if (next == prev) {
        irq_enable();
        return;
    }
    if (!prev->is_idle) {
        vcpu_runstate_publish(prev);
        if (timer_armed(&prev->periodic_timer))
            timer_stop(&prev->periodic_timer);
    }
    if (!next->is_idle)
        sched_bring_timers(next, q->cpu, now);
    arch_context_switch(prev, next);
}

void sched_switched(struct vcpu *prev)
{
    struct run_queue *q = &this_cpu(run_queue);
    unsigned helper;
    bool homeless = false;

    if (prev->is_idle) {
        __atomic_store_n(&prev->is_running, 0, __ATOMIC_RELEASE);
    } else {
        uint64_t flags = spin_lock_irqsave(&q->lock);

        __atomic_store_n(&prev->is_running, 0, __ATOMIC_RELEASE);
        homeless = prev->sched->homeless;
        prev->sched->homeless = false;
        helper = sched_helper(q);
        spin_unlock_irqrestore(&q->lock, flags);
        sched_call(helper);
    }
    if (homeless)
        sched_wake(prev);
    if (!current->is_idle) { /* the next one, in its own tables */
        time_update_vcpu(current);
        vcpu_runstate_publish(current);
    }
}

/* ---- affinity ---- */

/* After a change: v leaves a CPU it may no longer use. */
static void sched_apply_affinity(struct vcpu *v)
{
    uint64_t flags;
    struct run_queue *q = vcpu_queue_lock(v, &flags);
    bool move = false;

    if (!sched_allowed(v->sched, q->cpu)) {
        if (q->running == v) {
            sched_ask(q->cpu);
        } else if (v->sched->waiting) {
            weighted_dequeue(q, v->sched);
            move = true;
        }
    }
    spin_unlock_irqrestore(&q->lock, flags);
    if (move)
        sched_wake(v);
}

int sched_set_affinity(struct vcpu *v, const cpu_mask_t *hard, const cpu_mask_t *soft)
{
    struct run_queue *q;
    uint64_t flags;

    if (hard && !bitmap_intersects(hard->bits, cpu_online_mask.bits, MAX_CPUS))
        return -EINVAL;
    if (soft && bitmap_empty(soft->bits, MAX_CPUS))
        return -EINVAL;
    q = vcpu_queue_lock(v, &flags);
    if (hard)
        v->sched->hard = *hard;
    if (soft)
        v->sched->soft = *soft;
    spin_unlock_irqrestore(&q->lock, flags);
    sched_apply_affinity(v);
    return 0;
}

void sched_get_affinity(struct vcpu *v, cpu_mask_t *hard, cpu_mask_t *soft)
{
    uint64_t flags;
    struct run_queue *q = vcpu_queue_lock(v, &flags);

    *hard = v->sched->hard;
    *soft = v->sched->soft;
    spin_unlock_irqrestore(&q->lock, flags);
}

int sched_pin_override(struct vcpu *v, int cpu)
{
    struct run_queue *q;
    uint64_t flags;
    int result = 0;

    if (cpu >= 0 && !cpu_online((unsigned)cpu))
        return -EINVAL;
    q = vcpu_queue_lock(v, &flags);
    if (cpu < 0)
        v->sched->pinned_to = -1;
    else if (v->sched->pinned_to >= 0)
        result = -EBUSY;
    else
        v->sched->pinned_to = cpu;
    spin_unlock_irqrestore(&q->lock, flags);
    if (result == 0)
        sched_apply_affinity(v);
    return result;
}

/* ---- parameters ---- */

int sched_domain_adjust(struct domain *d, struct xen_domctl_scheduler_op *op)
{
    return op->sched_id == SCHED_ID ? weighted_domain_adjust(d->sched, op) : -EINVAL;
}

int sched_global_adjust(struct xen_sysctl_scheduler_op *op)
{
    if (op->cpupool_id != 0)
        return -ESRCH;
    return op->sched_id == SCHED_ID ? weighted_global_adjust(op) : -EINVAL;
}

uint64_t sched_cpu_idle_ns(unsigned cpu)
{
    struct vcpu_runstate_info info;

    if (cpu >= MAX_CPUS || !idle_vcpu[cpu])
        return 0;
    vcpu_runstate_get(idle_vcpu[cpu], &info);
    return info.time[RUNSTATE_running];
}

void vcpu_runstate_get(struct vcpu *v, struct vcpu_runstate_info *info)
{
    nanoseconds_t now;
    uint64_t flags;
    struct run_queue *q = vcpu_queue_lock(v, &flags);

    *info = v->runstate;
    spin_unlock_irqrestore(&q->lock, flags);
    now = time_now();
    if ((int64_t)(now - info->state_entry_time) > 0)
        info->time[info->state] += now - info->state_entry_time;
}

/* ---- idling ---- */

/* Body of every idle vcpu. */
static _Noreturn void sched_idle_loop(void)
{
    irq_enable();
    for (;;) {
        softirq_run();
        if (heap_scrub_some())
            continue;
        irq_disable();
        if (softirq_pending())
            irq_enable();
        else
            cpu_idle_wait();
    }
}

/* ---- life of CPUs, domains and vcpus ---- */

static void sched_tick(void *)
{
    softirq_raise(SOFTIRQ_SCHEDULE);
}

int sched_cpu_init(unsigned cpu)
{
    struct run_queue *q = queue_of(cpu);
    struct vcpu *idle = vcpu_alloc(domain_idle, cpu);

    if (!idle)
        return -ENOMEM;
    idle->is_idle = true;
    idle->cpu = cpu;
    idle->pause_flags = 0;
    idle->is_initialised = true;
    idle->is_running = 1;
    idle->arch.enter = sched_idle_loop;
    vcpu_runstate_change(idle, RUNSTATE_running, time_now());
    vcpu_publish(idle);
    idle_vcpu[cpu] = idle;

    spin_init(&q->lock, RANK_SCHED);
    q->cpu = cpu;
    q->running = idle;
    weighted_queue_init(q);
    timer_init(&q->tick, sched_tick, q, cpu);
    bitmap_atomic_set(idle_mask.bits, cpu);
    return 0;
}

int sched_domain_init(struct domain *d)
{
    struct sched_domain *sd = mem_new(struct sched_domain);

    if (!sd)
        return -ENOMEM;
    sd->domain = d;
    weighted_domain_init(sd);
    d->sched = sd;
    return 0;
}

void sched_domain_destroy(struct domain *d)
{
    if (!d->sched)
        return;
    timer_kill(&d->sched->refill);
    mem_free(d->sched);
    d->sched = NULL;
}

int sched_vcpu_init(struct vcpu *v)
{
    struct sched_vcpu *s = mem_new(struct sched_vcpu);

    if (!s)
        return -ENOMEM;
    s->vcpu = v;
    s->domain = v->domain->sched;
    s->pinned_to = -1;
    bitmap_fill(s->hard.bits, MAX_CPUS);
    bitmap_fill(s->soft.bits, MAX_CPUS);
    v->cpu = cpu_id();
    if (v->id > 0 && domain_vcpu(v->domain, v->id - 1)) /* spread what may start together */
        v->cpu = (unsigned)bitmap_find_next(cpu_online_mask.bits, MAX_CPUS, domain_vcpu(v->domain, v->id - 1)->cpu + 1);
    if (v->cpu >= MAX_CPUS)
        v->cpu = (unsigned)bitmap_find_first(cpu_online_mask.bits, MAX_CPUS);
    if (v->cpu >= MAX_CPUS)
        v->cpu = cpu_id();
    v->sched = s;
    return 0;
}

void sched_vcpu_destroy(struct vcpu *v)
{
    uint64_t flags;
    struct run_queue *q;

    if (!v->sched)
        return;
    q = vcpu_queue_lock(v, &flags);
    if (v->sched->waiting)
        weighted_dequeue(q, v->sched);
    spin_unlock_irqrestore(&q->lock, flags);
    mem_free(v->sched);
    v->sched = NULL;
}

/* ---- debugging ---- */

static void sched_dump(void)
{
    size_t cpu;

    log_error("scheduler " SCHED_NAME ", idle CPUs %016lx\n", idle_mask.bits[0]);
    bitmap_for_each(cpu, cpu_online_mask.bits, MAX_CPUS) {
        const struct run_queue *q = queue_of((unsigned)cpu);
        const struct vcpu *v = q->running;
        char who[24] = "nothing", first[24] = "";

        if (!v->is_idle)
            print_format(who, sizeof(who), "d%uv%u", v->domain->id, v->id);
        if (q->first != UINT64_MAX)
            print_format(first, sizeof(first), ", first %lu", q->first);
        log_error("CPU%zu runs %s, %u waiting, floor %lu%s\n", cpu, who, q->count, q->floor, first);
    }
}

const struct sched_upcalls sched_upcalls = {.wake = sched_wake, .sleep = sched_sleep};

void sched_init(void)
{
    domain_system_init();
    softirq_register(SOFTIRQ_SCHEDULE, sched_run);
    if (sched_cpu_init(0))
        panic("no memory for the boot CPU's idle vcpu\n");
    current = idle_vcpu[0];
    debug_key_register('r', "dump run queues", sched_dump);
}
