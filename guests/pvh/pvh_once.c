// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: the interrupt of an event comes once, and never into code that holds interrupts back. It matters because a kernel's
// entries and its locked regions rely on it: one more there is a kernel without its registers, or one that waits for itself.
// The emulator delivers an injected interrupt again when a timer of the machine's runs out before the guest exits or faults.

#include <stdint.h>

#include "event.h"
#include "hypercall.h"
#include "pvh/machine.h"
#include "result.h"
#include "timer.h"
#include "trap.h"

const char test_title[] = "PVH: an interrupt comes once, where interrupts are on";

#define ROUNDS 100u
#define LATE_NS 3000000000ul
#define VECTOR_OTHER 0x72u
#define FLAGS_IF 0x200u
#define BUSY 300000u /* turns of two instructions: longer than OTHER_NS */
#define OTHER_NS 60000u

static volatile uint32_t *const apic = (volatile uint32_t *)0xfee00000ul;
static volatile unsigned int taken, twice, others;
static evtchn_port_t timer;

static void other_taken(unsigned int vector)
{
    (void)vector;
    apic[0xb0 / 4] = 0;
    others++;
}

/* Without an exit until a timer of the machine's has run out. */
static void busy(void)
{
    uint64_t turns = BUSY;

    __asm__ volatile("1: dec %0; jnz 1b" : "+r"(turns));
}

static void upcall(struct trap_frame *frame)
{
    if (!(frame->rflags & FLAGS_IF)) {
        twice++;
        return;
    }
    busy();
    event_dispatch();
    taken++;
}

/* Two timers: the second runs out in the handler of the first. */
static void round_do(unsigned int round)
{
    uint64_t latest = time_now() + LATE_NS;

    NEED(timer_set(time_now() + 20000));
    apic[0x380 / 4] = (20000 + OTHER_NS) / 10;
    event_mask_restore(false);
    while (taken == round || others == round)
        if (time_now() > latest)
            test_error("round %u: %u events and %u interrupts of the local APIC came", round, taken, others);
    event_mask_all();
}

void test_main(void)
{
    int port = event_bind_virq(VIRQ_TIMER, 0);

    NEED(port);
    timer = (evtchn_port_t)port;
    event_mask_all();
    trap_handle(TRAP_EVENT, upcall);
    interrupt_handle(VECTOR_OTHER, other_taken);
    apic[0xf0 / 4] = 0x1ff;
    apic[0x3e0 / 4] = 0xb;
    apic[0x320 / 4] = VECTOR_OTHER;
    event_port_unmask(timer);
    for (unsigned int i = 0; i < ROUNDS; i++)
        round_do(i);
    CHECK_EQUAL(twice, 0);
    CHECK_EQUAL(taken, ROUNDS);
}
