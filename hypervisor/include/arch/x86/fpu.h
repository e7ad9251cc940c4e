/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Vector state.  It is saved when a vcpu leaves its CPU and loaded when one comes (eagerly), so a guest's
 * registers never wait in a CPU; CR0.TS only serves PV's fpu_taskswitch.
 */
#pragma once

#include "arch/vcpu.h"

/* Bytes the features the machine enables need (FXSAVE: 512). */
extern unsigned xsave_size;

void fpu_init(void);     /* boot CPU, once: sizes */
void fpu_cpu_init(void); /* each CPU: CR4, XCR0, clean state */
/* v's registers are in this CPU and stay there; no-op when they are not loaded */
void fpu_save(struct vcpu *v);
void fpu_load(struct vcpu *v);

/*
 * The hypervisor's own use, for code made for ordinary programs: saves what is in the registers, gives SSE, a
 * clean state and an FS base at 64 readable bytes; interrupts are off from begin to end.
 */
void fpu_kernel_begin(void);
void fpu_kernel_end(void);
