/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deferred work of a CPU.  A raised softirq runs on that CPU before it next enters a guest or idles, with
 * interrupts on, on an otherwise empty stack.  Lower numbers run first.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "arch/percpu.h"

enum softirq { SOFTIRQ_TIMER, SOFTIRQ_SCHEDULE, SOFTIRQ_QUIESCE, SOFTIRQ_TASKLET, SOFTIRQ_NMI, SOFTIRQ_MACHINE_CHECK,
               SOFTIRQ_COUNT };

PER_CPU_DECLARE(uint32_t, softirq_pending_bits);

/* Start of day: tasklets and grace periods. */
void softirq_init(void);
void softirq_register(enum softirq number, void (*handler)(void));
/* On this CPU; from any context. */
void softirq_raise(enum softirq number);
/* On another CPU, which is interrupted if need be. */
void softirq_raise_on(unsigned cpu, enum softirq number);
/* Runs what is pending here; interrupts on at entry and exit.  May not return (a switch to another vcpu). */
void softirq_run(void);
static inline bool softirq_pending(void) { return this_cpu(softirq_pending_bits) != 0; }

/* A tasklet: one function run soon, once, in softirq context on the CPU it was scheduled on. */
struct tasklet {
    struct tasklet *next;
    void (*fn)(void *data);
    void *data;
    uint8_t scheduled;
};
void tasklet_init(struct tasklet *t, void (*fn)(void *data), void *data);
void tasklet_schedule(struct tasklet *t);

/*
 * Grace periods: fn(data) runs once every CPU has passed through a point where it holds no pointer found by a
 * lock-free look-up (softirq processing on an empty stack).  The node lives inside the object being freed.
 */
struct quiesce_node {
    struct quiesce_node *next;
    void (*fn)(void *data);
    void *data;
};
void quiesce_defer(struct quiesce_node *node, void (*fn)(void *data), void *data);
