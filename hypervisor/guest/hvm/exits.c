// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a guest did, handled for every vendor.  Interrupts are on and the CPU is on idle_l4; registers are in guest_regs.  A handler ends with the instruction
 * skipped, with an exception to inject, or with neither: then the guest executes the same instruction again.
 */
#include "arch/x86/fpu.h"
#include "domain/preempt.h"
#include "guest/hvm/internal.h"
#include "guest/hvm/lapic.h"
#include "guest/policy.h"
#include "guest/pv/decode.h"

#define HYPERCALL_LENGTH 3 /* vmmcall, vmcall */
#define STRING_CHUNK 256 /* elements of a repeated string instruction done before looking for other work */

/* ---- common ---- */

static ALWAYS_INLINE void skip(struct vcpu *v, struct cpu_user_regs *regs, unsigned length, unsigned bits)
{
    regs->rip += length;
    if (bits != 64)
        regs->rip = (uint32_t)regs->rip;
    regs->rflags &= ~(uint64_t)RFLAGS_RF;
    hvm_vendor->shadow_clear(v);
    if (unlikely(regs->rflags & RFLAGS_TF))
        hvm_inject_debug(DR6_BS);
}

void hvm_skip(struct vcpu *v, struct cpu_user_regs *regs, unsigned length)
{
    skip(v, regs, length, hvm_vendor->code(v).bits);
}

/*
 * The exit says which instruction it was, so what is looked up, where the CPU does not say, is only how many prefixes it has, nearly
 * always none.  Nothing is remembered of it: the next process of the guest may have others at the same address, under the same cr3.
 */
static __attribute__((noinline)) unsigned opcode_length(struct vcpu *v, const struct cpu_user_regs *regs, unsigned bits,
                                                        unsigned opcode)
{
    uint8_t code[MAX_INSTRUCTION];
    struct hvm_fault fault;
    uint16_t first;
    unsigned have;

    if (likely(bits == 64 && opcode > 0xff && !hvm_copy(regs->rip, &first, sizeof(first), hvm_fetch_access(v), &fault)) &&
        likely(__builtin_bswap16(first) == opcode))
        return sizeof(first);
    have = hvm_fetch(v, regs, code);
    return have ? decode_opcode_length(code, have, bits, opcode) : 0;
}

/* Goes on behind the instruction.  False: it has changed since it was executed, and what is there now is, or a fault was injected. */
bool hvm_skip_opcode(struct vcpu *v, struct cpu_user_regs *regs, unsigned opcode)
{
    unsigned bits = hvm_vendor->code(v).bits;
    uint64_t next = hvm_vendor->next_rip(v);
    unsigned length = next ? (unsigned)(next - regs->rip) : opcode_length(v, regs, bits, opcode);

    if (length)
        skip(v, regs, length, bits);
    return length;
}

static void general_protection(void) { hvm_inject_exception(VECTOR_GP, true, 0); }

/* ---- the end of a guest ---- */

static void dump(struct vcpu *v)
{
    const struct cpu_user_regs *r = hvm_regs(v);
    struct hvm_hw_cpu cpu = {0};
    struct hvm_fault fault;
    uint8_t c[8];

    hvm_vendor->state_get(v, &cpu);
    cpu_info()->guest_regs.cs = (uint16_t)cpu.cs_sel;
    cpu_info()->guest_regs.ss = (uint16_t)cpu.ss_sel;
    log_vcpu(LOG_ERROR, v, "cr0 %08lx cr2 %016lx cr3 %016lx cr4 %08lx efer %04lx cpl %u\n", v->hvm->cr0, cpu.cr2,
             cpu.cr3, v->hvm->cr4, v->hvm->efer, v->hvm->cpl);
    log_vcpu(LOG_ERROR, v, "cs %04x base %08lx limit %08x attributes %04x; ss %04x %08lx %08x %04x\n", cpu.cs_sel, cpu.cs_base,
             cpu.cs_limit, cpu.cs_arbytes, cpu.ss_sel, cpu.ss_base, cpu.ss_limit, cpu.ss_arbytes);
    log_vcpu(LOG_ERROR, v, "gdt %016lx %04x idt %016lx %04x tr %04x fs %016lx gs %016lx\n", cpu.gdtr_base, cpu.gdtr_limit,
             cpu.idtr_base, cpu.idtr_limit, cpu.tr_sel, cpu.fs_base, cpu.gs_base);
    if (!hvm_copy(hvm_vendor->code(v).base + r->rip, c, sizeof(c), HVM_ACCESS_FETCH, &fault))
        log_vcpu(LOG_ERROR, v, "code %02x %02x %02x %02x %02x %02x %02x %02x\n", c[0], c[1], c[2], c[3], c[4], c[5],
                 c[6], c[7]);
}

void hvm_crash(struct vcpu *v, const char *why, uint64_t number)
{
    dump(v);
    domain_crash(v->domain, "d%uv%u: %s %#lx\n", v->domain->id, v->id, why, number);
}

