// SPDX-License-Identifier: BSD-2-Clause
/*
 * The hypervisor's own page tables: how they are built at boot, and mappings made later (vmap).
 *
 * Boot memory is a list of free ranges: the RAM of the firmware's map less the first MiB, the image and the
 * modules.  Until the direct map is complete only what lies below 4 GiB is handed out, since only that is
 * mapped.  What remains of the list goes to the heap.  The frame table exists in pieces of 2 MiB (256 MiB of
 * memory each), the machine-to-physical table likewise (1 GiB of memory each), and only where there is
 * memory.
 */
#include "arch/x86/paging.h"

#include "arch/x86/cpufeature.h"
#include "arch/x86/start.h"
#include "boot_info.h"
#include "lib/bitmap.h"
#include "lib/string.h"
#include "log.h"
#include "mm/heap.h"
#include "sync/spinlock.h"

extern char image_start[], text_end[], rodata_end[], image_end[];
extern pte_t boot_l4[];

#define LARGE_SIZE (1UL << LEVEL_SHIFT(2))
#define HUGE_SIZE (1UL << LEVEL_SHIFT(3))

pte_t idle_l4[PTES_PER_TABLE] __attribute__((aligned(4096)));
uint64_t idle_cr3;
uint64_t max_frame;

maddr_t image_to_maddr(const void *p) { return MADDR((uint64_t)p - IMAGE_START + IMAGE_PHYSICAL); }

/* ---- memory before the heap ---- */

#define MAX_FREE (BOOT_MAX_RANGES + BOOT_MAX_MODULES + 32)
static struct { uint64_t start, end; } free_ranges[MAX_FREE];
static unsigned free_count;
static struct { uint64_t start, end; } reserved[BOOT_MAX_MODULES + 16];
static unsigned reserved_count;
static uint64_t boot_limit = GIB(4); /* what is mapped so far */

void boot_memory_reserve(uint64_t start, uint64_t end)
{
    BUG_ON(reserved_count == ARRAY_SIZE(reserved));
    reserved[reserved_count].start = ROUND_DOWN(start, PAGE_SIZE);
    reserved[reserved_count++].end = ROUND_UP(end, PAGE_SIZE);
}

static void free_range_add(uint64_t start, uint64_t end)
{
    if (start >= end)
        return;
    BUG_ON(free_count == MAX_FREE);
    free_ranges[free_count].start = start;
    free_ranges[free_count++].end = end;
}

/* Adds what of [start, end) is not reserved, looking at reservations from number i on. */
static void free_range_carve(uint64_t start, uint64_t end, unsigned i)
{
    for (; i < reserved_count && start < end; i++) {
        if (reserved[i].end <= start || reserved[i].start >= end)
            continue;
        if (reserved[i].start > start)
            free_range_carve(start, reserved[i].start, i + 1);
        start = reserved[i].end;
    }
    free_range_add(start, end);
}

static void boot_memory_init(void)
{
    boot_memory_reserve(0, MIB(1));
    boot_memory_reserve(IMAGE_PHYSICAL, image_to_maddr(image_end).value);
    for (unsigned i = 0; i < boot_info.module_count; i++)
        boot_memory_reserve(boot_info.modules[i].start, boot_info.modules[i].end);
    for (unsigned i = 0; i < boot_info.memory_count; i++) {
        const struct boot_range *r = &boot_info.memory[i];

        if (r->type == BOOT_MEMORY_RAM)
            free_range_carve(ROUND_UP(r->start, PAGE_SIZE),
                             min(ROUND_DOWN(r->end, PAGE_SIZE), (uint64_t)DIRECT_MAP_SIZE), 0);
    }
}

/* The highest piece below boot_limit; zeroed.  Boot memory is never given back. */
static void *boot_alloc(uint64_t size, uint64_t align)
{
    uint64_t best = 0;
    unsigned from = MAX_FREE;

    for (unsigned i = 0; i < free_count; i++) {
        uint64_t end = min(free_ranges[i].end, boot_limit);

        if (end < size || ROUND_DOWN(end - size, align) < free_ranges[i].start || ROUND_DOWN(end - size, align) <= best)
            continue;
        best = ROUND_DOWN(end - size, align);
        from = i;
    }
    if (from == MAX_FREE)
        panic("Not enough memory to start: no %lu KiB free\n", size >> 10);
    free_range_add(best + size, free_ranges[from].end);
    free_ranges[from].end = best;
    return memset(maddr_to_virt(MADDR(best)), 0, size);
}

/* ---- building tables ---- */

