/* SPDX-License-Identifier: BSD-2-Clause */
/* Jumps between stacks: context.h. */
#include "context_asm.h"

        .text
/*
 * long context_call(unsigned long *saved_rsp, void (*function)(void *), void *argument): 0, or what
 * context_jump says.
 */
        .globl context_call
context_call:
        save_callee
        mov %rsp, (%rdi)
        mov %rdx, %rdi
        call *%rsi
        xor %eax, %eax
        restore_callee
        ret

/*
 * void context_jump(unsigned long saved_rsp, long value): returns from the context_call or user_enter that
 * saved it.
 */
        .globl context_jump
context_jump:
        mov %rdi, %rsp
        mov %rsi, %rax
        restore_callee
        ret

        .section .note.GNU-stack, "", @progbits
