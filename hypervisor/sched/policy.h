/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the core and the policy.  Private to the room.
 *
 * The core (sched/core.c) owns run queues, locks, CPUs and context switches; it calls the policy (sched/weighted.c) with the
 * queue's lock held and interrupts off.  The policy owns the order of a queue, time accounting, and who should move between
 * queues.
 */
#pragma once

#include "domain/domain.h"
#include "lib/tree.h"

struct run_queue {
    spinlock_t lock;             /* RANK_SCHED; a second queue's only by trylock */
    unsigned cpu;
    struct vcpu *running;        /* who this CPU runs; the idle vcpu included */
    nanoseconds_t run_start;     /* since when without a break */
    nanoseconds_t charged;       /* until when running has been charged */
    nanoseconds_t next_balance;
    struct timer tick;           /* end of the time slice */
    /* the policy's */
    struct tree waiting;         /* sched_vcpu.node, by virtual time */
    unsigned count;              /* of waiting; read without the lock as a hint */
    uint64_t floor;              /* virtual time nobody here is (much) behind */
    /* virtual time of the first waiting, UINT64_MAX none; a hint for other CPUs */
    uint64_t first;
};

struct sched_domain {
    struct domain *domain;
    uint16_t weight;             /* shares are proportional to it; 256 is usual */
    uint16_t cap;                /* percent of one CPU, 0 no limit */
    int64_t budget;              /* ns left in this period when capped; atomic */
    struct timer refill;
};

struct sched_vcpu {
    struct vcpu *vcpu;
    struct sched_domain *domain;
    struct tree_node node;
    uint64_t virtual_time;       /* ns run, scaled by 256 / weight */
    cpu_mask_t hard, soft;       /* where it may run; where it prefers to */
    int pinned_to;               /* overrides hard; -1 not */
    bool waiting;                /* in a queue's tree */
    bool homeless;               /* to be placed on another CPU once its state is saved */
    bool parked;                 /* out of budget until the next refill */
    bool yielding;
};

enum enqueue_reason { ENQUEUE_WAKE, ENQUEUE_AGAIN, ENQUEUE_MOVED };

/* ---- weighted.c ---- */

void weighted_queue_init(struct run_queue *q);
void weighted_domain_init(struct sched_domain *sd); /* usual weight, no cap */
void weighted_enqueue(struct run_queue *q, struct sched_vcpu *s, enum enqueue_reason reason);
void weighted_dequeue(struct run_queue *q, struct sched_vcpu *s);
/* Takes the next to run off the queue; NULL when nobody can.  Out-of-budget ones are parked on the way. */
struct sched_vcpu *weighted_pick(struct run_queue *q);
/* s ran for that long. */
void weighted_charge(struct run_queue *q, struct sched_vcpu *s, nanoseconds_t ran);
/* How long may s run before the next choice?  ns. */
nanoseconds_t weighted_slice(struct run_queue *q, struct sched_vcpu *s);
/* s just came into q: 0 it replaces the running one now, ~0 not at all, else at that system time. */
nanoseconds_t weighted_preempts(struct run_queue *q, struct sched_vcpu *s, nanoseconds_t now);
/* Would a CPU about to run choice (NULL: nothing) rather run somebody from victim?  A hint, no lock of victim. */
bool weighted_wants(const struct sched_vcpu *choice, const struct run_queue *victim);
/* Takes such a one off victim (locked) for q; NULL when none may move. */
struct sched_vcpu *weighted_steal(struct run_queue *q, const struct sched_vcpu *choice, struct run_queue *victim);
/* Of those that wait, the first that may run on one of these CPUs; NULL when none may. */
struct sched_vcpu *weighted_movable(struct run_queue *q, const cpu_mask_t *cpus);
int weighted_domain_adjust(struct sched_domain *sd, struct xen_domctl_scheduler_op *op);
int weighted_global_adjust(struct xen_sysctl_scheduler_op *op);

/* ---- core.c ---- */

/* May s run on cpu? */
bool sched_allowed(const struct sched_vcpu *s, unsigned cpu);
/* Puts the parked vcpus of a domain back into their queues. */
void sched_unpark(struct sched_domain *sd);
