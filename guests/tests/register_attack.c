// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: no instruction and no register number a guest can name stops the machine or shows it what is not its own: each
// model-specific register and control register is emulated or faults, and debug registers never watch the hypervisor.
// It matters because one register that is passed through by mistake is a switch of the host.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "trap.h"

const char test_title[] = "model-specific, control and debug registers, port I/O, privileged instructions";

struct msr {
    uint32_t index;
    uint64_t value;
};

static void msr_read(void *argument)
{
    struct msr *msr = argument;
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr->index));
    msr->value = (uint64_t)high << 32 | low;
}

static void msr_write(void *argument)
{
    struct msr *msr = argument;

    __asm__ volatile("wrmsr" : : "c"(msr->index), "a"((uint32_t)msr->value), "d"((uint32_t)(msr->value >> 32)));
}

static void range_sweep(uint32_t first, uint32_t count, unsigned int *readable)
{
    struct trap_seen seen;

    for (uint32_t i = 0; i < count; i++) {
        struct msr msr = { .index = first + i };

        if (!trap_catch(msr_read, &msr, &seen)) {
            (*readable)++;
            continue;
        }
        if (seen.vector != TRAP_PROTECTION || seen.error)
            test_failure("rdmsr %x: exception %lu with error %lx", msr.index, seen.vector, seen.error);
    }
}

static void msr_check(void)
{
    static const struct msr refused[] = {
        { 0xc0000080, 0 },                      /* EFER without long mode */
        { 0xc0000082, 0xffff830000000000ul },   /* LSTAR */
        { 0xc0000081, 0 },                      /* STAR */
        { 0x00000174, 0x1234 },                 /* SYSENTER_CS */
        { 0x00000176, 0x1234 },                 /* SYSENTER_EIP */
        { 0xc0010117, 0x1000 },                 /* VM_HSAVE_PA */
        { 0x000001d9, 0x1 },                    /* DEBUGCTL */
        { 0x00000200, 0x1006 },                 /* MTRR */
    };
    unsigned int readable = 0;
    struct trap_seen seen;

    range_sweep(0, 0x1000, &readable);
    range_sweep(0x40000000, 0x200, &readable);
    range_sweep(0xc0000000, 0x400, &readable);
    range_sweep(0xc0010000, 0x400, &readable);
    print("%u registers can be read\n", readable);
    for (unsigned int i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct msr msr = refused[i], after = { .index = msr.index };

        if (trap_catch(msr_write, &msr, &seen))
            continue;
        if (!trap_catch(msr_read, &after, &seen) && after.value == msr.value && msr.value)
            test_failure("wrmsr %x of %lx was taken and reads back", msr.index, msr.value);
    }
    version_op(0, 0);
}

static void debug_check(void)
{
    struct trap_seen seen;

    CHECK(hypercall2(__HYPERVISOR_set_debugreg, 0, 0xffff830000000000ul) < 0);
    CHECK(hypercall2(__HYPERVISOR_set_debugreg, 1, (uint64_t)hypercall_page | 1ul << 63) < 0);
    CHECK(hypercall2(__HYPERVISOR_set_debugreg, 9, 0) < 0);
    CHECK(hypercall2(__HYPERVISOR_set_debugreg, 7, 1ul << 32) < 0);
    CHECK_EQUAL(hypercall2(__HYPERVISOR_set_debugreg, 2, (uint64_t)&seen), 0);
    CHECK_EQUAL(hypercall1(__HYPERVISOR_get_debugreg, 2), (uint64_t)&seen);
    CHECK_EQUAL(hypercall2(__HYPERVISOR_set_debugreg, 2, 0), 0);
}

// Steps through a hypercall with the trap flag set: the trap belongs to the guest's next instruction.
static volatile unsigned int steps;

static void step(struct trap_frame *frame)
{
    if (++steps > 200)
        frame->rflags &= ~0x100ul;
}

static void step_check(void)
{
    trap_handle(TRAP_DEBUG, step);
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop; nop" : : : "memory", "cc");
    for (int i = 0; i < 5; i++)
        version_op(0, 0);
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq; nop" : : : "memory", "cc");
    trap_handle(TRAP_DEBUG, NULL);
    print("%u steps\n", steps);
    CHECK(steps > 5);
}

#define INSTRUCTION(name, text)                                                                                    \
    static void name(void *unused)                                                                                 \
    {                                                                                                              \
        (void)unused;                                                                                              \
        __asm__ volatile(text : : "a"(0), "d"(0x60), "c"(0), "b"(0) : "memory", "cc");                            \
    }

INSTRUCTION(instruction_hlt, "hlt")
INSTRUCTION(instruction_cli, "cli")
INSTRUCTION(instruction_in, "in %%dx, %%al")
INSTRUCTION(instruction_out, "out %%al, %%dx")
INSTRUCTION(instruction_cr8, "mov %%rax, %%cr8")
INSTRUCTION(instruction_cr2, "mov %%rax, %%cr2")
INSTRUCTION(instruction_cr0, "mov %%rax, %%cr0")
INSTRUCTION(instruction_cr4, "mov %%rax, %%cr4")
INSTRUCTION(instruction_lgdt, "lgdt hypercall_page")
INSTRUCTION(instruction_lidt, "lidt hypercall_page")
INSTRUCTION(instruction_ltr, "ltr %%ax")
INSTRUCTION(instruction_invlpg, "invlpg hypercall_page")
INSTRUCTION(instruction_swapgs, "swapgs")
INSTRUCTION(instruction_sysret, "sysretq")
INSTRUCTION(instruction_xsetbv, "xsetbv")
INSTRUCTION(instruction_vmrun, ".byte 0x0f, 0x01, 0xd8")
INSTRUCTION(instruction_clgi, ".byte 0x0f, 0x01, 0xdd")
INSTRUCTION(instruction_monitor, "monitor")
INSTRUCTION(instruction_rdpmc, "rdpmc")
INSTRUCTION(instruction_long, ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0xf4")

static void instructions_check(void)
{
    static const struct {
        const char *name;
        void (*function)(void *);
        bool must_fault;
    } list[] = {
        { "cli", instruction_cli, false }, { "in", instruction_in, true },
        { "out", instruction_out, true }, { "mov to cr8", instruction_cr8, true },
        { "mov to cr2", instruction_cr2, false }, { "mov 0 to cr0", instruction_cr0, false },
        { "mov 0 to cr4", instruction_cr4, false }, { "lgdt", instruction_lgdt, true },
        { "lidt", instruction_lidt, true }, { "ltr", instruction_ltr, true },
        { "invlpg", instruction_invlpg, false }, { "swapgs", instruction_swapgs, true },
        { "sysret", instruction_sysret, true }, { "xsetbv", instruction_xsetbv, true },
        { "vmrun", instruction_vmrun, true }, { "clgi", instruction_clgi, true },
        { "monitor", instruction_monitor, false }, { "rdpmc", instruction_rdpmc, false },
        { "hlt", instruction_hlt, true },
        { "hlt with 14 prefixes", instruction_long, true },
    };
    struct trap_seen seen;

    for (unsigned int i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        bool faulted;

        print("%s\n", list[i].name);
        faulted = trap_catch(list[i].function, NULL, &seen);

        if (!faulted && list[i].must_fault)
            test_failure("%s: expected an exception, got none", list[i].name);
        if (faulted && seen.vector != TRAP_PROTECTION && seen.vector != TRAP_INVALID_OPCODE)
            test_failure("%s: expected exception 6 or 13, got %lu", list[i].name, seen.vector);
    }
}

void test_main(void)
{
    msr_check();
    debug_check();
    step_check();
    instructions_check();
}
