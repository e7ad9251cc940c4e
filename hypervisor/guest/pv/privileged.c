// SPDX-License-Identifier: BSD-2-Clause
/*
 * Privileged instructions a PV guest executes in ring 3: they fault, and are done here as far as the guest may.  Those a PV kernel
 * has hypercalls for work too.  What is not allowed becomes the fault it would have been.
 */
#include "arch/x86/cpufeature.h"
#include "arch/x86/fpu.h"
#include "arch/x86/io.h"
#include "guest/pv/decode.h"
#include "guest/pv/traps.h"

#define FORCED_LENGTH 7 /* prefix and cpuid */
#define CODE_WRMSR 0x300f
#define CODE_RDMSR 0x320f
#define MSR_LENGTH 2     /* of either */
#define STRING_CHUNK 256 /* elements of a repeated string instruction done before looking for other work */

enum outcome { DONE, REPEAT, FAULT }; /* REPEAT: goes on at the same rip */

/* ---- control registers ---- */

static enum outcome cr_read(struct vcpu *v, struct cpu_user_regs *regs, const struct decoded_privileged *in)
{
    uint64_t *to = decode_register(regs, in->general);

    switch (in->special) {
    case 0:
        *to = v->pv->cr0_guest;
        return DONE;
    case 2:
        *to = v->info->arch.cr2;
        return DONE;
    case 3:
        *to = xen_pfn_to_cr3(v->pv->kernel_table.value);
        return DONE;
    case 4:
        *to = v->pv->cr4_guest;
        return DONE;
    default:
        return FAULT;
    }
}

static enum outcome cr3_write(struct vcpu *v, uint64_t value)
{
    mfn_t mfn = MFN(xen_cr3_to_pfn(value));
    int rc;

    if (!mfn_valid(mfn))
        return FAULT;
    rc = pv_new_kernel_table(v, mfn);
    if (rc == -ERESTART_LATER)
        return REPEAT;
    return rc ? FAULT : DONE;
}

static enum outcome cr_write(struct vcpu *v, struct cpu_user_regs *regs, const struct decoded_privileged *in)
{
    uint64_t value = *decode_register(regs, in->general);

    switch (in->special) {
    case 0:
        if ((value ^ v->pv->cr0_guest) & ~(uint64_t)CR0_TS)
            return FAULT;
        pv_taskswitch_set(v, value & CR0_TS);
        return DONE;
    case 2:
        v->info->arch.cr2 = value;
        return DONE;
    case 3:
        return cr3_write(v, value);
    case 4:
        v->pv->cr4_guest = pv_cr4_guest(v, value);
        pv_cr4_load(v);
        return DONE;
    default:
        return FAULT;
    }
}

static enum outcome dr_move(struct vcpu *v, struct cpu_user_regs *regs, const struct decoded_privileged *in)
{
    uint64_t *general = decode_register(regs, in->general);
    bool ok = true;

    if (in->kind == PRIVILEGED_READ_DR)
        *general = pv_debug_read(v, in->special, &ok);
    else
        ok = pv_debug_write(v, in->special, *general) == 0;
    return ok ? DONE : FAULT;
}

/* ---- others ---- */

static enum outcome msr_access(struct vcpu *v, struct cpu_user_regs *regs, bool write)
{
    uint32_t msr = (uint32_t)regs->rcx;
    uint64_t value = (uint32_t)regs->rax | regs->rdx << 32;

    if (write)
        return pv_msr_write(v, msr, value) ? FAULT : DONE;
    if (pv_msr_read(v, msr, &value))
        return FAULT;
    regs->rax = (uint32_t)value;
    regs->rdx = value >> 32;
    return DONE;
}

static enum outcome xcr_write(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint64_t value = (uint32_t)regs->rax | regs->rdx << 32;

    if ((uint32_t)regs->rcx || !(v->pv->cr4_guest & CR4_OSXSAVE) || !xcr0_valid(value))
        return FAULT;
    fpu_save(v);
    v->arch.xcr0 = value;
    v->arch.xcr0_accum |= value;
    fpu_load(v);
    pv_taskswitch_set(v, v->pv->cr0_guest & CR0_TS);
    return DONE;
}

static enum outcome tsc_read(struct vcpu *v, struct cpu_user_regs *regs, bool with_aux)
{
    uint64_t tsc;

