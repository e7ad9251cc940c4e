/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hypercall outside of 64-bit mode (mode32.h). All code and all data lie below 4 GiB at their own addresses, in every
 * mode: the tables of the other two paging modes are made on the way.
 */
#include "context_asm.h"

#define SELECTOR_CODE64 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_CODE32 0x18
#define SELECTOR_REAL 0x20
#define SELECTOR_TASK 0x28
#define CR0_PE 1
#define CR0_PG 0x80000000
#define CR4_PSE 0x10
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define CALL_NUMBER 40
#define CALL_MODE 44
#define CALL_RESULT 48
#define MODE_REAL 1
#define MODE_TWO_LEVELS 3
#define MODE_PAE 4
#define MODE_VIRTUAL_8086 5
#define VIRTUAL_CODE 0x8000             /* memory that nobody uses, below 1 MiB */
#define EFLAGS_VM 0x20002
#define GATE_INTERRUPT_DPL_3 0xee00
#define TASK_BYTES 104
#define STUB_SHIFT 5

        .text
        .code64
        .globl mode32_call
mode32_call:                            /* (struct call32 *) */
        save_callee
        pushfq
        mov %rdi, current_call
        mov %rsp, saved_stack
        mov CALL_NUMBER(%rdi), %ebp
        shl $STUB_SHIFT, %ebp
        add $hypercall_page, %ebp
        cmpl $0, CALL_MODE(%rdi)
        jne 2f
        mov (%rdi), %rbx
        mov 8(%rdi), %rcx
        mov 16(%rdi), %rdx
        mov 24(%rdi), %rsi
        mov 32(%rdi), %rdi
        ljmp *compatibility_pointer
        .code32
compatibility:
        call *%ebp
        ljmp $SELECTOR_CODE64, $1f
        .code64
1:      mov current_call, %rdi
        mov %rax, CALL_RESULT(%rdi)
        mov saved_stack, %rsp
        popfq
        restore_callee
        ret

2:      cli
        mov %cr0, %rax
        mov %eax, saved_cr0
        mov %cr3, %rax
        mov %eax, saved_cr3
        mov %cr4, %rax
        mov %eax, saved_cr4
        ljmp *legacy_pointer
        .code32
legacy: mov saved_cr0, %eax             /* out of long mode */
        and $~CR0_PG, %eax
        mov %eax, %cr0
        mov $MSR_EFER, %ecx
        rdmsr
        and $~EFER_LME, %eax
        wrmsr
        mov current_call, %esi
        cmpl $MODE_PAE, CALL_MODE(%esi)
        je 3f
        cmpl $MODE_TWO_LEVELS, CALL_MODE(%esi)
        je 5f
        cmpl $MODE_VIRTUAL_8086, CALL_MODE(%esi)
        je 9f
        cmpl $MODE_REAL, CALL_MODE(%esi)
        jne 8f
        mov $real, %eax                 /* its code is at 0 of a segment, as it has 16 bits for addresses */
        mov %ax, gdt_real + 2
        shr $16, %eax
        mov %al, gdt_real + 4
        mov %ah, gdt_real + 7
        mov $real_call, %ebp
        jmp 8f

9:      mov $task_segment, %eax         /* its stack of ring 0, and a gate for int3 */
        movw $TASK_BYTES - 1, gdt_task
        mov %ax, gdt_task + 2
        shr $16, %eax
        mov %al, gdt_task + 4
        movw $0x0089, gdt_task + 5
        mov %ah, gdt_task + 7
        movw $SELECTOR_DATA, task_segment + 8
        mov $virtual_back, %eax
        mov %ax, virtual_idt + 3 * 8
        movw $SELECTOR_CODE32, virtual_idt + 3 * 8 + 2
        movw $GATE_INTERRUPT_DPL_3, virtual_idt + 3 * 8 + 4
        shr $16, %eax
        mov %ax, virtual_idt + 3 * 8 + 6
        movl $0xccd9010f, VIRTUAL_CODE  /* vmmcall, int3 */
        mov $virtual_call, %ebp
        jmp 8f

