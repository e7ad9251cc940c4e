// SPDX-License-Identifier: BSD-2-Clause
//
// The event mask of a PV guest's vcpu. See event.h.

#include "event.h"
#include "hypercall.h"
#include "vcpu.h"

bool event_mask_all(void)
{
    volatile uint8_t *mask = &vcpu_self()->info->evtchn_upcall_mask;
    bool before = *mask;

    *mask = 1;
    return before;
}

void event_mask_restore(bool masked)
{
    struct vcpu_info *info = vcpu_self()->info;

    *(volatile uint8_t *)&info->evtchn_upcall_mask = masked;
    __asm__ volatile("" : : : "memory");
    if (!masked && *(volatile uint8_t *)&info->evtchn_upcall_pending)
        version_op(0, 0);       /* any hypercall delivers on its way out */
}
