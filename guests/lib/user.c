// SPDX-License-Identifier: BSD-2-Clause
//
// User mode. See user.h.

#include "user.h"

#include <stdint.h>

#include <xen/xen.h>

#include "context.h"
#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "vcpu.h"

#define FLAGS_IF 0x200

static char user_stack[PAGE_SIZE] __attribute__((aligned(4096), section(".bss.page")));

void user_init(void)
{
    NEED(mmuext(MMUEXT_NEW_USER_BASEPTR, base_table_copy()));
}

long user_run(void (*code)(long argument), long argument)
{
    struct vcpu *vcpu = vcpu_self();
    bool masked = event_mask_all();
    long value;

    value = user_enter(&vcpu->saved_rsp, (const void *)code, user_stack + PAGE_SIZE - 8, argument,
                       masked ? 0 : FLAGS_IF);
    event_mask_restore(masked);
    return value;
}