    if ((v->pv->cr4_guest & CR4_TSD) && !v->pv->kernel_mode)
        return FAULT;
    tsc = pv_tsc(v);
    regs->rax = (uint32_t)tsc;
    regs->rdx = tsc >> 32;
    if (with_aux)
        regs->rcx = v->arch.tsc_aux;
    return DONE;
}

static void cpuid_execute(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint32_t r[4];

    cpu_policy_cpuid(v, (uint32_t)regs->rax, (uint32_t)regs->rcx, r);
    regs->rax = r[0];
    regs->rbx = r[1];
    regs->rcx = r[2];
    regs->rdx = r[3];
}

/* Only who has devices can have put anything in the caches that needs to be written back. */
static void cache_flush(struct vcpu *v)
{
    if (v->domain->is_privileged || v->domain->io_memory.count)
        __asm__ volatile("wbinvd" ::: "memory");
}

static bool may_mask_interrupts(const struct vcpu *v)
{
    unsigned level = v->pv->kernel_mode ? (v->domain->vm_assist & 1u << VMASST_TYPE_architectural_iopl ? 0 : 1) : 3;

    return level <= v->pv->iopl;
}

/* ---- ports ---- */

static enum outcome port_access(struct vcpu *v, struct cpu_user_regs *regs, const struct decoded_privileged *in)
{
    if (!pv_port_allowed(v, in->port, in->size))
        return FAULT;
    if (in->kind == PRIVILEGED_OUT) {
        pv_port_write(v, in->port, in->size, (uint32_t)regs->rax);
    } else {
        uint32_t value = pv_port_read(v, in->port, in->size);

        if (in->size == 4)
            regs->rax = value;
        else if (in->size == 2)
            regs->rax = (regs->rax & ~0xffffUL) | (value & 0xffff);
        else
            regs->rax = (regs->rax & ~0xffUL) | (value & 0xff);
    }
    return DONE;
}

/* One element; a page fault for the guest is queued when its memory is not there. */
static bool string_element(struct vcpu *v, const struct decoded_privileged *in, uint64_t address)
{
    uint32_t value = 0;

    if (in->kind == PRIVILEGED_OUTS) {
        if (guest_read(&value, GUEST_ADDR(address), in->size)) {
            pv_inject_page_fault(address, 0);
            return false;
        }
        pv_port_write(v, in->port, in->size, value);
        return true;
    }
    value = pv_port_read(v, in->port, in->size);
    if (guest_write(GUEST_ADDR(address), &value, in->size)) {
        pv_inject_page_fault(address, PF_WRITE);
        return false;
    }
    return true;
}

static uint64_t string_base(struct vcpu *v, const struct decoded_privileged *in)
{
    (void)v;
    if (in->kind == PRIVILEGED_INS || !in->segment)
        return 0;
    return rdmsr(in->segment == 4 ? MSR_FS_BASE : MSR_GS_BASE);
}

static enum outcome port_string(struct vcpu *v, struct cpu_user_regs *regs, const struct decoded_privileged *in)
{
    uint64_t mask = in->address_size == 4 ? 0xffffffffUL : ~0UL;
    uint64_t *pointer = in->kind == PRIVILEGED_INS ? &regs->rdi : &regs->rsi;
    uint64_t step = regs->rflags & RFLAGS_DF ? -(uint64_t)in->size : in->size;
    uint64_t base = string_base(v, in);

    if (!pv_port_allowed(v, in->port, in->size))
        return FAULT;
    for (unsigned i = 0; i < STRING_CHUNK; i++) {
        if (in->repeat && !(regs->rcx & mask))
            return DONE;
        if (!string_element(v, in, base + (*pointer & mask)))
            return REPEAT;
        *pointer = (*pointer + step) & mask;
        if (!in->repeat)
            return DONE;
        regs->rcx = (regs->rcx - 1) & mask;
    }
    return regs->rcx & mask ? REPEAT : DONE;
}

/* ---- dispatch ---- */