3:      mov $page_tables_2 + 1, %eax    /* PAE: the four tables of the second level are there */
        mov $table_pae, %edi
        mov $4, %ecx
4:      mov %eax, (%edi)
        movl $0, 4(%edi)
        add $8, %edi
        add $4096, %eax
        loop 4b
        mov $table_pae, %eax
        jmp 7f

5:      mov saved_cr4, %eax             /* 1024 pages of 4 MiB */
        and $~CR4_PAE, %eax
        or $CR4_PSE, %eax
        mov %eax, %cr4
        mov $0x87, %eax
        mov $table_two_levels, %edi
        mov $1024, %ecx
6:      mov %eax, (%edi)
        add $4, %edi
        add $0x400000, %eax
        loop 6b
        mov $table_two_levels, %eax
7:      mov %eax, %cr3
        mov saved_cr0, %eax
        mov %eax, %cr0

8:      mov (%esi), %ebx
        mov 8(%esi), %ecx
        mov 16(%esi), %edx
        mov 32(%esi), %edi
        mov 24(%esi), %esi
        call *%ebp
        mov %eax, %ebx

        mov saved_cr0, %eax             /* and back */
        and $~CR0_PG, %eax
        mov %eax, %cr0
        mov saved_cr4, %eax
        mov %eax, %cr4
        mov saved_cr3, %eax
        mov %eax, %cr3
        mov $MSR_EFER, %ecx
        rdmsr
        or $EFER_LME, %eax
        wrmsr
        mov saved_cr0, %eax
        mov %eax, %cr0
        mov %ebx, %eax
        ljmp $SELECTOR_CODE64, $1b

virtual_call:                           /* likewise: by iret there, by int3 back */
        sidt saved_idt
        lidt virtual_idt_pointer
        mov $SELECTOR_TASK, %eax
        ltr %ax
        mov %esp, virtual_stack
        mov %esp, task_segment + 4
        mov current_call, %ebp
        mov CALL_NUMBER(%ebp), %eax
        push $0                         /* gs, fs, ds, es */
        push $0
        push $0
        push $0
        push $VIRTUAL_CODE >> 4         /* a stack it does not use */
        push $0
        push $EFLAGS_VM
        push $VIRTUAL_CODE >> 4
        push $0
        iret
virtual_back:
        mov $SELECTOR_DATA, %ecx
        mov %ecx, %ds
        mov %ecx, %es
        mov %ecx, %fs
        mov %ecx, %gs
        mov virtual_stack, %esp
        lidt saved_idt
        ret

real_call:                              /* in place of the hypercall page, which has 32-bit code */
        mov current_call, %ebp
        mov CALL_NUMBER(%ebp), %ebp
        ljmp $SELECTOR_REAL, $0
        .code16
real:   mov %cr0, %eax
        and $~CR0_PE, %eax
        mov %eax, %cr0
        mov %ebp, %eax
        vmmcall
        mov %eax, %ebp
        mov %cr0, %eax
        mov %eax, %ecx
        or $CR0_PE, %eax
        mov %eax, %cr0
        mov %ebp, %eax
        ljmpl $SELECTOR_CODE32, $1f
        .code32
1:      mov %ecx, mode32_real_cr0
        ret

        .section .rodata
        .balign 8
compatibility_pointer:
        .long compatibility
        .word SELECTOR_CODE32
        .balign 8
legacy_pointer:
        .long legacy
        .word SELECTOR_CODE32
virtual_idt_pointer:
        .word 4 * 8 - 1
        .long virtual_idt

        .bss
        .globl mode32_real_cr0
        .balign 8
mode32_real_cr0: .skip 4
        .balign 8
current_call:   .skip 8
saved_stack:    .skip 8
saved_cr0:      .skip 4
saved_cr3:      .skip 4
saved_cr4:      .skip 4
saved_idt:      .skip 8
virtual_stack:  .skip 4
        .balign 8
virtual_idt:    .skip 4 * 8
task_segment:   .skip TASK_BYTES
        .balign 32
table_pae:      .skip 32

        .section .bss.page, "aw", @nobits
        .balign 4096
table_two_levels: .skip 4096

        .section .note.GNU-stack, "", @progbits
