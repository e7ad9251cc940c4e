// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: an exception for which the guest's table has no entry ends the guest, as a triple fault ends a machine. It matters
// because there is nowhere to go on, and address 0 may be mapped.
//
// expect: crashed

#include <stdint.h>

#include <xen/xen.h>

#include "hypercall.h"
#include "result.h"
#include "user.h"

const char test_title[] = "an exception without a handler ends the guest";

void test_main(void)
{
    NEED(hypercall1(__HYPERVISOR_set_trap_table, 0));
    __asm__ volatile("ud2");
    test_failure("went on behind an exception nobody handles");
}
