// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: user mode reaches its kernel through SYSCALL and exceptions alone: a hypercall number in RAX is a system call
// there, and privileged instructions fault. It matters because a process that could make hypercalls owns the guest.

#include "hypercall.h"
#include "result.h"
#include "trap.h"
#include "user.h"

const char test_title[] = "user mode: system calls, exceptions, no hypercalls";

#define USER __attribute__((noinline, section(".text.user")))
enum { CALL_EXIT = 1, CALL_ADD = 2 };

static volatile unsigned long calls;
static volatile uint64_t seen_cs;

static void system_call(struct trap_frame *frame)
{
    calls++;
    seen_cs = frame->cs;
    if (frame->rax == CALL_EXIT)
        trap_leave((long)frame->rdi);
    else if (frame->rax == CALL_ADD)
        frame->rax = frame->rdi + frame->rsi;
    else
        frame->rax = 0xbad;
}

static void exception(struct trap_frame *frame)
{
    trap_leave(-(long)(frame->vector + 1000 + (frame->cs & 3) * 10000));
}

static inline long user_call(long number, long a, long b)
{
    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b) : "rcx", "r11", "memory");
    return number;
}

USER static void adds(long count)
{
    long sum = 0;

    for (long i = 0; i < count; i++)
        sum = user_call(CALL_ADD, sum, i);
    user_call(CALL_EXIT, sum, 0);
}

USER static void hypercalls(long number)
{
    long got;

    __asm__ volatile("call *%1" : "=a"(got) : "0"((long)hypercall_page + number * 32), "D"(0), "S"(0)
                     : "rcx", "r11", "memory");
    user_call(CALL_EXIT, got, 0);
}

USER static void privileged(long unused)
{
    (void)unused;
    __asm__ volatile("hlt");
    user_call(CALL_EXIT, 0, 0);
}

USER static void faults(long unused)
{
    (void)unused;
    __asm__ volatile("movb $0, 8");
    user_call(CALL_EXIT, 0, 0);
}

USER static void registers(long seed)
{
    long good = 0;

    __asm__ volatile("mov %[seed], %%rbx; lea 1(%%rbx), %%r12; lea 2(%%rbx), %%r13; lea 3(%%rbx), %%r14;"
                     "lea 4(%%rbx), %%r15; mov $2, %%eax; xor %%edi, %%edi; xor %%esi, %%esi; syscall;"
                     "add %%r12, %%rbx; add %%r13, %%rbx; add %%r14, %%rbx; add %%r15, %%rbx; mov %%rbx, %[good]"
                     : [good] "=r"(good) : [seed] "r"(seed)
                     : "rax", "rbx", "rcx", "rdi", "rsi", "r11", "r12", "r13", "r14", "r15");
    user_call(CALL_EXIT, good - 10 - 4 * seed, 0);
}

void test_main(void)
{
    user_init();
    trap_handle(TRAP_SYSCALL, system_call);
    trap_handle(TRAP_PROTECTION, exception);
    trap_handle(TRAP_PAGE_FAULT, exception);
    CHECK_EQUAL(user_run(adds, 100), 4950);
    CHECK_EQUAL(calls, 101);
    CHECK_EQUAL(seen_cs & 3, 3);
    CHECK_EQUAL(user_run(registers, 0x7654321), 0x7654321);
    calls = 0;
    CHECK_EQUAL(user_run(hypercalls, __HYPERVISOR_xen_version), 0xbad);
    CHECK_EQUAL(user_run(privileged, 0), -(1000 + TRAP_PROTECTION + 30000));
    CHECK_EQUAL(user_run(faults, 0), -(1000 + TRAP_PAGE_FAULT + 30000));
    CHECK_EQUAL(user_run(adds, 10), 45);
}
