/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The door: handlers of the hypercall table (door/hypercall.c), one section for each file.  Arguments are
 * the guest's registers as they came; results go to the guest as they are.
 */
#pragma once

#include <stdint.h>

typedef long (*hypercall_fn)(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);

/* nmi.c: v gets one NMI, as soon as it may; several at once are one. Any context without locks. */
struct vcpu;
void nmi_send(struct vcpu *v);
/* Start of day: the machine's NMIs go to domain 0. */
void nmi_init(void);

/* fail_keys.c: debug keys that make allocations fail; none outside of debug builds. */
void fail_keys_init(void);

/* memory.c */
long memory_op(uint64_t command_and_start, uint64_t arg, uint64_t a3, uint64_t a4, uint64_t a5);

/* physdev.c, platform.c, console_io.c */
long physdev_op(uint64_t command, uint64_t arg, uint64_t a3, uint64_t a4, uint64_t a5);
long platform_op(uint64_t arg, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
long console_io(uint64_t command, uint64_t count, uint64_t buffer, uint64_t a4, uint64_t a5);

/* event.c, grant.c */
long event_channel_op(uint64_t command, uint64_t arg, uint64_t a3, uint64_t a4, uint64_t a5);
long event_channel_op_compat(uint64_t arg, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
long grant_table_op(uint64_t command, uint64_t elements, uint64_t count, uint64_t a4, uint64_t a5);

/* hypercall.c, sched.c, vcpu.c, version.c, domctl.c, sysctl.c */
long multicall(uint64_t list, uint64_t count, uint64_t a3, uint64_t a4, uint64_t a5);
long sched_op(uint64_t command, uint64_t arg, uint64_t a3, uint64_t a4, uint64_t a5);
long sched_op_compat(uint64_t command, uint64_t arg, uint64_t a3, uint64_t a4, uint64_t a5);
long set_timer_op(uint64_t timeout, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
long vcpu_op(uint64_t command, uint64_t vcpu, uint64_t arg, uint64_t a4, uint64_t a5);
long xen_version(uint64_t command, uint64_t arg, uint64_t a3, uint64_t a4, uint64_t a5);
long domctl(uint64_t arg, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
long sysctl(uint64_t arg, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
