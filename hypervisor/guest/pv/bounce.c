// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bounces: the guest's kernel is entered as the CPU would enter it for a trap.  A frame is built on its stack and its registers
 * are pointed at the handler.
 *
 * From low to high the frame holds rcx, r11, [ds, es, fs, gs for failsafe], [error code], rip, cs, rflags, rsp, ss.  In cs, bits 32 to
 * 39 are the event mask before the trap, and RPL 0 says that the kernel itself was interrupted.  IF in rflags is the
 * inverse of that mask.  Source: xen/arch-x86/xen.h, xen/arch-x86/xen-x86_64.h.
 */
#include "guest/pv/traps.h"

#define BOUNCE_MAX_WORDS 12

/* rflags as the guest's kernel believes them. */
static uint64_t bounce_rflags(const struct vcpu *v, const struct cpu_user_regs *regs, uint8_t mask)
{
    uint64_t rflags = regs->rflags & ~(uint64_t)(RFLAGS_IF | RFLAGS_IOPL);

    if (!mask)
        rflags |= RFLAGS_IF;
    if (v->domain->vm_assist & (1u << VMASST_TYPE_architectural_iopl))
        rflags |= (uint64_t)v->pv->iopl << 12;
    return rflags;
}

static unsigned bounce_fill(const struct vcpu *v, const struct cpu_user_regs *regs, uint64_t *frame, uint32_t flags,
                            uint32_t error_code, uint16_t cs, uint8_t mask)
{
    unsigned n = 0;

    frame[n++] = regs->rcx;
    frame[n++] = regs->r11;
    if (flags & TRAP_BOUNCE_FAILSAFE) {
        frame[n++] = read_ds();
        frame[n++] = read_es();
        frame[n++] = read_fs();
        frame[n++] = read_gs();
    }
    if (flags & TRAP_BOUNCE_ERROR_CODE)
        frame[n++] = error_code;
    frame[n++] = regs->rip;
    frame[n++] = (uint64_t)mask << 32 | cs;
    frame[n++] = bounce_rflags(v, regs, mask);
    frame[n++] = regs->rsp;
    frame[n++] = regs->ss;
    return n;
}

bool pv_bounce(struct vcpu *v, uint64_t rip, uint32_t flags, uint32_t error_code)
{
    struct cpu_user_regs *regs = &cpu_info()->guest_regs;
    uint64_t frame[BOUNCE_MAX_WORDS], sp;
    uint16_t cs = regs->cs;
    uint8_t mask;
    unsigned n;

    if (!rip) {
        pv_dump_guest(regs, "no handler");
        domain_crash(v->domain, "trap without a handler (vector %u)\n", regs->entry_vector & 0xff);
        return false;
    }
    if (v->pv->kernel_mode) {
        sp = regs->rsp;
        cs &= 0xfffc;
    } else {
        pv_toggle_mode(v);
        sp = v->pv->kernel_sp;
    }
    mask = v->info->evtchn_upcall_mask;
    n = bounce_fill(v, regs, frame, flags, error_code, cs, mask);
    sp = (sp & ~15UL) - n * sizeof(frame[0]);
    if (guest_write(GUEST_ADDR(sp), frame, n * sizeof(frame[0]))) {
        pv_dump_guest(regs, "bad kernel stack");
        domain_crash(v->domain, "trap frame does not fit on the kernel stack at %#lx\n", sp);
        return false;
    }
    if (flags & TRAP_BOUNCE_INTERRUPT)
        v->info->evtchn_upcall_mask = 1;
    /* The kernel finds rcx and r11 on its stack, so sysret may take it there. */
    regs->entry_vector |= PV_ENTRY_SYSCALL;
    regs->rflags &= ~(uint64_t)(RFLAGS_AC | RFLAGS_VM | RFLAGS_RF | RFLAGS_NT | RFLAGS_TF);
    regs->ss = FLAT_KERNEL_SS;
    regs->rsp = sp;
    regs->cs = FLAT_KERNEL_CS;
    regs->rip = rip;
    return true;
}

void pv_bounce_pending(void)
{
    struct vcpu *v = current;
    struct trap_bounce b = v->pv->bounce;

    v->pv->bounce.flags = 0;
    pv_bounce(v, b.rip, b.flags, b.error_code);
}

void pv_bounce_event(void)
{
    struct vcpu *v = current;

    pv_bounce(v, v->pv->event_callback, TRAP_BOUNCE_INTERRUPT, 0);
}

