// SPDX-License-Identifier: BSD-2-Clause
/*
 * Exits: SVM's codes and fields, given to guest/hvm in its own words.  AMD64 APM volume 2, 15.9 to 15.14, appendix C.
 */
#include "arch/x86/machine_check.h"
#include "guest/hvm/lapic.h"
#include "guest/hvm/svm/svm.h"
#include "sched/sched.h"

/*
 * An event was on its way to the guest.  Software interrupts and breakpoints are not sent again: their instruction is
 * still to be executed.
 */
static void event_interrupted(struct vcpu *v, uint64_t event)
{
    struct hvm_injection e = {.vector = (uint8_t)event, .type = event >> EVENT_TYPE_SHIFT & 7,
        .has_error_code = event & EVENT_ERROR_CODE, .error_code = (uint32_t)(event >> 32)};

    if (e.type == 4 || (e.type == 3 && (e.vector == VECTOR_BP || e.vector == VECTOR_OF)))
        return;
    if (e.vector == VECTOR_PF)
        e.address = vmcb_of(v)->cr2;
    hvm_reinject(v, &e);
}

static void exit_exception(struct vcpu *v, struct cpu_user_regs *regs)
{
    unsigned vector = (unsigned)vmcb_of(v)->exit_code - EXIT_EXCEPTION;
    struct cpu_user_regs shown = *regs;

    shown.cs = 3; /* it hit the guest */
    if (vector == VECTOR_MC)
        machine_check(&shown);
    else
        hvm_inject_exception(vector, vector == VECTOR_AC, vector == VECTOR_AC ? (uint32_t)vmcb_of(v)->exit_info1 : 0);
}

static void exit_port(struct vcpu *v, struct cpu_user_regs *regs)
{
    uint32_t info = (uint32_t)vmcb_of(v)->exit_info1;
    struct hvm_port_access access = {
        .size = info >> IO_SIZE_SHIFT & 7,
        .address_size = (info >> IO_ADDRESS_SHIFT & 7) * 2,
        .in = info & IO_IN,
        .string = info & IO_STRING,
        .repeat = info & IO_REPEAT,
        .next_rip = vmcb_of(v)->exit_info2,
    };

    hvm_exit_port(v, regs, &access);
}

static void exit_nested_fault(struct vcpu *v, struct cpu_user_regs *regs)
{
    const struct vmcb *b = vmcb_of(v);

    hvm_exit_nested_fault(v, regs, b->exit_info2, (uint32_t)b->exit_info1, b->exit_info1 & NESTED_FAULT_WALK);
}

/* The machine's, taken already. */
static void exit_interrupt(struct vcpu *v, struct cpu_user_regs *regs)
{
    if (unlikely(vmcb_of(v)->interrupt_shadow & INTERRUPT_SHADOW))
        hvm_exit_in_shadow(v, regs);
}

static void exit_window(struct vcpu *v, struct cpu_user_regs *) { svm_window_close(vmcb_of(v)); }

/* The guest's NMI handler is over: the next NMI may come once the instruction is. */
static void exit_iret(struct vcpu *v, struct cpu_user_regs *)
{
    v->hvm->nmi_blocked = false;
    vmcb_of(v)->intercept1 &= ~INTERCEPT_IRET;
    vmcb_of(v)->interrupt_shadow = INTERRUPT_SHADOW;
}

static void exit_debug(struct vcpu *v, struct cpu_user_regs *)
{
    hvm_exit_debug(v);
    svm_debug_intercept(vmcb_of(v), false);
}

static void exit_msr(struct vcpu *v, struct cpu_user_regs *regs) { hvm_exit_msr(v, regs, vmcb_of(v)->exit_info1); }

static void exit_pause(struct vcpu *v, struct cpu_user_regs *regs)
{
    sched_yield();
    hvm_skip_opcode(v, regs, 0x90);
}

static void exit_rdpmc(struct vcpu *, struct cpu_user_regs *) { hvm_inject_exception(VECTOR_GP, true, 0); }
static void exit_shutdown(struct vcpu *v, struct cpu_user_regs *) { hvm_exit_shutdown(v); }
/* SVM's own instructions are not there for a guest, whatever its EFER says. */
static void exit_absent(struct vcpu *, struct cpu_user_regs *) { hvm_inject_exception(VECTOR_UD, false, 0); }

static void (*const handlers[])(struct vcpu *v, struct cpu_user_regs *regs) = {
    [EXIT_CR_READ ... EXIT_CR_WRITE + 15] = hvm_exit_control,
    [EXIT_DR_READ ... EXIT_DR_WRITE + 15] = exit_debug,
    [EXIT_EXCEPTION ... EXIT_EXCEPTION + 31] = exit_exception,
    [EXIT_INTR ... EXIT_INIT] = exit_interrupt,
    [EXIT_VINTR] = exit_window,
    [EXIT_RDTSC] = hvm_exit_tsc,
    [EXIT_RDPMC] = exit_rdpmc,
    [EXIT_CPUID] = hvm_exit_cpuid,
    [EXIT_RSM] = exit_absent,
    [EXIT_IRET] = exit_iret,
    [EXIT_INVD] = hvm_exit_cache,
    [EXIT_PAUSE] = exit_pause,
    [EXIT_HLT] = hvm_exit_hlt,
    [EXIT_INVLPGA] = exit_absent,
    [EXIT_IO] = exit_port,
    [EXIT_MSR] = exit_msr,
    [EXIT_FERR] = exit_interrupt,
    [EXIT_SHUTDOWN] = exit_shutdown,
    [EXIT_VMRUN] = exit_absent,
    [EXIT_VMMCALL] = hvm_exit_hypercall,
    [EXIT_VMLOAD ... EXIT_SKINIT] = exit_absent,
    [EXIT_RDTSCP] = hvm_exit_tsc,
    [EXIT_WBINVD] = hvm_exit_cache,
    [EXIT_MONITOR ... EXIT_MWAIT_ARMED] = exit_absent,
    [EXIT_XSETBV] = hvm_exit_xsetbv,
};

void svm_exit(struct cpu_user_regs *regs)
{
    struct vcpu *v = current;
    struct vmcb *b = vmcb_of(v);
    struct hvm_vcpu *h = v->hvm;

    regs->rax = b->rax;
    regs->rip = b->rip;
    regs->rsp = b->rsp;
    regs->rflags = b->rflags;
    h->cr3 = b->cr3;
    h->cpl = b->cpl;
    if (unlikely((b->virtual_interrupt & VINTR_TPR) != *lapic_register(h->lapic, LAPIC_TPR) >> 4))
        *lapic_register(h->lapic, LAPIC_TPR) = (uint32_t)(b->virtual_interrupt & VINTR_TPR) << 4;
    if (unlikely((b->virtual_interrupt & VINTR_IRQ) && svm_by_tcg))
        apic_offer_again();
    if (unlikely(b->exit_interrupt & EVENT_VALID))
        event_interrupted(v, b->exit_interrupt);
    if (likely(b->exit_code < ARRAY_SIZE(handlers) && handlers[b->exit_code]))
        handlers[b->exit_code](v, regs);
    else if (b->exit_code == EXIT_NESTED_FAULT)
        exit_nested_fault(v, regs);
    else
        hvm_crash(v, (int32_t)b->exit_code < 0 ? "its state is none the CPU accepts, exit code" : "unexpected exit",
                  b->exit_code);
}
