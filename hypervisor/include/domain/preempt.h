/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a hypercall that takes long gives way: its loop asks whether to stop, and says with which arguments it
 * is to be issued again.  hypercall_dispatch and hypercall_continue are upward calls, implemented by
 * door/hypercall.c and bound at link time.
 */
#pragma once

#include "domain/domain.h"

/*
 * Runs the hypercall the running guest asked for: number in rax, arguments in rdi rsi rdx r10 r8, result into
 * rax.  rip is behind the guest's instruction (2 bytes of a PV guest's syscall, 3 of vmmcall and vmcall): a continuation
 * steps back over it.
 */
void hypercall_dispatch(struct cpu_user_regs *regs);
/* The same of 32-bit code of a hardware-assisted guest: number in eax, arguments in ebx ecx edx esi edi, result into eax. */
void hypercall_dispatch_32(struct cpu_user_regs *regs);

/* True when a long operation should stop: softirqs pending here, or an event the guest, if one runs, wants to see. */
static inline bool hypercall_should_stop(void)
{
    latency_look();
    return softirq_pending() || (!current->is_idle && vcpu_event_deliverable(current));
}

/*
 * Arranges for the running hypercall to be issued again with these arguments (as a trap from the guest, or as
 * the same multicall entry) and returns the value its handler must return.
 */
long hypercall_continue(unsigned op, unsigned count, ...);
