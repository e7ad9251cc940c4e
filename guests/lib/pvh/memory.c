// SPDX-License-Identifier: BSD-2-Clause
//
// Frames of a PVH guest: all its memory is mapped at its own address, and "machine" numbers are its own too.

#include "memory.h"

#include "pvh/machine.h"
#include "result.h"
#include "string.h"

#define LOWEST 0x400000ul /* below lies what the builder and the linker put there */

extern char guest_end[];
static unsigned long next_free, end_free;
static void *free_list;
void memory_start(const struct hvm_start_info *info);

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
