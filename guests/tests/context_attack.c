// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: addresses and segments a guest gives the hypervisor to use later (callbacks, trap handlers, kernel stacks,
// segment bases, a new vcpu's registers) are refused when no such address exists, and when they cannot be used at the
// time the guest ends or hears of it, never the host. It matters because sysret to an address that is not canonical
// faults in ring 0 on the guest's stack on half of all CPUs, and a base that is not canonical faults in the hypervisor.
//
// config: vcpus = 3

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/callback.h>
#include <xen/errno.h>
#include <xen/nmi.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "string.h"
#include "timer.h"
#include "trap.h"
#include "vcpu.h"

const char test_title[] = "addresses without meaning for callbacks, traps, stacks, bases and new vcpus";

static const uint64_t impossible[] = {
    0x800000000000ul, 0x8000000000000000ul, 0xffff7ffffffffffful, 0x00ff800000000000ul,
};
static const uint64_t hypervisors[] = { 0xffff830000000000ul, 0xffff82d040200000ul, 0xffff87fffffffff0ul };

static long callback_register(unsigned int type, uint64_t address)
{
    struct callback_register request = { .type = (uint16_t)type, .address = address };

    return hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &request);
}

struct msr_write {
    uint32_t index;
    uint64_t value;
};

static void msr_write(void *argument)
{
    const struct msr_write *msr = argument;

    __asm__ volatile("wrmsr" : : "c"(msr->index), "a"((uint32_t)msr->value), "d"((uint32_t)(msr->value >> 32)));
}

static void address_check(uint64_t address)
{
    static const uint32_t bases[] = { 0xc0000100, 0xc0000101, 0xc0000102 };
    struct trap_info traps[2] = { { .vector = 3, .cs = FLAT_KERNEL_CS, .address = address } };
    struct xennmi_callback nmi = { .handler_address = address };
    struct trap_seen seen;

    for (unsigned int type = CALLBACKTYPE_event; type <= CALLBACKTYPE_syscall32; type++) {
        if (type == CALLBACKTYPE_nmi || type == CALLBACKTYPE_event)
            continue;
        CHECK(callback_register(type, address) < 0);
    }
    CHECK(callback_register(CALLBACKTYPE_event, address) < 0);
    CHECK(callback_register(CALLBACKTYPE_nmi, address) < 0);
    hypercall3(__HYPERVISOR_set_callbacks, address, address, address);      /* may say 0, and take none */
    CHECK(hypercall1(__HYPERVISOR_set_trap_table, traps) < 0);
    CHECK(hypercall2(__HYPERVISOR_nmi_op, XENNMI_register_callback, &nmi) < 0);
    for (unsigned int which = SEGBASE_FS; which <= SEGBASE_GS_KERNEL; which++)
        CHECK(hypercall2(__HYPERVISOR_set_segment_base, which, address) < 0);
    for (unsigned int i = 0; i < 3; i++) {
        struct msr_write msr = { bases[i], address };

        CHECK(trap_catch(msr_write, &msr, &seen) && seen.vector == TRAP_PROTECTION);
    }
}

// The event callback is still ours.
static volatile unsigned int upcalls;

static void upcall(struct trap_frame *frame)
{
    (void)frame;
    vcpu_self()->info->evtchn_upcall_pending = 0;
    upcalls++;
}

static void events_check(void)
{
    trap_handle(TRAP_EVENT, upcall);
    vcpu_self()->info->evtchn_upcall_mask = 0;
    vcpu_self()->info->evtchn_upcall_pending = 1;
    sched_op(SCHEDOP_yield, 0);
    vcpu_self()->info->evtchn_upcall_mask = 1;
    trap_handle(TRAP_EVENT, NULL);
    CHECK_EQUAL(upcalls, 1);
}

// Every selector there is as the user's GS: refused or harmless.
static void selectors_check(void)
{
    for (unsigned int selector = 0; selector < 0x10000; selector += 3)
        hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, selector);
    hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0);
    CHECK_EQUAL(hypercall2(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER, 0), 0);
}

