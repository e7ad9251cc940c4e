// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a guest's breakpoints and single steps end at the hypervisor's edge: armed on the instruction that enters it,
// on the memory it reads arguments from and writes frames to, and in the shadow of a load of SS, they come to the guest
// after the call or not at all. It matters because a debug exception in the first instruction of an entry ran on the
// guest's stack, and one for each access of a copy can keep a CPU for ever.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/vcpu.h>
#include <xen/version.h>

#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "string.h"
#include "trap.h"
#include "vcpu.h"

const char test_title[] = "breakpoints on entries, arguments and frames; SS shadows; storms of #DB and #AC";

#define TRAP_ALIGNMENT 17
#define FLAG_TRAP 0x100ul
#define FLAG_RESUME 0x10000ul
#define FLAG_ALIGN 0x40000ul
#define STORM 3000u

static volatile unsigned long debugs, others;
static volatile bool storm;
static uint32_t watched_ss = FLAT_KERNEL_SS;

static void debug_taken(struct trap_frame *frame)
{
    debugs++;
    frame->rflags |= FLAG_RESUME;
    if (!storm || debugs > STORM)
        frame->rflags &= ~FLAG_TRAP;
}

static long breakpoint(unsigned int number, const volatile void *address, unsigned int kind, unsigned int length)
{
    uint64_t control = 0x400 | 3ul << number * 2 | (uint64_t)(kind | (length - 1) << 2) << (16 + number * 4);
    long result = hypercall2(__HYPERVISOR_set_debugreg, number, address);

    return result ? result : hypercall2(__HYPERVISOR_set_debugreg, 7, control);
}

static void breakpoints_clear(void)
{
    CHECK_EQUAL(hypercall2(__HYPERVISOR_set_debugreg, 7, 0x400), 0);
    CHECK_EQUAL(hypercall2(__HYPERVISOR_set_debugreg, 6, 0), 0);
}

enum { EXECUTE = 0, WRITE = 1, ACCESS = 3 };

static void calls_make(void)
{
    static struct vcpu_runstate_info runstate;
    static char text[1024];
    static multicall_entry_t calls[4];

    for (unsigned int i = 0; i < 20; i++) {
        version_op(XENVER_capabilities, text);
        vcpu_op(VCPUOP_get_runstate_info, 0, &runstate);
        calls[0].op = __HYPERVISOR_xen_version;
        multicall(calls, 1);
    }
}

// Armed on what the hypervisor touches in our name.
static void places_check(void)
{
    extern char entry_event[];
    static char text[1024];
    const struct {
        const char *name;
        const volatile void *address;
        unsigned int kind, length;
    } places[] = {
        { "the system call instruction", hypercall_page + __HYPERVISOR_xen_version * 32 + 8, EXECUTE, 1 },
        { "the first byte of the hypercall page", hypercall_page + __HYPERVISOR_xen_version * 32, EXECUTE, 1 },
        { "the event entry", entry_event, EXECUTE, 1 },
        { "an argument that is written", text, WRITE, 4 },
        { "an argument that is read or written", text + 8, ACCESS, 8 - 4 },
        { "the pending byte", &vcpu_self()->info->evtchn_upcall_pending, ACCESS, 1 },
        { "the mask byte", &vcpu_self()->info->evtchn_upcall_mask, WRITE, 1 },
        { "the time page", &vcpu_self()->info->time.version, ACCESS, 4 },
        { "the stack below", (char *)vcpu_self() + VCPU_STACK - 512, WRITE, 4 },
        { "the stack selector's word", &watched_ss, ACCESS, 4 },
    };

    for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        long result = breakpoint(i % 4, places[i].address, places[i].kind, places[i].length);
        unsigned long before = debugs;

        if (result)
            test_failure("a breakpoint on %s: %ld", places[i].name, result);
        version_op(XENVER_capabilities, text);
        calls_make();
        breakpoints_clear();
        print("%s: %lu exceptions\n", places[i].name, debugs - before);
    }
}

