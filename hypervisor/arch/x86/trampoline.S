/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where other CPUs start: real mode, at a page below 640 KiB to which smp.c copies this code.  It goes
 * straight to long mode on boot_l4 (which maps the first 4 GiB at 0) and from there to the image, on the
 * stack smp.c left in smp_boot_stack.
 */
#include "arch/x86/long_mode.h"
#include "asm-offsets.h"
#define LOCAL(symbol) (symbol - trampoline_start)

    .section .rodata.trampoline, "a"
    .balign 16
    .global trampoline_start, trampoline_end
    .code16
trampoline_start:
    cli
    cld
    mov %cs, %ax
    mov %ax, %ds
    movzwl %ax, %ebx
    shl $4, %ebx                /* linear address of this page */
    /* far pointers of the two jumps below */
    lea LOCAL(trampoline_32)(%ebx), %eax
    mov %eax, LOCAL(jump_32)
    lgdtl LOCAL(trampoline_gdt_pointer)
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl *LOCAL(jump_32)

    .code32
trampoline_32:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    LONG_MODE_ENABLE
    lea LOCAL(jump_64)(%ebx), %eax
    lea LOCAL(trampoline_64)(%ebx), %ecx
    mov %ecx, (%eax)
    ljmp *(%eax)

    .code64
trampoline_64:
    movabs $trampoline_high, %rax
    jmp *%rax

trampoline_gdt_pointer:
    .short 4 * 8 - 1
    .long PHYS(boot_gdt)
    .balign 4
jump_32:
    .long 0
    .short 0x08
    .balign 4
jump_64:
    .long 0
    .short 0x18
trampoline_end:

    .section .text.entry, "ax"
    .code64
trampoline_high:
    lea idle_cr3(%rip), %rax
    mov (%rax), %rax
    mov %rax, %cr3
    xor %ecx, %ecx
    mov %ecx, %ds
    mov %ecx, %es
    mov %ecx, %ss
    mov %ecx, %fs
    mov %ecx, %gs
    mov smp_boot_stack(%rip), %rsp
    xor %ebp, %ebp
    call smp_cpu_main
    ud2
    .section .note.GNU-stack, "", @progbits
