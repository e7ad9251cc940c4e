/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions and interrupts: one stub per vector, a common path that completes a struct cpu_user_regs on the stack, and the
 * way back.  The seam with the PV guest's side is told in include/arch/x86/entry.h.
 */
#include "arch/extable.h"
#include "arch/layout.h"
#include "arch/x86/descriptor.h"
#include "arch/x86/general_regs.h"
#include "arch/x86/regs.h"
#include "asm-offsets.h"

    .section .text.entry, "ax"
    .code64

/* The stubs, 16 bytes each from vector 0 on. */
    .balign 16
    .global entry_stubs
entry_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if vector < 32 && (VECTORS_WITH_ERROR_CODE >> (vector & 31)) & 1
    .else
    push $0
    .endif
    movl $vector, 4(%rsp)
    .if vector == VECTOR_NMI || vector == VECTOR_DF || vector == VECTOR_MC || vector == VECTOR_DB
    jmp entry_ist
    .elseif vector == VECTOR_PF
    jmp entry_page_fault
    .elseif vector < 32
    jmp entry_exception
    .else
    jmp entry_common
    .endif
    .set vector, vector + 1
    .endr

    .balign 16
entry_page_fault:
    testb $3, UREGS_cs - UREGS_error_code(%rsp)
    jnz pv_page_fault_entry
    jmp entry_common
entry_exception:
    testb $3, UREGS_cs - UREGS_error_code(%rsp)
    jnz pv_exception_entry
entry_common:
    cld
    PUSH_GENERAL
    xor %ebp, %ebp
    mov %rsp, %rdi
    call trap_dispatch
entry_return:
    testb $3, UREGS_cs(%rsp)
    jnz pv_exit_to_guest
    .global entry_return_hypervisor
entry_return_hypervisor:
    cli
    POP_GENERAL
    add $8, %rsp
    iretq

/*
 * On an interrupt stack.  From ring 3 the frame moves to the CPU's stack, which is empty then, and all goes on as
 * for any other trap; from ring 0 it stays.
 */
entry_ist:
    cld
    PUSH_GENERAL
    xor %ebp, %ebp
    testb $3, UREGS_cs(%rsp)
    jz 1f
    mov %rsp, %rsi
    mov %rsp, %rdi
    or $(STACK_BYTES - 1), %rdi
    sub $(CPUINFO_BYTES - 1), %rdi
    mov %rdi, %rdx
    mov $(UREGS_es / 8), %ecx
    rep movsq
    mov %rdx, %rsp
1:  mov %rsp, %rdi
    call trap_dispatch
    jmp entry_return

/* void stack_reset_jump(void (*label)(void)) */
    .global stack_reset_jump
stack_reset_jump:
    mov %rsp, %rax /* %rsp changes once: an interrupt may come at any time */
    or $(STACK_BYTES - 1), %rax
    lea 1 - CPUINFO_BYTES(%rax), %rsp
    xor %ebp, %ebp
    jmp *%rdi

/* void stack_switch_call(void *top, void (*fn)(void)): never returns; interrupts stay as they are. */
    .global stack_switch_call
stack_switch_call:
    lea -CPUINFO_BYTES - 8(%rdi), %rsp
    xor %ebp, %ebp
    call *%rsi
    ud2

/* void segments_load(void): hypervisor code and data segments after lgdt. */
    .global segments_load
segments_load:
    pop %rax
    push $HYPERVISOR_CS
    push %rax
    mov $HYPERVISOR_DS, %ecx
    mov %ecx, %ss
    xor %ecx, %ecx
    mov %ecx, %ds
    mov %ecx, %es
    mov %ecx, %fs
    mov %ecx, %gs
    lretq

/*
 * The code of a CPU's stub page, a template: smp.c copies it to the page right behind the CPU's stack, whose end the code
 * therefore reaches relative to itself.  Interrupts are off; NMI, #MC and #DB have stacks of their own.
 */
    .balign 64
    .global syscall_stub_start, syscall_stub32, syscall_stub_end
.macro SYSCALL_STUB target
    mov %rsp, syscall_stub_start - CPUINFO_BYTES + UREGS_rsp(%rip)
    lea syscall_stub_start - CPUINFO_BYTES + UREGS_rsp(%rip), %rsp
    movq $0xe02b, 8(%rsp)       /* FLAT_RING3_SS64 */
    jmp *\target(%rip)
.endm
syscall_stub_start:
    SYSCALL_STUB stub_target
    .balign 16
syscall_stub32:
    SYSCALL_STUB stub_target32
    .balign 8
stub_target:
    .quad pv_syscall_entry
stub_target32:
    .quad pv_syscall32_entry
syscall_stub_end:

/*
 * void panic(const char *format, ...): keeps the registers as its caller left them, of the first that gets here, and goes
 * on with the same arguments to panic_say (panic.c).
 */
    .text
    .global panic
panic:
    lock btsl $0, panic_entered(%rip)
    jc panic_say
    .set place, 0
    .irp register, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
    mov %\register, panic_regs + place(%rip)
    .set place, place + 8
    .endr
    pushfq
    popq panic_regs + UREGS_rflags(%rip)
    movw %cs, panic_regs + UREGS_cs(%rip)
    mov (%rsp), %r11
    mov %r11, panic_regs + UREGS_rip(%rip)
    lea 8(%rsp), %r11
    mov %r11, panic_regs + UREGS_rsp(%rip)
    jmp panic_say

    .section .note.GNU-stack, "", @progbits
