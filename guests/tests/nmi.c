// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: an NMI sent to a vcpu enters its kernel once, whatever the event mask says and even when the vcpu is blocked, and no
// second one comes before the kernel's iret; without a handler it is lost. It matters because a watchdog or a crash
// kernel that is interrupted by its own NMI runs on the stack it is still using.
//
// config: vcpus = 2

#include <stddef.h>
#include <stdint.h>

#include <xen/callback.h>
#include <xen/errno.h>
#include <xen/nmi.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "event.h"
#include "hypercall.h"
#include "result.h"
#include "timer.h"
#include "trap.h"
#include "vcpu.h"

const char test_title[] = "NMI: registering, masking, nesting, a blocked vcpu";

#define SECONDS 1000000000ul
#define NON_CANONICAL 0x8000000000000000ul

static volatile unsigned int count, depth, deepest, mask_seen, send_inside, on_vcpu;

static void nmi(struct trap_frame *frame)
{
    (void)frame;
    on_vcpu = vcpu_self()->number;
    mask_seen = vcpu_self()->info->evtchn_upcall_mask;
    depth++;
    deepest = depth > deepest ? depth : deepest;
    while (send_inside) {
        send_inside--;
        CHECK_EQUAL(vcpu_op(VCPUOP_send_nmi, vcpu_self()->number, 0), 0);
        version_op(0, 0);
    }
    depth--;
    count++;
}

static long nmi_op(unsigned int command, uint64_t address)
{
    struct xennmi_callback callback = { .handler_address = address };

    return hypercall2(__HYPERVISOR_nmi_op, command, &callback);
}

static void send_check(const char *how, unsigned int expected)
{
    count = 0;
    CHECK_EQUAL(vcpu_op(VCPUOP_send_nmi, 0, 0), 0);
    version_op(0, 0);
    if (count != expected)
        test_failure("%s: expected %u NMIs, got %u", how, expected, count);
}

static void register_check(void)
{
    trap_set(TRAP_NMI, 0, 0);
    CHECK_EQUAL(nmi_op(XENNMI_unregister_callback, 0), 0);
    send_check("no handler", 0);
    CHECK_EQUAL(nmi_op(XENNMI_register_callback, (uint64_t)entry_nmi_callback), 0);
    send_check("nmi_op (what came before it is lost)", 1);
    CHECK_EQUAL(mask_seen, 1);
    CHECK_EQUAL(nmi_op(XENNMI_unregister_callback, 0), 0);
    send_check("unregistered", 0);
    CHECK_EQUAL(trap_callback(CALLBACKTYPE_nmi, 0, (uint64_t)entry_nmi_callback), 0);
    send_check("callback_op", 1);
    CHECK_EQUAL(mask_seen, 1);
    CHECK_EQUAL(nmi_op(XENNMI_register_callback, NON_CANONICAL), -XEN_EINVAL);
    CHECK_EQUAL(trap_callback(CALLBACKTYPE_nmi, 0, NON_CANONICAL), -XEN_EINVAL);
    CHECK_EQUAL(nmi_op(99, 0), -XEN_ENOSYS);
    CHECK_EQUAL(hypercall2(__HYPERVISOR_nmi_op, XENNMI_register_callback, NON_CANONICAL), -XEN_EFAULT);
    send_check("after refused ones", 1);
    CHECK_EQUAL(vcpu_op(VCPUOP_send_nmi, 77, 0), -XEN_ENOENT);
}

static void mask_check(void)
{
    event_mask_all();
    send_check("with events masked", 1);
    CHECK_EQUAL(vcpu_self()->info->evtchn_upcall_mask, 1);
    event_mask_restore(false);
    send_check("with events unmasked", 1);
    CHECK_EQUAL(vcpu_self()->info->evtchn_upcall_mask, 0);
}

// Three NMIs sent by the handler, one after another: none comes inside it, and the three become one.
static void nesting_check(void)
{
    uint64_t deadline = time_now() + SECONDS;

    count = deepest = 0;
    send_inside = 3;
    CHECK_EQUAL(vcpu_op(VCPUOP_send_nmi, 0, 0), 0);
    while (count < 2 && time_now() < deadline)
        version_op(0, 0);
    CHECK_EQUAL(deepest, 1);
    CHECK_EQUAL(count, 2);
}

static volatile bool blocking;

// The other vcpu waits for what never comes but an NMI.
static void block(void *unused)
{
    (void)unused;
    CHECK_EQUAL(nmi_op(XENNMI_register_callback, (uint64_t)entry_nmi_callback), 0);
    blocking = true;
    sched_op(SCHEDOP_block, 0);
    event_mask_all();
}

static void other_check(void)
{
    uint64_t deadline = time_now() + SECONDS;
    struct vcpu_runstate_info state = { .state = -1 };

    count = 0;
    vcpu_run(1, block, NULL);
    while ((!blocking || state.state != RUNSTATE_blocked) && time_now() < deadline) {
        sched_op(SCHEDOP_yield, 0);
        CHECK_EQUAL(vcpu_op(VCPUOP_get_runstate_info, 1, &state), 0);
    }
    CHECK_EQUAL(state.state, RUNSTATE_blocked);
    CHECK_EQUAL(vcpu_op(VCPUOP_send_nmi, 1, 0), 0);
    CHECK(vcpu_wait(1));
    CHECK_EQUAL(count, 1);
    CHECK_EQUAL(on_vcpu, 1);
}

void test_main(void)
{
    trap_handle(TRAP_NMI, nmi);
    trap_handle(TRAP_NMI_CALLBACK, nmi);
    register_check();
    mask_check();
    nesting_check();
    other_check();
}
