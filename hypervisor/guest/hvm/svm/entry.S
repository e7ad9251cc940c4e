/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way into an SVM guest and out of it.  guest_regs lies at the foot of the CPU's stack, so %rsp = &guest_regs is the
 * empty stack: the registers are popped from there before VMRUN and pushed again behind it.  rax, rip, rsp and rflags are the
 * VMCB's.
 *
 * Interrupts are off from the last look for work on; with the global interrupt flag clear they are then enabled, so that one that is
 * pending ends the guest's run at once, and is taken by us when the flag is set again.  The same goes for NMIs.
 * AMD64 APM volume 2, 15.5 and 15.17.
 */
#include "arch/x86/general_regs.h"
#include "asm-offsets.h"

    .text
    .globl svm_enter_guest
    .hidden svm_enter_guest
    .type svm_enter_guest, @function
    .balign 16
svm_enter_guest:
    mov %rsp, %rax /* %rsp changes once: an interrupt may come at any time */
    or $(STACK_BYTES - 1), %rax
    lea 1 - CPUINFO_BYTES(%rax), %rsp

.Lagain:
    cli
    mov CPUINFO_softirqs(%rsp), %rax
    cmpl $0, (%rax)
    jne .Lsoftirq
    mov CPUINFO_current(%rsp), %rdi
    call svm_prepare_entry
    test %rax, %rax
    jz .Lnot_now
    clgi
    sti
    vmload %rax
    POP_GENERAL rax=%rcx /* rax is the VMCB's */
    vmrun %rax
    PUSH_GENERAL
    vmsave %rax
    mov CPUINFO_percpu(%rsp), %rcx
    lea percpu_svm_host_state(%rip), %rax
    mov (%rax,%rcx), %rax
    vmload %rax
    stgi
    xor %ebp, %ebp
    mov %rsp, %rdi
    call svm_exit
    jmp .Lagain

.Lsoftirq:
    sti
    call softirq_run
    jmp .Lagain
.Lnot_now:
    sti
    jmp .Lagain

    .section .note.GNU-stack, "", @progbits
