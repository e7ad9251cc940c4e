// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: the registers a kernel sets by hypercall (TS, debug registers, segment bases, modes) have the effect the
// processor would give them, for this vcpu alone, and those it may not set are refused. It matters because another
// vcpu's breakpoint or base is a wrong value with no cause to be found.
//
// config: vcpus = 2

#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>
#include <xen/sched.h>

#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "trap.h"
#include "user.h"
#include "vcpu.h"

const char test_title[] = "task-switched bit, debug registers, segment bases, vm_assist, flags of iret";

#define HYPERVISOR_ADDRESS 0xffff830000000000ul
#define NON_CANONICAL 0x8000000000000000ul
#define CR0_TS 8ul

// ---- task switch ----

static volatile unsigned int no_device;

static void count_no_device(struct trap_frame *frame)
{
    (void)frame;
    no_device++;
}

static unsigned long cr0_read(void)
{
    unsigned long value;

    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static void task_switch_check(void)
{
    trap_handle(TRAP_NO_DEVICE, count_no_device);
    for (int way = 0; way < 2; way++) {
        no_device = 0;
        if (way)
            __asm__ volatile("mov %0, %%cr0" : : "r"(cr0_read() | CR0_TS));
        else
            CHECK_EQUAL(hypercall1(__HYPERVISOR_fpu_taskswitch, 1), 0);
        CHECK(cr0_read() & CR0_TS);
        for (int i = 0; i < 10; i++)
            sched_op(SCHEDOP_yield, 0);
        CHECK_EQUAL(no_device, 0);
        __asm__ volatile("fninit");
        CHECK_EQUAL(no_device, 1);
        CHECK(!(cr0_read() & CR0_TS));
        __asm__ volatile("fninit; fwait");
        CHECK_EQUAL(no_device, 1);
    }
    CHECK_EQUAL(hypercall1(__HYPERVISOR_fpu_taskswitch, 1), 0);
    CHECK_EQUAL(hypercall1(__HYPERVISOR_fpu_taskswitch, 0), 0);
    __asm__ volatile("fninit");
    CHECK_EQUAL(no_device, 1);
    trap_handle(TRAP_NO_DEVICE, NULL);
}

// ---- debug registers ----

static volatile unsigned int hits;
static volatile unsigned long hit_status, watched;

static void count_hit(struct trap_frame *frame)
{
    (void)frame;
    hits++;
    hit_status = (unsigned long)hypercall1(__HYPERVISOR_get_debugreg, 6);
}

static long debug_set(unsigned int number, uint64_t value)
{
    return hypercall2(__HYPERVISOR_set_debugreg, number, value);
}

static uint64_t debug_get(unsigned int number)
{
    return (uint64_t)hypercall1(__HYPERVISOR_get_debugreg, number);
}

static void others_write(void *unused)
{
    (void)unused;
    trap_handle(TRAP_DEBUG, count_hit);
    watched = 5;
    CHECK_EQUAL(debug_get(7), 0x400);
    CHECK_EQUAL(debug_get(0), 0);
}

static void debug_check(void)
{
    uint64_t dr0, dr7;

    trap_handle(TRAP_DEBUG, count_hit);
    CHECK_EQUAL(debug_set(0, HYPERVISOR_ADDRESS), -XEN_EPERM);
    CHECK_EQUAL(debug_set(3, 0xffff82d040000000ul), -XEN_EPERM);
    CHECK_EQUAL(debug_set(1, NON_CANONICAL), -XEN_EPERM);
    CHECK_EQUAL(debug_set(8, 0), -XEN_ENODEV);
    CHECK_EQUAL((long)debug_get(8), -XEN_ENODEV);
    CHECK_EQUAL(debug_set(0, (uint64_t)&watched), 0);
    CHECK_EQUAL(debug_set(7, 0x000d0001), 0);           /* a write of 8 bytes... */
    CHECK_EQUAL(debug_set(7, 0x00090001), 0);           /* of 8: LEN0 = 10, RW0 = 01 */
    watched = 1;
    CHECK_EQUAL(hits, 1);
    CHECK_EQUAL(hit_status & 0xf, 1);
    __asm__ volatile("mov %%dr0, %0; mov %%dr7, %1" : "=r"(dr0), "=r"(dr7));
    CHECK_EQUAL(dr0, (uint64_t)&watched);
    CHECK_EQUAL(dr7, 0x00090401);
    for (int i = 0; i < 10; i++)
        sched_op(SCHEDOP_yield, 0);
    watched = 2;
    CHECK_EQUAL(hits, 2);
    vcpu_run(1, others_write, NULL);                    /* which has no breakpoint */
    CHECK(vcpu_wait(1));
    CHECK_EQUAL(hits, 2);
    watched = 3;
    CHECK_EQUAL(hits, 3);
    __asm__ volatile("mov %0, %%dr7" : : "r"(0x400ul));
    watched = 4;
    CHECK_EQUAL(hits, 3);
    CHECK_EQUAL(debug_set(0, 0), 0);
    CHECK_EQUAL(debug_set(7, 1ul << 32), -XEN_EINVAL);
    CHECK_EQUAL(debug_set(6, 1ul << 32), -XEN_EINVAL);
    CHECK_EQUAL(debug_set(7, 1ul << 13), -XEN_EPERM);   /* general detect: every access to these registers */
    CHECK_EQUAL(debug_set(7, 0x00020001), -XEN_EPERM);  /* an I/O breakpoint, without CR4.DE */
    trap_handle(TRAP_DEBUG, NULL);
}

// ---- segment bases ----

static uint64_t fs_data = 0xf5, gs_data = 0x65, user_gs_data = 0x95;

#define LOAD(segment)                                                                                              \
    ({                                                                                                             \
        uint64_t loaded_;                                                                                          \
        __asm__ volatile("mov %%" #segment ":0, %0" : "=r"(loaded_));                                             \
        loaded_;                                                                                                   \
    })

static long base_set(unsigned int which, uint64_t value)
{
    return hypercall2(__HYPERVISOR_set_segment_base, which, value);
}

static void user_leave(struct trap_frame *frame)
{
    trap_leave((long)frame->rdi);
}

static void user_report(long unused)
{
    (void)unused;
    __asm__ volatile("syscall" : : "D"(LOAD(gs)));
}

static void user_selector(long unused)
{
    uint64_t selector;

    (void)unused;
    __asm__ volatile("mov %%gs, %0" : "=r"(selector));
    __asm__ volatile("syscall" : : "D"(selector));
}

static void base_check(void)
{
    uint64_t read;

    CHECK_EQUAL(base_set(SEGBASE_FS, (uint64_t)&fs_data), 0);
    CHECK_EQUAL(base_set(SEGBASE_GS_KERNEL, (uint64_t)&gs_data), 0);
    CHECK_EQUAL(base_set(SEGBASE_GS_USER, (uint64_t)&user_gs_data), 0);
    for (int i = 0; i < 10; i++) {
        CHECK_EQUAL(LOAD(fs), fs_data);
        CHECK_EQUAL(LOAD(gs), gs_data);
        CHECK_EQUAL(user_run(user_report, 0), user_gs_data);
        sched_op(SCHEDOP_yield, 0);
    }
    for (unsigned int which = SEGBASE_FS; which <= SEGBASE_GS_KERNEL; which++)
        CHECK_EQUAL(base_set(which, NON_CANONICAL), -XEN_EINVAL);
    CHECK_EQUAL(base_set(99, 0), -XEN_EINVAL);
    CHECK_EQUAL(base_set(SEGBASE_GS_USER_SEL, FLAT_USER_DS | 3), 0);
    CHECK_EQUAL(LOAD(gs), gs_data);
    CHECK_EQUAL(user_run(user_selector, 0), FLAT_USER_DS | 3);
    CHECK_EQUAL(base_set(SEGBASE_GS_USER_SEL, 0x1230), 0);      /* loaded as null: Linux takes an error for a bug */
    CHECK_EQUAL(user_run(user_selector, 0), 0);
    CHECK_EQUAL(LOAD(gs), gs_data);
    CHECK_EQUAL(base_set(SEGBASE_GS_USER_SEL, 0), 0);
    CHECK_EQUAL(base_set(SEGBASE_GS_USER, (uint64_t)&user_gs_data), 0);
    CHECK_EQUAL(user_run(user_report, 0), user_gs_data);
    __asm__ volatile("mov %%cr4, %0" : "=r"(read));
    if (!(read & 1ul << 16)) {
        print("no fsgsbase here\n");
        return;
    }
    __asm__ volatile("wrfsbase %0; wrgsbase %1" : : "r"(&gs_data), "r"(&fs_data));
    for (int i = 0; i < 10; i++)
        sched_op(SCHEDOP_yield, 0);
    CHECK_EQUAL(LOAD(fs), gs_data);
    CHECK_EQUAL(LOAD(gs), fs_data);
    __asm__ volatile("rdgsbase %0" : "=r"(read));
    CHECK_EQUAL(read, (uint64_t)&fs_data);
    CHECK_EQUAL(user_run(user_report, 0), user_gs_data);
}

// ---- modes ----

static void assist_check(void)
{
    const uint32_t offered = 1u << VMASST_TYPE_4gb_segments | 1u << VMASST_TYPE_4gb_segments_notify |
                             1u << VMASST_TYPE_writable_pagetables | 1u << VMASST_TYPE_pae_extended_cr3 |
                             1u << VMASST_TYPE_architectural_iopl | 1u << VMASST_TYPE_runstate_update_flag;

    for (unsigned int type = 0; type < 66; type++) {
        long expected = type < 32 && offered >> type & 1 ? 0 : -XEN_EINVAL;

        if (type == VMASST_TYPE_m2p_strict)
            continue;           /* ours refuses it, and says so */
        if (hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, type) != expected ||
            hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_disable, type) != expected)
            test_failure("vm_assist of type %u: expected %ld", type, expected);
    }
    CHECK_EQUAL(hypercall2(__HYPERVISOR_vm_assist, 99, VMASST_TYPE_writable_pagetables), -XEN_ENOSYS);
}

