// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: vcpus start where they are told, run beside each other, get their own events, and stop when told; numbers
// beyond the domain's are refused. It matters because a guest's CPUs come up and go away with exactly these calls.
//
// kinds: pv pvh
// config: vcpus = 2

#include <stdint.h>

#include <xen/errno.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "timer.h"
#include "vcpu.h"

const char test_title[] = "two vcpus: start, events between them, down and up, run state";

static volatile unsigned long seen_number = 99;
static volatile bool stop;
static evtchn_port_t port;

static void number_note(void *argument)
{
    seen_number = vcpu_self()->number + (unsigned long)argument;
}

static void events_wait(void *unused)
{
    (void)unused;
    event_mask_restore(false);
    while (!stop)
        sched_op(SCHEDOP_block, 0);
    event_mask_all();
}

static void events_check(void)
{
    int bound = event_bind_ipi(1);

    NEED(bound);
    port = (evtchn_port_t)bound;
    event_handle(port, NULL);
    event_port_unmask(port);
    vcpu_run(1, events_wait, NULL);
    for (unsigned int i = 1; i <= 20; i++) {
        uint64_t deadline = time_now() + 2000000000ul;

        if (i == 20)
            stop = true;
        CHECK_EQUAL(event_send(port), 0);
        while (event_count(port) < i && time_now() < deadline)
            sched_op(SCHEDOP_yield, 0);
        CHECK_EQUAL(event_count(port), i);
    }
    CHECK(vcpu_wait(1));
}

static void down_self(void *unused)
{
    (void)unused;
    vcpu_op(VCPUOP_down, 1, 0);
    seen_number = 55;
}

static void down_check(void)
{
    uint64_t deadline = time_now() + 2000000000ul;

    seen_number = 0;
    vcpu_run(1, down_self, NULL);
    while (vcpu_op(VCPUOP_is_up, 1, 0) == 1 && time_now() < deadline)
        sched_op(SCHEDOP_yield, 0);
    CHECK_EQUAL(vcpu_op(VCPUOP_is_up, 1, 0), 0);
    CHECK_EQUAL(seen_number, 0);
    CHECK_EQUAL(vcpu_op(VCPUOP_up, 1, 0), 0);
    CHECK(vcpu_wait(1));
    CHECK_EQUAL(seen_number, 55);
}

static void runstate_check(void)
{
    struct vcpu_runstate_info state = { .state = -1 }, other;

    CHECK_EQUAL(vcpu_op(VCPUOP_get_runstate_info, 0, &state), 0);
    CHECK_EQUAL(state.state, RUNSTATE_running);
    CHECK_EQUAL(vcpu_op(VCPUOP_get_runstate_info, 1, &other), 0);
    CHECK_EQUAL(vcpu_op(VCPUOP_get_runstate_info, 77, &other), -XEN_ENOENT);
    CHECK_EQUAL(vcpu_op(VCPUOP_up, 77, 0), -XEN_ENOENT);
    CHECK_EQUAL(vcpu_op(VCPUOP_initialise, 1, 0), -XEN_EFAULT);
}

void test_main(void)
{
    if (vcpu_count() < 2)
        test_error("expected 2 vcpus, the domain has %u", vcpu_count());
    CHECK_EQUAL(vcpu_op(VCPUOP_is_up, 0, 0), 1);
    CHECK_EQUAL(vcpu_op(VCPUOP_is_up, 1, 0), 0);
    vcpu_run(1, number_note, (void *)10);
    CHECK(vcpu_wait(1));
    CHECK_EQUAL(seen_number, 11);
    CHECK_EQUAL(vcpu_op(VCPUOP_is_up, 1, 0), 1);
    events_check();
    down_check();
    runstate_check();
}
