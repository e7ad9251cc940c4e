/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page-table entries, the hypervisor's own top level, and translation caches.  Format: Intel SDM volume 3 chapter 4,
 * AMD APM volume 2 chapter 5.
 */
#pragma once

#define CR0_PE 0x00000001
#define CR0_MP 0x00000002
#define CR0_EM 0x00000004
#define CR0_TS 0x00000008
#define CR0_ET 0x00000010
#define CR0_NE 0x00000020
#define CR0_WP 0x00010000
#define CR0_AM 0x00040000
#define CR0_PG 0x80000000

#define CR4_VME        0x00000001
#define CR4_PVI        0x00000002
#define CR4_TSD        0x00000004
#define CR4_DE         0x00000008
#define CR4_PSE        0x00000010
#define CR4_PAE        0x00000020
#define CR4_MCE        0x00000040
#define CR4_PGE        0x00000080
#define CR4_PCE        0x00000100
#define CR4_OSFXSR     0x00000200
#define CR4_OSXMMEXCPT 0x00000400
#define CR4_UMIP       0x00000800
#define CR4_FSGSBASE   0x00010000
#define CR4_PCIDE      0x00020000
#define CR4_OSXSAVE    0x00040000
#define CR4_SMEP       0x00100000
#define CR4_SMAP       0x00200000

#ifndef __ASSEMBLER__
#include "arch/percpu.h"
#include "arch/tlb.h"
#include "mm/frame.h"

typedef uint64_t pte_t; /* an entry of any level */

#define PTE_PRESENT  0x001UL
#define PTE_WRITE    0x002UL
#define PTE_USER     0x004UL
#define PTE_PWT      0x008UL
#define PTE_PCD      0x010UL
#define PTE_ACCESSED 0x020UL
#define PTE_DIRTY    0x040UL
#define PTE_LARGE    0x080UL /* levels 2 and 3 */
#define PTE_PAT      0x080UL /* level 1 */
#define PTE_GLOBAL   0x100UL
#define PTE_AVAIL    0xe00UL /* for software */
#define PTE_PAT_LARGE 0x1000UL /* levels 2 and 3 */
#define PTE_NX       (1UL << 63)
#define PTE_FRAME_MASK 0x000ffffffffff000UL
#define PTE_FLAGS_MASK (~PTE_FRAME_MASK)
#define PTE_CACHE_MASK (PTE_PWT | PTE_PCD | PTE_PAT)

/* Hypervisor mappings; PAT as the machine resets it: PCD + PWT is uncached. */
#define PTE_HYPERVISOR_DATA   (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL | PTE_NX)
#define PTE_HYPERVISOR_RODATA (PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL | PTE_NX)
#define PTE_HYPERVISOR_TEXT   (PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL)
#define PTE_HYPERVISOR_DEVICE (PTE_HYPERVISOR_DATA | PTE_PCD | PTE_PWT)
/* Entries that point to tables */
#define PTE_HYPERVISOR_TABLE  (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY)

#define PTES_PER_TABLE 512
#define LEVEL_SHIFT(level) (12 + 9 * ((level) - 1)) /* level 1 to 4: bytes an entry maps, as a power of two */
static inline unsigned table_index(uint64_t address, unsigned level)
{
    return (unsigned)(address >> LEVEL_SHIFT(level)) & (PTES_PER_TABLE - 1);
}

static inline pte_t pte_make(mfn_t m, uint64_t flags) { return m.value << PAGE_SHIFT | flags; }
static inline mfn_t pte_frame(pte_t e) { return MFN((e & PTE_FRAME_MASK) >> PAGE_SHIFT); }
static inline uint64_t pte_flags(pte_t e) { return e & PTE_FLAGS_MASK; }
static inline bool pte_present(pte_t e) { return e & PTE_PRESENT; }
static inline bool address_canonical(uint64_t a) { return (uint64_t)((int64_t)(a << 16) >> 16) == a; }

/*
 * The hypervisor's own top level.  Slots 256 to 271 (256 with PTE_USER and read-only in its leaves; 260 empty) are filled once, before
 * the first guest, and never change: every guest's L4 copies them.
 */
extern pte_t idle_l4[PTES_PER_TABLE];
/* cr3 of idle_l4. */
extern uint64_t idle_cr3;

/* Physical address of something in the hypervisor's image (text, data, bss; not the heap). */
maddr_t image_to_maddr(const void *p);

/* Copies slots 256-271 but the per-domain one into a top level. */
void paging_copy_hypervisor_slots(pte_t *l4);

/* The flags and frame that map a hypervisor address, at level 1 form; 0 when not mapped. */
pte_t paging_lookup(uint64_t address);

/* Pages at contiguous addresses, or NULL: aligned to 1 << order of them; guard pages on both sides. */
void *vmap_frames_aligned(const mfn_t *frames, size_t count, unsigned order, uint64_t flags);
/* Fills one page of such a mapping that was left out (INVALID_MFN). */
void vmap_set(void *address, mfn_t frame, uint64_t flags);

static inline uint64_t read_cr0(void) { uint64_t v; __asm__ volatile("mov %%cr0, %0" : "=r"(v)); return v; }
static inline uint64_t read_cr2(void) { uint64_t v; __asm__ volatile("mov %%cr2, %0" : "=r"(v)); return v; }
#ifdef XYLEM_HOST
static inline uint64_t read_cr3(void) { return 0; }
static inline void write_cr3(uint64_t v) { (void)v; }
static inline void invlpg(uint64_t address) { (void)address; }
#else
static inline uint64_t read_cr3(void) { uint64_t v; __asm__ volatile("mov %%cr3, %0" : "=r"(v)); return v; }
/* Does not tell the flush clock: cr3_load() does. */
static inline void write_cr3(uint64_t v) { __asm__ volatile("mov %0, %%cr3" ::"r"(v) : "memory"); }
static inline void invlpg(uint64_t address) { __asm__ volatile("invlpg (%0)" ::"r"(address) : "memory"); }
#endif
static inline uint64_t read_cr4(void) { uint64_t v; __asm__ volatile("mov %%cr4, %0" : "=r"(v)); return v; }
static inline void write_cr0(uint64_t v) { __asm__ volatile("mov %0, %%cr0" ::"r"(v) : "memory"); }
static inline void write_cr4(uint64_t v) { __asm__ volatile("mov %0, %%cr4" ::"r"(v) : "memory"); }

/*
 * Loads a top level: flushes everything not global here and ticks the flush clock.  write_cr3() alone is right too (the stamp
 * only makes later flushes cheaper).
 */
void cr3_load(uint64_t cr3);

#define TLB_FLUSH_ALL (~0UL) /* as address: everything that is not global */
#define TLB_FLUSH_GLOBAL (1u << 0) /* global entries too */
#define TLB_FLUSH_CACHE  (1u << 1) /* write back and invalidate the caches too */
/* On this CPU. */
void tlb_flush_local(uint64_t address, unsigned flags);
/*
 * On every online CPU in mask, this one included when set; returns when all are done.  address: one page, or
 * TLB_FLUSH_ALL.  Any context but NMI.
 */
void tlb_flush_mask(const cpu_mask_t *mask, uint64_t address, unsigned flags);
/* Takes out of mask the CPUs that flushed everything since a frame was stamped with tlb_clock_now(). */
void tlb_filter(cpu_mask_t *mask, uint32_t stamp);
#endif
