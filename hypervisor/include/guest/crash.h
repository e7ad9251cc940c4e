/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest was doing, in the log.
 */
#pragma once

struct vcpu;

/*
 * Says in the log what v was doing: registers, and of the running vcpu of a PV guest the code and the stack.  A
 * vcpu that is not the running one should be paused, or its registers are those of some moment.  Any context.
 */
void guest_crash_report(const struct vcpu *v);
/* Offers the same of all vcpus as a debug key. */
void guest_dump_init(void);
