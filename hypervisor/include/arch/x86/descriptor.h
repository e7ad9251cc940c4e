/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segment descriptors and the CPU's own page of the GDT.  A guest owns the first 14 pages of its GDT; the
 * page after them, from selector FIRST_RESERVED_GDT_BYTE (0xe000) on, is the CPU's, with the flat guest
 * selectors of xen/arch-x86/xen-x86_64.h. While no PV guest's tables are loaded GDTR points 14 pages below
 * that page, so the selectors are always the same.
 */
#pragma once

/* offsets in the CPU's page, and the selectors they make */
#define GDT_RESERVED_BYTE 0xe000 /* FIRST_RESERVED_GDT_BYTE */
#define GDT_OFFSET_CS      0x08
#define GDT_OFFSET_DS      0x10
#define GDT_OFFSET_GUEST_CS32 0x20
#define GDT_OFFSET_GUEST_DS   0x28
#define GDT_OFFSET_GUEST_CS64 0x30
#define GDT_OFFSET_TSS     0x40 /* 16 bytes */
#define GDT_OFFSET_LDT     0x50 /* 16 bytes */
#define GDT_OFFSET_CPU     0x60 /* limit is the CPU's number, for lsl */
#define HYPERVISOR_CS (GDT_RESERVED_BYTE + GDT_OFFSET_CS) /* 0xe008 */
#define HYPERVISOR_DS (GDT_RESERVED_BYTE + GDT_OFFSET_DS) /* 0xe010 */
#define TSS_SELECTOR  (GDT_RESERVED_BYTE + GDT_OFFSET_TSS)
#define LDT_SELECTOR  (GDT_RESERVED_BYTE + GDT_OFFSET_LDT)
#define GDT_LIMIT (GDT_RESERVED_BYTE + 0xfff)

/* Interrupt stack table slots, 0 is the ordinary stack */
#define IST_NONE 0
#define IST_NMI  1
#define IST_DF   2
#define IST_MC   3
#define IST_DB   4

#ifndef __ASSEMBLER__
#include "arch/percpu.h"

_Static_assert(GDT_RESERVED_BYTE == FIRST_RESERVED_GDT_BYTE, "the ABI's reserved part of the GDT");

/*
 * This CPU's page of the GDT, and its frame: entry FIRST_RESERVED_GDT_PAGE of a guest's descriptor mappings.
 */
PER_CPU_DECLARE(uint64_t *, gdt_page);
PER_CPU_DECLARE(mfn_t, gdt_frame);

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

struct idt_entry {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, zero;
};
#define IDT_INTERRUPT_GATE 0x8e /* present, DPL 0 */
extern struct idt_entry idt[256];
/* Gates entry code outside arch/ needs (int 0x80, int 0x82); dpl 0 to 3. */
void idt_set_gate(unsigned vector, void (*entry)(void), unsigned dpl, unsigned ist);

static inline void lgdt(uint64_t base, uint16_t limit)
{
    struct table_pointer p = {limit, base};

    __asm__ volatile("lgdt %0" ::"m"(p));
}
static inline void lldt(uint16_t selector) { __asm__ volatile("lldt %w0" ::"r"(selector)); }

/* GDTR for no guest: this CPU's own page only. */
void gdt_load_own(void);
/* GDTR for a vcpu whose mappings in the per-domain slot (14 pages, then this CPU's page) are loaded. */
static inline void gdt_load_guest(uint64_t perdomain_gdt) { lgdt(perdomain_gdt, GDT_LIMIT); }
/* LDTR: entries 0 loads the null selector.  base lies in the per-domain slot. */
void ldt_load(uint64_t base, unsigned entries);
#endif