// ---- flags of iret ----

static uint64_t user_flags;

static void note_flags(struct trap_frame *frame)
{
    user_flags = frame->rflags;
    trap_leave(0);
}

static uint64_t flags_after;

static void with_flags(void *argument)
{
    uint64_t flags = (uint64_t)argument;

    __asm__ volatile("mov %%rsp, %%rax; pushq %[ss]; pushq %%rax; pushq %[flags]; pushq %[cs]; lea 1f(%%rip), %%rax;"
                     "pushq %%rax; jmp trap_iret; 1: pushfq; popq %[after]; pushq $2; popfq; cld"
                     : [after] "=m"(flags_after)
                     : [flags] "r"(flags), [ss] "r"((uint64_t)FLAT_KERNEL_SS), [cs] "r"((uint64_t)FLAT_KERNEL_CS & ~3ul)
                     : "rax", "memory", "cc");
}

// What the kernel runs with after an iret with each flag: the arithmetic ones, DF, AC and ID as given, NT as given,
// I/O privilege never, interrupts always on (events are masked instead).
static void flags_check(void)
{
    static const uint64_t kept[] = { 0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800, 0x4000, 0x40000, 0x200000 };
    static const uint64_t dropped[] = { 0x3000, 0x10000, 0x20000 };
    struct trap_seen trap;

    for (unsigned int i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        with_flags((void *)kept[i]);
        if ((flags_after & ~0x2ul) != (kept[i] | 0x200))
            test_failure("iret with flag %lx: expected %lx, got %lx", kept[i], kept[i] | 0x202, flags_after);
        CHECK_EQUAL(vcpu_self()->info->evtchn_upcall_mask, 1);
        with_flags((void *)(kept[i] | 0x200));
        CHECK_EQUAL(vcpu_self()->info->evtchn_upcall_mask, 0);
    }
    for (unsigned int i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
        with_flags((void *)dropped[i]);
        if ((flags_after & ~0x2ul) != 0x200)
            test_failure("iret with flag %lx: expected 202, got %lx", dropped[i], flags_after);
    }
    if (!trap_catch(with_flags, (void *)0x100ul, &trap) || trap.vector != TRAP_DEBUG)
        test_failure("iret with TF: expected exception 1, got %lu", trap.vector);
    trap_handle(TRAP_SYSCALL, note_flags);
    with_flags((void *)0x200ul);
}

void test_main(void)
{
    user_init();
    trap_handle(TRAP_SYSCALL, user_leave);
    task_switch_check();
    debug_check();
    base_check();
    assist_check();
    flags_check();
}
