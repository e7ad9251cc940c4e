// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: INIT, SIPI, NMI and interrupts sent at any time, in any order, from any vcpu to any other end in one of the
// states a CPU can be in; contexts no CPU could have are refused. It matters because a vcpu is changed by
// another one here, while it may run.
//
// config: vcpus = 4

#include <stdint.h>

#include <xen/hvm/hvm_vcpu.h>
#include <xen/vcpu.h>

#include "hypercall.h"
#include "pvh/machine.h"
#include "result.h"
#include "string.h"
#include "trap.h"
#include "vcpu.h"

const char test_title[] = "PVH: contexts, INIT, SIPI and interrupt storms";

#define STORM 2000u
#define VECTOR_STORM 0x71u
#define ICR_ASSERT 0x4000u
#define ICR_INIT 0x500u
#define ICR_STARTUP 0x600u
#define ICR_NMI 0x400u

static volatile uint32_t *const apic = (volatile uint32_t *)0xfee00000ul;
static volatile unsigned int taken, nmis;

static void send(unsigned int apic_id, uint32_t command)
{
    apic[0x310 / 4] = apic_id << 24;
    apic[0x300 / 4] = command;
}

static void storm_taken(unsigned int vector)
{
    (void)vector;
    apic[0xb0 / 4] = 0;
    __atomic_add_fetch(&taken, 1, __ATOMIC_RELAXED);
}

static void nmi_taken(struct trap_frame *frame)
{
    (void)frame;
    __atomic_add_fetch(&nmis, 1, __ATOMIC_RELAXED);
}

/* Contexts for vcpu 3, which is never started. */
static void context_check(void)
{
    static struct vcpu_hvm_context good, bad;
    static const struct { uint64_t cr0, cr4, efer, rflags; } rows[] = {
        { 0x80000000, 0x20, 0xd00, 2 },            /* paging without protection */
        { 0x80000001, 0, 0xd00, 2 },               /* long mode without PAE */
        { 0x80000001, 0x20, 0x900, 2 },            /* active bit missing */
        { 0x80000001, 0x20, 0x1d00, 2 },           /* SVM */
        { 0x1, 0x20, 0xd00, 2 },                   /* long mode without paging */
        { 0x80000001, 1ul << 40 | 0x20, 0xd00, 2 },
        { 1ul << 32 | 0x80000001, 0x20, 0xd00, 2 },
        { 0xa0000001, 0x20, 0xd00, 2 },            /* NW without CD */
        { 0x80000001, 0x20, 0xd00, 1ul << 32 | 2 },
        { 0x80000001, 0x20, 0xd00, 0x20002 },      /* VM86 in long mode */
    };

    memset(&good, 0, sizeof(good));
    good.mode = VCPU_HVM_MODE_64B;
    for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bad = good;
        bad.cpu_regs.x86_64.cr0 = rows[i].cr0;
        bad.cpu_regs.x86_64.cr4 = rows[i].cr4;
        bad.cpu_regs.x86_64.efer = rows[i].efer;
        bad.cpu_regs.x86_64.rflags = rows[i].rflags;
        if (vcpu_op(VCPUOP_initialise, 3, &bad) >= 0)
            test_failure("context %u was taken", i);
    }
    bad = good;
    bad.mode = 2;
    CHECK(vcpu_op(VCPUOP_initialise, 3, &bad) < 0);
    bad = good;
    bad.pad = 1;
    CHECK(vcpu_op(VCPUOP_initialise, 3, &bad) < 0);
    CHECK(vcpu_op(VCPUOP_initialise, 3, (void *)0x30000000ul) < 0);
    CHECK(vcpu_op(VCPUOP_initialise, 99, &good) < 0);
    CHECK(vcpu_op(VCPUOP_up, 3, 0) < 0);
}

/* Memory below the guest's image, at an address the compiler is not to think about. */
static volatile uint8_t *low_memory(unsigned long address)
{
    __asm__("" : "+r"(address));
    return (volatile uint8_t *)address;
}

static volatile bool stop;

static void sender(void *argument)
{
    (void)argument;
    while (!stop) {
        send(0, ICR_ASSERT | VECTOR_STORM);
        send(0, 0xc0000 | VECTOR_STORM); /* all but itself */
    }
}

static void interrupt_storm(void)
{
    interrupt_handle(VECTOR_STORM, storm_taken);
    apic[0xf0 / 4] = 0x1ff;
    trap_handle(TRAP_NMI, nmi_taken);
    vcpu_run(1, sender, NULL);
    __asm__ volatile("sti");
    for (unsigned int i = 0; i < STORM && taken < STORM; i++)
        sched_op(0, 0);
    __asm__ volatile("cli");
    CHECK(taken > 0);
    send(0, ICR_ASSERT | ICR_NMI);
    for (unsigned int i = 0; i < 100 && !nmis; i++)
        sched_op(0, 0);
    CHECK_EQUAL(nmis, 1);
}

/*
 * Vcpu 2 starts in real mode at a page of ours that halts with interrupts off, is interrupted by INIT at any point of that, and
 * started again.
 */
static void start_storm(void)
{
    static const uint8_t code[] = { 0xf0, 0xfe, 0x06, 0x00, 0x81, 0xfa, 0xf4, 0xeb, 0xfc }; /* lock incb 0x8100; cli; hlt; jmp */
    volatile uint8_t *page = low_memory(0x8000), *count = low_memory(0x8100);
    unsigned int started = 0;

    for (unsigned int i = 0; i < sizeof(code); i++)
        page[i] = code[i];
    /* ds is 0 after SIPI: the byte at 0x8100 of memory counts */
    *count = 0;
    for (unsigned int i = 0; i < 200; i++) {
        uint8_t before = *count;

        send(4, ICR_ASSERT | ICR_INIT);
        send(4, ICR_INIT | 0x8000);
        send(4, ICR_ASSERT | ICR_STARTUP | 8);
        send(4, ICR_ASSERT | ICR_STARTUP | 8);
        for (unsigned int turn = 0; turn < (i % 3) * 100; turn++)
            if (*count != before)
                break;
            else
                sched_op(0, 0);
        started += *count != before;
    }
    print("vcpu 2 was seen to start %u times\n", started);
    CHECK(started > 0);
    for (unsigned int i = 0; i < STORM; i++) { /* no order at all, to all others */
        send(i % 5 * 2, ICR_ASSERT | (i & 1 ? ICR_INIT : ICR_STARTUP | 8));
        send(2 * (i % 3), 0x4000 | (i & 0x7ff & ~0xffu) | 0x08); /* modes that are none too */
    }
    send(4, ICR_ASSERT | ICR_INIT);
}

void test_main(void)
{
    context_check();
    interrupt_storm();
    stop = true;
    start_storm();
}