// Loads of SS keep the exception of their own memory access until after the next instruction.
#define SHADOW(name, text)                                                                                         \
    static void name(void *unused)                                                                                 \
    {                                                                                                              \
        (void)unused;                                                                                              \
        __asm__ volatile("mov watched_ss_copy, %%ss\n" text                                                        \
                         : : "a"(__HYPERVISOR_xen_version), "c"(0), "d"(0), "D"(0), "S"(0)                           \
                         : "memory", "cc", "r11", "rbx");                                                          \
    }

uint32_t watched_ss_copy = FLAT_KERNEL_SS;
SHADOW(shadow_syscall, "syscall")
SHADOW(shadow_breakpoint, "int3")
SHADOW(shadow_overflow, "int $4")
SHADOW(shadow_int80, "int $0x80")
SHADOW(shadow_ud, "ud2")
SHADOW(shadow_hlt, "hlt")
SHADOW(shadow_cpuid, "ud2; .ascii \"xen\"; cpuid")
SHADOW(shadow_sysenter, "sysenter")
SHADOW(shadow_fault, "mov 0x10, %%rax")
SHADOW(shadow_divide, "div %%ecx")

static void other_taken(struct trap_frame *frame)
{
    others++;
    frame->rflags &= ~FLAG_TRAP;
    trap_leave(1);
}

static void shadow_step(void *function)
{
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" : : : "memory", "cc");
    ((void (*)(void *))function)(NULL);
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" : : : "memory", "cc");
}

static void shadows_check(void)
{
    static void (*const shadows[])(void *) = {
        shadow_syscall, shadow_breakpoint, shadow_overflow, shadow_int80, shadow_ud, shadow_hlt, shadow_cpuid,
        shadow_sysenter, shadow_fault, shadow_divide,
    };
    struct trap_seen seen;

    for (unsigned int vector = 0; vector < 32; vector++) {
        if (vector != TRAP_DEBUG)
            trap_handle(vector, other_taken);
    }
    for (unsigned int i = 0; i < sizeof(shadows) / sizeof(shadows[0]); i++) {
        CHECK_EQUAL(breakpoint(0, &watched_ss_copy, ACCESS, 4), 0);
        trap_catch(shadows[i], NULL, &seen);
        trap_catch(shadow_step, (void *)shadows[i], &seen);
        breakpoints_clear();
        trap_catch(shadow_step, (void *)shadows[i], &seen);
    }
    for (unsigned int vector = 0; vector < 32; vector++) {
        if (vector != TRAP_DEBUG)
            trap_handle(vector, NULL);
    }
    print("shadows: %lu other exceptions, %lu #DB\n", others, debugs);
    CHECK(others > 5);
}

static void storm_check(void)
{
    debugs = 0;
    storm = true;
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" : : : "memory", "cc");
    while (debugs < STORM)
        version_op(XENVER_version, 0);
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" : : : "memory", "cc");
    storm = false;
    print("%lu #DB\n", debugs);
}

static volatile unsigned long alignments;

static void alignment_taken(struct trap_frame *frame)
{
    if (++alignments >= STORM)
        frame->rflags &= ~FLAG_ALIGN;
}

// Where the processor checks alignment, every misaligned access faults again until the flag goes.
static void alignment_check(void)
{
    static char bytes[16];

    trap_handle(TRAP_ALIGNMENT, alignment_taken);
    __asm__ volatile("pushfq; orq $0x40000, (%%rsp); popfq; mov 1(%0), %%eax; pushfq; andq $~0x40000, (%%rsp); popfq"
                     : : "r"(bytes) : "memory", "cc", "eax");
    trap_handle(TRAP_ALIGNMENT, NULL);
    print("%lu #AC\n", alignments);
}

void test_main(void)
{
    trap_handle(TRAP_DEBUG, debug_taken);
    places_check();
    shadows_check();
    storm_check();
    alignment_check();
    breakpoints_clear();
    trap_handle(TRAP_DEBUG, NULL);
    calls_make();
}