bool pv_async_ready(void)
{
    const struct vcpu *v = current;

    return (v->mce_pending && !(v->async_masked & 2)) || (v->nmi_pending && !(v->async_masked & 3));
}

/* A machine check goes before an NMI, and each masks its like until the guest's iret. */
void pv_bounce_async(void)
{
    struct vcpu *v = current;
    bool machine_check = v->mce_pending && !(v->async_masked & 2);
    unsigned vector = machine_check ? VECTOR_MC : VECTOR_NMI;

    if (machine_check) {
        __atomic_store_n(&v->mce_pending, 0, __ATOMIC_RELAXED);
    } else {
        __atomic_store_n(&v->nmi_pending, 0, __ATOMIC_RELAXED);
    }
    if (!v->pv->traps[vector].address)
        return;
    v->async_masked |= machine_check ? 2 : 1;
    pv_bounce(v, v->pv->traps[vector].address, TRAP_BOUNCE_INTERRUPT, 0);
}

void pv_async_done(struct vcpu *v)
{
    if (v->async_masked & 2)
        v->async_masked &= (uint8_t)~2;
    else
        v->async_masked &= (uint8_t)~1;
}

void pv_bounce_syscall(struct cpu_user_regs *regs)
{
    struct vcpu *v = current;

    (void)regs;
    irq_enable();
    if (!v->pv->syscall_callback) {
        regs->rip -= 2;
        pv_inject_trap(VECTOR_UD, 0, false);
        return;
    }
    pv_bounce(v, v->pv->syscall_callback, v->pv->callback_masks & 2 ? TRAP_BOUNCE_INTERRUPT : 0, 0);
}

void pv_bounce_syscall32(struct cpu_user_regs *regs)
{
    struct vcpu *v = current;

    if (!v->pv->syscall32_callback || v->pv->kernel_mode) {
        regs->rip -= 2;
        pv_inject_trap(VECTOR_UD, 0, false);
        return;
    }
    pv_bounce(v, v->pv->syscall32_callback, v->pv->callback_masks & 4 ? TRAP_BOUNCE_INTERRUPT : 0, 0);
}

void pv_bounce_sysenter(struct cpu_user_regs *regs)
{
    struct vcpu *v = current;

    (void)regs;
    if (!v->pv->sysenter_callback || v->pv->kernel_mode) {
        pv_inject_gp(0);
        return;
    }
    pv_bounce(v, v->pv->sysenter_callback, v->pv->callback_masks & 8 ? TRAP_BOUNCE_INTERRUPT : 0, 0);
}

/*
 * The state to go back to is not loadable: the kernel learns it at its failsafe callback.  If that state was the
 * callback itself, it would go on for ever: pv_bounce sets loadable values, so it cannot.
 */
void pv_iret_failed(void)
{
    struct vcpu *v = current;
    uint32_t flags = TRAP_BOUNCE_FAILSAFE | (v->pv->callback_masks & 1 ? TRAP_BOUNCE_INTERRUPT : 0);

    pv_bounce(v, v->pv->failsafe_callback, flags, 0);
}

void pv_inject_trap(unsigned vector, uint32_t error_code, bool has_error_code)
{
    struct vcpu *v = current;
    struct cpu_user_regs *regs = &cpu_info()->guest_regs;
    const struct trap_info *t = &v->pv->traps[vector & 0xff];
    struct trap_bounce *b = &v->pv->bounce;

    if (!t->address) {
        pv_dump_guest(regs, "unhandled trap");
        domain_crash(v->domain, "no handler for trap %u, error code %#x, at %#lx\n", vector, error_code, regs->rip);
        return;
    }
    b->rip = t->address;
    b->vector = (uint8_t)vector;
    b->error_code = error_code;
    b->flags = (uint8_t)(TRAP_BOUNCE_PENDING | (has_error_code ? TRAP_BOUNCE_ERROR_CODE : 0) |
                         (TI_GET_IF(t) ? TRAP_BOUNCE_INTERRUPT : 0));
}

void pv_inject_page_fault(uint64_t address, uint32_t error_code)
{
    struct vcpu *v = current;

    v->info->arch.cr2 = address;
    error_code &= ~(uint32_t)PF_USER;
    if (!v->pv->kernel_mode)
        error_code |= PF_USER;
    pv_inject_trap(VECTOR_PF, error_code, true);
}
