/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames and page tables of a PV guest.
 *
 * Every frame of the domain is mapped writable at its frame number times 4096, except the page tables
 * themselves (read-only) and page 0 (absent). A "machine" number is what page-table entries hold; xen/xen.h
 * describes the tables between the two.
 */
#ifndef GUEST_MEMORY_H
#define GUEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>

#define PAGE_SIZE 4096ul
#define PAGE_SHIFT 12
#define ENTRIES 512u

#define ENTRY_PRESENT 0x001ul
#define ENTRY_WRITABLE 0x002ul
#define ENTRY_USER 0x004ul
#define ENTRY_ACCESSED 0x020ul
#define ENTRY_DIRTY 0x040ul
#define ENTRY_LARGE 0x080ul
#define ENTRY_GLOBAL 0x100ul
#define ENTRY_READ_ONLY (ENTRY_PRESENT | ENTRY_USER)
#define ENTRY_READ_WRITE (ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_USER)
#define ENTRY_TABLE (ENTRY_READ_WRITE | ENTRY_ACCESSED | ENTRY_DIRTY)
#define ENTRY_FRAME(entry) (((entry) & 0x000ffffffffff000ul) >> PAGE_SHIFT)

/*
 * Maps what the builder left unmapped and collects the free frames; boot_stack is RSP at the first
 * instruction.
 */
void memory_init(const struct start_info *info, unsigned long boot_stack);
/* How many frames the domain has. */
unsigned long memory_frames(void);

unsigned long machine_of_frame(unsigned long frame);
unsigned long frame_of_machine(unsigned long machine);
/* For a pointer into the writable map of all frames. */
unsigned long machine_of(const void *address);
void *page_of_frame(unsigned long frame);

/* A zeroed page nobody else uses; the guest ends with ERROR when there is none left. */
void *page_alloc(void);
/* count pages that follow each other. There is no way back. */
void *pages_alloc(unsigned int count);
void page_free(void *page);

/* The entry that maps address at a level from 1 to 4, readable only; NULL when an upper one is absent. */
const uint64_t *entry_find(const void *address, unsigned int level);
/* The machine address mmu_update wants for an entry. */
uint64_t entry_machine(const uint64_t *entry);
/* mmu_update of one entry: the hypercall's result. */
long entry_update(uint64_t machine_address, uint64_t value);

/* Remaps a page of the map of all frames. The hypercall's result. */
long page_protect(void *page, bool writable);
/*
 * Maps a machine frame at any address below 512 GiB (the map of all frames excepted), building tables on the
 * way.
 */
void page_map(const void *address, unsigned long machine, uint64_t flags);
/* An address range of count pages, with tables, mapping nothing, that no earlier caller got. */
void *range_alloc(unsigned int count);

/* mmuext_op with one operation and an argument: the hypercall's result. */
long mmuext(unsigned int command, uint64_t machine_or_address);
/* The machine frame of the top page table in use. */
unsigned long base_table(void);
/* A level 4 table like ours, read-only and pinned: its machine frame. */
unsigned long base_table_copy(void);

#endif
