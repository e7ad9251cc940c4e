// SPDX-License-Identifier: BSD-2-Clause
//
// Frames of a PVH guest: all its memory is mapped at its own address, and "machine" numbers are its own too. The start
// maps 4 GiB by large pages; one falls apart when a small page of it is wanted otherwise.

#include "memory.h"

#include <xen/memory.h>

#include "hypercall.h"
#include "pvh/machine.h"
#include "result.h"
#include "string.h"

#define LOWEST 0x400000ul /* below lies what the builder and the linker put there */
#define LARGE_SHIFT 21
/* Guest-physical addresses for range_alloc: above the memory of any test guest, below what the builder and the tools place
   under 4 GiB. */
#define RANGE_FIRST 0x40000000ul
#define RANGE_END 0xc0000000ul
#define FRAMES_END (1ul << 40) /* of 52 bits of address, the most there can be */

extern char guest_end[];
extern uint64_t page_tables_2[];
static unsigned long next_free, end_free, range_next = RANGE_FIRST;
static void *free_list;

/* The range of memory that holds us, from LOWEST up to the first thing the builder put there. */
void memory_start(const struct hvm_start_info *info)
{
    const struct hvm_memmap_table_entry *map = (const void *)info->memmap_paddr;

    next_free = (unsigned long)guest_end > LOWEST ? (unsigned long)guest_end : LOWEST;
    for (unsigned int i = 0; i < info->memmap_entries; i++)
        if (map[i].type == XEN_HVM_MEMMAP_TYPE_RAM && map[i].addr <= next_free && map[i].addr + map[i].size > next_free)
            end_free = map[i].addr + map[i].size;
    if (!end_free)
        test_error("no memory in the map");
    page_map(0, 0, 0);
}

unsigned long memory_frames(void) { return end_free >> PAGE_SHIFT; }
unsigned long machine_of_frame(unsigned long frame) { return frame; }
unsigned long frame_of_machine(unsigned long machine) { return machine; }
unsigned long machine_of(const void *address) { return (unsigned long)address >> PAGE_SHIFT; }
void *page_of_frame(unsigned long frame) { return (void *)(frame << PAGE_SHIFT); }

void *pages_alloc(unsigned int count)
{
    char *pages = (char *)next_free;

    if (next_free + count * PAGE_SIZE > end_free)
        test_error("%u pages: no memory left", count);
    next_free += count * PAGE_SIZE;
    memset(pages, 0, count * PAGE_SIZE);
    return pages;
}

void *page_alloc(void)
{
    void *page = free_list;

    if (!page)
        return pages_alloc(1);
    free_list = *(void **)page;
    memset(page, 0, PAGE_SIZE);
    return page;
}

void page_free(void *page)
{
    *(void **)page = free_list;
    free_list = page;
}

// The entry of a small page.
static uint64_t *entry_of(const void *address)
{
    uint64_t *large = &page_tables_2[(unsigned long)address >> LARGE_SHIFT];

    if (*large & ENTRY_LARGE) {
        uint64_t *table = page_alloc();

        for (unsigned int i = 0; i < ENTRIES; i++)
            table[i] = (*large & ~(PAGE_SIZE - 1)) + (i * PAGE_SIZE | ENTRY_READ_WRITE);
        *large = (uint64_t)table | ENTRY_READ_WRITE;
    }
    return (uint64_t *)(*large & ~(PAGE_SIZE - 1)) + ((unsigned long)address >> PAGE_SHIFT) % ENTRIES;
}

void page_map(const void *address, unsigned long machine, uint64_t flags)
{
    *entry_of(address) = flags ? machine << PAGE_SHIFT | flags : 0;
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

long page_protect(void *page, bool writable)
{
    page_map(page, machine_of(page), writable ? ENTRY_READ_WRITE : ENTRY_READ_ONLY);
    return 0;
}

void *range_alloc(unsigned int count)
{
    void *range = (void *)range_next;

    range_next += (count + 1) * PAGE_SIZE; /* a hole after each range */
    if (range_next > RANGE_END)
        test_error("%u pages: no addresses left", count);
    return range;
}

static long reservation(unsigned int command, void *page)
{
    xen_pfn_t frame = machine_of(page);
    struct xen_memory_reservation request = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(request.extent_start, &frame);
    return memory_op(command, &request);
}

bool page_unused(void *page)
{
    domid_t self = DOMID_SELF;
    long before = memory_op(XENMEM_current_reservation, &self), after;

    if (reservation(XENMEM_decrease_reservation, page) != 1)
        return false;
    after = memory_op(XENMEM_current_reservation, &self);
    return reservation(XENMEM_populate_physmap, page) == 1 && after == before - 1;
}

unsigned long frame_absent(void) { return RANGE_END >> PAGE_SHIFT; }
unsigned long frame_untouchable(void) { return FRAMES_END; }
