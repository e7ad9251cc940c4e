/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start and entry points of a PVH guest: from 32-bit protected mode without paging to 64-bit mode with the first
 * 4 GiB mapped at their own addresses. XEN_ELFNOTE_PHYS32_ENTRY of xen/elfnote.h; state at the start: EBX holds
 * the address of struct hvm_start_info (xen/arch-x86/hvm/start_info.h).
 */
#include <xen/elfnote.h>
#include "context_asm.h"

#define CR0_BITS 0x80010021             /* paging, write protection, numeric errors, protected mode */
#define CR4_BITS 0x620                  /* PAE, OSFXSR, OSXMMEXCPT */
#define MSR_EFER 0xc0000080
#define EFER_BITS 0x900                 /* LME, NXE */
#define ENTRY_BITS 0x007
#define LARGE_BITS 0x087
#define SELECTOR_CODE64 0x08
#define SELECTOR_DATA 0x10

        .pushsection .note.Xen, "a", @note
        .balign 4
        .long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
        .asciz "Xen"
        .long guest_entry32
        .popsection

        .section .text.head, "ax"
        .globl hypercall_page
        .balign 4096
hypercall_page:
        .skip 4096, 0xcc

        .code32
        .globl guest_entry, guest_entry32
guest_entry:
guest_entry32:
        cld
        mov %ebx, %esi
        mov $page_table_4, %edi         /* tables: one entry each in the upper two, four full ones below */
        movl $page_table_3 + ENTRY_BITS, (%edi)
        mov $page_table_3, %edi
        mov $page_tables_2 + ENTRY_BITS, %eax
        mov $4, %ecx
1:      mov %eax, (%edi)
        add $8, %edi
        add $4096, %eax
        loop 1b
        mov $page_tables_2, %edi
        mov $LARGE_BITS, %eax
        mov $2048, %ecx
2:      mov %eax, (%edi)
        add $8, %edi
        add $0x200000, %eax
        loop 2b
        mov $vcpu_stack_0_top, %esp
        call enter_long_mode
        .code64
        mov %esi, %edi
        xor %ebp, %ebp
        push $0
        jmp guest_start                 /* (hvm_start_info) */

/* From 32-bit mode to 64-bit mode, with the stack and ESI kept; the return address is 32 bits wide. */
        .code32
enter_long_mode:
        pop %edi
        mov $CR4_BITS, %eax
        mov %eax, %cr4
        mov $page_table_4, %eax
        mov %eax, %cr3
        mov $MSR_EFER, %ecx
        xor %edx, %edx
        mov $EFER_BITS, %eax
        wrmsr
        mov $CR0_BITS, %eax
        mov %eax, %cr0
        lgdt gdt_pointer
        ljmp $SELECTOR_CODE64, $3f
        .code64
3:      mov $SELECTOR_DATA, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %fs
        mov %eax, %gs
        mov %eax, %ss
        mov %esp, %esp
        mov %edi, %edi
        jmp *%rdi

/* A further vcpu: started in 64-bit mode by VCPUOP_initialise, on its own stack with its number in RDI. */
        .globl vcpu_entry
vcpu_entry:
        cld
        lgdt gdt_pointer
        push $SELECTOR_CODE64
        lea 4f(%rip), %rax
        push %rax
        lretq
4:      mov $SELECTOR_DATA, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        xor %ebp, %ebp
        push $0
        jmp vcpu_start

        .text
/* One stub for each vector, 16 bytes apart. */
        .balign 16
        .globl interrupt_stubs
interrupt_stubs:
        .set vector, 0
        .rept 256
        .balign 16
        .if vector != 8 && vector != 10 && vector != 11 && vector != 12 && vector != 13 && vector != 14 && \
            vector != 17 && vector != 21
        push $0
        .endif
        push $vector
        jmp entry_common
        .set vector, vector + 1
        .endr

entry_common:                           /* struct trap_frame of trap.h */
        push_general
        cld
        mov %rsp, %rdi
        call trap_dispatch
        pop_general
        add $16, %rsp
        iretq

        .section .rodata
        .balign 8
        .globl gdt_pointer, gdt_real, gdt_task
gdt:    .quad 0
        .quad 0x00af9b000000ffff        /* code, 64-bit */
        .quad 0x00cf93000000ffff        /* data */
        .quad 0x00cf9b000000ffff        /* code, 32-bit */
gdt_real:
        .quad 0x00009b000000ffff        /* code, 16-bit: mode32.S knows where */
gdt_task:
        .quad 0                         /* and where a task segment is */
gdt_end:
gdt_pointer:
        .word gdt_end - gdt - 1
        .quad gdt

        .section .bss.page, "aw", @nobits
        .balign 4096
        .globl page_table_4
page_table_4:   .skip 4096
page_table_3:   .skip 4096
        .globl page_tables_2
page_tables_2:  .skip 4 * 4096

        .section .note.GNU-stack, "", @progbits
