// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: stack_switch takes any value, as the processor does; a frame that cannot be stored there ends the guest, and only it.
// It matters because the store is the hypervisor's own.
//
// expect: crashed

#include <stdint.h>

#include <xen/xen.h>

#include "hypercall.h"
#include "result.h"
#include "user.h"

const char test_title[] = "an exception with a kernel stack in the hypervisor ends the guest";

void test_main(void)
{
    user_init();
    NEED(hypercall2(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, 0xffff830000001000ul));
    __asm__ volatile("pushq %0; pushq $0; pushq $2; pushq %1; pushq $0x700000; jmp trap_iret"
                     : : "r"((uint64_t)FLAT_USER_SS), "r"((uint64_t)FLAT_USER_CS));
    __builtin_unreachable();
}
