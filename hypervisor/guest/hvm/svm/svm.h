/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of guest/hvm/svm share. */
#pragma once

#include "guest/hvm/internal.h"
#include "guest/hvm/svm/vmcb.h"

/* Of one vcpu: struct hvm_vcpu, vendor. */
struct svm_vcpu {
    struct vmcb *vmcb;
    uint64_t vmcb_maddr;
    uint64_t asid_generation; /* of the CPU it ran on last */
    unsigned asid_cpu;
};

/* The machine is QEMU's TCG: docs/design/hvm.md says what has to be seen to there. */
extern bool svm_by_tcg;
/* What VMSAVE and VMLOAD keep for the hypervisor on this CPU. */
PER_CPU_DECLARE(uint64_t, svm_host_state);

static inline struct svm_vcpu *svm_of(const struct vcpu *v) { return v->hvm->vendor; }
static inline struct vmcb *vmcb_of(const struct vcpu *v) { return svm_of(v)->vmcb; }

/* No exit any more when the guest could be interrupted. */
static inline void svm_window_close(struct vmcb *b)
{
    b->virtual_interrupt &= ~VINTR_IRQ;
    b->intercept1 &= ~INTERCEPT_VINTR;
}

static inline void svm_vmsave(uint64_t maddr) { __asm__ volatile("vmsave %0" ::"a"(maddr) : "memory"); }

/* asid.c */
void svm_asid_cpu_init(unsigned count);
/* v runs on this CPU next: gives it translations of its own, none of them stale.  Interrupts are off. */
void svm_asid_prepare(struct vcpu *v);

/* state.c */
void svm_state_get(struct vcpu *v, struct hvm_hw_cpu *cpu);
void svm_state_set(struct vcpu *v, const struct hvm_hw_cpu *cpu);
void svm_controls_set(struct vcpu *v);
void svm_debug_intercept(struct vmcb *b, bool on);

/* exit.c, prepare.c: from entry.S */
void svm_exit(struct cpu_user_regs *regs);
uint64_t svm_prepare_entry(struct vcpu *v);
/* entry.S: struct arch_vcpu, enter */
void svm_enter_guest(void);
