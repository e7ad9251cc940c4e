// SPDX-License-Identifier: BSD-2-Clause
/*
 * The state of a vcpu as others give it: the toolstack by the public record (struct hvm_hw_cpu, xen/arch-x86/hvm/save.h), a
 * sibling by VCPUOP_initialise (struct vcpu_hvm_context, xen/hvm/hvm_vcpu.h).  Everything VMRUN would refuse is refused here
 * (AMD64 APM volume 2, 15.5.1), so that an entry cannot fail by what somebody wrote.
 */
#include "guest/hvm/internal.h"
#include "guest/pv.h"
#include "lib/string.h"
#include <xen/hvm/hvm_vcpu.h>

#define ATTRIBUTE_LONG 0x200u
#define ATTRIBUTE_BIG 0x400u
#define ATTRIBUTES_CODE64 0xa9bu
#define ATTRIBUTES_DATA32 0xc93u
#define RFLAGS_KNOWN                                                                                             \
    (RFLAGS_CF | RFLAGS_MBS | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_TF | RFLAGS_IF | RFLAGS_DF |      \
     RFLAGS_OF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM | RFLAGS_AC | RFLAGS_VIF | RFLAGS_VIP | RFLAGS_ID)
#define TSC_TOGETHER 3000000000UL /* vcpus whose records are this many cycles apart were saved together */

/* Registers that have one name in struct cpu_user_regs, struct hvm_hw_cpu and struct vcpu_hvm_x86_64, */
#define GENERAL_REGISTERS(F)                                                                                           \
    F(rax) F(rbx) F(rcx) F(rdx) F(rbp) F(rsi) F(rdi) F(rsp) F(r8) F(r9) F(r10) F(r11) F(r12) F(r13) F(r14) F(r15)      \
    F(rip) F(rflags)
#define LOW_REGISTERS(F) F(ax) F(cx) F(dx) F(bx) F(sp) F(bp) F(si) F(di) F(ip) F(flags) /* less their r or e, */
#define SEGMENTS_32(F) F(cs) F(ds) F(ss) F(es) F(tr)
#define SELECTORS(F) F(cs) F(ss) F(ds) F(es) F(fs) F(gs)
#define DEBUG_REGISTERS(F) F(0) F(1) F(2) F(3)                                          /* and those of addresses. */

/* ---- reading ---- */

void hvm_cpu_get(struct vcpu *v, struct hvm_hw_cpu *cpu)
{
    const struct cpu_user_regs *r = hvm_regs(v);
    const struct hvm_vcpu *h = v->hvm;

    memset(cpu, 0, sizeof(*cpu));
    hvm_vendor->state_get(v, cpu);
#define GET_GENERAL(name) cpu->name = r->name;
#define GET_DEBUG(n) cpu->dr##n = h->debug[n];
    GENERAL_REGISTERS(GET_GENERAL)
    DEBUG_REGISTERS(GET_DEBUG)
    if (v->arch.xsave_area) {
        memcpy(cpu->fpu_regs, v->arch.xsave_area, sizeof(cpu->fpu_regs));
        cpu->flags = XEN_X86_FPU_INITIALISED;
    }
    cpu->cr0 = h->cr0;
    cpu->cr4 = h->cr4;
    cpu->msr_efer = h->efer;
    cpu->msr_tsc_aux = v->arch.tsc_aux;
    cpu->tsc = hvm_tsc(v);
    if (h->inject.pending) {
        cpu->pending_valid = 1;
        cpu->pending_vector = h->inject.vector;
        cpu->pending_type = h->inject.type & 7;
        cpu->pending_error_valid = h->inject.has_error_code;
        cpu->error_code = h->inject.error_code;
    }
}

/* ---- checks ---- */

static bool addresses_ok(const struct hvm_hw_cpu *c)
{
    const uint64_t a[] = {c->fs_base, c->gs_base, c->shadow_gs, c->tr_base, c->ldtr_base, c->gdtr_base, c->idtr_base,
        c->msr_lstar, c->msr_cstar, c->sysenter_esp, c->sysenter_eip};

    for (unsigned i = 0; i < ARRAY_SIZE(a); i++)
        if (!address_canonical(a[i]))
            return false;
    return !(c->cs_base >> 32 | c->ds_base >> 32 | c->es_base >> 32 | c->ss_base >> 32);
}

