// SPDX-License-Identifier: BSD-2-Clause
//
// How another vcpu of a PVH guest is brought up: in 64-bit mode at once (xen/hvm/hvm_vcpu.h). See vcpu.h.

#include <stdint.h>

#include <xen/hvm/hvm_vcpu.h>
#include <xen/vcpu.h>

#include "hypercall.h"
#include "result.h"
#include "string.h"
#include "vcpu.h"

#define CR0_BITS 0x80010021u /* as head.S */
#define CR4_BITS 0x620u
#define EFER_BITS 0xd00u

extern char vcpu_entry[], page_table_4[];
static struct vcpu_hvm_context context;

void vcpu_up(struct vcpu *vcpu)
{
    memset(&context, 0, sizeof(context));
    context.mode = VCPU_HVM_MODE_64B;
    context.cpu_regs.x86_64.rip = (uint64_t)vcpu_entry;
    context.cpu_regs.x86_64.rsp = (uint64_t)vcpu + VCPU_STACK;
    context.cpu_regs.x86_64.rdi = vcpu->number;
    context.cpu_regs.x86_64.rflags = 2;
    context.cpu_regs.x86_64.cr0 = CR0_BITS;
    context.cpu_regs.x86_64.cr3 = (uint64_t)page_table_4;
    context.cpu_regs.x86_64.cr4 = CR4_BITS;
    context.cpu_regs.x86_64.efer = EFER_BITS;
    NEED(vcpu_op(VCPUOP_initialise, vcpu->number, &context));
    NEED(vcpu_op(VCPUOP_up, vcpu->number, 0));
    vcpu->running = true;
}