static void *table_of(pte_t e) { return mfn_to_virt(pte_frame(e)); }

/* The table the entry points to, made when it is absent. */
static pte_t *table_get(pte_t *entry, void *(*alloc)(void), uint64_t flags)
{
    if (!pte_present(*entry)) {
        void *table = alloc();

        if (table == NULL)
            return NULL;
        *entry = pte_make(virt_to_mfn(table), flags);
    }
    return table_of(*entry);
}

static void *alloc_boot_table(void) { return boot_alloc(PAGE_SIZE, PAGE_SIZE); }

/* The entry of the given level for an address, tables above it made as needed; NULL when there is no memory for one. */
static pte_t *entry_get(uint64_t address, unsigned level, void *(*alloc)(void), uint64_t table_flags)
{
    pte_t *table = idle_l4;

    for (unsigned at = 4; table != NULL && at > level; at--)
        table = table_get(&table[table_index(address, at)], alloc, table_flags);
    return table != NULL ? &table[table_index(address, level)] : NULL;
}

static pte_t *boot_entry(uint64_t address, unsigned level, uint64_t table_flags)
{
    return entry_get(address, level, alloc_boot_table, table_flags);
}

static unsigned best_level(uint64_t address, uint64_t physical, uint64_t size)
{
    if (cpu_has(FEATURE_1G_PAGES) && IS_ALIGNED(address | physical, HUGE_SIZE) && size >= HUGE_SIZE)
        return 3;
    return IS_ALIGNED(address | physical, LARGE_SIZE) && size >= LARGE_SIZE ? 2 : 1;
}

/* Maps physical memory with the largest pages that fit; all page-aligned. */
static void boot_map(uint64_t address, uint64_t physical, uint64_t size, uint64_t flags)
{
    while (size != 0) {
        unsigned level = best_level(address, physical, size);
        uint64_t step = 1UL << LEVEL_SHIFT(level);

        *boot_entry(address, level, PTE_HYPERVISOR_TABLE) = physical | flags | (level > 1 ? PTE_LARGE : 0);
        address += step;
        physical += step;
        size -= step;
    }
}

static void map_image(void)
{
    uint64_t start = (uint64_t)image_start, text = (uint64_t)text_end, rodata = (uint64_t)rodata_end;

    boot_map(start, IMAGE_PHYSICAL, text - start, PTE_HYPERVISOR_TEXT);
    boot_map(text, text - start + IMAGE_PHYSICAL, rodata - text, PTE_HYPERVISOR_RODATA);
    boot_map(rodata, rodata - start + IMAGE_PHYSICAL, (uint64_t)image_end - rodata, PTE_HYPERVISOR_DATA);
}

/*
 * The first MiB as a whole, then memory by the firmware's map; neighbours are joined so that large pages fit.
 */
static void map_direct(void)
{
    uint64_t start = 0, end = MIB(1);

    for (unsigned i = 0; i < boot_info.memory_count; i++) {
        const struct boot_range *r = &boot_info.memory[i];
        uint64_t from = max(ROUND_DOWN(r->start, PAGE_SIZE), end);
        uint64_t to = min(ROUND_UP(r->end, PAGE_SIZE), (uint64_t)DIRECT_MAP_SIZE);

        if (!boot_range_is_memory(r) || from >= to)
            continue;
        if (from > end) {
            boot_map(DIRECT_MAP_START + start, start, end - start, PTE_HYPERVISOR_DATA);
            start = from;
        }
        end = to;
    }
    boot_map(DIRECT_MAP_START + start, start, end - start, PTE_HYPERVISOR_DATA);
    boot_limit = DIRECT_MAP_SIZE;
}

/* Third-level tables of every slot that is not the domain's, so that top levels never change again. */
static void make_slots(void)
{
    boot_entry(M2P_START, 3, PTE_PRESENT | PTE_USER | PTE_ACCESSED);
    boot_entry(VMAP_START, 3, PTE_HYPERVISOR_TABLE);
    boot_entry(FRAME_TABLE_START, 3, PTE_HYPERVISOR_TABLE);
    for (uint64_t a = DIRECT_MAP_START; a < DIRECT_MAP_END; a += 1UL << LEVEL_SHIFT(4))
        boot_entry(a, 3, PTE_HYPERVISOR_TABLE);
}

void paging_copy_hypervisor_slots(pte_t *l4)
{
    for (unsigned i = HYPERVISOR_FIRST_SLOT; i <= HYPERVISOR_LAST_SLOT; i++)
        if (i != PERDOMAIN_SLOT)
            l4[i] = idle_l4[i];
}