static bool mode_ok(const struct hvm_hw_cpu *c)
{
    bool long_mode = c->msr_efer & EFER_LMA;

    if (long_mode && (c->rflags & RFLAGS_VM))
        return false;
    if (!long_mode)
        return !(c->rip >> 32) && !(c->cr3 >> 32);
    if ((c->cs_arbytes & ATTRIBUTE_LONG) && (c->cs_arbytes & ATTRIBUTE_BIG))
        return false;
    if (c->cr3 & 0x7fffffffffffffffUL & ~((1UL << cpu_model.physical_bits) - 1))
        return false;
    return c->cs_arbytes & ATTRIBUTE_LONG ? address_canonical(c->rip) : !(c->rip >> 32);
}

static bool pending_ok(const struct hvm_hw_cpu *c)
{
    const bool is_nmi = c->pending_vector == VECTOR_NMI;

    return !c->pending_valid || (c->pending_type == 0 && c->pending_vector >= 16) || (c->pending_type == 2 && is_nmi) ||
           (c->pending_type == 3 && c->pending_vector < 32 && !is_nmi);
}

static bool state_ok(struct vcpu *v, const struct hvm_hw_cpu *c)
{
    if (!hvm_controls_valid(v, c->cr0 | CR0_ET, c->cr4, c->msr_efer))
        return false;
    if ((c->rflags & ~(uint64_t)RFLAGS_KNOWN) || c->dr6 >> 32 || c->dr7 >> 32 || c->msr_tsc_aux >> 32)
        return false;
    return addresses_ok(c) && mode_ok(c) && pending_ok(c);
}

/* ---- setting ---- */

void hvm_state_apply(struct vcpu *v, const struct hvm_hw_cpu *cpu)
{
    struct cpu_user_regs *r = hvm_regs(v);
    struct hvm_vcpu *h = v->hvm;

    *r = (struct cpu_user_regs){.cs = (uint16_t)cpu->cs_sel, .ss = (uint16_t)cpu->ss_sel};
#define SET_GENERAL(name) r->name = cpu->name;
#define SET_DEBUG(n) h->debug[n] = cpu->dr##n;
    GENERAL_REGISTERS(SET_GENERAL)
    DEBUG_REGISTERS(SET_DEBUG)
    r->rflags |= RFLAGS_MBS;
    h->cr0 = cpu->cr0 | CR0_ET;
    h->cr3 = cpu->cr3;
    h->cr4 = cpu->cr4;
    h->efer = cpu->msr_efer;
    h->debug_loaded = false;
    h->flush_nested = true;
    v->arch.tsc_aux = (uint32_t)cpu->msr_tsc_aux;
    hvm_vendor->state_set(v, cpu);
}

/*
 * A counter of 0 is a new guest's: it has the machine's own.  Vcpus that were saved one after the other get one offset, that of the
 * first.
 */
static void set_tsc(struct vcpu *v, uint64_t tsc)
{
    struct vcpu *first = domain_vcpu(v->domain, 0);
    uint64_t offset = tsc ? tsc - hvm_tsc_base(v) : 0;

    if (first && first != v && first->hvm && tsc && offset - first->arch.tsc_offset + TSC_TOGETHER < 2 * TSC_TOGETHER)
        offset = first->arch.tsc_offset;
    hvm_tsc_offset_set(v, offset);
}

int hvm_cpu_set(struct vcpu *v, const struct hvm_hw_cpu *cpu)
{
    if (!state_ok(v, cpu))
        return -EINVAL;
    hvm_state_apply(v, cpu);
    if (cpu->flags & XEN_X86_FPU_INITIALISED)
        guest_legacy_load(v, cpu->fpu_regs);
    set_tsc(v, cpu->tsc);
    v->hvm->inject = (struct hvm_injection){.pending = cpu->pending_valid, .vector = cpu->pending_vector,
        .type = cpu->pending_type, .has_error_code = cpu->pending_error_valid, .error_code = cpu->error_code,
        .address = cpu->cr2};
    v->hvm->nmi_blocked = false;
    __atomic_store_n(&v->hvm->boot, 0, __ATOMIC_SEQ_CST);
    v->is_initialised = true;
    __atomic_fetch_and(&v->pause_flags, ~VCPU_DOWN, __ATOMIC_SEQ_CST);
    vcpu_wake(v);
    return 0;
}

/* ---- VCPUOP_initialise ---- */

static void from_32(const struct vcpu_hvm_x86_32 *r, struct hvm_hw_cpu *c)
{
#define FROM_32(name) c->r##name = r->e##name;
#define SEGMENT_FROM_32(name)                                                                                          \
    c->name##_base = r->name##_base, c->name##_limit = r->name##_limit, c->name##_arbytes = r->name##_ar & 0xfff;
    LOW_REGISTERS(FROM_32)
    SEGMENTS_32(SEGMENT_FROM_32)
    c->cr0 = r->cr0;
    c->cr3 = r->cr3;
    c->cr4 = r->cr4;
    c->msr_efer = r->efer;
}

