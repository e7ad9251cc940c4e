/* SPDX-License-Identifier: BSD-2-Clause */
/* Hypercalls of a PVH guest from outside of 64-bit mode. */
#ifndef GUEST_PVH_MODE32_H
#define GUEST_PVH_MODE32_H

#include <stdint.h>

/* Beside the 64-bit mode everything else runs in; the numbers are known to mode32.S. */
enum mode32 {
    MODE_COMPATIBILITY = 0, /* 32-bit code segment of long mode, with the same tables; interrupts arrive */
    MODE_REAL = 1,          /* real mode, with data segments of 4 GiB; interrupts are off from here on */
    MODE_UNPAGED = 2,       /* protected mode, paging off */
    MODE_TWO_LEVELS = 3,    /* protected mode with tables of two levels */
    MODE_PAE = 4,           /* and of three */
    MODE_COUNT,
    MODE_VIRTUAL_8086 = MODE_COUNT, /* of protected mode, paging off; user mode, in other words */
};

#define SELECTOR_CODE32 0x18u

/* As mode32.S knows it. */
struct call32 {
    uint64_t ebx, ecx, edx, esi, edi; /* in compatibility mode the upper halves are what 64-bit code left */
    uint32_t number, mode;
    uint64_t result;                  /* RAX after the call, as 64-bit code finds it */
};

/* Makes the hypercall in that mode, through the hypercall page but for the two that have 16-bit code, and comes back. */
void mode32_call(struct call32 *call);
/* CR0 as it was behind the last hypercall from real mode. */
extern uint32_t mode32_real_cr0;

#endif
