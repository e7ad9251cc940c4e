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

_Static_assert(PV_CALL_SYSENTER == CALLBACKTYPE_sysenter && PV_CALL_SYSCALL32 == CALLBACKTYPE_syscall32, "for entry.S");

#define BOUNCE_MAX_BYTES 96 /* 12 words */
#define BOUNCE_TOP_WORDS 5   /* of every frame: rip to ss */

/* rflags as the guest's kernel believes them. */
static inline uint64_t bounce_rflags(const struct vcpu *v, const struct cpu_user_regs *regs, uint8_t mask)
{
    uint64_t rflags = regs->rflags & ~(uint64_t)(RFLAGS_IF | RFLAGS_IOPL);

    if (!mask)
        rflags |= RFLAGS_IF;
    if (v->domain->vm_assist & (1u << VMASST_TYPE_architectural_iopl))
        rflags |= (uint64_t)v->pv->iopl << 12;
    return rflags;
}

/* The selectors the guest's state names, below at: its kernel compares them with the registers to see what was not loaded. */
static uint64_t *store_segments(const struct pv_vcpu *pv, uint64_t *at, bool saved)
{
    at -= 4;
    GUEST_STORE(saved ? pv->ds : read_ds(), uint64_t, &at[0], fault);
    GUEST_STORE(saved ? pv->es : read_es(), uint64_t, &at[1], fault);
    GUEST_STORE(saved ? pv->fs : read_fs(), uint64_t, &at[2], fault);
    GUEST_STORE(saved ? pv->gs : read_gs(), uint64_t, &at[3], fault);
    return at;
fault:
    return NULL;
}

/* Builds the frame below top and returns its lowest address; NULL when it does not fit. */
static ALWAYS_INLINE uint64_t *frame_store(const struct vcpu *v, const struct cpu_user_regs *regs, uint64_t *top,
                                           uint32_t flags, uint32_t error_code, uint64_t cs)
{
    uint8_t mask = v->info->evtchn_upcall_mask;
    uint64_t *at = top - BOUNCE_TOP_WORDS;

    if (unlikely(!guest_words_ok((uint64_t)top - BOUNCE_MAX_BYTES, BOUNCE_MAX_BYTES)))
        return NULL;
    GUEST_STORE(regs->rip, uint64_t, &at[0], fault);
    GUEST_STORE((uint64_t)mask << 32 | cs, uint64_t, &at[1], fault);
    GUEST_STORE(bounce_rflags(v, regs, mask), uint64_t, &at[2], fault);
    GUEST_STORE(regs->rsp, uint64_t, &at[3], fault);
    GUEST_STORE(regs->ss, uint64_t, &at[4], fault);
    if (flags & TRAP_BOUNCE_ERROR_CODE) {
        at--;
        GUEST_STORE(error_code, uint64_t, at, fault);
    }
    if (unlikely(flags & TRAP_BOUNCE_FAILSAFE)) {
        at = store_segments(v->pv, at, flags & TRAP_BOUNCE_SAVED_SEGMENTS);
        if (!at)
            return NULL;
    }
    at -= 2;
    GUEST_STORE(regs->rcx, uint64_t, &at[0], fault);
    GUEST_STORE(regs->r11, uint64_t, &at[1], fault);
    return at;
fault:
    return NULL;
}

static __attribute__((cold)) void handler_missing(struct vcpu *v, unsigned vector, uint32_t error_code, uint64_t rip)
{
    domain_crash(v->domain, "no handler for trap %u, error code %#x, at %#lx\n", vector, error_code, rip);
}

/* In line, so that what flags cannot hold costs the callers below nothing. */
static ALWAYS_INLINE void bounce(struct vcpu *v, struct cpu_user_regs *regs, uint64_t rip, uint32_t flags,
                                 uint32_t error_code)
{
    uint64_t sp = regs->rsp, cs = regs->cs & 0xfffc; /* RPL 0: the kernel was interrupted */
    uint64_t *frame;

    if (unlikely(!rip)) {
        handler_missing(v, regs->entry_vector & 0xff, regs->error_code, regs->rip);
        return;
    }
    if (!v->pv->kernel_mode) {
        pv_mode_switch(v, true);
        sp = v->pv->kernel_sp;
        cs = regs->cs;
    }
    frame = frame_store(v, regs, (uint64_t *)(sp & ~15UL), flags, error_code, cs);
    if (unlikely(!frame)) {
        domain_crash(v->domain, "trap frame does not fit on the kernel stack\n");
        return;
    }
    if (flags & TRAP_BOUNCE_INTERRUPT)
        v->info->evtchn_upcall_mask = 1;
    /* The kernel finds rcx and r11 on its stack, so sysret may take it there. */
    regs->entry_vector |= PV_ENTRY_SYSCALL;
    regs->rflags &= ~(uint64_t)(RFLAGS_AC | RFLAGS_VM | RFLAGS_RF | RFLAGS_NT | RFLAGS_TF);
    regs->ss = FLAT_KERNEL_SS;
    regs->rsp = (uint64_t)frame;
    regs->cs = FLAT_KERNEL_CS;
    regs->rip = rip;
}

static inline uint32_t callback_flags(const struct pv_vcpu *pv, unsigned type)
{
    return pv->callback_masks & 1u << type ? TRAP_BOUNCE_INTERRUPT : 0;
}