void hvm_exit_shutdown(struct vcpu *v)
{
    log_vcpu(LOG_ERROR, v, "triple fault\n");
    dump(v);
    domain_shutdown(v->domain, (uint8_t)v->domain->hvm->params[HVM_PARAM_TRIPLE_FAULT_REASON]);
}

/* ---- instructions ---- */

void hvm_exit_hypercall(struct vcpu *v, struct cpu_user_regs *regs)
{
    if (unlikely(v->hvm->cpl)) {
        regs->rax = (uint64_t)-EPERM;
        hvm_skip(v, regs, HYPERCALL_LENGTH);
        return;
    }
    regs->rip += HYPERCALL_LENGTH;
    if (likely(hvm_vendor->code(v).bits == 64)) {
        hypercall_dispatch(regs);
    } else {
        hypercall_dispatch_32(regs);
        regs->rip = (uint32_t)regs->rip;
    }
    hvm_vendor->shadow_clear(v);
}

void hvm_exit_cpuid(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint32_t out[4], leaf = (uint32_t)regs->rax, subleaf = (uint32_t)regs->rcx;

    if (!hvm_skip_opcode(v, regs, 0x0fa2))
        return;
    cpu_policy_cpuid(v, leaf, subleaf, out);
    regs->rax = out[0];
    regs->rbx = out[1];
    regs->rcx = out[2];
    regs->rdx = out[3];
}

void hvm_exit_msr(struct vcpu *v, struct cpu_user_regs *regs, bool write)
{
    uint64_t value = (uint32_t)regs->rax | regs->rdx << 32;
    uint32_t msr = (uint32_t)regs->rcx;

    if (write ? hvm_msr_write(v, msr, value) : hvm_msr_read(v, msr, &value)) {
        general_protection();
        return;
    }
    if (!hvm_skip_opcode(v, regs, write ? 0x0f30 : 0x0f32) || write)
        return;
    regs->rax = (uint32_t)value;
    regs->rdx = value >> 32;
}

/* As sched_op's block: the mark comes before the look. */
void hvm_exit_hlt(struct vcpu *v, struct cpu_user_regs *regs)
{
    if (!hvm_skip_opcode(v, regs, 0xf4) || hvm_event_pending(v))
        return;
    if (!(regs->rflags & RFLAGS_IF) && !v->nmi_pending) { /* only INIT or an NMI would end this */
        vcpu_take_down(v);
        return;
    }
    __atomic_fetch_or(&v->pause_flags, VCPU_BLOCKED, __ATOMIC_SEQ_CST);
    if (hvm_event_pending(v))
        __atomic_fetch_and(&v->pause_flags, ~VCPU_BLOCKED, __ATOMIC_SEQ_CST);
    else
        softirq_raise(SOFTIRQ_SCHEDULE);
}

/*
 * An interrupt of the machine's came between STI and the instruction that STI holds interrupts back for.  If that one is HLT it
 * is done here: an entry has to restore the shadow, which the emulator's does not, and a guest whose interrupt comes between
 * the two sleeps over what it has just been told.
 */
void hvm_exit_in_shadow(struct vcpu *v, struct cpu_user_regs *regs)
{
    struct hvm_fault fault;
    uint8_t code;

    if (!v->hvm->cpl && !v->hvm->inject.pending &&
        !hvm_copy(hvm_vendor->code(v).base + regs->rip, &code, 1, HVM_ACCESS_FETCH, &fault) && code == 0xf4)
        hvm_exit_hlt(v, regs);
}

/* Which of the two it was is looked up: not every processor says. */
void hvm_exit_tsc(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint64_t tsc;

    if ((v->hvm->cr4 & CR4_TSD) && v->hvm->cpl) {
        general_protection();
        return;
    }
    if (!hvm_skip_opcode(v, regs, 0x0f31)) {
        if (!hvm_skip_opcode(v, regs, 0x0f01f9))
            return;
        regs->rcx = v->arch.tsc_aux;
    }
    tsc = hvm_tsc(v);
    regs->rax = (uint32_t)tsc;
    regs->rdx = tsc >> 32;
}

static uint64_t xcr0_offered(struct vcpu *v)
{
    const xen_cpuid_leaf_t *l = policy_leaf(v->domain->policy, 0xd, 0);

    return l ? (uint64_t)l->d << 32 | l->a : 0;
}

void hvm_exit_xsetbv(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint64_t value = (uint32_t)regs->rax | regs->rdx << 32;

    if ((uint32_t)regs->rcx || v->hvm->cpl || !xcr0_valid(value) || (value & ~xcr0_offered(v))) {
        general_protection();
        return;
    }
    if (!hvm_skip_opcode(v, regs, 0x0f01d1))
        return;
    irq_disable();
    fpu_save(v);
    v->arch.xcr0 = value;
    v->arch.xcr0_accum |= value;
    fpu_load(v);
    irq_enable();
}

