/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls into the hypervisor through the hypercall page (xen/arch-x86/xen-x86_64.h): arguments in RDI, RSI,
 * RDX, R10, R8, result in RAX. A negative result is -XEN_E* of xen/errno.h.
 */
#ifndef GUEST_HYPERCALL_H
#define GUEST_HYPERCALL_H

#include <stdint.h>

#include <xen/xen.h>

extern char hypercall_page[4096];

/* Any hypercall with up to five arguments; extra ones are ignored. */
static inline long hypercall(unsigned int number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    uint64_t target = (uint64_t)hypercall_page + number * 32ul;
    register uint64_t fourth __asm__("r10") = d;
    register uint64_t fifth __asm__("r8") = e;

    __asm__ volatile("call *%%rax"
                     : "+a"(target), "+D"(a), "+S"(b), "+d"(c), "+r"(fourth), "+r"(fifth)
                     :
                     : "rcx", "r11", "r9", "memory");
    return (long)target;
}

#define HYPERCALL_ARGUMENT(x) ((uint64_t)(x))
#define hypercall1(number, a) hypercall(number, HYPERCALL_ARGUMENT(a), 0, 0, 0, 0)
#define hypercall2(number, a, b) hypercall(number, HYPERCALL_ARGUMENT(a), HYPERCALL_ARGUMENT(b), 0, 0, 0)
#define hypercall3(number, a, b, c)                                                                                \
    hypercall(number, HYPERCALL_ARGUMENT(a), HYPERCALL_ARGUMENT(b), HYPERCALL_ARGUMENT(c), 0, 0)
#define hypercall4(number, a, b, c, d)                                                                             \
    hypercall(number, HYPERCALL_ARGUMENT(a), HYPERCALL_ARGUMENT(b), HYPERCALL_ARGUMENT(c), HYPERCALL_ARGUMENT(d), 0)

#define memory_op(command, argument) hypercall2(__HYPERVISOR_memory_op, command, argument)
#define event_op(command, argument) hypercall2(__HYPERVISOR_event_channel_op, command, argument)
#define grant_op(command, argument, count) hypercall3(__HYPERVISOR_grant_table_op, command, argument, count)
#define sched_op(command, argument) hypercall2(__HYPERVISOR_sched_op, command, argument)
#define vcpu_op(command, vcpu, argument) hypercall3(__HYPERVISOR_vcpu_op, command, vcpu, argument)
#define version_op(command, argument) hypercall2(__HYPERVISOR_xen_version, command, argument)
#define mmu_update(requests, count, done, domain)                                                                  \
    hypercall4(__HYPERVISOR_mmu_update, requests, count, done, domain)
#define mmuext_op(requests, count, done, domain)                                                                   \
    hypercall4(__HYPERVISOR_mmuext_op, requests, count, done, domain)
#define update_va_mapping(address, entry, flags)                                                                   \
    hypercall3(__HYPERVISOR_update_va_mapping, address, entry, flags)
#define multicall(entries, count) hypercall2(__HYPERVISOR_multicall, entries, count)

#endif
