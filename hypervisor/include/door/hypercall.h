/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls: the table, dispatch, and continuation of what was preempted.
 */
#ifndef XYLEM_DOOR_HYPERCALL_H
#define XYLEM_DOOR_HYPERCALL_H

#include "domain/domain.h"

typedef long (*hypercall_fn)(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);

/*
 * Runs the hypercall the running guest asked for: number in rax, arguments in rdi rsi rdx r10 r8, result into rax.
 * The guest's instruction is 2 bytes long (syscall, vmcall, vmmcall); a continuation steps back over it.
 */
void hypercall_dispatch(struct cpu_user_regs *regs);

/* True when a long operation should stop: softirqs pending here, or an event the guest wants to see. */
static inline bool hypercall_should_stop(void)
{
    return softirq_pending() || vcpu_event_deliverable(current);
}

/*
 * Arranges for the running hypercall to be issued again with these arguments (as a trap from the guest, or as the
 * same multicall entry) and returns the value its handler must return.
 */
long hypercall_continue(unsigned op, unsigned count, ...);

/* Page 0 of hypercall stubs as a guest of d's kind needs it. */
void hypercall_page_fill(struct domain *d, void *page);

/* Who may: 0 or -EPERM.  Only the control domain, or a domain over its target, controls another. */
int permission_control(const struct domain *target);
int permission_privileged(void);

#endif
