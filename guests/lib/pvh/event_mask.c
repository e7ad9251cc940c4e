// SPDX-License-Identifier: BSD-2-Clause
//
// The event mask of a PVH guest's vcpu is its interrupt flag. See event.h.

#include "event.h"

#define FLAGS_IF 0x200u

bool event_mask_all(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq; pop %0; cli" : "=r"(flags) : : "memory");
    return !(flags & FLAGS_IF);
}

void event_mask_restore(bool masked)
{
    if (masked)
        __asm__ volatile("cli" : : : "memory");
    else
        __asm__ volatile("sti" : : : "memory");
}
