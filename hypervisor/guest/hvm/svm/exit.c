// SPDX-License-Identifier: BSD-2-Clause
/*
 * Exits: SVM's codes and fields, given to guest/hvm in its own words.  AMD64 APM volume 2, 15.9 to 15.14, appendix C.
 */
#include "arch/x86/apic.h"
#include "arch/x86/machine_check.h"
#include "guest/hvm/lapic.h"
#include "guest/hvm/svm/svm.h"
#include "sched/sched.h"

#define VMMCALL_LENGTH 3

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

static void exit_exception(struct vcpu *v, struct cpu_user_regs *regs, unsigned vector)
{
    struct cpu_user_regs shown = *regs;

    switch (vector) {
    case VECTOR_DB:
        hvm_inject_exception(VECTOR_DB, false, 0);
        break;
    case VECTOR_AC:
        hvm_inject_exception(VECTOR_AC, true, (uint32_t)vmcb_of(v)->exit_info1);
        break;
    default:
        shown.cs = 3; /* it hit the guest */
        machine_check(&shown);
        break;
    }
}

static void exit_port(struct vcpu *v, struct cpu_user_regs *regs, const struct vmcb *b)
{
    uint32_t info = (uint32_t)b->exit_info1;
    struct hvm_port_access access = {
        .port = (uint16_t)(info >> IO_PORT_SHIFT),
        .size = info >> IO_SIZE_SHIFT & 7,
        .address_size = (info >> IO_ADDRESS_SHIFT & 7) * 2,
        .in = info & IO_IN,
        .string = info & IO_STRING,
        .repeat = info & IO_REPEAT,
        .next_rip = b->exit_info2,
    };

    hvm_exit_port(v, regs, &access);
}

static void exit_nested_fault(struct vcpu *v, struct cpu_user_regs *regs, const struct vmcb *b)
{
    hvm_exit_nested_fault(v, regs, b->exit_info2, (uint32_t)b->exit_info1, b->exit_info1 & NESTED_FAULT_WALK);
}

/* SVM's own instructions are not there for a guest, whatever its EFER says. */
static void exit_absent(void) { hvm_inject_exception(VECTOR_UD, false, 0); }

static void exit_rare(struct vcpu *v, struct cpu_user_regs *regs, struct vmcb *b)
{
    switch (b->exit_code) {
    case EXIT_CR_READ ... EXIT_CR_WRITE + 15:
        hvm_exit_control(v, regs);
        break;
    case EXIT_DR_READ ... EXIT_DR_WRITE + 15:
        hvm_exit_debug(v);
        svm_debug_intercept(b, false);
        break;
    case EXIT_EXCEPTION ... EXIT_EXCEPTION + 31:
        exit_exception(v, regs, (unsigned)b->exit_code - EXIT_EXCEPTION);
        break;
    case EXIT_IRET: /* its NMI handler is over: the next NMI may come once the instruction is */
        v->hvm->nmi_blocked = false;
        b->intercept1 &= ~INTERCEPT_IRET;
        b->interrupt_shadow = INTERRUPT_SHADOW;
        break;
    case EXIT_INVD:
    case EXIT_WBINVD:
        hvm_exit_cache(v, regs);
        break;
    case EXIT_RDTSC:
    case EXIT_RDTSCP:
        hvm_exit_tsc(v, regs);
        break;
    case EXIT_RDPMC:
        hvm_inject_exception(VECTOR_GP, true, 0);
        break;
    case EXIT_PAUSE:
        sched_yield();
        hvm_skip_opcode(v, regs, 0x90);
        break;
    case EXIT_XSETBV:
        hvm_exit_xsetbv(v, regs);
        break;
    case EXIT_SHUTDOWN:
        hvm_exit_shutdown(v);
        break;
    case EXIT_RSM:
    case EXIT_INVLPGA:
    case EXIT_VMRUN:
    case EXIT_VMLOAD ... EXIT_SKINIT:
    case EXIT_MONITOR ... EXIT_MWAIT_ARMED:
        exit_absent();
        break;
    default:
        hvm_crash(v, (int32_t)b->exit_code < 0 ? "its state is none the CPU accepts, exit code" : "unexpected exit",
                  b->exit_code);
        break;
    }
}

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
    switch (b->exit_code) {
    case EXIT_VMMCALL:
        hvm_exit_hypercall(v, regs, VMMCALL_LENGTH);
        break;
    case EXIT_INTR: /* taken already */
    case EXIT_NMI:
    case EXIT_SMI:
    case EXIT_INIT:
    case EXIT_FERR:
        if (unlikely(b->interrupt_shadow & INTERRUPT_SHADOW))
            hvm_exit_in_shadow(v, regs);
        break;
    case EXIT_VINTR:
        b->virtual_interrupt &= ~VINTR_IRQ;
        b->intercept1 &= ~INTERCEPT_VINTR;
        break;
    case EXIT_NESTED_FAULT:
        exit_nested_fault(v, regs, b);
        break;
    case EXIT_MSR:
        hvm_exit_msr(v, regs, b->exit_info1);
        break;
    case EXIT_CPUID:
        hvm_exit_cpuid(v, regs);
        break;
    case EXIT_HLT:
        hvm_exit_hlt(v, regs);
        break;
    case EXIT_IO:
        exit_port(v, regs, b);
        break;
    default:
        exit_rare(v, regs, b);
        break;
    }
}