static struct vcpu_guest_context context;

static void context_reset(void)
{
    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.ctrlreg[3] = xen_pfn_to_cr3(base_table());
}

// What initialise has to refuse.
static void context_check(void)
{
    for (unsigned int i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
        context_reset();
        context.event_callback_eip = impossible[i];
        CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
        context_reset();
        context.failsafe_callback_eip = impossible[i];
        CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
        context_reset();
        context.syscall_callback_eip = impossible[i];
        CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
        context_reset();
        context.trap_ctxt[200].address = impossible[i];
        CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
        context_reset();
        context.fs_base = impossible[i];
        CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
        context_reset();
        context.gs_base_kernel = impossible[i];
        CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
        context_reset();
        context.gs_base_user = impossible[i];
        CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
    }
    context_reset();
    context.gdt_ents = 100000;
    CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
    context_reset();
    context.ldt_base = 0xffff830000000000ul;
    context.ldt_ents = 8192;
    CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
    context_reset();
    context.gdt_ents = 512;
    context.gdt_frames[0] = base_table();
    CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
    context_reset();
    context.ctrlreg[3] = 0;
    CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
    context_reset();
    CHECK(vcpu_op(VCPUOP_initialise, 99, &context) < 0);
    CHECK(vcpu_op(VCPUOP_up, 1, 0) < 0);
}

// A vcpu all of whose state is nonsense, but that cannot be seen before it runs: vector state no CPU loads, every flag,
// debug registers on addresses of the hypervisor. It starts in our code, which must find itself in ring 3.
static volatile uint64_t arrived, arrived_flags, arrived_cs;
extern char context_landing[];
__asm__(".text\n"
        "context_landing:\n"
        "   pushfq\n   pop %rax\n   mov %rax, arrived_flags\n"
        "   mov %cs, %eax\n   mov %rax, arrived_cs\n"
        "   movq $1, arrived\n"
        "1: pause\n   jmp 1b\n");

static void landing_check(void)
{
    static char stack[PAGE_SIZE] __attribute__((aligned(16)));
    uint64_t deadline;

    context_reset();
    memset(&context.fpu_ctxt, 0xff, sizeof(context.fpu_ctxt));      /* reserved bits of MXCSR among them */
    context.flags |= VGCF_i387_valid;
    context.user_regs.rip = (uint64_t)context_landing;
    context.user_regs.rsp = (uint64_t)stack + sizeof(stack);
    context.user_regs.rflags = ~0ul & ~0x100ul;                     /* all but the single step */
    context.user_regs.ds = context.user_regs.es = 0xffff;
    context.user_regs.fs = context.user_regs.gs = 0x1237;
    for (unsigned int i = 0; i < 4; i++)
        context.debugreg[i] = hypervisors[0] + i;
    context.debugreg[7] = 0xff;
    for (unsigned int i = 0; i < 32; i++)
        context.trap_ctxt[i] = (struct trap_info) { .vector = (uint8_t)i, .address = (uint64_t)context_landing };
    context.failsafe_callback_eip = context.event_callback_eip = (uint64_t)context_landing;
    NEED(vcpu_op(VCPUOP_initialise, 2, &context));
    NEED(vcpu_op(VCPUOP_up, 2, 0));
    for (deadline = time_now() + 5000000000ul; !arrived && time_now() < deadline;)
        time_pass(1000000);
    CHECK(arrived);
    CHECK_EQUAL(arrived_cs & 3, 3);
    CHECK_EQUAL(arrived_flags & 0x3000, 0);                         /* no I/O privilege */
    CHECK(arrived_flags & 0x200);
    NEED(vcpu_op(VCPUOP_down, 2, 0));
}

void test_main(void)
{
    for (unsigned int i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++)
        address_check(impossible[i]);
    events_check();
    selectors_check();
    context_check();
    landing_check();
    trap_init();
}