void hvm_exit_cache(struct vcpu *v, struct cpu_user_regs *regs)
{
    if (!hvm_skip_opcode(v, regs, 0x0f09))
        hvm_skip_opcode(v, regs, 0x0f08);
}

/* ---- control registers ---- */

static int control_do(struct vcpu *v, struct cpu_user_regs *regs, const struct decoded_control *in)
{
    uint64_t *general = decode_register(regs, in->general);
    uint64_t value = hvm_vendor->code(v).bits == 64 ? *general : (uint32_t)*general;

    switch (in->kind) {
    case CONTROL_READ:
        *general = in->number == 0 ? v->hvm->cr0 : v->hvm->cr4;
        return 0;
    case CONTROL_WRITE:
        return in->number == 0 ? hvm_cr0_write(v, value) : in->number == 4 ? hvm_cr4_write(v, value) : -EPERM;
    case CONTROL_CLTS:
        return hvm_cr0_write(v, v->hvm->cr0 & ~(uint64_t)CR0_TS);
    case CONTROL_LMSW: /* cannot clear PE */
        return hvm_cr0_write(v, (v->hvm->cr0 & ~(uint64_t)(CR0_MP | CR0_EM | CR0_TS)) | (*general & 0xf));
    default:
        return -EOPNOTSUPP;
    }
}

void hvm_exit_control(struct vcpu *v, struct cpu_user_regs *regs)
{
    struct decoded_control in;
    uint8_t code[MAX_INSTRUCTION];
    unsigned have = hvm_fetch(v, regs, code);
    int rc;

    if (!have)
        return;
    rc = decode_control(code, have, hvm_vendor->code(v).bits, &in);
    if (!rc)
        rc = control_do(v, regs, &in);
    if (rc == -EOPNOTSUPP || rc == -EFAULT)
        hvm_crash(v, "a write of a control register in a form that is not known, at", regs->rip);
    else if (rc)
        general_protection();
    else
        hvm_skip(v, regs, in.length);
}

/* ---- ports: none of them leads anywhere ---- */

/* One element of ins stores ones; outs only moves on.  False: a fault was injected. */
static bool string_element(struct vcpu *v, struct cpu_user_regs *regs, const struct hvm_port_access *a, uint64_t mask)
{
    uint64_t step = regs->rflags & RFLAGS_DF ? -(uint64_t)a->size : a->size, ones = ~0UL;
    uint64_t *index = a->in ? &regs->rdi : &regs->rsi;
    struct hvm_fault fault;

    if (a->in) {
        uint64_t linear = (hvm_vendor->code(v).bits == 64 ? 0 : hvm_vendor->segment_base(v, 0)) + (*index & mask);
        unsigned access = HVM_ACCESS_WRITE | (v->hvm->cpl == 3 ? HVM_ACCESS_USER : 0);

        if (hvm_copy(linear, &ones, a->size, access, &fault) && fault.code != HVM_NO_MEMORY) {
            hvm_inject_page_fault(&fault);
            return false;
        }
    }
    add_masked(index, mask, step);
    return true;
}

static void port_string(struct vcpu *v, struct cpu_user_regs *regs, const struct hvm_port_access *a)
{
    uint64_t mask = size_mask(a->address_size);

    for (unsigned i = 0; i < STRING_CHUNK; i++) {
        if (a->repeat && !(regs->rcx & mask))
            break;
        if (!string_element(v, regs, a, mask))
            return;
        if (!a->repeat)
            break;
        add_masked(&regs->rcx, mask, ~0UL);
    }
    if (!a->repeat || !(regs->rcx & mask))
        hvm_skip(v, regs, (unsigned)(a->next_rip - regs->rip));
}

void hvm_exit_port(struct vcpu *v, struct cpu_user_regs *regs, const struct hvm_port_access *a)
{
    if (a->string) {
        port_string(v, regs, a);
        return;
    }
    if (a->in)
        regs->rax = a->size == 4 ? 0xffffffffUL : regs->rax | size_mask(a->size);
    hvm_skip(v, regs, (unsigned)(a->next_rip - regs->rip));
}

/* ---- memory ---- */

static bool is_lapic_page(const struct vcpu *v, uint64_t address)
{
    return address >> PAGE_SHIFT == APIC_BASE_ADDRESS >> PAGE_SHIFT && (v->hvm->apic_base & APIC_BASE_ENABLED) &&
           !lapic_x2apic(v);
}

void hvm_exit_nested_fault(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address, uint32_t code, bool walk)
{
    bool write = code & PF_WRITE;

    if (!is_lapic_page(v, address) &&
        physmap_fault(v->domain, GFN(address >> PAGE_SHIFT), write) == PHYSMAP_RETRY)
        return;
    if (walk)
        hvm_crash(v, "its page tables are in memory that is none, at", address);
    else if (code & PF_FETCH)
        hvm_crash(v, "it executes memory that is none, at", address);
    else
        hvm_emulate_access(v, regs, address);
}
