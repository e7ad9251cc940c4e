// SPDX-License-Identifier: BSD-2-Clause
/*
 * Domain 0's first page tables, written as plain memory: they become page tables when the ordinary checks of
 * guest/pv accept them, so every frame of a table is mapped read-only here.
 */
#include "boot/dom0.h"

#include "lib/string.h"
#include "log.h"

#define ENTRIES 512UL
#define LEVELS 4
#define PTE_READ_ONLY 0x25UL /* present, user, accessed */
#define PTE_WRITABLE 0x67UL  /* present, writable, user, accessed, dirty */
#define PTE_FRAME(entry) (((entry) & 0x000ffffffffff000UL) >> PAGE_SHIFT)

static uint64_t level_span(unsigned level)
{
    return PAGE_SIZE << (9 * level); /* bytes one table of the level maps: 2 MiB for level 1 */
}

/* Tables of all levels but the top one that a range of addresses needs. */
static uint64_t span_tables(uint64_t start, uint64_t end)
{
    uint64_t low = start & 0x0000ffffffffffffUL; /* the sign extension would wrap the rounding */
    uint64_t high = low + (end - start), count = 0;

    for (unsigned level = 1; level < LEVELS; level++)
        count += ROUND_UP(high, level_span(level)) / level_span(level) - low / level_span(level);
    return count;
}

void dom0_tables_count(struct dom0_build *b)
{
    b->tables.count = 1 + span_tables(b->virt_start, b->virt_end);
    b->p2m_tables.count = 0;
    if (b->kernel.xen.init_p2m != ELF_XEN_UNSET)
        b->p2m_tables.count = span_tables(b->p2m.virt, b->p2m.virt + b->p2m.count * PAGE_SIZE);
}

static uint64_t table_new(struct dom0_build *b)
{
    uint64_t number = b->tables_used++;

    if (number >= b->tables.count)
        number = b->p2m_tables.first + (number - b->tables.count);
    else
        number += b->tables.first;
    BUG_ON(number >= b->p2m_tables.first + b->p2m_tables.count && number >= b->tables.first + b->tables.count);
    memset(dom0_frame(b, number), 0, PAGE_SIZE);
    return b->frames[number];
}

/* The level-1 entry for an address; tables on the way are made. */
static uint64_t *table_entry(struct dom0_build *b, uint64_t address)
{
    uint64_t *table = dom0_frame(b, b->tables.first);

    for (unsigned level = LEVELS; level > 1; level--) {
        uint64_t *entry = &table[address >> (PAGE_SHIFT + 9 * (level - 1)) & (ENTRIES - 1)];

        if (!*entry)
            *entry = table_new(b) << PAGE_SHIFT | PTE_WRITABLE;
        table = mfn_to_virt(MFN(PTE_FRAME(*entry)));
    }
    return &table[address >> PAGE_SHIFT & (ENTRIES - 1)];
}

static bool in_region(const struct dom0_region *region, uint64_t number)
{
    return number >= region->first && number < region->first + region->count;
}

void dom0_tables_build(struct dom0_build *b)
{
    uint64_t number = (b->virt_start - b->kernel.xen.virt_base) >> PAGE_SHIFT;

    b->tables_used = 0;
    table_new(b);
    for (uint64_t address = b->virt_start; address != b->virt_end; address += PAGE_SIZE, number++)
        *table_entry(b, address) =
            b->frames[number] << PAGE_SHIFT | (in_region(&b->tables, number) ? PTE_READ_ONLY : PTE_WRITABLE);
    if (b->kernel.xen.init_p2m == ELF_XEN_UNSET)
        return;
    for (uint64_t i = 0; i < b->p2m.count; i++)
        *table_entry(b, b->p2m.virt + i * PAGE_SIZE) = b->frames[b->p2m.first + i] << PAGE_SHIFT | PTE_WRITABLE;
}
