// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hypercall iret: the guest's kernel goes back to what it interrupted, by a struct iret_context on its stack
 * (xen/arch-x86/xen-x86_64.h).
 */
#include "guest/pv/traps.h"

static uint64_t iret_do(struct vcpu *v, struct cpu_user_regs *regs)
{
    struct iret_context c;

    if (guest_read(&c, GUEST_ADDR(regs->rsp), sizeof(c))) {
        domain_crash(v->domain, "iret frame at %#lx is not readable\n", regs->rsp);
        return regs->rax;
    }
    if ((c.cs & 3) == 3) {
        if (v->pv->user_table.value == INVALID_MFN.value || v->pv->user_table.value == 0) {
            domain_crash(v->domain, "goes to user mode without page tables for it\n");
            return regs->rax;
        }
        pv_toggle_mode(v);
    }
    if (v->domain->vm_assist & (1u << VMASST_TYPE_architectural_iopl))
        v->pv->iopl = (uint8_t)((c.rflags & RFLAGS_IOPL) >> 12);
    regs->rip = c.rip;
    regs->cs = (uint16_t)(c.cs | 3); /* the kernel's own frames say RPL 0 */
    regs->rflags = (c.rflags & ~(uint64_t)(RFLAGS_IOPL | RFLAGS_VM)) | RFLAGS_IF;
    regs->rsp = c.rsp;
    regs->ss = (uint16_t)(c.ss | 3);
    if (!(c.flags & VGCF_in_syscall)) {
        regs->entry_vector &= ~(uint32_t)PV_ENTRY_SYSCALL;
        regs->r11 = c.r11;
        regs->rcx = c.rcx;
    }
    v->info->evtchn_upcall_mask = !(c.rflags & RFLAGS_IF);
    pv_async_done(v);
    return c.rax;
}

void pv_iret_fast(struct cpu_user_regs *regs)
{
    regs->rax = iret_do(current, regs);
}

long pv_iret(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    (void)a1, (void)a2, (void)a3, (void)a4, (void)a5;
    return (long)iret_do(current, &cpu_info()->guest_regs);
}
