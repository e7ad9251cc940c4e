/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The general registers on a stack as struct cpu_user_regs has them, r15 lowest (xen/arch-x86/xen-x86_64.h).
 * POP_GENERAL leaves out what its arguments name another register for, whose own value comes later.
 */
#pragma once

.macro PUSH_GENERAL
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %rax
    push %r8
    push %r9
    push %r10
    push %r11
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
.endm

.macro POP_GENERAL rax=%rax, rcx=%rcx
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop \rax
    pop \rcx
    pop %rdx
    pop %rsi
    pop %rdi
.endm