/* ---- frame table and machine-to-physical table ---- */

static void make_m2p_chunk(uint64_t index)
{
    uint64_t offset = index * LARGE_SIZE, physical;
    pte_t *write = boot_entry(M2P_WRITE_START + offset, 2, PTE_HYPERVISOR_TABLE);

    if (pte_present(*write))
        return;
    physical = virt_to_maddr(memset(boot_alloc(LARGE_SIZE, LARGE_SIZE), 0xff, LARGE_SIZE)).value;
    *write = physical | PTE_HYPERVISOR_DATA | PTE_LARGE;
    *boot_entry(M2P_START + offset, 2, PTE_PRESENT | PTE_USER | PTE_ACCESSED) =
        physical | PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY | PTE_NX | PTE_LARGE;
}

/* The frame table exists in pieces of 2 MiB. */
#define FRAMES_PER_CHUNK (LARGE_SIZE / sizeof(struct frame))

static pte_t *frame_chunk(uint64_t index)
{
    return boot_entry(FRAME_TABLE_START + index * LARGE_SIZE, 2, PTE_HYPERVISOR_TABLE);
}

static void make_frame_chunk(uint64_t index)
{
    if (!pte_present(*frame_chunk(index)))
        *frame_chunk(index) = virt_to_maddr(boot_alloc(LARGE_SIZE, LARGE_SIZE)).value | PTE_HYPERVISOR_DATA | PTE_LARGE;
}

/* Pieces without memory share one page of entries, so that no number below max_frame needs a second look. */
static void make_frame_holes(void)
{
    static pte_t table[PTES_PER_TABLE] __attribute__((aligned(4096)));
    static struct frame entries[PAGE_SIZE / sizeof(struct frame)] __attribute__((aligned(4096)));

    for (unsigned i = 0; i < PTES_PER_TABLE; i++)
        table[i] = image_to_maddr(entries).value | PTE_HYPERVISOR_DATA;
    for (uint64_t n = 0; n <= (max_frame - 1) / FRAMES_PER_CHUNK; n++)
        if (!pte_present(*frame_chunk(n)))
            *frame_chunk(n) = image_to_maddr(table).value | PTE_HYPERVISOR_TABLE;
}

static void make_frame_tables(void)
{
    for (unsigned i = 0; i < boot_info.memory_count; i++) {
        const struct boot_range *r = &boot_info.memory[i];
        uint64_t first = r->start >> PAGE_SHIFT,
                 last = (min(r->end, (uint64_t)DIRECT_MAP_SIZE) - 1) >> PAGE_SHIFT;

        if (!boot_range_is_memory(r) || first > last)
            continue;
        for (uint64_t n = first / FRAMES_PER_CHUNK; n <= last / FRAMES_PER_CHUNK; n++)
            make_frame_chunk(n);
        for (uint64_t n = first / (LARGE_SIZE / 8); n <= last / (LARGE_SIZE / 8); n++)
            make_m2p_chunk(n);
        if (r->type == BOOT_MEMORY_RAM)
            max_frame = max(max_frame, last + 1);
    }
    make_frame_holes();
}

mfn_t m2p_backing(uint64_t index)
{
    uint64_t address = M2P_WRITE_START + index * LARGE_SIZE;
    pte_t e = index < (DIRECT_MAP_SIZE >> 30) ? paging_lookup(address) : 0;

    return pte_present(e) ? pte_frame(e) : INVALID_MFN;
}

void memory_init(void)
{
    boot_memory_init();
    map_image();
    make_slots();
    map_direct();
    idle_cr3 = image_to_maddr(idle_l4).value;
    write_cr3(idle_cr3);
    paging_copy_hypervisor_slots(boot_l4);
    make_frame_tables();
    for (unsigned i = 0; i < free_count; i++)
        if (free_ranges[i].start < free_ranges[i].end)
            heap_init_range(MADDR(free_ranges[i].start), MADDR(free_ranges[i].end));
    heap_init_done();
}

/* ---- looking up ---- */

pte_t paging_lookup(uint64_t address)
{
    const pte_t *table = idle_l4;

    for (unsigned level = 4;; level--) {
        pte_t e = table[table_index(address, level)];

        if (!pte_present(e))
            return 0;
        if (level == 1)
            return e;
        if (level < 4 && (e & PTE_LARGE)) {
            uint64_t inside = (address & ((1UL << LEVEL_SHIFT(level)) - 1)) & PAGE_MASK;

            return ((e & ~PTE_LARGE & ~PTE_PAT_LARGE) | (e & PTE_PAT_LARGE ? PTE_PAT : 0)) + inside;
        }
        table = table_of(e);
    }
}

