// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hypercall iret: the guest's kernel goes back to what it interrupted, by a struct iret_context on its stack
 * (xen/arch-x86/xen-x86_64.h).
 */
#include "guest/pv/traps.h"

/* The whole frame, or -EFAULT. */
static inline int iret_read(struct iret_context *c, uint64_t sp)
{
    const struct iret_context *from = (const struct iret_context *)sp;
    int rc = 0;

    if (!guest_words_ok(sp, sizeof(*c)))
        return -EFAULT;
    GUEST_LOAD(rc, c->rax, uint64_t, &from->rax);
    GUEST_LOAD(rc, c->r11, uint64_t, &from->r11);
    GUEST_LOAD(rc, c->rcx, uint64_t, &from->rcx);
    GUEST_LOAD(rc, c->flags, uint64_t, &from->flags);
    GUEST_LOAD(rc, c->rip, uint64_t, &from->rip);
    GUEST_LOAD(rc, c->cs, uint64_t, &from->cs);
    GUEST_LOAD(rc, c->rflags, uint64_t, &from->rflags);
    GUEST_LOAD(rc, c->rsp, uint64_t, &from->rsp);
    GUEST_LOAD(rc, c->ss, uint64_t, &from->ss);
    return rc;
}

static inline bool has_user_table(const struct vcpu *v)
{
    return v->pv->user_table.value != INVALID_MFN.value && v->pv->user_table.value != 0;
}

long pv_iret(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct vcpu *v = current;
    struct cpu_user_regs *regs = &cpu_info()->guest_regs;
    struct iret_context c;

    (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    if (unlikely(iret_read(&c, regs->rsp))) {
        domain_crash(v->domain, "iret frame at %#lx is not readable\n", regs->rsp);
        return (long)regs->rax;
    }
    if ((c.cs & 3) == 3) {
        if (unlikely(!has_user_table(v))) {
            domain_crash(v->domain, "goes to user mode without page tables for it\n");
            return (long)regs->rax;
        }
        pv_mode_switch(v, false);
    }
    if (v->domain->vm_assist & (1u << VMASST_TYPE_architectural_iopl))
        v->pv->iopl = (uint8_t)((c.rflags & RFLAGS_IOPL) >> 12);
    regs->rip = c.rip;
    regs->cs = (uint16_t)(c.cs | 3); /* the kernel's own frames say RPL 0 */
    regs->rflags = (c.rflags & ~(uint64_t)(RFLAGS_IOPL | RFLAGS_VM)) | RFLAGS_IF;
    regs->rsp = c.rsp;
    regs->ss = (uint16_t)(c.ss | 3);
    if (!(c.flags & VGCF_in_syscall)) {
        regs->entry_vector = 0; /* every register counts: no sysret */
        regs->r11 = c.r11;
        regs->rcx = c.rcx;
    } else if (unlikely((uint16_t)c.cs == FLAT_USER_CS32)) {
        regs->entry_vector = 0; /* sysretq would make it 64-bit code */
    }
    v->info->evtchn_upcall_mask = !(c.rflags & RFLAGS_IF);
    if (unlikely(v->async_masked))
        pv_async_done(v);
    return (long)c.rax;
}
