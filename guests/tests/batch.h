/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of batches share: a list of calls, each made once stopped at every point where it gives way, and once
 * under a storm of interrupts.
 */
#ifndef GUEST_BATCH_H
#define GUEST_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "memory.h"
#include "preempt.h"
#include "result.h"
#include "timer.h"

#define REQUESTS 8192u
#define BATCH_TICK 20000u       /* nanoseconds */

struct batch_call {
    const char *name;
    long (*call)(void *unused);
    bool stops;
};

static void *batch;             /* room for REQUESTS of anything up to 64 bytes, and one more */

static void batch_make(void)
{
    batch = pages_alloc((REQUESTS + 1) * 64 / PAGE_SIZE + 1);
}

static void batch_run(const struct batch_call *calls, unsigned int count, bool every_point)
{
    for (unsigned int i = 0; i < count; i++) {
        unsigned long stops = 0;
        long result = every_point ? preempt_all(calls[i].call, NULL, NULL, &stops) : calls[i].call(NULL);

        print("%s: %ld, %lu stops\n", calls[i].name, result, stops);
        if (result)
            test_failure("%s: %ld", calls[i].name, result);
        if (every_point && calls[i].stops && (!stops || stops >= PREEMPT_MOST))
            test_failure("%s: stopped %lu times", calls[i].name, stops);
    }
}

static void batch_tick(evtchn_port_t port)
{
    (void)port;
    timer_set(time_now() + BATCH_TICK);
}

/* Both ways; restore is called after each, for what the calls change. */
static void batch_storm(const struct batch_call *calls, unsigned int count, void (*restore)(void))
{
    int timer = event_bind_virq(VIRQ_TIMER, 0);

    NEED(timer);
    batch_run(calls, count, true);
    restore();
    event_handle((evtchn_port_t)timer, batch_tick);
    event_port_unmask((evtchn_port_t)timer);
    event_mask_restore(false);
    timer_set(time_now() + BATCH_TICK);
    batch_run(calls, count, false);
    restore();
    event_mask_all();
    event_port_mask((evtchn_port_t)timer);
    print("%u interrupts\n", event_count((evtchn_port_t)timer));
}

#endif