/* ---- mappings at run time ---- */

#define VMAP_PAGES (GIB(4) >> PAGE_SHIFT)
static spinlock_t vmap_lock = SPINLOCK_INIT(RANK_VMAP);
static BITMAP_DECLARE(vmap_used, VMAP_PAGES); /* vmap_lock */
static size_t vmap_hint = 1;                  /* vmap_lock */

static void *alloc_heap_table(void) { return heap_alloc(0, HEAP_ZERO); }

static pte_t *vmap_entry(uint64_t address)
{
    return entry_get(address, 1, alloc_heap_table, PTE_HYPERVISOR_TABLE);
}

/* First page of `count` free ones with a free page before and after them; 0 when there is no room. */
static size_t vmap_find(size_t count, size_t align, size_t from)
{
    for (size_t at = ROUND_UP(from, align); at + count < VMAP_PAGES; at = ROUND_UP(at, align)) {
        size_t used = bitmap_find_next(vmap_used, at + count + 1, at - 1);

        if (used > at + count)
            return at;
        at = used + 2;
    }
    return 0;
}

static size_t vmap_reserve(size_t count, size_t align)
{
    size_t at;

    spin_lock(&vmap_lock);
    at = vmap_find(count, align, max(vmap_hint, align));
    if (at == 0)
        at = vmap_find(count, align, max_t(size_t, 1, align));
    if (at != 0) {
        bitmap_set_range(vmap_used, at, count);
        vmap_hint = at + count;
    }
    spin_unlock(&vmap_lock);
    return at;
}

static void vmap_release(size_t at, size_t count)
{
    spin_lock(&vmap_lock);
    bitmap_clear_range(vmap_used, at, count);
    spin_unlock(&vmap_lock);
}

/* Makes the tables for all of the pages first, so that filling them cannot fail. */
static bool vmap_make_tables(uint64_t address, size_t count)
{
    bool made = true;

    spin_lock(&vmap_lock);
    for (size_t i = 0; i < count && made; i++)
        made = vmap_entry(address + i * PAGE_SIZE) != NULL;
    spin_unlock(&vmap_lock);
    return made;
}

/* count pages of address space, aligned to align of them, with tables behind it; 0: none left. */
static uint64_t vmap_open(size_t count, size_t align)
{
    size_t at = count && count < VMAP_PAGES ? vmap_reserve(count, align) : 0;
    uint64_t address = VMAP_START + at * PAGE_SIZE;

    if (at == 0)
        return 0;
    if (vmap_make_tables(address, count))
        return address;
    vmap_release(at, count);
    return 0;
}

void *vmap_frames_aligned(const mfn_t *frames, size_t count, unsigned order, uint64_t flags)
{
    uint64_t address = vmap_open(count, 1UL << order);

    if (address == 0)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (!mfn_equal(frames[i], INVALID_MFN)) /* a hole: a guard page inside */
            *vmap_entry(address + i * PAGE_SIZE) = pte_make(frames[i], flags);
    return (void *)address;
}

void vmap_set(void *address, mfn_t frame, uint64_t flags)
{
    *vmap_entry((uint64_t)address) = pte_make(frame, flags);
}

void *vmap_device(maddr_t start, size_t size)
{
    uint64_t offset = start.value & ~PAGE_MASK;
    size_t count = (offset + size + PAGE_SIZE - 1) >> PAGE_SHIFT;
    uint64_t address = size < GIB(4) ? vmap_open(count, 1) : 0;

    if (address == 0)
        return NULL;
    for (size_t i = 0; i < count; i++)
        *vmap_entry(address + i * PAGE_SIZE) =
            pte_make(mfn_add(maddr_to_mfn(start), i), PTE_HYPERVISOR_DEVICE);
    return (void *)(address + offset);
}

void vunmap(void *address, size_t pages)
{
    uint64_t start = (uint64_t)address & PAGE_MASK;

    if (address == NULL || pages == 0)
        return;
    for (size_t i = 0; i < pages; i++)
        *vmap_entry(start + i * PAGE_SIZE) = 0;
    tlb_flush_mask(&cpu_online_mask, pages == 1 ? start : TLB_FLUSH_ALL, TLB_FLUSH_GLOBAL);
    vmap_release((start - VMAP_START) >> PAGE_SHIFT, pages);
}
