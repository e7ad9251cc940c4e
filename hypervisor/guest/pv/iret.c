// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hypercall iret: the guest's kernel goes back to what it interrupted, by a struct iret_context on its stack
 * (xen/arch-x86/xen-x86_64.h).
 */
#include "guest/pv/traps.h"

static inline bool has_user_table(const struct vcpu *v)
{
    return v->pv->user_table.value != INVALID_MFN.value && v->pv->user_table.value != 0;
}

static __attribute__((cold)) long frame_unreadable(struct vcpu *v, struct cpu_user_regs *regs, uint64_t sp)
{
    domain_crash(v->domain, "iret frame at %#lx is not readable\n", sp);
    return (long)regs->rax;
}

/* The end of it, when there is more than every return has: in line, the calls would cost the others registers. */
static __attribute__((cold, noinline)) long finish_slowly(struct vcpu *v, bool to_user, uint64_t rax)
{
    if (v->async_masked)
        pv_async_done(v);
    if (to_user && !has_user_table(v))
        domain_crash(v->domain, "goes to user mode without page tables for it\n");
    else if (to_user)
        pv_mode_switch(v, false);
    return (long)rax;
}

#define IRET_LOAD(rc, field, to) GUEST_LOAD(rc, to, uint64_t, &from->field)

/*
 * First and last word are read before anything changes: the others lie between them, on the same pages.  Each of those goes where
 * it belongs as it is read, so that no register has to be saved for it; should one fault, by a race the guest made, then
 * the guest is crashed with registers of both states.
 */
long pv_iret(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t)
{
    struct vcpu *v = current;
    struct cpu_user_regs *regs = &cpu_info()->guest_regs;
    const struct iret_context *from = (const struct iret_context *)regs->rsp;
    uint64_t word, rax, cs, rflags, ss;
    int rc = 0;

    if (unlikely(!guest_words_ok((uint64_t)from, sizeof(*from))))
        return frame_unreadable(v, regs, (uint64_t)from);
    IRET_LOAD(rc, rax, rax);
    IRET_LOAD(rc, ss, ss);
    if (unlikely(rc))
        return frame_unreadable(v, regs, (uint64_t)from);
    IRET_LOAD(rc, rip, word);
    regs->rip = word;
    IRET_LOAD(rc, cs, cs);
    regs->cs = (uint16_t)(cs | 3); /* the kernel's own frames say RPL 0 */
    IRET_LOAD(rc, rflags, rflags);
    regs->rflags = (rflags & ~(uint64_t)(RFLAGS_IOPL | RFLAGS_VM)) | RFLAGS_IF;
    IRET_LOAD(rc, rsp, word);
    regs->rsp = word;
    regs->ss = (uint16_t)(ss | 3);
    IRET_LOAD(rc, flags, word);
    if (!(word & VGCF_in_syscall)) {
        regs->entry_vector = 0; /* every register counts: no sysret */
        IRET_LOAD(rc, r11, word);
        regs->r11 = word;
        IRET_LOAD(rc, rcx, word);
        regs->rcx = word;
    } else if (unlikely((uint16_t)cs == FLAT_USER_CS32)) {
        regs->entry_vector = 0; /* sysretq would make it 64-bit code */
    }
    if (unlikely(rc))
        return frame_unreadable(v, regs, (uint64_t)from);
    if (v->domain->vm_assist & (1u << VMASST_TYPE_architectural_iopl))
        v->pv->iopl = (uint8_t)((rflags & RFLAGS_IOPL) >> 12);
    v->info->evtchn_upcall_mask = !(rflags & RFLAGS_IF);
    if (unlikely(v->async_masked || v->arch.shadow))
        return finish_slowly(v, (cs & 3) == 3, rax);
    if ((cs & 3) == 3) {
        if (unlikely(!has_user_table(v)))
            return finish_slowly(v, true, rax);
        pv_mode_switch(v, false);
    }
    return (long)rax;
}
