// SPDX-License-Identifier: BSD-2-Clause
/*
 * Weighted fair policy.
 *
 * Each vcpu has a virtual time that advances while it runs, the slower the higher its domain's weight.  A CPU
 * runs the one that is furthest behind.  One that slept starts a little behind the others, so that it soon
 * runs, but cannot save up time. Virtual times are comparable between CPUs: a CPU with nothing to do takes
 * somebody's waiting vcpu, and a busy one takes a vcpu that waits elsewhere and is far behind what would run
 * here: so shares are fair over all CPUs, as far as affinity allows.  A vcpu that comes to a queue is brought
 * within a window around its virtual time, so that queues that progress at different speeds (because of
 * pinning) do not starve newcomers.
 *
 * A cap is a budget of the whole domain, refilled every period; vcpus without budget are parked.  The
 * interface to tools is credit2's (weight, cap, ratelimit: xen/domctl.h, xen/sysctl.h).
 */
#include "sched/policy.h"

#include "errno.h"
#include "lib/bitmap.h"
#include "options.h"

#define MICROSECONDS 1000UL
#define MILLISECONDS 1000000UL

#define WEIGHT_DEFAULT 256
#define SLICE_MAX (10 * MILLISECONDS)
#define SLICE_MIN (500 * MICROSECONDS)
#define WAKE_BONUS (3 * MILLISECONDS)       /* how far behind a sleeper may start */
#define WAKE_ADVANTAGE (500 * MICROSECONDS) /* how far behind it must be to preempt */
#define WINDOW (20 * MILLISECONDS)          /* how far ahead of a queue a newcomer may be */
#define LAG_MAX (100 * MILLISECONDS)        /* how far behind somebody taken from another queue may stay */
#define STEAL_LAG (20 * MILLISECONDS)       /* how far behind it must be to be taken by a busy CPU */
#define CAP_PERIOD (10 * MILLISECONDS)

static unsigned ratelimit_us = 1000;
OPTION_UINT(sched_ratelimit, "sched_ratelimit_us", ratelimit_us);

/* Virtual time the fastest queue has reached; where an idle CPU's newcomers start. */
static uint64_t global_floor;

static struct sched_vcpu *from_node(struct tree_node *node)
{
    return node ? container_of(node, struct sched_vcpu, node) : NULL;
}

