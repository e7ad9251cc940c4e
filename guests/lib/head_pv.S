/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start and entry points of a 64-bit PV guest.
 *
 * Notes: xen/elfnote.h. Start: xen/arch-x86/xen.h and xen/xen.h (start_info in RSI). An exception, an event
 * and a system call arrive with RCX and R11 below an ordinary frame (error code where the vector has one,
 * RIP, CS, RFLAGS, RSP, SS). Every return goes through HYPERVISOR_iret, which restores the event mask with
 * RFLAGS.IF.
 */
#include <xen/elfnote.h>
#include "context_asm.h"

#define HYPERCALL_STACK_SWITCH 3
#define HYPERCALL_IRET 23
#define FLAT_CODE 0xe033
#define FLAT_STACK 0xe02b
#define FLAGS_IF 0x200

#define VECTOR_EVENT 32         /* trap.h: entries that are no exceptions */
#define VECTOR_FAILSAFE 33
#define VECTOR_SYSCALL 34
#define VECTOR_SYSCALL32 35
#define VECTOR_SYSENTER 36
#define VECTOR_SOFTWARE 37
#define VECTOR_NMI_CALLBACK 38

        .macro note_text type, text
        .pushsection .note.Xen, "a", @note
        .balign 4
        .long 4, 2f - 1f, \type
        .asciz "Xen"
1:      .asciz "\text"
2:      .balign 4
        .popsection
        .endm

        .macro note_quad type, value
        .pushsection .note.Xen, "a", @note
        .balign 4
        .long 4, 8, \type
        .asciz "Xen"
        .quad \value
        .popsection
        .endm

        note_text XEN_ELFNOTE_GUEST_OS, "Xylem guest"
        note_text XEN_ELFNOTE_GUEST_VERSION, "1"
        note_text XEN_ELFNOTE_LOADER, "generic"
        note_text XEN_ELFNOTE_XEN_VERSION, "xen-3.0"
        note_text XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb"
        note_text XEN_ELFNOTE_PAE_MODE, "yes"
        note_quad XEN_ELFNOTE_VIRT_BASE, 0
        note_quad XEN_ELFNOTE_PADDR_OFFSET, 0
        note_quad XEN_ELFNOTE_ENTRY, guest_entry
        note_quad XEN_ELFNOTE_HYPERCALL_PAGE, hypercall_page

        .section .text.head, "ax"
        .globl hypercall_page
        .balign 4096
hypercall_page:
        .skip 4096, 0xcc

        .globl guest_entry
guest_entry:
        cld
        mov %rsp, %rdx
        mov $vcpu_stack_0_top, %rsp
        xor %ebp, %ebp
        mov %rsi, %rdi
        mov %rdx, %rsi
        push $0
        jmp guest_start                 /* (start_info, first stack pointer) */

/* A further vcpu starts here on its own stack, with its number in RDI. */
        .globl vcpu_entry
vcpu_entry:
        cld
        xor %ebp, %ebp
        push $0
        jmp vcpu_start

        .text
        .macro entry vector, with_error=0
        .balign 16
entry_\vector:
        pop %rcx
        pop %r11
        .if \with_error == 0
        push $0
        .endif
        push $\vector
        jmp entry_common
        .endm

        .irp vector, 0, 1, 2, 3, 4, 5, 6, 7, 9, 15, 16, 18, 19, 20, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        entry \vector
        .endr
        .irp vector, 8, 10, 11, 12, 13, 14, 17, 21
        entry \vector, 1
        .endr

        .macro entry_plain name, vector
        .globl \name
\name:
        pop %rcx
        pop %r11
        push $0
        push $\vector
        jmp entry_common
        .endm

        entry_plain entry_event, VECTOR_EVENT
        entry_plain entry_syscall, VECTOR_SYSCALL
        entry_plain entry_syscall32, VECTOR_SYSCALL32
        entry_plain entry_sysenter, VECTOR_SYSENTER
        entry_plain entry_software, VECTOR_SOFTWARE
        entry_plain entry_nmi_callback, VECTOR_NMI_CALLBACK
        .globl entry_failsafe
/* RCX, R11, DS, ES, FS, GS, then the frame: reported, with the selectors dropped. */
entry_failsafe:
        pop %rcx
        pop %r11
        add $32, %rsp
        push $0
        push $VECTOR_FAILSAFE
        jmp entry_common

entry_common:                           /* struct trap_frame of trap.h; DF is as it was */
        cld
        push_general
        mov %rsp, %rdi
        call trap_dispatch
        .globl trap_return
trap_return:
        pop_general
        add $16, %rsp
        .globl trap_iret
trap_iret:                              /* at RSP: RIP, CS, RFLAGS, RSP, SS */
        push $0
        jmp hypercall_page + HYPERCALL_IRET * 32

/* long user_enter(unsigned long *saved_rsp, void *code, void *user_rsp, long argument, long flags) */
        .globl user_enter
user_enter:
        save_callee
        mov %rsp, (%rdi)
        mov %rsi, %rbx
        mov %rdx, %r12
        mov %rcx, %r13
        mov %r8, %r14
        mov $FLAT_STACK, %edi           /* the stack on which the kernel is entered from user mode */
        mov %rsp, %rsi
        call hypercall_page + HYPERCALL_STACK_SWITCH * 32
        push $FLAT_STACK
        push %r12
        push %r14
        push $FLAT_CODE
        push %rbx
        mov %r13, %rdi
        push $0
        jmp hypercall_page + HYPERCALL_IRET * 32

        .section .rodata
        .globl trap_entries
        .balign 8
trap_entries:
        .irp vector, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        .quad entry_\vector
        .endr
        .irp vector, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        .quad entry_\vector
        .endr

        .section .note.GNU-stack, "", @progbits