static void from_64(const struct vcpu_hvm_x86_64 *r, struct hvm_hw_cpu *c)
{
#define FROM_64(name) c->r##name = r->r##name;
    LOW_REGISTERS(FROM_64)
    c->cr0 = r->cr0;
    c->cr3 = r->cr3;
    c->cr4 = r->cr4;
    c->msr_efer = r->efer;
    c->cs_limit = c->ds_limit = c->ss_limit = c->es_limit = 0xffffffff;
    c->cs_arbytes = ATTRIBUTES_CODE64;
    c->ds_arbytes = c->ss_arbytes = c->es_arbytes = ATTRIBUTES_DATA32;
    c->tr_limit = 0x67;
    c->tr_arbytes = ATTRIBUTES_TSS;
}

static bool descriptor_ok(uint32_t attributes, uint32_t limit)
{
    if (!(attributes & 0x80) || !(attributes & 0x10)) /* present; code or data */
        return false;
    return attributes & 0x800 ? (limit & 0xfff) == 0xfff : !(limit >> 20);
}

/* Of 32-bit mode: what a descriptor could have loaded. */
static bool segments_ok(const struct hvm_hw_cpu *c)
{
    if (!descriptor_ok(c->cs_arbytes, c->cs_limit) || !(c->cs_arbytes & 8))
        return false;
    if (!descriptor_ok(c->ss_arbytes, c->ss_limit) || (c->ss_arbytes & 8) || (c->cs_arbytes ^ c->ss_arbytes) & 0x60)
        return false;
    if (((c->ds_arbytes & 0x80) && !descriptor_ok(c->ds_arbytes, c->ds_limit)) ||
        ((c->es_arbytes & 0x80) && !descriptor_ok(c->es_arbytes, c->es_limit)))
        return false;
    return (c->tr_arbytes & 0x9f) == ATTRIBUTES_TSS || (c->tr_arbytes & 0x9f) == 0x83;
}

int hvm_context_set(struct vcpu *v, const struct vcpu_hvm_context *context)
{
    struct hvm_hw_cpu c = {.dr6 = DR6_DEFAULT, .dr7 = DR7_DEFAULT, .ldtr_arbytes = ATTRIBUTES_LDT};

    if (context->pad)
        return -EINVAL;
    if (context->mode == VCPU_HVM_MODE_32B)
        from_32(&context->cpu_regs.x86_32, &c);
    else if (context->mode == VCPU_HVM_MODE_64B)
        from_64(&context->cpu_regs.x86_64, &c);
    else
        return -EINVAL;
    if (!segments_ok(&c) || !state_ok(v, &c))
        return -EINVAL;
    hvm_state_apply(v, &c);
    v->hvm->inject.pending = false;
    __atomic_store_n(&v->hvm->boot, 0, __ATOMIC_SEQ_CST);
    v->is_initialised = true;
    return 0;
}

/* ---- struct vcpu_guest_context, for core dumps and resumed checkpoints ---- */

void hvm_guest_context_get(struct vcpu *v, struct vcpu_guest_context *c)
{
    struct hvm_hw_cpu cpu;

    memset(c, 0, sizeof(*c));
    hvm_cpu_get(v, &cpu);
    memcpy(&c->fpu_ctxt, cpu.fpu_regs, min(sizeof(c->fpu_ctxt), sizeof(cpu.fpu_regs)));
    c->flags = VGCF_in_kernel | (v->arch.fpu_initialised ? VGCF_i387_valid : 0);
    c->user_regs = v->arch.user_regs;
#define SELECTOR_GET(name) c->user_regs.name = (uint16_t)cpu.name##_sel;
#define DEBUG_GET(n) c->debugreg[n] = cpu.dr##n;
    SELECTORS(SELECTOR_GET)
    DEBUG_REGISTERS(DEBUG_GET) DEBUG_GET(6) DEBUG_GET(7)
    c->fs_base = cpu.fs_base;
    c->gs_base_kernel = cpu.gs_base;
    c->gs_base_user = cpu.shadow_gs;
    c->ctrlreg[0] = cpu.cr0;
    c->ctrlreg[2] = cpu.cr2;
    c->ctrlreg[3] = cpu.cr3;
    c->ctrlreg[4] = cpu.cr4;
}

int hvm_guest_context_set(struct vcpu *v, const struct vcpu_guest_context *c)
{
    struct hvm_hw_cpu cpu;

    hvm_cpu_get(v, &cpu);
#define GENERAL_SET(name) cpu.name = c->user_regs.name;
    GENERAL_REGISTERS(GENERAL_SET)
    return hvm_cpu_set(v, &cpu);
}