static enum outcome privileged_kernel(struct vcpu *v, struct cpu_user_regs *regs, const struct decoded_privileged *in)
{
    switch (in->kind) {
    case PRIVILEGED_CLTS:
        pv_taskswitch_set(v, false);
        return DONE;
    case PRIVILEGED_READ_CR:
        return cr_read(v, regs, in);
    case PRIVILEGED_WRITE_CR:
        return cr_write(v, regs, in);
    case PRIVILEGED_READ_DR:
    case PRIVILEGED_WRITE_DR:
        return dr_move(v, regs, in);
    case PRIVILEGED_RDMSR:
        return msr_access(v, regs, false);
    case PRIVILEGED_WRMSR:
        return msr_access(v, regs, true);
    case PRIVILEGED_XSETBV:
        return xcr_write(v, regs);
    case PRIVILEGED_INVLPG:
        if (guest_range_ok(in->address, 1))
            tlb_flush_local(in->address, 0);
        return DONE;
    case PRIVILEGED_CACHE:
        cache_flush(v);
        return DONE;
    default:
        return FAULT;
    }
}

static enum outcome privileged_any(struct vcpu *v, struct cpu_user_regs *regs, const struct decoded_privileged *in)
{
    switch (in->kind) {
    case PRIVILEGED_IN:
    case PRIVILEGED_OUT:
        return port_access(v, regs, in);
    case PRIVILEGED_INS:
    case PRIVILEGED_OUTS:
        return port_string(v, regs, in);
    case PRIVILEGED_CLI:
    case PRIVILEGED_STI:
        return may_mask_interrupts(v) ? DONE : FAULT; /* allowed, and nothing: events are masked in vcpu_info */
    case PRIVILEGED_RDTSC:
        return tsc_read(v, regs, false);
    case PRIVILEGED_RDTSCP:
        return tsc_read(v, regs, true);
    case PRIVILEGED_CPUID: /* faults only with CPUID faulting on */
        cpuid_execute(v, regs);
        return DONE;
    default:
        return v->pv->kernel_mode ? privileged_kernel(v, regs, in) : FAULT;
    }
}

static inline void instruction_done(struct cpu_user_regs *regs, unsigned length)
{
    regs->rip += length;
    regs->rflags &= ~(uint64_t)RFLAGS_RF;
    if (regs->rflags & RFLAGS_TF) {
        current->pv->debug[6] |= DR6_BS | DR6_DEFAULT;
        pv_inject_trap(VECTOR_DB, 0, false);
    }
}

/*
 * Is it an MSR instruction of a kernel, by its two bytes?  Linux reads one at every switch of its processes, and decoding would
 * take most of what that costs.
 */
static bool is_msr_instruction(const struct vcpu *v, const struct cpu_user_regs *regs, bool *write)
{
    uint16_t code;
    int rc = 0;

    if (!v->pv->kernel_mode || !guest_words_ok(regs->rip, sizeof(code)))
        return false;
    GUEST_LOAD(rc, code, uint16_t, regs->rip);
    *write = code == CODE_WRMSR;
    return !rc && (code == CODE_RDMSR || code == CODE_WRMSR);
}

bool pv_emulate_privileged(struct cpu_user_regs *regs)
{
    struct vcpu *v = current;
    struct decoded_privileged in;
    uint8_t code[15];
    unsigned available;
    bool write;

    if (is_msr_instruction(v, regs, &write)) {
        if (msr_access(v, regs, write) != DONE)
            return false;
        instruction_done(regs, MSR_LENGTH);
        return true;
    }
    available = pv_fetch(regs, code);
    if (!available || decode_privileged(code, available, regs, &in))
        return false;
    switch (privileged_any(v, regs, &in)) {
    case DONE:
        instruction_done(regs, in.length);
        return true;
    case REPEAT:
        return true;
    default:
        return false;
    }
}

/* Seven bytes, as two words that overlap: ud2, "xen", cpuid. */
bool pv_emulate_forced(struct cpu_user_regs *regs)
{
    const uint32_t first = 0x65780b0f, last = 0xa20f6e65;
    uint32_t a, b;
    int rc = 0;

    if (!guest_words_ok(regs->rip, FORCED_LENGTH))
        return false;
    GUEST_LOAD(rc, a, uint32_t, regs->rip);
    GUEST_LOAD(rc, b, uint32_t, regs->rip + FORCED_LENGTH - sizeof(b));
    if (rc || a != first || b != last)
        return false;
    cpuid_execute(current, regs);
    instruction_done(regs, FORCED_LENGTH);
    return true;
}
