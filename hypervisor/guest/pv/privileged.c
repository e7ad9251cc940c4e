// SPDX-License-Identifier: BSD-2-Clause
/*
 * Privileged instructions a PV guest executes in ring 3: they fault, and are done here as far as the guest may.  Those a PV kernel
 * has hypercalls for work too.  What is not allowed becomes the fault it would have been.
 */
#include "arch/x86/fpu.h"
#include "guest/pv/decode.h"
#include "guest/pv/traps.h"

#define FORCED_LENGTH 7 /* prefix and cpuid */
#define CODE_WRMSR 0x300f
#define CODE_RDMSR 0x320f
#define MSR_LENGTH 2     /* of either */
#define STRING_CHUNK 256 /* elements of a repeated string instruction done before looking for other work */

/*
 * What does an instruction says 0: done; -ERESTART_LATER: it goes on at the same rip, perhaps after a page fault; anything else:
 * the fault it would have been.
 */

/* ---- control registers ---- */

static int cr_read(struct vcpu *v, struct cpu_user_regs *regs, const struct decoded_privileged *in)
{
    uint64_t *to = decode_register(regs, in->general);

    switch (in->special) {
    case 0: *to = v->pv->cr0_guest; break;
    case 2: *to = v->info->arch.cr2; break;
    case 3: *to = xen_pfn_to_cr3(v->pv->kernel_table.value); break;
    case 4: *to = v->pv->cr4_guest; break;
    default: return -EPERM;
    }
    return 0;
}

static int cr_write(struct vcpu *v, struct cpu_user_regs *regs, const struct decoded_privileged *in)
{
    uint64_t value = *decode_register(regs, in->general);

    switch (in->special) {
    case 0:
        if ((value ^ v->pv->cr0_guest) & ~(uint64_t)CR0_TS)
            return -EPERM;
        pv_taskswitch_set(v, value & CR0_TS);
        return 0;
    case 2:
        v->info->arch.cr2 = value;
        return 0;
    case 3:
        return pv_new_kernel_table(v, MFN(xen_cr3_to_pfn(value)));
    case 4:
        v->pv->cr4_guest = pv_cr4_guest(value);
        pv_cr4_load(v);
        return 0;
    default:
        return -EPERM;
    }
}

/* ---- others ---- */

static inline void set_edx_eax(struct cpu_user_regs *regs, uint64_t value)
{
    regs->rax = (uint32_t)value;
    regs->rdx = value >> 32;
}

static int msr_access(struct vcpu *v, struct cpu_user_regs *regs, bool write)
{
    uint64_t value = (uint32_t)regs->rax | regs->rdx << 32;

    if (write)
        return pv_msr_write(v, (uint32_t)regs->rcx, value);
    if (pv_msr_read(v, (uint32_t)regs->rcx, &value))
        return -EPERM;
    set_edx_eax(regs, value);
    return 0;
}

static int xcr_write(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint64_t value = (uint32_t)regs->rax | regs->rdx << 32;

    if ((uint32_t)regs->rcx || !(v->pv->cr4_guest & CR4_OSXSAVE) || !xcr0_valid(value))
        return -EPERM;
    fpu_save(v);
    v->arch.xcr0 = value;
    v->arch.xcr0_accum |= value;
    fpu_load(v);
    pv_taskswitch_set(v, v->pv->cr0_guest & CR0_TS);
    return 0;
}

