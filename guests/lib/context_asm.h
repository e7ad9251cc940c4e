/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers on a stack: those a function keeps for its caller, and all general ones as struct trap_frame has them. */
#ifndef GUEST_CONTEXT_ASM_H
#define GUEST_CONTEXT_ASM_H

        .macro save_callee
        push %rbx
        push %rbp
        push %r12
        push %r13
        push %r14
        push %r15
        .endm

        .macro restore_callee
        pop %r15
        pop %r14
        pop %r13
        pop %r12
        pop %rbp
        pop %rbx
        .endm

        .macro push_general
        push %rdi
        push %rsi
        push %rdx
        push %rcx
        push %rax
        push %r8
        push %r9
        push %r10
        push %r11
        save_callee
        .endm

        .macro pop_general
        restore_callee
        pop %r11
        pop %r10
        pop %r9
        pop %r8
        pop %rax
        pop %rcx
        pop %rdx
        pop %rsi
        pop %rdi
        .endm

#endif
