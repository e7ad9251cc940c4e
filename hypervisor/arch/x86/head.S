/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the boot loader to C.  The image is a flat binary loaded at IMAGE_PHYSICAL; both Multiboot headers say
 * so by address, so loaders need not understand ELF.  Sources: Multiboot Specification 0.6.96 sections 3.1
 * and 3.2, Multiboot2 Specification 2.0 sections 3.1 and 3.3.
 *
 * Entered in 32-bit protected mode without paging, eax a magic number, ebx the loader's information.  Leaves
 * in long mode at IMAGE_START with boot_l4: the first 4 GiB at 0 and at the start of the direct map, and 16
 * MiB of image.
 */
#include "arch/x86/long_mode.h"
#include "asm-offsets.h"

/* What entries of the boot page tables are made of; a slot's offset in its table. */
#define TABLE 0x003      /* present, writable */
#define LARGE_PAGE 0x083
#define SLOT(address, shift) ((((address) >> (shift)) & 511) * 8)
#define IMAGE_BYTES 0x1000000

#define MB1_MAGIC 0x1badb002
#define MB1_FLAGS 0x00010003 /* page-aligned modules, memory map, address fields */
#define MB2_MAGIC 0xe85250d6

    .section .text.head, "ax"
    .code32
    .global head_start
head_start:
    jmp head_entry

    .balign 4
mb1_header:
    .long MB1_MAGIC
    .long MB1_FLAGS
    .long -(MB1_MAGIC + MB1_FLAGS)
    .long PHYS(mb1_header)
    .long PHYS(image_start)
    .long PHYS(load_end)
    .long PHYS(bss_end)
    .long PHYS(head_entry)

    /* No frame buffer is asked for: the loader leaves text mode, which is what there is a driver for (vga.c). */
    .balign 8
mb2_header:
    .long MB2_MAGIC
    .long 0
    .long mb2_header_end - mb2_header
    .long -(MB2_MAGIC + (mb2_header_end - mb2_header))
    .balign 8
    .short 1, 0         /* information wanted: command line, memory map, basic memory */
    .long 20
    .long 1, 6, 4
    .balign 8
    .short 2, 0         /* addresses */
    .long 24
    .long PHYS(mb2_header), PHYS(image_start), PHYS(load_end), PHYS(bss_end)
    .balign 8
    .short 3, 0         /* entry address */
    .long 12
    .long PHYS(head_entry)
    .balign 8
    .short 6, 0         /* modules page-aligned */
    .long 8
    .balign 8
    .short 0, 0
    .long 8
mb2_header_end:

head_entry:
    cld
    cli
    lgdt PHYS(boot_gdt_pointer)
    ljmp $0x08, $PHYS(1f)
1:  mov $0x10, %ecx
    mov %ecx, %ds
    mov %ecx, %es
    mov %ecx, %ss
    xor %ecx, %ecx
    mov %ecx, %fs
    mov %ecx, %gs
    mov %eax, %ebp
    /* The loader may not have cleared what the file does not hold. */
    mov $PHYS(bss_start), %edi
    mov $PHYS(bss_end), %ecx
    sub %edi, %ecx
    shr $2, %ecx
    xor %eax, %eax
    rep stosl
    mov $PHYS(boot_stack_top), %esp
    push $0
    popf
    mov %ebp, PHYS(boot_magic)
    mov %ebx, PHYS(boot_information)

    /* 115200 8n1 on COM1, so that what goes wrong from here on can be read. */
    mov $PHYS(serial_setup), %esi
    mov $8, %ecx
2:  lodsw
    movzbl %al, %edx
    add $0x300, %edx
    mov %ah, %al
    out %al, %dx
    loop 2b

    cmp $0x2badb002, %ebp
    je 3f
    cmp $0x36d76289, %ebp
    mov $PHYS(text_loader), %esi
    jne head_fail
3:  mov $0x80000000, %eax
    cpuid
    mov $PHYS(text_long_mode), %esi
    cmp $0x80000001, %eax
    jb head_fail
    mov $0x80000001, %eax
    cpuid
    bt $29, %edx
    jnc head_fail
    mov $PHYS(text_nx), %esi
    bt $20, %edx
    jnc head_fail
    mov $PHYS(text_syscall), %esi
    bt $11, %edx
    jnc head_fail
    mov $1, %eax
    cpuid
    mov $PHYS(text_features), %esi
    and $0x0700a371, %edx       /* FPU TSC MSR PAE CX8 APIC PGE CMOV FXSR SSE SSE2 */
    cmp $0x0700a371, %edx
    jne head_fail

    call page_tables_fill
    LONG_MODE_ENABLE
    ljmp $0x18, $PHYS(4f)

