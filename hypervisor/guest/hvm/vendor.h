/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the rooms of a vendor (svm/) offer to the rest of guest/hvm: hardware state in the public form, switching it on and off,
 * and nothing that depends on what the guest did.  All of v's functions: v is current, or does not run.
 */
#pragma once

#include "guest/hvm.h"

/* How instructions of the running guest are read. */
struct hvm_code {
    uint64_t base;   /* of the code segment */
    unsigned bits;   /* 16, 32 or 64: default operand and address size */
};

struct hvm_vendor {
    const char *name;
    /* NULL: the machine can do it; otherwise what is missing, in words. */
    const char *(*missing)(void);
    int (*init)(void);     /* what all CPUs share.  0, -ENOMEM */
    int (*cpu_init)(void); /* 0, -ENOMEM, -ENODEV */
    int (*vcpu_init)(struct vcpu *v); /* sets v->arch.enter too.  0, -ENOMEM: vcpu_free takes what is in v->hvm->vendor */
    void (*vcpu_free)(struct vcpu *v);
    void (*context_load)(struct vcpu *v); /* interrupts are off */
    void (*context_save)(struct vcpu *v);
    /*
     * Segments, descriptor tables, CR2, CR3, DR6, DR7 and the model-specific registers that switch with the guest:
     * to and from the public record.  Values were checked (state.c).
     */
    void (*state_get)(struct vcpu *v, struct hvm_hw_cpu *cpu);
    void (*state_set)(struct vcpu *v, const struct hvm_hw_cpu *cpu);
    /* cr0, cr4, efer or pat of struct hvm_vcpu, or the TSC's offset, changed. */
    void (*controls_set)(struct vcpu *v);
    struct hvm_code (*code)(const struct vcpu *v);
    uint64_t (*next_rip)(const struct vcpu *v); /* behind the instruction it exited on; 0 where the CPU does not say */
    uint64_t (*segment_base)(const struct vcpu *v, unsigned segment); /* 0 es, 1 cs, 2 ss, 3 ds, 4 fs, 5 gs */
    /* The instruction the running vcpu exited on is done: no interrupt shadow any more. */
    void (*shadow_clear)(struct vcpu *v);
};

extern const struct hvm_vendor svm_vendor;
/* The one of this machine; NULL until hvm_init found one. */
extern const struct hvm_vendor *hvm_vendor;
