// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: when the state a kernel returns to cannot be loaded, that state has the exception of the bad selector; when a vcpu
// comes back to the CPU and its data selectors are no longer good, its kernel is entered at its failsafe callback with
// what they were, events masked only if it asked for that. It matters because a kernel that is not told runs on with
// null selectors, and one that is told wrongly returns to them for ever.
//
// config: vcpus = 2

#include <stddef.h>
#include <stdint.h>

#include <xen/callback.h>
#include <xen/sched.h>

#include "context.h"
#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "timer.h"
#include "trap.h"
#include "user.h"
#include "vcpu.h"

const char test_title[] = "bad frames of iret; failsafe callback for bad selectors after a switch";

#define TABLE_DATA 0x00cff3000000fffful     /* a flat data segment for ring 3 */
#define SELECTOR 0x0b                       /* entry 1, ring 3 */
#define MS 1000000ul

struct failsafe_frame {
    uint64_t rcx, r11, ds, es, fs, gs, rip, cs, rflags, rsp, ss;
};

static struct failsafe_frame seen;
static unsigned int seen_mask, arrivals;

// Notes the frame the hypervisor left on the stack; entry_go_on then goes back without its selectors.
void failsafe_go_on(const struct failsafe_frame *frame);
void failsafe_go_on(const struct failsafe_frame *frame)
{
    seen = *frame;
    seen_mask = vcpu_self()->info->evtchn_upcall_mask;
    arrivals++;
}

extern char entry_go_on[], trap_iret[];
__asm__(".text\n"
        "entry_go_on: push %rax\n push %rdx\n push %rsi\n push %rdi\n push %r8\n push %r9\n push %r10\n push %rbx\n"
        " mov %rsp, %rbx\n lea 64(%rsp), %rdi\n and $~15, %rsp\n cld\n call failsafe_go_on\n mov %rbx, %rsp\n"
        " pop %rbx\n pop %r10\n pop %r9\n pop %r8\n pop %rdi\n pop %rsi\n pop %rdx\n pop %rax\n"
        " pop %rcx\n pop %r11\n add $32, %rsp\n jmp trap_iret\n");

struct target {
    const char *name;
    uint64_t rip, cs, ss, error;
};

static struct trap_frame fault;
static uint64_t target_rsp;

static void note(struct trap_frame *frame)
{
    fault = *frame;
    arrivals++;
    trap_leave(1);
}

static void return_to(void *argument)
{
    const struct target *to = argument;

    __asm__ volatile("pushq %[ss]; pushq %[sp]; pushq $0x202; pushq %[cs]; pushq %[ip]; jmp trap_iret"
                     : : [ss] "r"(to->ss), [sp] "r"(target_rsp), [cs] "r"(to->cs), [ip] "r"(to->rip) : "memory");
}

static void target_check(const struct target *to)
{
    struct vcpu *vcpu = vcpu_self();

    arrivals = 0;
    target_rsp = (uint64_t)vcpu + sizeof(struct vcpu) + 4096;
    NEED(hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, target_rsp));
    context_call(&vcpu->saved_rsp, return_to, (void *)to);
    event_mask_all();
    if (arrivals != 1 || fault.vector != TRAP_PROTECTION || fault.error != to->error) {
        test_failure("%s: expected exception 13 with error %lx, got %u of %lu with %lx", to->name, to->error, arrivals,
                     fault.vector, fault.error);
        return;
    }
    // The kernel's own frames say ring 0, and everything of user mode ring 3.
    if (fault.rip != to->rip || fault.rsp != target_rsp || (fault.cs & 0xffff) != to->cs ||
        (fault.ss & 0xfffc) != (to->ss & 0xfffc) || !(fault.rflags & 0x200))
        test_failure("%s: expected %lx:%lx, stack %lx:%lx; got %lx:%lx, %lx:%lx", to->name, to->cs, to->rip, to->ss,
                     target_rsp, fault.cs & 0xffff, fault.rip, fault.ss, fault.rsp);
}

static void frames_check(void)
{
    const uint64_t kernel = FLAT_KERNEL_CS & ~3, good = (uint64_t)trap_iret;
    const struct target targets[] = {
        { "kernel, code segment beyond the table", good, 0x1230, FLAT_KERNEL_SS, 0x1230 },
        { "kernel, code segment that is data", good, FLAT_KERNEL_SS & ~3, FLAT_KERNEL_SS, FLAT_KERNEL_SS & ~3 },
        { "kernel, null code segment", good, 0, FLAT_KERNEL_SS, 0 },
        { "kernel, stack segment beyond the table", good, kernel, 0x1230, 0x1230 },
        { "kernel, stack segment that is code", good, kernel, FLAT_KERNEL_CS, FLAT_KERNEL_CS & ~3 },
        { "user, code segment beyond the table", good, 0x1233, FLAT_USER_SS, 0x1230 },
        { "user, stack segment beyond the table", good, FLAT_USER_CS, 0x1233, 0x1230 },
        { "user, code segment in no table", good, 0xf, FLAT_USER_SS, 0xc },
    };

    trap_handle(TRAP_PROTECTION, note);
    for (unsigned int i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        target_check(&targets[i]);
    trap_handle(TRAP_PROTECTION, NULL);
}

static volatile bool loaded, gone;
static uint64_t *table;
static uint16_t selectors[4];

// The other vcpu: loads selectors of a table of its own, waits until the entry is gone, and goes on.
static void selectors_use(void *unused)
{
    uint64_t frame = machine_of(table);

    (void)unused;
    NEED(hypercall2(__HYPERVISOR_set_gdt, &frame, 512));
    NEED(trap_callback(CALLBACKTYPE_failsafe, 0, (uint64_t)entry_go_on));
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" : : "r"(SELECTOR));
    loaded = true;
    while (!gone)
        sched_op(SCHEDOP_yield, 0);
    for (int i = 0; i < 20; i++)
        sched_op(SCHEDOP_yield, 0);
    __asm__ volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
                     : "=r"(selectors[0]), "=r"(selectors[1]), "=r"(selectors[2]), "=r"(selectors[3]));
}

static void switch_check(void)
{
    uint64_t deadline = time_now() + 2000 * MS;

    table = page_alloc();
    table[1] = TABLE_DATA;
    NEED(page_protect(table, false));
    arrivals = 0;
    vcpu_run(1, selectors_use, NULL);
    while (!loaded && time_now() < deadline)
        sched_op(SCHEDOP_yield, 0);
    CHECK(loaded);
    CHECK_EQUAL(hypercall2(__HYPERVISOR_update_descriptor, machine_of(table) << PAGE_SHIFT | 8, 0), 0);
    gone = true;
    CHECK(vcpu_wait(1));
    CHECK(arrivals >= 1);
    for (unsigned int i = 0; i < 4; i++)
        CHECK_EQUAL(selectors[i], 0);
    CHECK_EQUAL(seen.ds, SELECTOR);
    CHECK_EQUAL(seen.es, SELECTOR);
    CHECK_EQUAL(seen.fs, SELECTOR);
    CHECK_EQUAL(seen.gs, SELECTOR);
    CHECK_EQUAL(seen.cs & 3, 0);
    CHECK_EQUAL(seen_mask, 1);       /* as before: it was masked */
}

void test_main(void)
{
    user_init();
    frames_check();
    switch_check();
}
