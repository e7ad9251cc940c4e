// SPDX-License-Identifier: BSD-2-Clause
/*
 * The weighted policy under a simulated clock: shares by weight over one and several CPUs, caps, wake-up
 * latency, and that pinned vcpus do not starve.  The simulation plays the part of sched/core.c.
 */
#include <errno.h>

#include "arch/host/host.h"
#include "lib_test.h"
#include "sched/policy.h"

#define CPUS 4
#define MS 1000000UL
#define STEP (100000UL) /* 0.1 ms: how exactly the simulation keeps time */
#define VCPUS 16

static struct run_queue queues[CPUS];
static struct domain domains[VCPUS];
static struct sched_domain shares[VCPUS];
static struct vcpu vcpus[VCPUS], idle[CPUS];
static struct sched_vcpu states[VCPUS];
static uint64_t ran[VCPUS];
static nanoseconds_t slice_end[CPUS];
static unsigned cpus, count;
static bool blocked[VCPUS];

bool sched_allowed(const struct sched_vcpu *s, unsigned cpu)
{
    return s->hard.bits[0] >> cpu & 1;
}

void sched_unpark(struct sched_domain *sd)
{
    struct sched_vcpu *s = &states[sd - shares];
    struct run_queue *q = &queues[s->vcpu->cpu];
    nanoseconds_t when;

    if (!s->parked)
        return;
    s->parked = false;
    weighted_enqueue(q, s, ENQUEUE_WAKE);
    when = weighted_preempts(q, s, host_time);
    if (when < slice_end[q->cpu])
        slice_end[q->cpu] = when;
}

static void world(unsigned nr_cpus)
{
    memset(queues, 0, sizeof(queues));
    memset(vcpus, 0, sizeof(vcpus));
    memset(states, 0, sizeof(states));
    memset(shares, 0, sizeof(shares));
    memset(ran, 0, sizeof(ran));
    memset(blocked, 0, sizeof(blocked));
    memset(slice_end, 0, sizeof(slice_end));
    cpus = nr_cpus;
    count = 0;
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        idle[cpu].is_idle = true;
        queues[cpu].cpu = cpu;
        queues[cpu].running = &idle[cpu];
        weighted_queue_init(&queues[cpu]);
    }
}

static unsigned add(unsigned weight, unsigned cap, uint64_t hard, unsigned cpu)
{
    struct xen_domctl_scheduler_op op = {.cmd = XEN_DOMCTL_SCHEDOP_putinfo,
                                         .u.credit2 = {(uint16_t)weight, (uint16_t)cap}};
    unsigned n = count++;

    shares[n].domain = &domains[n];
    weighted_domain_init(&shares[n]);
    assert_int_equal(weighted_domain_adjust(&shares[n], &op), 0);
    vcpus[n].domain = &domains[n];
    vcpus[n].cpu = cpu;
    vcpus[n].sched = &states[n];
    states[n].vcpu = &vcpus[n];
    states[n].domain = &shares[n];
    states[n].hard.bits[0] = hard;
    states[n].pinned_to = -1;
    weighted_enqueue(&queues[cpu], &states[n], ENQUEUE_WAKE);
    return n;
}

static void choose(unsigned cpu)
{
    struct run_queue *q = &queues[cpu];
    struct sched_vcpu *s, *better;

    if (!q->running->is_idle) {
        struct sched_vcpu *was = q->running->sched;

        weighted_charge(q, was, host_time - q->charged);
        q->charged = host_time;
        q->running->is_running = 0;
        if (!blocked[was - states])
            weighted_enqueue(q, was, ENQUEUE_AGAIN);
    }
    s = weighted_pick(q);
    for (unsigned i = 1; i < cpus; i++) {
        struct run_queue *victim = &queues[(cpu + i) % cpus];

        if (!weighted_wants(s, victim) || !(better = weighted_steal(q, s, victim)))
            continue;
        better->vcpu->cpu = cpu;
        if (s)
            weighted_enqueue(q, s, ENQUEUE_AGAIN);
        s = better;
        break;
    }
    if (!s || s->vcpu != q->running)
        q->run_start = host_time;
    q->running = s ? s->vcpu : &idle[cpu];
    q->running->is_running = 1;
    q->charged = host_time;
    slice_end[cpu] = s ? host_time + weighted_slice(q, s) : host_time + MS;
}

static void simulate(nanoseconds_t length)
{
    for (nanoseconds_t end = host_time + length; host_time < end; host_time += STEP) {
        for (unsigned n = 0; n < count; n++)
            if (timer_armed(&shares[n].refill) && timer_expires(&shares[n].refill) <= host_time) {
                shares[n].refill.entry.number = 0;
                shares[n].refill.fn(shares[n].refill.data);
            }
        for (unsigned cpu = 0; cpu < cpus; cpu++) {
            if (slice_end[cpu] <= host_time || (queues[cpu].running->is_idle && queues[cpu].count))
                choose(cpu);
            if (!queues[cpu].running->is_idle)
                ran[queues[cpu].running->sched - states] += STEP;
        }
    }
}

static void assert_share(unsigned n, nanoseconds_t length, unsigned percent, unsigned tolerance)
{
    unsigned seen = (unsigned)(ran[n] * 100 / length);

    if (seen + tolerance < percent || seen > percent + tolerance)
        fail_msg("vcpu %u ran %u %% of a CPU, expected %u +- %u", n, seen, percent, tolerance);
}

static void weights_on_one_cpu(void **state)
{
    (void)state;
    world(1);
    add(256, 0, 1, 0);
    add(512, 0, 1, 0);
    simulate(3000 * MS);
    assert_share(0, 3000 * MS, 33, 1);
    assert_share(1, 3000 * MS, 66, 2);
}

