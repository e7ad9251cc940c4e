// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a guest that returns to an address or a segment that can not be returned to gets its failsafe callback or an
// exception, the hypervisor never faults in the guest's stead. It matters because a fault inside the return to a guest
// runs on the hypervisor's stack with the guest's registers.

#include <stddef.h>
#include <stdint.h>

#include "context.h"
#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "trap.h"
#include "user.h"
#include "vcpu.h"

const char test_title[] = "returns that can not be made: addresses, stacks, segments, flags";

static volatile unsigned long last_vector, last_rip;

static void seen(struct trap_frame *frame)
{
    last_vector = frame->vector;
    last_rip = frame->rip;
    trap_leave(1000 + (long)frame->vector);
}

struct target {
    const char *name;
    uint64_t rip, cs, flags, rsp, ss;
};

extern char trap_iret[];

static void return_to(void *argument)
{
    const struct target *to = argument;

    __asm__ volatile("pushq %[ss]; pushq %[sp]; pushq %[flags]; pushq %[cs]; pushq %[ip]; jmp trap_iret"
                     : : [ss] "r"(to->ss), [sp] "r"(to->rsp), [flags] "r"(to->flags), [cs] "r"(to->cs), [ip] "r"(to->rip)
                     : "memory");
}

// What comes is the hypervisor's choice within the rule: any vector that reaches us.
static void target_check(const struct target *to)
{
    struct vcpu *vcpu = vcpu_self();
    long result;

    last_vector = 0;
    result = context_call(&vcpu->saved_rsp, return_to, (void *)to);
    event_mask_all();
    if (result < 1000)
        test_failure("%s: expected an exception or the failsafe callback, got %ld", to->name, result);
    else
        print("%s: vector %lu\n", to->name, last_vector);
}

#define KERNEL (FLAT_KERNEL_CS & ~3)
#define USER FLAT_USER_CS
#define STACK 0     /* filled in: below our own, since the stack tells which vcpu runs */

void test_main(void)
{
    static const struct target targets[] = {
        { "kernel, non-canonical address", 0x8000000000000000ul, KERNEL, 0x200, STACK, FLAT_KERNEL_SS },
        { "kernel, first address of the hole", 0x0000800000000000ul, KERNEL, 0, STACK, FLAT_KERNEL_SS },
        { "kernel, address of the hypervisor", 0xffff830000000000ul, KERNEL, 0, STACK, FLAT_KERNEL_SS },
        { "kernel, absent page", 0x700000000000ul, KERNEL, 0, STACK, FLAT_KERNEL_SS },
        { "kernel, bad code segment", (uint64_t)trap_iret, 0x1230, 0, STACK, FLAT_KERNEL_SS },
        { "kernel, null code segment", (uint64_t)trap_iret, 0, 0, STACK, FLAT_KERNEL_SS },
        { "kernel, bad stack segment", 0x700000000000ul, KERNEL, 0, STACK, 0x1230 },
        { "user, absent page", 0x700000000000ul, USER, 0, STACK, FLAT_USER_SS },
        { "user, non-canonical address", 0x8000000000000000ul, USER, 0x200, STACK, FLAT_USER_SS },
        { "user, bad segments", 0x700000000000ul, 0x1233, 0x200, STACK, 0x1233 },
        { "user, every flag", 0x700000000000ul, USER, ~0ul, STACK, FLAT_USER_SS },
    };

    user_init();
    for (unsigned int vector = 0; vector < 32; vector++)
        trap_handle(vector, seen);
    trap_handle(TRAP_FAILSAFE, seen);
    for (unsigned int i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct target target = targets[i];

        target.rsp = (uint64_t)vcpu_self() + sizeof(struct vcpu) + 4096;
        NEED(hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, target.rsp));
        target_check(&target);
    }
}
