/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames and page tables.
 *
 * Every frame of the domain is mapped writable at its frame number times 4096, except a PV guest's page tables
 * (read-only) and page 0 (absent). A "machine" number is what page-table entries hold: xen/xen.h describes the tables
 * between the two for PV guests; in a PVH guest they are the same.
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

/* Remaps a page of the map of all frames: 0 or the hypercall's error. A PVH guest's other vcpus may not know at once. */
long page_protect(void *page, bool writable);
/* Maps a machine frame at an address below 512 GiB (4 GiB in a PVH guest), building tables on the way; flags 0: nothing. */
void page_map(const void *address, unsigned long machine, uint64_t flags);
/*
 * An address range of count pages with nothing behind it, that no earlier caller got. In a PV guest it has tables; in a
 * PVH guest the addresses are guest-physical ones too, so that grants are mapped there by the same number.
 */
void *range_alloc(unsigned int count);
/*
 * What an access finds at a page: of a PV guest an exception where no frame is, of a PVH guest ones, and its stores are
 * lost. The first word of the page is looked at, which must not hold only ones, and is as before.
 */
bool page_readable(const void *page);
bool page_writable(void *page);
/*
 * Whether nothing but our own map refers to the frame of a page: a PV guest's can become a page table, a PVH guest's is
 * free once it is given back. The content is lost, and when something does refer to it, in a PVH guest the frame too.
 */
bool page_unused(void *page);
/* A number by which we have no frame: the machine's in a PV guest, nothing's in a PVH guest. */
unsigned long frame_absent(void);
/* A frame the hypervisor neither writes to nor keeps for us: a PV guest's page table; a PVH guest has only numbers beyond all. */
unsigned long frame_untouchable(void);

/* ---- PV guests only ---- */

/*
 * Maps what the builder left unmapped and collects the free frames; boot_stack is RSP at the first
 * instruction.
 */
void memory_init(const struct start_info *info, unsigned long boot_stack);
/* The entry that maps address at a level from 1 to 4, readable only; NULL when an upper one is absent. */
const uint64_t *entry_find(const void *address, unsigned int level);
/* The machine address mmu_update wants for an entry. */
uint64_t entry_machine(const uint64_t *entry);
/* mmu_update of one entry: the hypercall's result. */
long entry_update(uint64_t machine_address, uint64_t value);

/* mmuext_op with one operation and an argument: the hypercall's result. */
long mmuext(unsigned int command, uint64_t machine_or_address);
/* The machine frame of the top page table in use. */
unsigned long base_table(void);
/* A level 4 table like ours, read-only and pinned: its machine frame. */
unsigned long base_table_copy(void);

#endif