static int weighted_compare(const struct tree_node *a, const struct tree_node *b)
{
    const struct sched_vcpu *x = container_of(a, const struct sched_vcpu, node);
    const struct sched_vcpu *y = container_of(b, const struct sched_vcpu, node);

    if (x->virtual_time != y->virtual_time)
        return x->virtual_time < y->virtual_time ? -1 : 1;
    return x < y ? -1 : x > y;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

void weighted_queue_init(struct run_queue *q)
{
    tree_init(&q->waiting, weighted_compare);
    q->first = UINT64_MAX;
}

/* The floor follows whoever is furthest behind here and never goes back. */
static void weighted_raise_floor(struct run_queue *q, uint64_t running)
{
    uint64_t lowest = running < q->first ? running : q->first;
    uint64_t global = __atomic_load_n(&global_floor, __ATOMIC_RELAXED);

    if (lowest != UINT64_MAX && lowest > q->floor)
        q->floor = lowest;
    if (q->floor > global)
        __atomic_store_n(&global_floor, q->floor, __ATOMIC_RELAXED); /* a lost race costs nothing */
}

static void weighted_note_first(struct run_queue *q)
{
    struct sched_vcpu *s = from_node(tree_first(&q->waiting));

    __atomic_store_n(&q->first, s ? s->virtual_time : UINT64_MAX, __ATOMIC_RELAXED);
}

static bool weighted_queue_idle(const struct run_queue *q)
{
    return q->count == 0 && (!q->running || q->running->is_idle);
}

static void weighted_bring_near(struct run_queue *q, struct sched_vcpu *s, enum enqueue_reason reason)
{
    if (weighted_queue_idle(q) && reason == ENQUEUE_WAKE)
        q->floor = max(q->floor, __atomic_load_n(&global_floor, __ATOMIC_RELAXED));
    s->virtual_time = max(s->virtual_time, minus(q->floor, reason == ENQUEUE_WAKE ? WAKE_BONUS : LAG_MAX));
    s->virtual_time = min(s->virtual_time, q->floor + WINDOW);
}

void weighted_enqueue(struct run_queue *q, struct sched_vcpu *s, enum enqueue_reason reason)
{
    if (reason != ENQUEUE_AGAIN)
        weighted_bring_near(q, s, reason);
    if (s->yielding && q->first != UINT64_MAX && s->virtual_time <= q->first)
        s->virtual_time = q->first + 1;
    s->yielding = false;
    s->waiting = true;
    tree_insert(&q->waiting, &s->node);
    q->count++;
    if (s->virtual_time < q->first)
        __atomic_store_n(&q->first, s->virtual_time, __ATOMIC_RELAXED);
}

void weighted_dequeue(struct run_queue *q, struct sched_vcpu *s)
{
    tree_remove(&q->waiting, &s->node);
    s->waiting = false;
    q->count--;
    weighted_note_first(q);
}

static bool weighted_out_of_budget(const struct sched_vcpu *s)
{
    return s->domain->cap && __atomic_load_n(&s->domain->budget, __ATOMIC_RELAXED) <= 0;
}

struct sched_vcpu *weighted_pick(struct run_queue *q)
{
    struct sched_vcpu *s;

    while ((s = from_node(tree_first(&q->waiting))) != NULL) {
        weighted_dequeue(q, s);
        if (!weighted_out_of_budget(s))
            return s;
        s->parked = true;
        if (!timer_armed(&s->domain->refill))
            timer_set(&s->domain->refill, time_now() + CAP_PERIOD);
    }
    return NULL;
}

void weighted_charge(struct run_queue *q, struct sched_vcpu *s, nanoseconds_t ran)
{
    s->virtual_time += ran * WEIGHT_DEFAULT / s->domain->weight;
    weighted_raise_floor(q, s->virtual_time);
    if (s->domain->cap) {
        __atomic_sub_fetch(&s->domain->budget, (int64_t)ran, __ATOMIC_RELAXED);
        if (!timer_armed(&s->domain->refill))
            timer_set(&s->domain->refill, time_now() + CAP_PERIOD);
    }
}

/* Until it would have overtaken the next by some margin, within limits. */
nanoseconds_t weighted_slice(struct run_queue *q, struct sched_vcpu *s)
{
    nanoseconds_t least = ratelimit_us ? ratelimit_us * MICROSECONDS : SLICE_MIN;
    nanoseconds_t slice = SLICE_MAX;

    if (q->first != UINT64_MAX) {
        slice = (minus(q->first, s->virtual_time) + 2 * MILLISECONDS) * s->domain->weight / WEIGHT_DEFAULT;
        slice = min(slice, SLICE_MAX);
    }
    if (s->domain->cap) {
        int64_t budget = __atomic_load_n(&s->domain->budget, __ATOMIC_RELAXED);

        if (budget < (int64_t)slice)
            slice = budget > 0 ? (nanoseconds_t)budget : 0;
        least = SLICE_MIN;
    }
    return slice < least ? least : slice;
}

nanoseconds_t weighted_preempts(struct run_queue *q, struct sched_vcpu *s, nanoseconds_t now)
{
    struct sched_vcpu *running = q->running->is_idle ? NULL : q->running->sched;
    nanoseconds_t earliest = q->run_start + ratelimit_us * MICROSECONDS;
    uint64_t reached;

    if (!running)
        return 0;
    reached = running->virtual_time + minus(now, q->charged) * WEIGHT_DEFAULT / running->domain->weight;
    if (s->virtual_time + WAKE_ADVANTAGE >= reached)
        return ~0UL;
    return earliest <= now ? 0 : earliest;
}

bool weighted_wants(const struct sched_vcpu *choice, const struct run_queue *victim)
{
    uint64_t first = __atomic_load_n(&victim->first, __ATOMIC_RELAXED);

    return first != UINT64_MAX && (!choice || first + STEAL_LAG < choice->virtual_time);
}

/* Bounded: looks at no more than this many waiting ones. */
#define STEAL_LOOKS 64

struct sched_vcpu *weighted_steal(struct run_queue *q, const struct sched_vcpu *choice, struct run_queue *victim)
{
    struct tree_node *node = tree_first(&victim->waiting);

    for (unsigned looks = 0; node && looks < STEAL_LOOKS; looks++, node = tree_next(node)) {
        struct sched_vcpu *s = from_node(node);

        if (choice && s->virtual_time + STEAL_LAG >= choice->virtual_time)
            return NULL;
        if (__atomic_load_n(&s->vcpu->is_running, __ATOMIC_ACQUIRE) || !sched_allowed(s, q->cpu) ||
            weighted_out_of_budget(s))
            continue;
        weighted_dequeue(victim, s);
        if (weighted_queue_idle(q) && q->floor < minus(s->virtual_time, WAKE_BONUS))
            q->floor = minus(s->virtual_time, WAKE_BONUS);
        weighted_bring_near(q, s, ENQUEUE_MOVED);
        return s;
    }
    return NULL;
}

struct sched_vcpu *weighted_movable(struct run_queue *q, const cpu_mask_t *cpus)
{
    struct tree_node *node = tree_first(&q->waiting);

    for (unsigned looks = 0; node && looks < STEAL_LOOKS; looks++, node = tree_next(node)) {
        struct sched_vcpu *s = from_node(node);

        if (s->pinned_to < 0 && !weighted_out_of_budget(s) &&
            bitmap_intersects(s->hard.bits, cpus->bits, MAX_CPUS) &&
            !__atomic_load_n(&s->vcpu->is_running, __ATOMIC_ACQUIRE))
            return s;
    }
    return NULL;
}

/* ---- caps ---- */

static void weighted_refill(void *data)
{
    struct sched_domain *sd = data;
    int64_t full = (int64_t)(CAP_PERIOD * sd->cap / 100);
    int64_t budget = __atomic_add_fetch(&sd->budget, full, __ATOMIC_RELAXED);

    if (!sd->cap) {
        sched_unpark(sd);
        return;
    }
    if (budget > full)
        __atomic_store_n(&sd->budget, full, __ATOMIC_RELAXED);
    if (budget < 2 * full) /* something of the last period was used: periods follow without a gap */
        timer_set(&sd->refill, timer_expires(&sd->refill) + CAP_PERIOD);
    if (budget > 0)
        sched_unpark(sd);
}

void weighted_domain_init(struct sched_domain *sd)
{
    sd->weight = WEIGHT_DEFAULT;
    timer_init(&sd->refill, weighted_refill, sd, cpu_id());
}

int weighted_domain_adjust(struct sched_domain *sd, struct xen_domctl_scheduler_op *op)
{
    struct xen_domctl_sched_credit2 *values = &op->u.credit2;

    switch (op->cmd) {
    case XEN_DOMCTL_SCHEDOP_getinfo:
        values->weight = sd->weight;
        values->cap = sd->cap;
        return 0;
    case XEN_DOMCTL_SCHEDOP_putinfo:
        if (values->weight != 0)
            sd->weight = values->weight;
        if (values->cap != (uint16_t)~0u && values->cap != sd->cap) {
            __atomic_store_n(&sd->budget, (int64_t)(CAP_PERIOD * values->cap / 100), __ATOMIC_RELAXED);
            sd->cap = values->cap;
            timer_set(&sd->refill, time_now() + CAP_PERIOD);
        }
        return 0;
    default:
        return -EINVAL; /* nothing is set vcpu by vcpu */
    }
}

int weighted_global_adjust(struct xen_sysctl_scheduler_op *op)
{
    uint32_t *value = &op->u.sched_credit2.ratelimit_us;

    switch (op->cmd) {
    case XEN_SYSCTL_SCHEDOP_putinfo:
        if (*value && (*value < XEN_SYSCTL_SCHED_RATELIMIT_MIN || *value > XEN_SYSCTL_SCHED_RATELIMIT_MAX))
            return -EINVAL;
        ratelimit_us = *value;
        return 0;
    case XEN_SYSCTL_SCHEDOP_getinfo:
        *value = ratelimit_us;
        return 0;
    default:
        return -EINVAL;
    }
}
