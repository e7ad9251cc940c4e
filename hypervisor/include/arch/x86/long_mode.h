/* SPDX-License-Identifier: BSD-2-Clause */
/* For assembly: from 32-bit protected mode without paging to long mode (Intel SDM volume 3, 10.8.5). */
#pragma once

#include "arch/layout.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"

#define PHYS(symbol) (symbol - IMAGE_START + IMAGE_PHYSICAL)

/*
 * Turns it on, with boot_l4, which maps the first 4 GiB at 0; in force with the next jump to a 64-bit code
 * segment.
 * Changes eax, ecx and edx.
 */
.macro LONG_MODE_ENABLE
    mov $CR4_PAE | CR4_PGE, %eax
    mov %eax, %cr4
    mov $PHYS(boot_l4), %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_LME | EFER_NXE | EFER_SCE, %eax
    wrmsr
    mov $CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE, %eax
    mov %eax, %cr0
.endm
