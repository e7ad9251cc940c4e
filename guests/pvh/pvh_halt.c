// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: no interrupt comes between STI and the HLT behind it, wherever the hypervisor's own interrupts fall. It matters
// because every kernel idles so: what is told to it between the two is not seen before it sleeps. The emulator forgets the
// shadow of STI at an entry, so the hypervisor has to see to it.

#include <stdint.h>

#include "event.h"
#include "hypercall.h"
#include "pvh/machine.h"
#include "result.h"
#include "timer.h"

const char test_title[] = "PVH: nothing comes between STI and HLT";

#define ROUNDS 4000u
#define LATE_NS 3000000000ul
#define VECTOR_LATE 0x72u

static volatile uint32_t *const apic = (volatile uint32_t *)0xfee00000ul;
static volatile unsigned int late;
static evtchn_port_t timer;

static void late_taken(unsigned int vector)
{
    (void)vector;
    apic[0xb0 / 4] = 0;
    late++;
}

/* The timer of the local APIC: wakes a vcpu that slept over the other one. */
static void late_arm(uint64_t ns)
{
    apic[0x3e0 / 4] = 0xb;
    apic[0x320 / 4] = VECTOR_LATE;
    apic[0x380 / 4] = (uint32_t)(ns / 10);
}

/*
 * The emulator looks for interrupts between blocks of instructions: what comes during a block of many that ends with STI
 * is taken behind it.
 */
static void halt_once(void)
{
    uint64_t value = 3;

    __asm__ volatile(".balign 2048\n.rept 300\nimul %0, %0\n.endr\nsti\nhlt\ncli" : "+r"(value) : : "memory");
}

void test_main(void)
{
    int port = event_bind_virq(VIRQ_TIMER, 0);
    uint64_t seed = 88172645463325252ul;

    NEED(port);
    timer = (evtchn_port_t)port;
    event_handle(timer, 0);
    interrupt_handle(VECTOR_LATE, late_taken);
    apic[0xf0 / 4] = 0x1ff;
    __asm__ volatile("cli" : : : "memory");
    event_port_unmask(timer);
    for (unsigned int i = 0; i < ROUNDS && !late; i++) {
        unsigned int before = event_count(timer);

        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        late_arm(LATE_NS);
        NEED(timer_set(time_now() + seed % 30000));
        while (event_count(timer) == before && !late)
            halt_once();
        if (late)
            test_failure("round %u: slept until the late timer, the other one came %u times", i, event_count(timer) - before);
    }
}