/* boot_l4 and what is below it: cleared so far, and all addresses in them are below 4 GiB. */
page_tables_fill:
    movl $PHYS(boot_l3_low) + TABLE, PHYS(boot_l4)
    movl $PHYS(boot_l3_image) + TABLE, PHYS(boot_l4) + SLOT(IMAGE_START, 39)
    movl $PHYS(boot_l3_low) + TABLE, PHYS(boot_l4) + SLOT(DIRECT_MAP_START, 39)
    movl $PHYS(boot_l2_image) + TABLE, PHYS(boot_l3_image) + SLOT(IMAGE_START, 30)
    mov $PHYS(boot_l2_low) + TABLE, %eax
    mov $PHYS(boot_l3_low), %edi
    mov $4, %ecx
    mov $0x1000, %edx
    call entries_fill
    mov $LARGE_PAGE, %eax
    mov $PHYS(boot_l2_low), %edi
    mov $4 * 512, %ecx
    mov $0x200000, %edx
    call entries_fill
    mov $IMAGE_PHYSICAL + LARGE_PAGE, %eax
    mov $PHYS(boot_l2_image), %edi
    mov $IMAGE_BYTES / 0x200000, %ecx
/* ecx entries from edi on: eax, and edx more for each */
entries_fill:
    mov %eax, (%edi)
    add %edx, %eax
    add $8, %edi
    loop entries_fill
    ret

/* esi: why not */
head_fail:
    mov %esi, %ebx
    mov $PHYS(text_prefix), %esi
    call head_print
    mov %ebx, %esi
    call head_print
5:  hlt
    jmp 5b

/* Text at esi to COM1 and to the text screen, in edi from one call to the next. */
head_print:
    lodsb
    test %al, %al
    jz 7f
    mov %al, %ah
    mov $0x3fd, %edx
    mov $100000, %ecx
6:  in %dx, %al
    test $0x20, %al
    loopz 6b
    mov %ah, %al
    mov $0x3f8, %edx
    out %al, %dx
    mov PHYS(head_screen), %edi
    mov $0x4f, %ah
    mov %ax, (%edi)
    addl $2, PHYS(head_screen)
    jmp head_print
7:  ret

    .code64
4:  movabs $8f, %rax
    jmp *%rax
8:  mov $0x10, %ecx
    mov %ecx, %ds
    mov %ecx, %es
    mov %ecx, %ss
    lea boot_stack + STACK_BYTES - CPUINFO_BYTES - 8(%rip), %rsp
    xor %ebp, %ebp
    mov boot_magic(%rip), %edi
    mov boot_information(%rip), %esi
    call multiboot_parse
    call start_of_day
    ud2

    .section .rodata.head, "a"
    .balign 8
    .global boot_gdt
boot_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff    /* 0x08: 32-bit code */
    .quad 0x00cf93000000ffff    /* 0x10: data */
    .quad 0x00af9b000000ffff    /* 0x18: 64-bit code */
    .short 0
    .global boot_gdt_pointer
boot_gdt_pointer:
    .short boot_gdt_pointer - 2 - boot_gdt - 1
    .long PHYS(boot_gdt)
/* register (low byte of the port), value */
serial_setup:
    .byte 0xf9, 0x00, 0xfb, 0x80, 0xf8, 0x01, 0xf9, 0x00, 0xfb, 0x03, 0xfa, 0x07, 0xfc, 0x03, 0xfb, 0x03
text_prefix:
    .asciz "\r\nXylem cannot run: "
text_loader:
    .asciz "it was not started by a Multiboot loader.\r\n"
text_long_mode:
    .asciz "this CPU has no 64-bit mode.\r\n"
text_nx:
    .asciz "this CPU has no no-execute pages, or the firmware turned them off.\r\n"
text_syscall:
    .asciz "this CPU has no syscall instruction.\r\n"
text_features:
    .asciz "this CPU lacks basic features (TSC, MSR, PAE, APIC, PGE, SSE2).\r\n"

    .section .data.head, "aw"
    .balign 4
head_screen:
    .long 0xb8000
    .global boot_magic, boot_information
boot_magic:
    .long 0
boot_information:
    .long 0

    .section .bss.page_aligned, "aw", @nobits
    .balign 4096
    .global boot_l4
boot_l4:
    .skip 4096
boot_l3_low:
    .skip 4096
boot_l3_image:
    .skip 4096
boot_l2_image:
    .skip 4096
boot_l2_low:
    .skip 4 * 4096
    .balign STACK_BYTES
    .global boot_stack
boot_stack:
    .fill STACK_BYTES, 1, 0
boot_stack_top:
    .section .note.GNU-stack, "", @progbits
