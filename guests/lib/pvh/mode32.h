/* SPDX-License-Identifier: BSD-2-Clause */
/* Hypercalls of a PVH guest from outside of 64-bit mode. */
#ifndef GUEST_PVH_MODE32_H
#define GUEST_PVH_MODE32_H

#include <stdint.h>

/* Beside the 64-bit mode everything else runs in; the numbers are known to mode32.S. */
enum mode32 {
    MODE_COMPATIBILITY = 0, /* 32-bit code segment of long mode, with the same tables; interrupts arrive */
    MODE_UNPAGED = 1,       /* protected mode, paging off; interrupts are off from here on */
    MODE_TWO_LEVELS = 2,    /* protected mode with tables of two levels */
    MODE_PAE = 3,           /* and of three */
    MODE_COUNT,
};

#define SELECTOR_CODE32 0x18u

/* As mode32.S knows it. */
struct call32 {
    uint64_t ebx, ecx, edx, esi, edi; /* in compatibility mode the upper halves are what 64-bit code left */
    uint32_t number, mode;
    uint64_t result;                  /* RAX after the call, as 64-bit code finds it */
};

/* Makes the hypercall through the hypercall page in that mode and comes back. */
void mode32_call(struct call32 *call);

#endif
