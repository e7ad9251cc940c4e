// SPDX-License-Identifier: BSD-2-Clause
//
// How another vcpu of a PV guest is brought up. See vcpu.h.

#include <stdint.h>

#include <xen/vcpu.h>

#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "string.h"
#include "vcpu.h"

extern char vcpu_entry[];
static struct vcpu_guest_context context;

void vcpu_up(struct vcpu *vcpu)
{
    unsigned long top = (unsigned long)vcpu + VCPU_STACK;

    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel;
    context.user_regs.rip = (unsigned long)vcpu_entry;
    context.user_regs.rsp = top;
    context.user_regs.rdi = vcpu->number;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = top;
    context.ctrlreg[0] = 0x80000001;
    context.ctrlreg[3] = xen_pfn_to_cr3(base_table());
    vcpu->info->evtchn_upcall_mask = 1;
    NEED(vcpu_op(VCPUOP_initialise, vcpu->number, &context));
    NEED(vcpu_op(VCPUOP_up, vcpu->number, 0));
    vcpu->running = true;
}
