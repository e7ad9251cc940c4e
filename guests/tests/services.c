// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: each operation of sched_op and vcpu_op does what its header says, down to deadlines in the past, areas that are
// registered twice, and watchdogs that are poked, moved and stopped. It matters because kernels use these early, when
// nothing can be said about a failure.
//
// kinds: pv pvh
// config: vcpus = 2

#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "start.h"
#include "timer.h"
#include "vcpu.h"

const char test_title[] = "sched_op and vcpu_op: watchdogs, timers, areas, identities";

#define MS 1000000ul
#define SECONDS 1000000000ul
#define HYPERVISOR_ADDRESS 0xffff830000000000ul
#define WATCHDOGS 2

// ---- sched_op ----

static long watchdog(uint32_t id, uint32_t timeout)
{
    struct sched_watchdog request = { .id = id, .timeout = timeout };

    return sched_op(SCHEDOP_watchdog, &request);
}

static void watchdog_check(void)
{
    long first = watchdog(0, 60), second = watchdog(0, 60);

    CHECK(first >= 1 && first <= WATCHDOGS);
    CHECK(second >= 1 && second <= WATCHDOGS && second != first);
    CHECK_EQUAL(watchdog(0, 60), -XEN_ENOSPC);
    CHECK_EQUAL(watchdog((uint32_t)first, 90), 0);
    CHECK_EQUAL(watchdog((uint32_t)first, 5), 0);
    time_pass(3 * SECONDS);
    CHECK_EQUAL(watchdog((uint32_t)first, 5), 0);       /* poked in time: the domain lives on */
    time_pass(3 * SECONDS);
    CHECK_EQUAL(watchdog((uint32_t)first, 0), 0);
    CHECK_EQUAL(watchdog((uint32_t)first, 0), -XEN_EINVAL);
    CHECK_EQUAL(watchdog((uint32_t)second, 0), 0);
    CHECK_EQUAL(watchdog(WATCHDOGS + 1, 0), -XEN_EINVAL);
    CHECK_EQUAL(sched_op(SCHEDOP_watchdog, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void sched_check(void)
{
    struct sched_remote_shutdown remote = { .domain_id = 0x7fef, .reason = SHUTDOWN_crash };
    struct sched_pin_override pin = { .pcpu = 0 };
    struct sched_poll poll = { .nr_ports = 129 };

    CHECK_EQUAL(sched_op(SCHEDOP_remote_shutdown, &remote), -XEN_ESRCH);
    remote.domain_id = 0;
    CHECK_EQUAL(sched_op(SCHEDOP_remote_shutdown, &remote), -XEN_EPERM);
    CHECK_EQUAL(sched_op(SCHEDOP_remote_shutdown, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    CHECK_EQUAL(sched_op(SCHEDOP_shutdown, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    CHECK_EQUAL(sched_op(SCHEDOP_shutdown_code, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    CHECK_EQUAL(sched_op(SCHEDOP_pin_override, &pin), -XEN_EPERM);
    CHECK_EQUAL(sched_op(SCHEDOP_poll, &poll), -XEN_EINVAL);
    CHECK_EQUAL(sched_op(99, &pin), -XEN_ENOSYS);
    CHECK_EQUAL(hypercall2(__HYPERVISOR_sched_op_compat, SCHEDOP_yield, 0), 0);
    CHECK_EQUAL(hypercall2(__HYPERVISOR_sched_op_compat, SCHEDOP_poll, &poll), -XEN_ENOSYS);
}

// ---- timers ----

static evtchn_port_t timer_port;

// True when the timer's event came; it is not there any more afterwards.
static bool fired_within(uint64_t nanoseconds)
{
    uint64_t deadline = time_now() + nanoseconds;

    while (!event_pending(timer_port) && time_now() < deadline)
        sched_op(SCHEDOP_yield, 0);
    if (!event_pending(timer_port))
        return false;
    event_clear(timer_port);
    return true;
}

static void timers_check(void)
{
    struct vcpu_set_singleshot_timer timer = { .timeout_abs_ns = 1 };
    struct vcpu_set_periodic_timer periodic = { .period_ns = ~0ul };
    int bound = event_bind_virq(VIRQ_TIMER, 0);

    NEED(bound);
    timer_port = (evtchn_port_t)bound;
    CHECK_EQUAL(vcpu_op(VCPUOP_stop_periodic_timer, 0, 0), 0);
    timer_set(0);
    time_pass(20 * MS);
    event_clear(timer_port);
    CHECK_EQUAL(vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer), 0);
    CHECK(fired_within(SECONDS));               /* in the past: at once */
    CHECK(!fired_within(30 * MS));              /* and once */
    timer.flags = VCPU_SSHOTTMR_future;
    CHECK_EQUAL(vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer), -XEN_ETIME);
    CHECK(!fired_within(30 * MS));
    timer.timeout_abs_ns = time_now() + 10 * MS;
    CHECK_EQUAL(vcpu_op(VCPUOP_set_singleshot_timer, 0, &timer), 0);
    CHECK(fired_within(SECONDS));
    CHECK(time_now() >= timer.timeout_abs_ns);
    CHECK_EQUAL(timer_set(1), 0);
    CHECK(fired_within(SECONDS));
    CHECK_EQUAL(vcpu_op(VCPUOP_set_singleshot_timer, 1, &timer), -XEN_EINVAL);
    CHECK_EQUAL(vcpu_op(VCPUOP_stop_singleshot_timer, 1, 0), -XEN_EINVAL);
    CHECK_EQUAL(vcpu_op(VCPUOP_set_singleshot_timer, 0, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    CHECK_EQUAL(vcpu_op(VCPUOP_set_periodic_timer, 0, &periodic), -XEN_EINVAL);
    CHECK_EQUAL(vcpu_op(VCPUOP_set_periodic_timer, 0, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    periodic.period_ns = 2 * MS;
    CHECK_EQUAL(vcpu_op(VCPUOP_set_periodic_timer, 0, &periodic), 0);
    CHECK(fired_within(SECONDS) && fired_within(SECONDS) && fired_within(SECONDS));
    CHECK_EQUAL(vcpu_op(VCPUOP_stop_periodic_timer, 0, 0), 0);
    event_close(timer_port);
}

// ---- areas ----

static void runstate_check(void)
{
    struct vcpu_runstate_info *area = page_alloc(), now;
    struct vcpu_register_runstate_memory_area request = { .addr.p = (uint64_t)area };
    uint64_t before;

    CHECK_EQUAL(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &request), 0);
    CHECK_EQUAL(area->state, RUNSTATE_running);
    before = area->state_entry_time;
    for (int i = 0; i < 20; i++)
        sched_op(SCHEDOP_yield, 0);
    time_pass(5 * MS);
    CHECK_EQUAL(vcpu_op(VCPUOP_get_runstate_info, 0, &now), 0);
    CHECK_EQUAL(now.state, RUNSTATE_running);
    CHECK(now.state_entry_time >= before);
    CHECK(now.time[RUNSTATE_running] > 0);
    // The time since is in the state's own count, when it is asked for.
    CHECK(now.time[RUNSTATE_running] >= area->time[RUNSTATE_running]);
    // Of a vcpu that never ran: offline all the time.
    CHECK_EQUAL(vcpu_op(VCPUOP_register_runstate_memory_area, 1, &request), 0);
    CHECK_EQUAL(area->state, RUNSTATE_offline);
    CHECK_EQUAL(area->time[RUNSTATE_running], 0);
    request.addr.p = HYPERVISOR_ADDRESS;        /* in a PVH guest an address as any other */
    CHECK_EQUAL(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &request), guest_is_pv ? -XEN_EFAULT : 0);
    CHECK_EQUAL(vcpu_op(VCPUOP_register_runstate_memory_area, 0, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    // One that is not mapped is taken, and missed at each switch.
    request.addr.p = 0x700000000000;
    CHECK_EQUAL(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &request), 0);
    sched_op(SCHEDOP_yield, 0);
    request.addr.p = (uint64_t)area;
    CHECK_EQUAL(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &request), 0);
    CHECK_EQUAL(vcpu_op(VCPUOP_get_runstate_info, 0, HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void vcpu_info_check(void)
{
    char *page = page_alloc();
    struct vcpu_register_vcpu_info place = { .mfn = machine_of(page), .offset = PAGE_SIZE - sizeof(struct vcpu_info) + 64 };
    struct vcpu_info *info = (struct vcpu_info *)(page + 64);

    CHECK_EQUAL(vcpu_op(VCPUOP_register_vcpu_info, 1, &place), -XEN_ENXIO);    /* would reach beyond the page */
    place.offset = 3;
    CHECK_EQUAL(vcpu_op(VCPUOP_register_vcpu_info, 1, &place), -XEN_ENXIO);    /* not aligned */
    place.offset = 64;
    place.mfn = frame_untouchable();
    CHECK(vcpu_op(VCPUOP_register_vcpu_info, 1, &place) < 0);
    place.mfn = ~0ul >> 12;
    CHECK(vcpu_op(VCPUOP_register_vcpu_info, 1, &place) < 0);
    place.mfn = machine_of(page);
    CHECK_EQUAL(vcpu_op(VCPUOP_register_vcpu_info, 77, &place), -XEN_ENOENT);
    CHECK_EQUAL(vcpu_op(VCPUOP_register_vcpu_info, 1, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    CHECK_EQUAL(vcpu_op(VCPUOP_register_vcpu_info, 1, &place), 0);
    // What it had is there, and everything is pending, so that nothing is lost.
    CHECK_EQUAL(info->evtchn_upcall_pending, 1);
    CHECK_EQUAL(info->evtchn_pending_sel, ~0ul);
    CHECK_EQUAL(vcpu_op(VCPUOP_register_vcpu_info, 1, &place), -XEN_EINVAL);   /* once only */
}

static void others_check(void)
{
    struct vcpu_get_physid id;

    CHECK_EQUAL(vcpu_op(VCPUOP_get_physid, 0, &id), -XEN_EINVAL);
    CHECK_EQUAL(vcpu_op(99, 0, 0), -XEN_ENOSYS);
    CHECK_EQUAL(vcpu_op(VCPUOP_is_up, 77, 0), -XEN_ENOENT);
    CHECK_EQUAL(vcpu_op(VCPUOP_is_up, ~0u, 0), -XEN_ENOENT);
    CHECK_EQUAL(vcpu_op(VCPUOP_up, 1, 0), -XEN_EINVAL);         /* nothing says where it starts */
    CHECK_EQUAL(vcpu_op(VCPUOP_initialise, 0, page_alloc()), -XEN_EEXIST);
}

void test_main(void)
{
    sched_check();
    watchdog_check();
    timers_check();
    runstate_check();
    others_check();
    vcpu_info_check();
}