static void three_equals_share_two_cpus(void **state)
{
    (void)state;
    world(2);
    for (unsigned i = 0; i < 3; i++)
        add(256, 0, 3, 0);
    simulate(3000 * MS);
    for (unsigned i = 0; i < 3; i++)
        assert_share(i, 3000 * MS, 66, 4);
}

static void weights_hold_over_two_cpus(void **state)
{
    (void)state;
    world(2);
    add(512, 0, 3, 0);
    add(512, 0, 3, 0);
    add(256, 0, 3, 1);
    add(256, 0, 3, 1);
    simulate(3000 * MS);
    for (unsigned i = 0; i < 4; i++)
        assert_share(i, 3000 * MS, i < 2 ? 66 : 33, 5);
}

static void idle_cpus_take_what_waits(void **state)
{
    (void)state;
    world(4);
    for (unsigned i = 0; i < 4; i++)
        add(256, 0, 15, 0);
    simulate(1000 * MS);
    for (unsigned i = 0; i < 4; i++)
        assert_share(i, 1000 * MS, 100, 2);
}

static void affinity_is_kept(void **state)
{
    (void)state;
    world(2);
    add(256, 0, 1, 0);
    add(256, 0, 1, 0);
    add(256, 0, 3, 1);
    simulate(2000 * MS);
    assert_share(0, 2000 * MS, 50, 2);
    assert_share(1, 2000 * MS, 50, 2);
    assert_share(2, 2000 * MS, 100, 2);
    assert_int_equal(vcpus[0].cpu, 0);
    assert_int_equal(vcpus[1].cpu, 0);
}

/* Whom a CPU without work could take: in the order of the queue, and none that is tied elsewhere or runs. */
static void what_may_move_is_found(void **state)
{
    const cpu_mask_t second = {{1UL << 1}};

    (void)state;
    world(2);
    assert_null(weighted_movable(&queues[0], &second));
    add(256, 0, 1, 0);
    assert_null(weighted_movable(&queues[0], &second));
    add(256, 0, 3, 0);
    assert_ptr_equal(weighted_movable(&queues[0], &second), &states[1]);
    vcpus[1].is_running = 1;
    assert_null(weighted_movable(&queues[0], &second));
    vcpus[1].is_running = 0;
    states[1].pinned_to = 0;
    assert_null(weighted_movable(&queues[0], &second));
}

static void caps_limit_and_leave_the_rest(void **state)
{
    (void)state;
    world(1);
    add(256, 25, 1, 0);
    add(256, 0, 1, 0);
    simulate(2000 * MS);
    assert_share(0, 2000 * MS, 25, 2);
    assert_share(1, 2000 * MS, 75, 2);
}

static void cap_alone_still_holds(void **state)
{
    (void)state;
    world(1);
    add(256, 40, 1, 0);
    simulate(2000 * MS);
    assert_share(0, 2000 * MS, 40, 2);
}

/* One that mostly sleeps runs as soon as it wakes: the policy says now, or within the ratelimit. */
static void sleepers_preempt(void **state)
{
    struct run_queue *q = &queues[0];
    nanoseconds_t when;

    (void)state;
    world(1);
    add(256, 0, 1, 0);
    simulate(500 * MS);
    add(256, 0, 1, 0);
    when = weighted_preempts(q, &states[1], host_time);
    assert_true(when != ~0UL);
    assert_true(when == 0 || when <= host_time + MS);
}

/* A sleeper gets no more than its fair share once it stops sleeping. */
static void sleep_is_not_saved_up(void **state)
{
    (void)state;
    world(1);
    add(256, 0, 1, 0);
    simulate(2000 * MS);
    add(256, 0, 1, 0);
    ran[0] = ran[1] = 0;
    simulate(200 * MS);
    assert_share(1, 200 * MS, 50, 5);
}

static void parameters_are_checked(void **state)
{
    struct xen_domctl_scheduler_op op = {.cmd = XEN_DOMCTL_SCHEDOP_getinfo};
    struct xen_sysctl_scheduler_op all = {.cmd = XEN_SYSCTL_SCHEDOP_putinfo,
                                          .u.sched_credit2.ratelimit_us = 7};

    (void)state;
    world(1);
    add(300, 50, 1, 0);
    assert_int_equal(weighted_domain_adjust(&shares[0], &op), 0);
    assert_int_equal(op.u.credit2.weight, 300);
    assert_int_equal(op.u.credit2.cap, 50);
    op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    op.u.credit2.weight = 0;
    op.u.credit2.cap = (uint16_t)~0u;
    assert_int_equal(weighted_domain_adjust(&shares[0], &op), 0);
    assert_int_equal(shares[0].weight, 300);
    assert_int_equal(shares[0].cap, 50);
    op.cmd = XEN_DOMCTL_SCHEDOP_putvcpuinfo;
    assert_int_equal(weighted_domain_adjust(&shares[0], &op), -EINVAL);
    assert_int_equal(weighted_global_adjust(&all), -EINVAL);
    all.u.sched_credit2.ratelimit_us = 1000;
    assert_int_equal(weighted_global_adjust(&all), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_on_one_cpu),
        cmocka_unit_test(three_equals_share_two_cpus),
        cmocka_unit_test(weights_hold_over_two_cpus),
        cmocka_unit_test(idle_cpus_take_what_waits),
        cmocka_unit_test(affinity_is_kept),
        cmocka_unit_test(what_may_move_is_found),
        cmocka_unit_test(caps_limit_and_leave_the_rest),
        cmocka_unit_test(cap_alone_still_holds),
        cmocka_unit_test(sleepers_preempt),
        cmocka_unit_test(sleep_is_not_saved_up),
        cmocka_unit_test(parameters_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
