// SPDX-License-Identifier: BSD-2-Clause
/*
 * Between the VMCB and the public record of a CPU's state (struct hvm_hw_cpu, xen/arch-x86/hvm/save.h).  Attributes of segments are the
 * same in both: bits 0 to 7 and 12 to 15 of the second half of a descriptor's upper word, put together.
 */
#include "guest/hvm/svm/svm.h"

#define SEGMENT_GET(cpu, b, name)                                                                                \
    ((cpu)->name##_sel = (b)->name.selector, (cpu)->name##_arbytes = (b)->name.attributes,                       \
     (cpu)->name##_limit = (b)->name.limit, (cpu)->name##_base = (b)->name.base)
#define SEGMENT_SET(b, cpu, name)                                                                                \
    ((b)->name = (struct vmcb_segment){(uint16_t)(cpu)->name##_sel, (uint16_t)((cpu)->name##_arbytes & 0xfff),   \
                                       (cpu)->name##_limit, (cpu)->name##_base})

void svm_state_get(struct vcpu *v, struct hvm_hw_cpu *cpu)
{
    const struct vmcb *b = vmcb_of(v);

    SEGMENT_GET(cpu, b, es);
    SEGMENT_GET(cpu, b, cs);
    SEGMENT_GET(cpu, b, ss);
    SEGMENT_GET(cpu, b, ds);
    SEGMENT_GET(cpu, b, fs);
    SEGMENT_GET(cpu, b, gs);
    SEGMENT_GET(cpu, b, tr);
    SEGMENT_GET(cpu, b, ldtr);
    cpu->gdtr_limit = b->gdtr.limit;
    cpu->gdtr_base = b->gdtr.base;
    cpu->idtr_limit = b->idtr.limit;
    cpu->idtr_base = b->idtr.base;
    cpu->cr2 = b->cr2;
    cpu->cr3 = b->cr3;
    cpu->dr6 = b->dr6;
    cpu->dr7 = b->dr7;
    cpu->sysenter_cs = b->sysenter_cs;
    cpu->sysenter_esp = b->sysenter_esp;
    cpu->sysenter_eip = b->sysenter_eip;
    cpu->shadow_gs = b->kernel_gs_base;
    cpu->msr_star = b->star;
    cpu->msr_lstar = b->lstar;
    cpu->msr_cstar = b->cstar;
    cpu->msr_syscall_mask = b->sfmask;
}

void svm_state_set(struct vcpu *v, const struct hvm_hw_cpu *cpu)
{
    struct vmcb *b = vmcb_of(v);

    SEGMENT_SET(b, cpu, es);
    SEGMENT_SET(b, cpu, cs);
    SEGMENT_SET(b, cpu, ss);
    SEGMENT_SET(b, cpu, ds);
    SEGMENT_SET(b, cpu, fs);
    SEGMENT_SET(b, cpu, gs);
    SEGMENT_SET(b, cpu, tr);
    SEGMENT_SET(b, cpu, ldtr);
    b->gdtr.limit = cpu->gdtr_limit;
    b->gdtr.base = cpu->gdtr_base;
    b->idtr.limit = cpu->idtr_limit;
    b->idtr.base = cpu->idtr_base;
    b->cpl = b->ss.attributes >> 5 & 3;
    b->cr2 = cpu->cr2;
    b->cr3 = cpu->cr3;
    b->dr6 = cpu->dr6;
    b->dr7 = cpu->dr7;
    b->sysenter_cs = cpu->sysenter_cs;
    b->sysenter_esp = cpu->sysenter_esp;
    b->sysenter_eip = cpu->sysenter_eip;
    b->kernel_gs_base = cpu->shadow_gs;
    b->star = cpu->msr_star;
    b->lstar = cpu->msr_lstar;
    b->cstar = cpu->msr_cstar;
    b->sfmask = cpu->msr_syscall_mask;
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
