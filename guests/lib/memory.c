// SPDX-License-Identifier: BSD-2-Clause
//
// Frames and page tables. See memory.h. A page becomes a table in this order, which the hypervisor's typing asks
// for: filled while writable, mapped read-only, hooked into the table above (or pinned). Later stores into it fault
// and are carried out by the hypervisor, which has to be asked for this (vm_assist).

#include "memory.h"

#include "hypercall.h"
#include "result.h"
#include "string.h"

#define TABLE_SPAN(level) (1ul << (PAGE_SHIFT + 9 * ((level) - 1)))
#define RANGE_FIRST (1ul << 36)     /* addresses for range_alloc: far above any frame of a test guest */

extern char guest_end[];

static const unsigned long *machine_list;
static unsigned long frame_count;
static unsigned long top_machine;
static const uint64_t *top;
static unsigned long fresh;         /* frames from here on were never given out */
static void *free_pages;
static unsigned long range_next = RANGE_FIRST;

unsigned long memory_frames(void)
{
    return frame_count;
}

unsigned long machine_of_frame(unsigned long frame)
{
    return machine_list[frame];
}

unsigned long frame_of_machine(unsigned long machine)
{
    return machine_to_phys_mapping[machine];
}

unsigned long machine_of(const void *address)
{
    return machine_list[(unsigned long)address >> PAGE_SHIFT];
}

void *page_of_frame(unsigned long frame)
{
    return (void *)(frame << PAGE_SHIFT);
}

void *pages_alloc(unsigned int count)
{
    void *pages = page_of_frame(fresh);

    if (fresh + count > frame_count)
        test_error("out of memory: %u pages wanted of %lu", count, frame_count);
    fresh += count;
    memset(pages, 0, count * PAGE_SIZE);
    return pages;
}

void *page_alloc(void)
{
    void *page = free_pages;

    if (!page)
        return pages_alloc(1);
    free_pages = *(void **)page;
    memset(page, 0, PAGE_SIZE);
    return page;
}

void page_free(void *page)
{
    *(void **)page = free_pages;
    free_pages = page;
}

static unsigned int entry_index(unsigned long address, unsigned int level)
{
    return (address >> (PAGE_SHIFT + 9 * (level - 1))) & (ENTRIES - 1);
}

const uint64_t *entry_find(const void *address, unsigned int level)
{
    const uint64_t *table = top;

    for (unsigned int at = 4; at > level; at--) {
        uint64_t entry = table[entry_index((unsigned long)address, at)];

        if (!(entry & ENTRY_PRESENT))
            return NULL;
        table = page_of_frame(frame_of_machine(ENTRY_FRAME(entry)));
    }
    return table + entry_index((unsigned long)address, level);
}

uint64_t entry_machine(const uint64_t *entry)
{
    return machine_of(entry) << PAGE_SHIFT | ((unsigned long)entry & (PAGE_SIZE - 1));
}

long entry_update(uint64_t machine_address, uint64_t value)
{
    struct mmu_update update = { .ptr = machine_address | MMU_NORMAL_PT_UPDATE, .val = value };

    return mmu_update(&update, 1, 0, DOMID_SELF);
}

long page_protect(void *page, bool writable)
{
    uint64_t flags = (writable ? ENTRY_READ_WRITE : ENTRY_READ_ONLY) | ENTRY_ACCESSED | ENTRY_DIRTY;

    return update_va_mapping(page, machine_of(page) << PAGE_SHIFT | flags, UVMF_INVLPG | UVMF_ALL);
}

// Hooks a filled page in as the table that covers address one level below "level".
static void table_hook(const void *address, unsigned int level, void *table)
{
    const uint64_t *entry = entry_find(address, level);

    NEED(page_protect(table, false));
    NEED(entry_update(entry_machine(entry), machine_of(table) << PAGE_SHIFT | ENTRY_TABLE));
}

static void tables_build(const void *address)
{
    for (unsigned int level = 4; level > 1; level--) {
        if (!(*entry_find(address, level) & ENTRY_PRESENT))
            table_hook(address, level, page_alloc());
    }
}

void page_map(const void *address, unsigned long machine, uint64_t flags)
{
    tables_build(address);
    NEED(update_va_mapping(address, flags ? machine << PAGE_SHIFT | flags : 0, UVMF_INVLPG | UVMF_ALL));
}

void *range_alloc(unsigned int count)
{
    void *range = (void *)range_next;

    for (unsigned int i = 0; i < count; i++)
        tables_build((char *)range + i * PAGE_SIZE);
    range_next += (count + 1) * PAGE_SIZE;      /* a hole after each range */
    return range;
}

long mmuext(unsigned int command, uint64_t machine_or_address)
{
    struct mmuext_op op = { .cmd = command, .arg1.mfn = machine_or_address };

    return mmuext_op(&op, 1, 0, DOMID_SELF);
}

unsigned long base_table(void)
{
    return top_machine;
}

unsigned long base_table_copy(void)
{
    uint64_t *table = page_alloc();

    table[0] = top[0];
    NEED(page_protect(table, false));
    NEED(mmuext(MMUEXT_PIN_L4_TABLE, machine_of(table)));
    return machine_of(table);
}

bool page_unused(void *page)
{
    bool unused;

    memset(page, 0, PAGE_SIZE);
    unused = page_protect(page, false) == 0 && mmuext(MMUEXT_PIN_L1_TABLE, machine_of(page)) == 0 &&
             mmuext(MMUEXT_UNPIN_TABLE, machine_of(page)) == 0;
    return page_protect(page, true) == 0 && unused;
}

unsigned long frame_absent(void)
{
    return 1;
}

unsigned long frame_untouchable(void)
{
    return base_table();
}

// The builder maps the start of memory, up to a multiple of 4 MiB. The rest gets whole level 1 tables here.
static void rest_map(unsigned long frame)
{
    while (frame < frame_count) {
        void *address = page_of_frame(frame);
        uint64_t *table = page_alloc();

        for (unsigned int i = 0; i < ENTRIES && frame < frame_count; i++, frame++)
            table[i] = machine_of_frame(frame) << PAGE_SHIFT | ENTRY_READ_WRITE | ENTRY_ACCESSED | ENTRY_DIRTY;
        for (unsigned int level = 4; level > 2; level--) {
            if (!(*entry_find(address, level) & ENTRY_PRESENT))
                table_hook(address, level, page_alloc());
        }
        table_hook(address, 2, table);
    }
}

static unsigned long mapped_end(unsigned long frame)
{
    while (frame < frame_count) {
        const uint64_t *entry = entry_find(page_of_frame(frame), 1);

        if (!entry || !(*entry & ENTRY_PRESENT))
            break;
        frame++;
    }
    return frame;
}

static unsigned long max(unsigned long a, unsigned long b)
{
    return a > b ? a : b;
}

void memory_init(const struct start_info *info, unsigned long boot_stack)
{
    unsigned long mapped;

    machine_list = (const unsigned long *)info->mfn_list;
    frame_count = info->nr_pages;
    top = (const uint64_t *)info->pt_base;
    top_machine = machine_of(top);
    fresh = max((boot_stack + PAGE_SIZE - 1) >> PAGE_SHIFT, (info->pt_base >> PAGE_SHIFT) + info->nr_pt_frames);
    fresh = max(fresh, ((unsigned long)guest_end >> PAGE_SHIFT));
    mapped = mapped_end(fresh);
    if (mapped % ENTRIES)
        test_error("the builder's mapping ends at frame %lu, not at the end of a table", mapped);
    rest_map(mapped);
    NEED(update_va_mapping(0, 0, UVMF_INVLPG));
    NEED(hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables));
}
