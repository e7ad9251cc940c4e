// SPDX-License-Identifier: BSD-2-Clause
/*
 * The state of a vcpu as others give it: the toolstack by the public record (struct hvm_hw_cpu, xen/arch-x86/hvm/save.h), a
 * sibling by VCPUOP_initialise (struct vcpu_hvm_context, xen/hvm/hvm_vcpu.h).  Everything VMRUN would refuse is refused here
 * (AMD64 APM volume 2, 15.5.1), so that an entry cannot fail by what somebody wrote.
 */
#include "arch/x86/fpu.h"
#include "guest/hvm/internal.h"
#include "lib/string.h"
#include <xen/hvm/hvm_vcpu.h>

#define XSAVE_HEADER_OFFSET 512
#define XSTATE_X87_SSE 3UL
#define ATTRIBUTE_LONG 0x200u
#define ATTRIBUTE_BIG 0x400u
#define ATTRIBUTES_CODE64 0xa9bu
#define ATTRIBUTES_DATA32 0xc93u
#define ATTRIBUTES_LDT 0x82u
#define ATTRIBUTES_TSS 0x8bu
#define RFLAGS_KNOWN                                                                                             \
    (RFLAGS_CF | RFLAGS_MBS | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_TF | RFLAGS_IF | RFLAGS_DF |      \
     RFLAGS_OF | RFLAGS_IOPL | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM | RFLAGS_AC | RFLAGS_VIF | RFLAGS_VIP | RFLAGS_ID)
#define TSC_TOGETHER 3000000000UL /* vcpus whose records are this many cycles apart were saved together */

/* ---- reading ---- */

static void get_general(const struct cpu_user_regs *r, struct hvm_hw_cpu *cpu)
{
    cpu->rax = r->rax;
    cpu->rbx = r->rbx;
    cpu->rcx = r->rcx;
    cpu->rdx = r->rdx;
    cpu->rbp = r->rbp;
    cpu->rsi = r->rsi;
    cpu->rdi = r->rdi;
    cpu->rsp = r->rsp;
    cpu->r8 = r->r8;
    cpu->r9 = r->r9;
    cpu->r10 = r->r10;
    cpu->r11 = r->r11;
    cpu->r12 = r->r12;
    cpu->r13 = r->r13;
    cpu->r14 = r->r14;
    cpu->r15 = r->r15;
    cpu->rip = r->rip;
    cpu->rflags = r->rflags;
}

