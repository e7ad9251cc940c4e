// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a vcpu that holds interrupts back, with some pending, and exits all the time does not keep the hypervisor from its
// own interrupts. It matters because those are what everybody else's time slice hangs on, and the emulator forgets one of some
// thousands at such an entry.

#include <stdint.h>

#include "event.h"
#include "hypercall.h"
#include "pvh/machine.h"
#include "result.h"
#include "timer.h"

const char test_title[] = "PVH: timers while an interrupt waits for its window";

#define ROUNDS 10000u
#define LATE_NS 10000000000ul

/* Exits all the time, with one event pending for good and interrupts off, until the timer's port shows it. */
static bool timer_comes(evtchn_port_t timer, uint64_t latest)
{
    while (!event_pending(timer)) {
        if (time_now() > latest)
            return false;
        (void)cpuid(0x40000000, 0);
    }
    return true;
}

void test_main(void)
{
    int timer = event_bind_virq(VIRQ_TIMER, 0), other = event_bind_ipi(0);

    NEED(timer);
    NEED(other);
    event_mask_all();
    event_port_unmask((evtchn_port_t)other);
    NEED(event_send((evtchn_port_t)other));
    for (unsigned int i = 0; i < ROUNDS; i++) {
        uint64_t asked = time_now() + 20000 + i % 64 * 100;

        NEED(timer_set(asked));
        if (!timer_comes((evtchn_port_t)timer, asked + LATE_NS))
            test_error("round %u: no timer after %lu ms", i, LATE_NS / 1000000);
        event_clear((evtchn_port_t)timer);
    }
}
