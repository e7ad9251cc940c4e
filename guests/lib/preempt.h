/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hypercall stopped at every preemption point. The hypervisor gives way when an event waits for the vcpu, and that is
 * a byte of the guest's own memory: it is set again in the instruction before the hypercall, and before each time the
 * hypercall is issued again. On vcpu 0 only, whose events nobody else handles meanwhile.
 */
#ifndef GUEST_PREEMPT_H
#define GUEST_PREEMPT_H

/* Called at each stop, events masked, with the number of stops from 1 on; may make hypercalls itself. NULL for none. */
typedef void preempt_between(unsigned long stop);

/*
 * Runs call(argument) that way. Its result; *stops is how often it was stopped. After PREEMPT_MOST stops it is left to
 * itself: a call that makes no progress.
 */
#define PREEMPT_MOST 1000000ul
long preempt_all(long (*call)(void *argument), void *argument, preempt_between *between, unsigned long *stops);

#endif
