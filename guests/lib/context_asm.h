/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers a function keeps for its caller, for the assembly of context.h. */
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

#endif