static void bounce_any(struct vcpu *v, uint64_t rip, uint32_t flags, uint32_t error_code)
{
    bounce(v, &cpu_info()->guest_regs, rip, flags, error_code);
}

void pv_bounce_event(void)
{
    struct vcpu *v = current;

    bounce(v, &cpu_info()->guest_regs, v->pv->callbacks[CALLBACKTYPE_event], TRAP_BOUNCE_INTERRUPT, 0);
}

bool pv_pending_ready(void)
{
    const struct vcpu *v = current;

    return v->trap_pending || (v->mce_pending && !(v->async_masked & 2)) || (v->nmi_pending && !(v->async_masked & 3));
}

/* A machine check goes before an NMI, and each masks its like until the guest's iret. */
static void bounce_async(struct vcpu *v)
{
    bool machine_check = v->mce_pending && !(v->async_masked & 2);
    unsigned vector = machine_check ? VECTOR_MC : VECTOR_NMI;

    __atomic_store_n(machine_check ? &v->mce_pending : &v->nmi_pending, 0, __ATOMIC_RELAXED);
    if (!v->pv->traps[vector].address)
        return;
    v->async_masked |= machine_check ? 2 : 1;
    bounce_any(v, v->pv->traps[vector].address, TRAP_BOUNCE_INTERRUPT, 0);
}

void pv_bounce_pending(void)
{
    struct vcpu *v = current;

    if (!v->trap_pending) {
        bounce_async(v);
        return;
    }
    v->trap_pending = false;
    bounce_any(v, v->pv->bounce.rip, v->pv->bounce.flags, v->pv->bounce.error_code);
}

void pv_async_done(struct vcpu *v)
{
    v->async_masked &= (uint8_t)~(v->async_masked & 2 ? 2 : 1);
}

void pv_bounce_call(struct cpu_user_regs *regs, unsigned type)
{
    struct vcpu *v = current;

    if (v->pv->callbacks[type] && !v->pv->kernel_mode) {
        bounce_any(v, v->pv->callbacks[type], callback_flags(v->pv, type), 0);
    } else if (type == CALLBACKTYPE_sysenter) {
        pv_inject_gp(0);
    } else {
        regs->rip -= 2;
        pv_inject_trap(VECTOR_UD, 0, false);
    }
}

void pv_bounce_syscall(struct cpu_user_regs *regs, struct vcpu *v)
{
    uint64_t rip = v->pv->callbacks[CALLBACKTYPE_syscall];

    irq_enable();
    if (unlikely(!rip || v->arch.shadow || v->pv->kernel_mode)) /* the last never: the compiler is to know it */
        pv_bounce_call(regs, CALLBACKTYPE_syscall);
    else
        bounce(v, regs, rip, callback_flags(v->pv, CALLBACKTYPE_syscall), 0);
}

/* The state to go back to cannot be loaded: that state has the fault, as if it had been loaded and did nothing else. */
void pv_iret_failed(void)
{
    uint64_t cause = this_cpu(extable_noted);

    pv_inject_trap(cause & 0xff, (uint32_t)(cause >> 32), true);
}

/*
 * Selectors of the vcpu could not be loaded when it came to this CPU: its kernel is told at the failsafe callback, if
 * it has one.
 */
void pv_segments_failed(struct vcpu *v)
{
    struct trap_bounce *b = &v->pv->bounce;

    if (!v->pv->callbacks[CALLBACKTYPE_failsafe])
        return;
    b->rip = v->pv->callbacks[CALLBACKTYPE_failsafe];
    b->flags = (uint8_t)(TRAP_BOUNCE_FAILSAFE | TRAP_BOUNCE_SAVED_SEGMENTS | callback_flags(v->pv, CALLBACKTYPE_failsafe));
    v->trap_pending = true;
}

void pv_inject_trap(unsigned vector, uint32_t error_code, bool has_error_code)
{
    struct vcpu *v = current;
    struct cpu_user_regs *regs = &cpu_info()->guest_regs;
    const struct trap_info *t = &v->pv->traps[vector & 0xff];
    struct trap_bounce *b = &v->pv->bounce;

    if (!t->address) {
        handler_missing(v, vector, error_code, regs->rip);
        return;
    }
    b->rip = t->address;
    b->error_code = error_code;
    b->flags = (uint8_t)((has_error_code ? TRAP_BOUNCE_ERROR_CODE : 0) | (TI_GET_IF(t) ? TRAP_BOUNCE_INTERRUPT : 0));
    v->trap_pending = true;
}

/* Tells v where it faulted; error_code as its kernel sees it. */
static inline uint32_t page_fault_show(struct vcpu *v, uint64_t address, uint32_t error_code)
{
    v->info->arch.cr2 = address;
    return v->pv->kernel_mode ? error_code & ~(uint32_t)PF_USER : error_code | PF_USER;
}

void pv_inject_page_fault(uint64_t address, uint32_t error_code)
{
    pv_inject_trap(VECTOR_PF, page_fault_show(current, address, error_code), true);
}

void pv_bounce_page_fault(struct cpu_user_regs *regs, struct vcpu *v, uint64_t address, uint32_t error_code)
{
    const struct trap_info *t = &v->pv->traps[VECTOR_PF];
    uint32_t flags = TRAP_BOUNCE_ERROR_CODE | (TI_GET_IF(t) ? TRAP_BOUNCE_INTERRUPT : 0);

    bounce(v, regs, t->address, flags, page_fault_show(v, address, error_code));
}
