// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a timer's event comes at or after its time and once; system time never goes back. It matters because a guest
// that waits for a timer which never comes hangs, and one whose clock goes back computes nonsense.
//
// kinds: pv pvh

#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "event.h"
#include "hypercall.h"
#include "result.h"
#include "timer.h"

const char test_title[] = "timers: set_timer_op, one-shot, block and poll with a timeout, system time";

#define MS 1000000ul
#define LATE (500 * MS)

static evtchn_port_t port;

static void monotone_check(void)
{
    uint64_t last = time_now(), back = 0;

    for (int i = 0; i < 20000; i++) {
        uint64_t now = time_now();

        back += now < last;
        last = now;
        if (i % 1000 == 0)
            sched_op(SCHEDOP_yield, 0);
    }
    CHECK_EQUAL(back, 0);
}

static void block_check(void)
{
    uint64_t due = time_now() + 20 * MS, now;
    unsigned int before = event_count(port);

    CHECK_EQUAL(timer_set(due), 0);
    while (event_count(port) == before && time_now() < due + LATE)
        sched_op(SCHEDOP_block, 0);
    now = time_now();
    CHECK_EQUAL(event_count(port), before + 1);
    CHECK(now >= due && now < due + LATE);
    time_pass(5 * MS);
    CHECK_EQUAL(event_count(port), before + 1);
    CHECK_EQUAL(timer_set(time_now() + 5 * MS), 0);
    CHECK_EQUAL(timer_set(0), 0);
    time_pass(15 * MS);
    CHECK_EQUAL(event_count(port), before + 1);
}

static void oneshot_check(void)
{
    struct vcpu_set_singleshot_timer timer = { .timeout_abs_ns = time_now() + 10 * MS };
    unsigned int before = event_count(port);

    CHECK_EQUAL(vcpu_op(VCPUOP_stop_periodic_timer, 0, 0), 0);
    CHECK_EQUAL(vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer), 0);
    time_pass(40 * MS);
    CHECK_EQUAL(event_count(port), before + 1);
    timer.timeout_abs_ns = time_now() + 5 * MS;
    CHECK_EQUAL(vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer), 0);
    CHECK_EQUAL(vcpu_op(VCPUOP_stop_singleshot_timer, 0, 0), 0);
    time_pass(20 * MS);
    CHECK_EQUAL(event_count(port), before + 1);
}

static void periodic_check(void)
{
    struct vcpu_set_periodic_timer timer = { .period_ns = 10 * MS };
    unsigned int before = event_count(port), seen;

    CHECK_EQUAL(vcpu_op(VCPUOP_set_periodic_timer, 0, &timer), 0);
    time_pass(200 * MS);
    CHECK_EQUAL(vcpu_op(VCPUOP_stop_periodic_timer, 0, 0), 0);
    seen = event_count(port) - before;
    if (seen < 5 || seen > 21)
        test_failure("10 ms period for 200 ms: expected 5 to 21 events, got %u", seen);
    timer.period_ns = 1;
    CHECK_EQUAL(vcpu_op(VCPUOP_set_periodic_timer, 0, &timer), -XEN_EINVAL);
}

static void poll_check(void)
{
    struct sched_poll poll = { .nr_ports = 1, .timeout = time_now() + 20 * MS };
    int ipi = event_bind_ipi(0);
    evtchn_port_t ports[1] = { (evtchn_port_t)ipi };

    NEED(ipi);
    set_xen_guest_handle(poll.ports, ports);
    event_mask_all();
    CHECK_EQUAL(sched_op(SCHEDOP_poll, &poll), 0);
    CHECK(time_now() >= poll.timeout);
    event_send(ports[0]);
    poll.timeout = time_now() + 2000 * MS;
    CHECK_EQUAL(sched_op(SCHEDOP_poll, &poll), 0);
    CHECK(time_now() < poll.timeout);
    event_mask_restore(false);
    event_close(ports[0]);
}

void test_main(void)
{
    int bound = event_bind_virq(VIRQ_TIMER, 0);

    NEED(bound);
    port = (evtchn_port_t)bound;
    event_handle(port, NULL);
    event_mask_restore(false);
    event_port_unmask(port);
    monotone_check();
    vcpu_op(VCPUOP_stop_periodic_timer, 0, 0);
    timer_set(0);
    time_pass(2 * MS);
    block_check();
    oneshot_check();
    periodic_check();
    poll_check();
}
