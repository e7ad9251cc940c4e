// SPDX-License-Identifier: BSD-2-Clause
/*
 * Between the VMCB and the public record of a CPU's state (struct hvm_hw_cpu, xen/arch-x86/hvm/save.h).  Attributes of segments are the
 * same in both: bits 0 to 7 and 12 to 15 of the second half of a descriptor's upper word, put together.
 */
#include "guest/hvm/svm/svm.h"

/* What both have: the record's name, the VMCB's. */
#define SEGMENTS(F) F(es) F(cs) F(ss) F(ds) F(fs) F(gs) F(tr) F(ldtr)
#define REGISTERS(F)                                                                                             \
    F(gdtr_limit, gdtr.limit) F(gdtr_base, gdtr.base) F(idtr_limit, idtr.limit) F(idtr_base, idtr.base)          \
    F(cr2, cr2) F(cr3, cr3) F(dr6, dr6) F(dr7, dr7)                                                              \
    F(sysenter_cs, sysenter_cs) F(sysenter_esp, sysenter_esp) F(sysenter_eip, sysenter_eip)                      \
    F(shadow_gs, kernel_gs_base) F(msr_star, star) F(msr_lstar, lstar) F(msr_cstar, cstar)                       \
    F(msr_syscall_mask, sfmask)

#define SEGMENT_GET(name)                                                                                        \
    cpu->name##_sel = b->name.selector, cpu->name##_arbytes = b->name.attributes, cpu->name##_limit = b->name.limit, \
    cpu->name##_base = b->name.base;
#define SEGMENT_SET(name)                                                                                        \
    b->name = (struct vmcb_segment){(uint16_t)cpu->name##_sel, (uint16_t)(cpu->name##_arbytes & 0xfff),          \
                                    cpu->name##_limit, cpu->name##_base};
#define REGISTER_GET(record, field) cpu->record = b->field;
#define REGISTER_SET(record, field) b->field = cpu->record;

void svm_state_get(struct vcpu *v, struct hvm_hw_cpu *cpu)
{
    const struct vmcb *b = vmcb_of(v);

    SEGMENTS(SEGMENT_GET)
    REGISTERS(REGISTER_GET)
}

void svm_state_set(struct vcpu *v, const struct hvm_hw_cpu *cpu)
{
    struct vmcb *b = vmcb_of(v);

    SEGMENTS(SEGMENT_SET)
    REGISTERS(REGISTER_SET)
    b->cpl = b->ss.attributes >> 5 & 3;
    b->interrupt_shadow = 0;
    b->virtual_interrupt = VINTR_MASKING;
    b->intercept1 &= ~(INTERCEPT_VINTR | INTERCEPT_IRET);
    v->hvm->cpl = b->cpl;
    svm_controls_set(v);
}

/*
 * CR0.CD would slow down memory the guest shares with nobody but us: the CPU does not see it, and the guest's reads
 * of CR0 exit while it is set.
 */
void svm_controls_set(struct vcpu *v)
{
    const struct hvm_vcpu *h = v->hvm;
    struct vmcb *b = vmcb_of(v);

    b->cr0 = (h->cr0 & ~(uint64_t)(CR0_CD | CR0_NW)) | CR0_ET;
    b->intercept_cr_read = h->cr0 & (CR0_CD | CR0_NW) ? 1u << 0 : 0;
    b->cr4 = h->cr4;
    b->efer = h->efer | EFER_SVME;
    b->g_pat = h->pat;
    b->tsc_offset = v->arch.tsc_offset;
}

void svm_debug_intercept(struct vmcb *b, bool on)
{
    b->intercept_dr_read = b->intercept_dr_write = on ? 0xffff : 0;
}
