/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report of a guest that the hypervisor ends.
 */
#ifndef XYLEM_GUEST_CRASH_H
#define XYLEM_GUEST_CRASH_H

struct vcpu;

/*
 * Says in the log what v was doing: registers, and of the running vcpu of a PV guest the code and the stack.  A
 * vcpu that is not the running one should be paused, or its registers are those of some moment.  Any context.
 */
void guest_crash_report(const struct vcpu *v);

#endif
