/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's virtual address space.  The ABI (xen/arch-x86/xen-x86_64.h) keeps page-table slots 256 to
 * 271 of the top level from every 64-bit PV guest; the rest belongs to the guest.
 *
 *   slot 256  0xffff800000000000  machine-to-physical table, readable by guests
 *   slot 257  0xffff808000000000  mappings made at run time: devices, ACPI tables, stacks with guard pages, stubs
 *   slot 259  0xffff818000000000  frame table; in its upper half the machine-to-physical table again, writable
 *   slot 260  0xffff820000000000  per-domain: descriptor tables of every vcpu (differs between domains)
 *   slot 261  0xffff82d040000000  hypervisor image
 *   slot 262  0xffff830000000000  direct map of all machine memory, to slot 271 (5 TiB)
 *
 * Apart from slot 260 these are the same third-level tables in every top level, made before the first guest.
 */
#pragma once

#define HYPERVISOR_FIRST_SLOT 256
#define HYPERVISOR_LAST_SLOT 271
#define PERDOMAIN_SLOT 260

/* usable from assembly and the linker script too: no suffixes there */
#ifdef __ASSEMBLER__
#define VADDR(x) x
#else
#define VADDR(x) x##UL
#endif

#define HYPERVISOR_RANGE_START VADDR(0xffff800000000000)
#define HYPERVISOR_RANGE_END   VADDR(0xffff880000000000)
#define M2P_START             VADDR(0xffff800000000000)
#define M2P_END               VADDR(0xffff808000000000)
#define VMAP_START            VADDR(0xffff808000000000)
#define FRAME_TABLE_START     VADDR(0xffff818000000000)
#define M2P_WRITE_START       VADDR(0xffff81c000000000)
#define PERDOMAIN_START       VADDR(0xffff820000000000)
#define IMAGE_START           VADDR(0xffff82d040000000)
#define DIRECT_MAP_START      VADDR(0xffff830000000000)
#define DIRECT_MAP_END        VADDR(0xffff880000000000)
#define DIRECT_MAP_SIZE       (DIRECT_MAP_END - DIRECT_MAP_START)

/* physical address the image is linked to be loaded at; the boot path does not relocate it */
#define IMAGE_PHYSICAL        VADDR(0x200000)

/*
 * Descriptor tables of vcpu n in the per-domain slot: 16 pages of GDT (14 of the guest, then the CPU's own
 * page, then nothing) followed by 16 pages of LDT.
 */
#define PERDOMAIN_VCPU_SHIFT 17
#define PERDOMAIN_GDT(vcpu_id) (PERDOMAIN_START + ((uint64_t)(vcpu_id) << PERDOMAIN_VCPU_SHIFT))
#define PERDOMAIN_LDT(vcpu_id) (PERDOMAIN_GDT(vcpu_id) + (16UL << 12))

#ifndef __ASSEMBLER__
#include "types.h"

#ifdef XYLEM_HOST
/* The host build backs "machine memory" with one array: tests/unit sets it up (see arch/host). */
extern unsigned char *host_memory;
#define DIRECT_MAP_BASE ((uint64_t)host_memory)
#else
#define DIRECT_MAP_BASE DIRECT_MAP_START
#endif

/* Direct-map address of a machine frame or address; always mapped for memory in the machine's map. */
static inline void *mfn_to_virt(mfn_t m) { return (void *)(DIRECT_MAP_BASE + (m.value << PAGE_SHIFT)); }
static inline void *maddr_to_virt(maddr_t a) { return (void *)(DIRECT_MAP_BASE + a.value); }
/* Inverse, for direct-map addresses only. */
static inline maddr_t virt_to_maddr(const void *p) { return MADDR((uint64_t)p - DIRECT_MAP_BASE); }
static inline mfn_t virt_to_mfn(const void *p) { return maddr_to_mfn(virt_to_maddr(p)); }

/* True when [address, address + size) lies wholly outside the hypervisor's range and does not wrap. */
static inline bool guest_range_ok(uint64_t address, uint64_t size)
{
    uint64_t last = address + (size ? size - 1 : 0);

    return last >= address && (last < HYPERVISOR_RANGE_START || address >= HYPERVISOR_RANGE_END);
}
#endif
