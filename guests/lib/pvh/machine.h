/* SPDX-License-Identifier: BSD-2-Clause */
/* What a PVH guest does itself that a PV guest asks for: its page tables, its local APIC, its processor's registers. */
#ifndef GUEST_PVH_MACHINE_H
#define GUEST_PVH_MACHINE_H

#include <stdint.h>

#include <xen/arch-x86/hvm/start_info.h>

#include "cpuid.h"

#define MSR_APIC_BASE 0x1bu
#define MSR_PAT 0x277u
#define MSR_X2APIC 0x800u
#define MSR_EFER 0xc0000080u
#define MSR_HYPERCALL_PAGE 0x40000000u
#define VECTOR_UPCALL 0xe0u

struct hvm_start_info;
const struct hvm_start_info *start_record(void);

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/* Vectors from 32 on: who is called, with interrupts off; the local APIC is told by the handler itself. */
typedef void interrupt_handler(unsigned int vector);
void interrupt_handle(unsigned int vector, interrupt_handler *handler);
/* Entry points are set up for this vcpu. */
void interrupt_init(void);

/* The parameter of this domain; the guest ends with ERROR when there is none. */
uint64_t hvm_param(uint32_t index);
/* XENMEM_add_to_physmap: the hypercall's result. */
long physmap_add(unsigned int space, unsigned long index, unsigned long frame);
long physmap_remove(unsigned long frame);
/* Collects the free frames of the map in the start record; takes page 0 away. */
void memory_start(const struct hvm_start_info *info);

#endif
