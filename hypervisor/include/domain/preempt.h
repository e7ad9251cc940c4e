/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a hypercall that takes long gives way: its loop asks whether to stop, and says with which arguments it
 * is to be issued again.  hypercall_continue is an upward call, implemented by door/hypercall.c and bound at
 * link time.
 */
#ifndef XYLEM_DOMAIN_PREEMPT_H
#define XYLEM_DOMAIN_PREEMPT_H

#include "domain/domain.h"

/* True when a long operation should stop: softirqs pending here, or an event the guest wants to see. */
static inline bool hypercall_should_stop(void)
{
    return softirq_pending() || vcpu_event_deliverable(current);
}

/*
 * Arranges for the running hypercall to be issued again with these arguments (as a trap from the guest, or as
 * the same multicall entry) and returns the value its handler must return.
 */
long hypercall_continue(unsigned op, unsigned count, ...);

#endif
