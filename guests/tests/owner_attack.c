// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: operations on whole pages and on the machine-to-physical table work on memory of guests only, never on what
// the firmware and devices own, which has a number (DOMID_IO) that any guest may name; and a vcpu cannot be started in
// a mode whose page tables are not there. It matters because the hypervisor does both in its own name.
//
// config: vcpus = 2

#include <stdint.h>

#include <xen/errno.h>
#include <xen/memory.h>
#include <xen/vcpu.h>

#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "string.h"
#include "vcpu.h"

const char test_title[] = "memory of nobody, and a vcpu without page tables";

// The screen's memory and the firmware's, below 1 MiB on every PC.
static const unsigned long holes[] = { 0xa0, 0xb8, 0xf0, 0xff };

static void hole_check(unsigned long machine)
{
    struct mmuext_op clear = { .cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = machine };
    struct mmuext_op copy = { .cmd = MMUEXT_COPY_PAGE, .arg1.mfn = machine, .arg2.src_mfn = machine };
    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = machine };
    struct mmu_update name = { .ptr = machine << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, .val = 1 };

    CHECK(hypercall4(__HYPERVISOR_mmuext_op, &clear, 1, 0, DOMID_IO) < 0);
    CHECK(hypercall4(__HYPERVISOR_mmuext_op, &copy, 1, 0, DOMID_IO) < 0);
    CHECK(hypercall4(__HYPERVISOR_mmuext_op, &pin, 1, 0, DOMID_IO) < 0);
    CHECK(hypercall4(__HYPERVISOR_mmu_update, &name, 1, 0, DOMID_IO) < 0);
    CHECK(hypercall4(__HYPERVISOR_mmuext_op, &clear, 1, 0, DOMID_XEN) < 0);
    CHECK(hypercall4(__HYPERVISOR_mmuext_op, &clear, 1, 0, DOMID_SELF) < 0);
}

static void vcpu_check(void)
{
    static struct vcpu_guest_context context;

    memset(&context, 0, sizeof(context));
    context.user_regs.cs = 0xe033;
    context.user_regs.ss = 0xe02b;
    context.user_regs.rsp = 0x1000;
    context.ctrlreg[3] = base_table() << PAGE_SHIFT;
    CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0); // user mode, and no tables for it
    context.ctrlreg[1] = 1;                             // a frame no machine has
    CHECK(vcpu_op(VCPUOP_initialise, 1, &context) < 0);
    CHECK(vcpu_op(VCPUOP_up, 1, 0) < 0);
}

void test_main(void)
{
    for (unsigned int i = 0; i < sizeof(holes) / sizeof(holes[0]); i++)
        hole_check(holes[i]);
    vcpu_check();
}
