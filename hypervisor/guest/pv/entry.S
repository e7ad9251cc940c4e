/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ways between a PV guest and the hypervisor: the guest's system-call instructions (a hypercall from its kernel, a system call
 * bounced to its kernel from its user space), and the one way out for every PV vcpu.
 *
 * Where arch/x86's stubs and traps hand over: include/arch/x86/entry.h.  guest_regs lies at the foot of the CPU's stack, so
 * %rsp = &guest_regs is the empty stack.  %rbx holds the vcpu and %r12 its struct pv_vcpu in here, both kept by C.
 * PV_* offsets: offsets.c.  Frames and rules: xen/arch-x86/xen-x86_64.h.
 */
#include <xen/arch-x86/xen-x86_64.h>
#include "arch/extable.h"
#include "arch/x86/general_regs.h"
#include "arch/x86/regs.h"
#include "guest/pv/traps.h"

#define REG_RAX 80
#define REG_ENTRY_VECTOR 124
#define REG_RIP 128
#define REG_RFLAGS 144
#define REG_RSP 152
#define ROW_SHIFT 4 /* of the hypercall table: door/hypercall.c */
#define ROW_DIRECT 12

    .text

/* From rsp = &guest_regs.error_code: the general registers; then rbx and r12 as above. */
.macro SAVE_GENERAL
    PUSH_GENERAL
    mov PV_CPU_CURRENT(%rsp), %rbx
    mov PV_VCPU_PV(%rbx), %r12
.endm

/* From rsp = &guest_regs.rip: error code and vector, and the rest. */
.macro SAVE_REST vector
    push $0
    movl $\vector, 4(%rsp)
    SAVE_GENERAL
.endm

.macro GLOBAL_LABEL name
    .globl \name
    .hidden \name
    .type \name, @function
    .balign 16
\name:
.endm

/*
 * A hypercall: the guest's registers are the handler's arguments, all but one in place.  What the table does not let
 * through at once is looked at by hypercall_dispatch().  The mask keeps a mispredicted bound within the table.
 */
GLOBAL_LABEL pv_syscall_entry
    push %r11
    push $FLAT_KERNEL_CS64
    push %rcx
    SAVE_REST PV_ENTRY_SYSCALL
    cmpb $0, PV_KERNEL_MODE(%r12)
    je .Luser_syscall
    sti
#ifdef XYLEM_DEBUG /* all through C, where they are measured */
    jmp .Lhypercall
#endif
    cmp $hypercall_rows, %rax
    jae .Lhypercall
    sbb %r11, %r11
    and %r11, %rax
    shl $ROW_SHIFT, %rax
    lea hypercall_table(%rip), %r11
    cmpb $0, ROW_DIRECT(%r11, %rax)
    je .Lhypercall
    mov %r10, %rcx
    call *(%r11, %rax)
    mov %rax, REG_RAX(%rsp)

.Lexit:
    cli
    cmpl $0, PV_VCPU_PENDING(%rbx)
    jne .Lpending
.Lexit_softirqs:
    mov PV_CPU_SOFTIRQS(%rsp), %rax
    cmpl $0, (%rax)
    jne .Lsoftirq
    mov PV_VCPU_INFO(%rbx), %rax
    movzwl (%rax), %eax
    test %al, %al
    jz .Lrestore
    test %ah, %ah
    jz .Levent
.Lrestore:
    testb $(PV_ENTRY_SYSCALL >> 8), REG_ENTRY_VECTOR + 1(%rsp)
    jz .Lrestore_iret
    mov REG_RIP(%rsp), %rcx
    mov %rcx, %rax
    shl $16, %rax
    sar $16, %rax
    cmp %rcx, %rax
    jne .Lrestore_iret
    POP_GENERAL rcx=%rdx /* rcx holds rip already; r11 is where sysret takes the flags from */
    mov REG_RFLAGS - 120(%rsp), %r11
    mov REG_RSP - 120(%rsp), %rsp
    sysretq

.Lrestore_iret:
    POP_GENERAL
    add $8, %rsp
.Liretq:
    iretq
    EXTABLE_NOTE .Liretq, .Liret_failed

/* The guest's segments or rip cannot be loaded; its registers are as they would have been. */
.Liret_failed:
    SAVE_REST 0
    sti
    call pv_iret_failed
    jmp .Lexit

.Lpending:
    call pv_pending_ready
    test %al, %al
    jz .Lexit_softirqs
    sti
    call pv_bounce_pending
    jmp .Lexit
.Lsoftirq:
    sti
    call softirq_run
    jmp .Lexit
.Levent:
    sti
    call pv_bounce_event
    jmp .Lexit

.Lhypercall:
    mov %rsp, %rdi
    call hypercall_dispatch
    jmp .Lexit
.Luser_syscall:
    mov %rsp, %rdi
    mov %rbx, %rsi
    call pv_bounce_syscall
    jmp .Lexit

/* Neither this nor sysenter goes back where it came from without the kernel, and never by sysretq. */
GLOBAL_LABEL pv_syscall32_entry
    push %r11
    push $FLAT_USER_CS32
    push %rcx
    SAVE_REST 0
    mov $PV_CALL_SYSCALL32, %esi
.Lbounce_call:
    sti
    mov %rsp, %rdi
    call pv_bounce_call
    jmp .Lexit

/* sysenter leaves neither rip nor rsp: the kernel's callback knows where it was.  Of the flags it clears IF. */
GLOBAL_LABEL pv_sysenter_entry
    push $FLAT_USER_SS
    push $0
    pushfq
    orl $RFLAGS_IF, (%rsp)
    push $3
    push $0
    SAVE_REST 0
    pushq $2 /* sysenter leaves DF, NT, AC and TF as the guest had them */
    popfq
    mov $PV_CALL_SYSENTER, %esi
    jmp .Lbounce_call

/* int 0x80 of user space. */
GLOBAL_LABEL pv_int80_entry
    SAVE_REST VECTOR_INT80
    sti
    cld
    mov %rsp, %rdi
    call pv_trap
    jmp .Lexit

/* An exception of the guest: error code and vector are stored, all else as in the guest, interrupts off. */
GLOBAL_LABEL pv_exception_entry
    cld
    SAVE_GENERAL
    mov %rsp, %rdi
    sti
    call pv_trap
    jmp .Lexit

GLOBAL_LABEL pv_page_fault_entry
    cld
    SAVE_GENERAL
    mov %rsp, %rdi
    mov %cr2, %rsi
    mov %rbx, %rdx
    sti
    call pv_page_fault
    jmp .Lexit

GLOBAL_LABEL pv_exit_to_guest
    mov %rsp, %rax /* %rsp changes once: an interrupt may come at any time */
    or $(PV_STACK_SIZE - 1), %rax
    lea 1 - PV_CPU_INFO_SIZE(%rax), %rsp
    mov PV_CPU_CURRENT(%rsp), %rbx
    mov PV_VCPU_PV(%rbx), %r12
    jmp .Lexit

    .section .note.GNU-stack, "", @progbits
