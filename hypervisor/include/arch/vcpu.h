/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the architecture keeps for a vcpu beside the guest rooms: its registers while it does not run, and vector state.
 */
#pragma once

#include "public.h"
#include "types.h"

struct vcpu;
struct domain;

struct arch_vcpu {
    struct cpu_user_regs user_regs; /* valid while not running; the running one's are in cpu_info() */
    void *xsave_area;               /* vector state, in XSAVE format (or FXSAVE in its first 512 bytes); 64-byte aligned */
    uint64_t xcr0, xcr0_accum;      /* enabled by the guest now; ever */
    bool fpu_loaded;                /* the CPU's vector registers hold this vcpu's state */
    bool fpu_initialised;
    uint64_t fs_base, gs_base, gs_base_other; /* gs_base_other: the inactive one (swapgs) */
    uint64_t tsc_offset;            /* of its TSC to the machine's; PV: 0 */
    uint32_t tsc_aux;               /* what rdtscp and rdpid give besides the time */
    uint64_t cr3;                   /* value to load (machine address of the L4, plus flags) */
    struct pv_shadow *shadow;       /* tables walked in place of the guest's; NULL none; changed while paused */
    void (*enter)(void);            /* how this vcpu goes on from the scheduler: never returns */
};

/* x86: xsave area allocation (size of all features the machine enables).  0, -ENOMEM. */
int arch_vcpu_init(struct vcpu *v);
void arch_vcpu_destroy(struct vcpu *v);
/* Features of XSAVE the machine enables (0 without XSAVE); size of the area for those in xcr0, standard format. */
#define XCR0_X87    0x1UL
#define XCR0_SSE    0x2UL
#define XCR0_AVX    0x4UL
#define XCR0_AVX512 0xe0UL
extern uint64_t xsave_features;
/* May this be loaded into XCR0?  Anything else is refused by the CPU. */
bool xcr0_valid(uint64_t value);
unsigned xsave_size_of(uint64_t xcr0);

/*
 * Leaves prev and continues next; called by the scheduler on this CPU with interrupts off, after choosing.  Does not return
 * to its caller: ends in next->arch.enter() on an empty stack.  prev->is_running is cleared (via sched_switched)
 * once prev's state is saved.
 */
_Noreturn void arch_context_switch(struct vcpu *prev, struct vcpu *next);
/* Upward, implemented by sched/: prev's registers are saved and nothing refers to its tables here any more. */
void sched_switched(struct vcpu *prev);
/* prev stays: goes on with it.  Does not return. */
_Noreturn void arch_continue_running(struct vcpu *same);