void hvm_cpu_get(struct vcpu *v, struct hvm_hw_cpu *cpu)
{
    const struct hvm_vcpu *h = v->hvm;

    memset(cpu, 0, sizeof(*cpu));
    hvm_vendor->state_get(v, cpu);
    get_general(hvm_regs(v), cpu);
    if (v->arch.xsave_area) {
        memcpy(cpu->fpu_regs, v->arch.xsave_area, sizeof(cpu->fpu_regs));
        cpu->flags = XEN_X86_FPU_INITIALISED;
    }
    cpu->cr0 = h->cr0;
    cpu->cr4 = h->cr4;
    cpu->msr_efer = h->efer;
    cpu->dr0 = h->debug[0];
    cpu->dr1 = h->debug[1];
    cpu->dr2 = h->debug[2];
    cpu->dr3 = h->debug[3];
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
    if (!c->pending_valid)
        return true;
    switch (c->pending_type) {
    case 0:
        return c->pending_vector >= 16;
    case 2:
        return c->pending_vector == VECTOR_NMI;
    case 3:
        return c->pending_vector < 32 && c->pending_vector != VECTOR_NMI;
    default:
        return false;
    }
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

static void set_general(struct cpu_user_regs *r, const struct hvm_hw_cpu *cpu)
{
    *r = (struct cpu_user_regs){
        .rax = cpu->rax, .rbx = cpu->rbx, .rcx = cpu->rcx, .rdx = cpu->rdx, .rbp = cpu->rbp, .rsi = cpu->rsi,
        .rdi = cpu->rdi, .rsp = cpu->rsp, .r8 = cpu->r8, .r9 = cpu->r9, .r10 = cpu->r10, .r11 = cpu->r11,
        .r12 = cpu->r12, .r13 = cpu->r13, .r14 = cpu->r14, .r15 = cpu->r15, .rip = cpu->rip,
        .rflags = cpu->rflags | RFLAGS_MBS, .cs = (uint16_t)cpu->cs_sel, .ss = (uint16_t)cpu->ss_sel,
    };
}

void hvm_state_apply(struct vcpu *v, const struct hvm_hw_cpu *cpu)
{
    struct hvm_vcpu *h = v->hvm;

    set_general(hvm_regs(v), cpu);
    h->cr0 = cpu->cr0 | CR0_ET;
    h->cr3 = cpu->cr3;
    h->cr4 = cpu->cr4;
    h->efer = cpu->msr_efer;
    h->debug[0] = cpu->dr0;
    h->debug[1] = cpu->dr1;
    h->debug[2] = cpu->dr2;
    h->debug[3] = cpu->dr3;
    h->debug_loaded = false;
    h->flush_nested = true;
    v->arch.tsc_aux = (uint32_t)cpu->msr_tsc_aux;
    hvm_vendor->state_set(v, cpu);
}

static void set_vector_state(struct vcpu *v, const struct hvm_hw_cpu *cpu)
{
    uint64_t *header = (uint64_t *)((char *)v->arch.xsave_area + XSAVE_HEADER_OFFSET);

    if (!(cpu->flags & XEN_X86_FPU_INITIALISED))
        return;
    memcpy(v->arch.xsave_area, cpu->fpu_regs, sizeof(cpu->fpu_regs));
    if (xsave_features) {
        header[0] = XSTATE_X87_SSE;
        header[1] = 0;
    }
}

/*
 * A counter of 0 is a new guest's: it has the machine's own.  Vcpus that were saved one after the other get one offset, that of the
 * first.
 */
static void set_tsc(struct vcpu *v, uint64_t tsc)
{
    struct vcpu *first = domain_vcpu(v->domain, 0);
    uint64_t offset = tsc ? tsc - hvm_tsc_base(v) : 0;

    if (first && first != v && first->hvm && tsc &&
        offset - first->arch.tsc_offset + TSC_TOGETHER < 2 * TSC_TOGETHER)
        offset = first->arch.tsc_offset;
    hvm_tsc_offset_set(v, offset);
}

int hvm_cpu_set(struct vcpu *v, const struct hvm_hw_cpu *cpu)
{
    if (!state_ok(v, cpu))
        return -EINVAL;
    hvm_state_apply(v, cpu);
    set_vector_state(v, cpu);
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
    c->rax = r->eax;
    c->rcx = r->ecx;
    c->rdx = r->edx;
    c->rbx = r->ebx;
    c->rsp = r->esp;
    c->rbp = r->ebp;
    c->rsi = r->esi;
    c->rdi = r->edi;
    c->rip = r->eip;
    c->rflags = r->eflags;
    c->cr0 = r->cr0;
    c->cr3 = r->cr3;
    c->cr4 = r->cr4;
    c->msr_efer = r->efer;
    c->cs_base = r->cs_base;
    c->ds_base = r->ds_base;
    c->ss_base = r->ss_base;
    c->es_base = r->es_base;
    c->tr_base = r->tr_base;
    c->cs_limit = r->cs_limit;
    c->ds_limit = r->ds_limit;
    c->ss_limit = r->ss_limit;
    c->es_limit = r->es_limit;
    c->tr_limit = r->tr_limit;
    c->cs_arbytes = r->cs_ar & 0xfff;
    c->ds_arbytes = r->ds_ar & 0xfff;
    c->ss_arbytes = r->ss_ar & 0xfff;
    c->es_arbytes = r->es_ar & 0xfff;
    c->tr_arbytes = r->tr_ar & 0xfff;
}

static void from_64(const struct vcpu_hvm_x86_64 *r, struct hvm_hw_cpu *c)
{
    c->rax = r->rax;
    c->rcx = r->rcx;
    c->rdx = r->rdx;
    c->rbx = r->rbx;
    c->rsp = r->rsp;
    c->rbp = r->rbp;
    c->rsi = r->rsi;
    c->rdi = r->rdi;
    c->rip = r->rip;
    c->rflags = r->rflags;
    c->cr0 = r->cr0;
    c->cr3 = r->cr3;
    c->cr4 = r->cr4;
    c->msr_efer = r->efer;
    c->cs_limit = c->ds_limit = c->ss_limit = c->es_limit = c->tr_limit = 0xffffffff;
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