static int tsc_read(struct vcpu *v, struct cpu_user_regs *regs, bool with_aux)
{
    if ((v->pv->cr4_guest & CR4_TSD) && !v->pv->kernel_mode)
        return -EPERM;
    set_edx_eax(regs, pv_tsc(v));
    if (with_aux)
        regs->rcx = v->arch.tsc_aux;
    return 0;
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

/* ---- ports ---- */

static int port_access(struct vcpu *v, struct cpu_user_regs *regs, const struct decoded_privileged *in)
{
    uint32_t value = (uint32_t)regs->rax;
    bool write = in->kind == PRIVILEGED_OUT;

    if (!pv_port_allowed(v, in->port, in->size))
        return -EPERM;
    pv_port_access(v, in->port, in->size, &value, write);
    if (!write)
        decode_register_write(&regs->rax, value, in->size);
    return 0;
}

/* One element; a page fault for the guest is queued when its memory is not there. */
static bool string_element(struct vcpu *v, const struct decoded_privileged *in, uint64_t address)
{
    bool write = in->kind == PRIVILEGED_OUTS;
    uint32_t value = 0;
    int rc = 0;

    if (write)
        rc = guest_read(&value, GUEST_ADDR(address), in->size);
    if (!rc)
        pv_port_access(v, in->port, in->size, &value, write);
    if (!write)
        rc = guest_write(GUEST_ADDR(address), &value, in->size);
    if (rc)
        pv_inject_page_fault(address, write ? 0 : PF_WRITE);
    return !rc;
}

static int port_string(struct vcpu *v, struct cpu_user_regs *regs, const struct decoded_privileged *in)
{
    uint64_t mask = in->address_size == 4 ? 0xffffffffUL : ~0UL, base = 0;
    uint64_t *pointer = in->kind == PRIVILEGED_INS ? &regs->rdi : &regs->rsi;
    uint64_t step = regs->rflags & RFLAGS_DF ? -(uint64_t)in->size : in->size;

    if (in->kind == PRIVILEGED_OUTS && in->segment)
        base = rdmsr(in->segment == 4 ? MSR_FS_BASE : MSR_GS_BASE);
    if (!pv_port_allowed(v, in->port, in->size))
        return -EPERM;
    for (unsigned i = 0; i < STRING_CHUNK; i++) {
        if (in->repeat && !(regs->rcx & mask))
            return 0;
        if (!string_element(v, in, base + (*pointer & mask)))
            return -ERESTART_LATER;
        *pointer = (*pointer + step) & mask;
        if (!in->repeat)
            return 0;
        regs->rcx = (regs->rcx - 1) & mask;
    }
    return regs->rcx & mask ? -ERESTART_LATER : 0;
}

/* ---- dispatch ---- */

/* What is for the kernel alone. */
static int privileged_kernel(struct vcpu *v, struct cpu_user_regs *regs, const struct decoded_privileged *in)
{
    if (!v->pv->kernel_mode)
        return -EPERM;
    switch (in->kind) {
    case PRIVILEGED_CLTS:
        pv_taskswitch_set(v, false);
        return 0;
    case PRIVILEGED_READ_CR:
        return cr_read(v, regs, in);
    case PRIVILEGED_WRITE_CR:
        return cr_write(v, regs, in);
    case PRIVILEGED_READ_DR:
        return pv_debug_read(v, in->special, decode_register(regs, in->general));
    case PRIVILEGED_WRITE_DR:
        return pv_debug_write(v, in->special, *decode_register(regs, in->general));
    case PRIVILEGED_RDMSR:
    case PRIVILEGED_WRMSR:
        return msr_access(v, regs, in->kind == PRIVILEGED_WRMSR);
    case PRIVILEGED_XSETBV:
        return xcr_write(v, regs);
    case PRIVILEGED_INVLPG:
        if (guest_range_ok(in->address, 1))
            tlb_flush_local(in->address, 0);
        return 0;
    default: /* invd, wbinvd: only who has devices can have put anything in the caches that needs to be written back */
        if (v->domain->is_privileged || v->domain->io_memory.count)
            __asm__ volatile("wbinvd" ::: "memory");
        return 0;
    }
}

static int privileged_any(struct vcpu *v, struct cpu_user_regs *regs, const struct decoded_privileged *in)
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
        return pv_iopl_allows(v) ? 0 : -EPERM; /* allowed, and nothing: events are masked in vcpu_info */
    case PRIVILEGED_RDTSC:
    case PRIVILEGED_RDTSCP:
        return tsc_read(v, regs, in->kind == PRIVILEGED_RDTSCP);
    case PRIVILEGED_CPUID: /* faults only with CPUID faulting on */
        cpuid_execute(v, regs);
        return 0;
    default:
        return privileged_kernel(v, regs, in);
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
    bool write;
    int rc;

    if (is_msr_instruction(v, regs, &write)) {
        rc = msr_access(v, regs, write);
        in.length = MSR_LENGTH;
    } else {
        if (decode_privileged(code, pv_fetch(regs, code), regs, &in))
            return false;
        rc = privileged_any(v, regs, &in);
    }
    if (!rc)
        instruction_done(regs, in.length);
    return !rc || rc == -ERESTART_LATER;
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
