// SPDX-License-Identifier: BSD-2-Clause
/*
 * The buddy allocator.
 *
 * Free memory is kept in blocks of 1 << order frames, aligned to their size, on lists by node, zone and
 * order.  A frame's zone is the bit length of its number, so "below 1 << width bits" is "zones up to width -
 * PAGE_SHIFT", and a block never straddles two zones.  Allocation takes the highest zone that serves, which
 * keeps low memory for devices.
 *
 * The first frame of a free block carries FRAME_FREE in refs and the order in type; all others have refs 0. 
 * A block with FRAME_UNSCRUBBED may hold old data: it is cleared before anybody but the hypervisor sees it,
 * at the latest when it is taken, earlier by idle CPUs.  A clean and a dirty buddy stay apart, so that one
 * freed page does not make its clean neighbours dirty; they are joined only when a large allocation would
 * fail otherwise.
 */
#include "mm/buddy.h"

#include "arch/tlb.h"
#include "lib/string.h"
#include "log.h"
#include "mm/heap.h"
#include "sync/softirq.h"
#include "sync/spinlock.h"

#define ZONES (64 - PAGE_SHIFT + 1)
#define SCRUB_MAX_ORDER 4 /* idle CPUs clear blocks in pieces of at most 64 KiB */
#define SCRUB_MAX_CPUS 4  /* at once: a few fill the memory's bandwidth, more would only fight for the lock */
#define JOIN_BATCH 256    /* blocks looked at with interrupts off, in a search for buddies of different cleanness */
#define JOIN_BATCHES 64   /* of one allocation's search; the next goes on from there */

struct heap_node {
    struct frame_list blocks[ZONES][HEAP_MAX_ORDER + 1];
    uint64_t free_pages;
    uint64_t zones;         /* bit per zone with a block */
    uint32_t orders[ZONES]; /* bit per order with a block */
    unsigned join_order, join_zone; /* where the next search for buddies of different cleanness starts, */
    uint32_t join_at;               /* and at which block; FRAME_LIST_END at the first */
};

static spinlock_t heap_lock = SPINLOCK_INIT(RANK_HEAP);
static struct heap_node nodes[MAX_NUMA_NODES]; /* heap_lock */
static uint64_t unscrubbed_pages;              /* heap_lock */
static unsigned scrubbing_cpus;                /* atomic */
static uint64_t total_pages;                   /* set at boot */
static const struct node_range *ranges;        /* set at boot */
static unsigned range_count, node_count = 1;

/* ---- blocks: heap_lock held ---- */

static unsigned zone_of(uint64_t number)
{
    return number ? 64 - (unsigned)__builtin_clzl(number) : 0;
}

static const struct node_range *range_of(uint64_t number)
{
    for (unsigned i = 0; i < range_count; i++)
        if (number >= ranges[i].first && number < ranges[i].end)
            return &ranges[i];
    return NULL;
}

static unsigned node_number(uint64_t number)
{
    const struct node_range *range = range_of(number);

    return range ? range->node : 0;
}

static struct heap_node *node_of(const struct frame *f)
{
    return &nodes[node_number(frame_to_mfn(f).value)];
}

/* Is a block all of one node? */
static bool block_on_one_node(uint64_t first, unsigned order)
{
    const struct node_range *range = range_of(first);
    uint64_t end = first + (1UL << order);

    if (range)
        return end <= range->end;
    for (unsigned i = 0; i < range_count; i++)
        if (ranges[i].first < end && ranges[i].end > first)
            return false;
    return true;
}

static void block_insert(struct frame *f, unsigned order, uint64_t scrub_flag)
{
    struct heap_node *node = node_of(f);
    unsigned zone = zone_of(frame_to_mfn(f).value);

    f->refs = FRAME_FREE | scrub_flag;
    f->type = order;
    /* Clean blocks are taken first; idle CPUs look for dirty ones at the tail. */
    if (scrub_flag)
        frame_list_add(&node->blocks[zone][order], f);
    else
        frame_list_add_head(&node->blocks[zone][order], f);
    node->orders[zone] |= 1u << order;
    node->zones |= 1UL << zone;
}

static void block_remove(struct frame *f, unsigned order)
{
    struct heap_node *node = node_of(f);
    unsigned zone = zone_of(frame_to_mfn(f).value);
    struct frame_list *list = &node->blocks[zone][order];

    frame_list_remove(list, f);
    if (list->count == 0) {
        node->orders[zone] &= ~(1u << order);
        if (node->orders[zone] == 0)
            node->zones &= ~(1UL << zone);
    }
    f->refs = 0;
    f->type = 0;
}

/* Takes 1 << order frames off the start of f, a free block of 1 << have; the rest of it stays free. */
static void block_cut(struct heap_node *node, struct frame *f, unsigned have, unsigned order)
{
    uint64_t scrub_flag = f->refs & FRAME_UNSCRUBBED;

    block_remove(f, have);
    while (have > order) {
        have--;
        block_insert(f + (1UL << have), have, scrub_flag);
    }
    node->free_pages -= 1UL << order;
    if (scrub_flag)
        unscrubbed_pages -= 1UL << order;
}

/* The free block that would join the one at number into a block of the next order, if there is one. */
static struct frame *block_buddy(uint64_t number, unsigned order)
{
    uint64_t other = number ^ (1UL << order);
    struct frame *buddy = &frame_table[other];

    if (order >= HEAP_MAX_ORDER || !mfn_valid(MFN(other)) || zone_of(other) != zone_of(number) ||
        !(buddy->refs & FRAME_FREE) || buddy->type != order ||
        !block_on_one_node(min(number, other), order + 1))
        return NULL;
    return buddy;
}

/* Returns a block, joined with its free buddies of the same cleanness as far as they go. */
static void block_free(struct frame *f, unsigned order, uint64_t scrub_flag)
{
    uint64_t number = frame_to_mfn(f).value;
    struct frame *buddy;

    node_of(f)->free_pages += 1UL << order;
    if (scrub_flag)
        unscrubbed_pages += 1UL << order;
    while ((buddy = block_buddy(number, order)) != NULL && (buddy->refs & FRAME_UNSCRUBBED) == scrub_flag) {
        block_remove(buddy, order);
        number &= ~(1UL << order);
        order++;
    }
    block_insert(&frame_table[number], order, scrub_flag);
}

/* Joins f with its free buddy, whatever their cleanness.  The block behind f on its list. */
static struct frame *block_join_mixed(struct heap_node *node, struct frame *f, unsigned order)
{
    uint64_t number = frame_to_mfn(f).value;
    struct frame *buddy = block_buddy(number, order), *next = frame_list_next(f);

    if (!buddy)
        return next;
    if (next == buddy)
        next = frame_list_next(buddy);
    block_cut(node, f, order, order);
    block_cut(node, buddy, order, order);
    block_free(&frame_table[number & ~(1UL << order)], order + 1, FRAME_UNSCRUBBED);
    return next;
}

/* The block a search goes on with, if it is on that list still; otherwise the list's first. */
static struct frame *join_resume(const struct heap_node *node)
{
    struct frame *f = &frame_table[node->join_at];

    if (node->join_at != FRAME_LIST_END && (f->refs & FRAME_FREE) && f->type == node->join_order &&
        zone_of(node->join_at) == node->join_zone)
        return f;
    return frame_list_first(&node->blocks[node->join_zone][node->join_order]);
}

static void join_restart(struct heap_node *node)
{
    node->join_order = node->join_zone = 0;
    node->join_at = FRAME_LIST_END;
}

/* Joins what the difference in cleanness kept apart below the order that is wanted, a batch of blocks further.
 * False at the end. */
static bool blocks_join_some(struct heap_node *node, unsigned wanted)
{
    unsigned left = JOIN_BATCH;

    for (; node->join_order < wanted; node->join_order++, node->join_zone = 0) {
        for (; node->join_zone < ZONES; node->join_zone++, node->join_at = FRAME_LIST_END) {
            struct frame *f = join_resume(node);

            for (; f && left; left--)
                f = block_join_mixed(node, f, node->join_order);
            if (f) {
                node->join_at = (uint32_t)frame_to_mfn(f).value;
                return true;
            }
        }
    }
    join_restart(node);
    return false;
}

/* A block of exactly order from the highest zone below zone_limit; *dirty: it may hold old data. */
static struct frame *block_take(struct heap_node *node, unsigned order, unsigned zone_limit, bool *dirty)
{
    uint64_t zones = node->zones & (zone_limit >= 64 ? ~0UL : (1UL << zone_limit) - 1);

    while (zones) {
        unsigned zone = 63 - (unsigned)__builtin_clzl(zones), have;
        uint32_t orders = node->orders[zone] >> order << order;
        struct frame *f;

        if (!orders) {
            zones &= ~(1UL << zone);
            continue;
        }
        have = (unsigned)__builtin_ctz(orders);
        f = frame_list_first(&node->blocks[zone][have]);
        *dirty = f->refs & FRAME_UNSCRUBBED;
        block_cut(node, f, have, order);
        return f;
    }
    return NULL;
}

/* ---- for the room ---- */

uint64_t heap_free_pages(void)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < node_count; i++)
        pages += nodes[i].free_pages;
    return pages;
}

uint64_t heap_node_free_pages(unsigned node)
{
    return nodes[node].free_pages;
}

uint64_t heap_total_pages(void)
{
    return total_pages;
}

uint64_t heap_scrub_pages(void)
{
    return unscrubbed_pages;
}

/* Frames lately mapped by a guest may still sit in some CPU's TLB.  Stamps wrap: the youngest is the one least
 * before now. */
static void flush_stale(struct frame *f, unsigned order)
{
    uint32_t now = tlb_clock_now(), youngest = 0, age = UINT32_MAX;

    for (uint64_t i = 0; i < 1UL << order; i++) {
        if (f[i].tlb_stamp && now - f[i].tlb_stamp <= age) {
            youngest = f[i].tlb_stamp;
            age = now - youngest;
        }
        f[i].tlb_stamp = 0;
    }
    if (youngest)
        tlb_flush_older(youngest);
}

static bool pages_suffice(uint64_t reserved, unsigned order)
{
    return heap_free_pages() >= reserved + (1UL << order);
}

/* There is no such block: joins buddies of different cleanness until there is one.  The lock is given up in
 * between. */
static struct frame *block_take_joined(struct heap_node *node, unsigned order, unsigned zone_limit,
                                       uint64_t reserved, bool *dirty, uint64_t *flags)
{
    bool from_start = node->join_at == FRAME_LIST_END || node->join_order >= order;
    struct frame *f = NULL;

    if (from_start)
        join_restart(node);
    for (unsigned i = 0; i < JOIN_BATCHES && !f && pages_suffice(reserved, order); i++) {
        bool more = blocks_join_some(node, order);

        f = block_take(node, order, zone_limit, dirty);
        if (!more && from_start)
            break;
        from_start |= !more;
        if (f)
            break;
        spin_unlock_irqrestore(&heap_lock, *flags);
        *flags = spin_lock_irqsave(&heap_lock);
    }
    return f;
}

struct frame *buddy_take(unsigned order, unsigned width_bits, uint64_t reserved, bool clean,
                         uint64_t nodes_first, bool nodes_only)
{
    unsigned zone_limit = width_bits > PAGE_SHIFT ? width_bits - PAGE_SHIFT + 1 : 1;
    struct frame *f = NULL;
    bool dirty = false;
    uint64_t flags;

    if (order > HEAP_MAX_ORDER)
        return NULL;
    flags = spin_lock_irqsave(&heap_lock);
    for (unsigned i = 0; i < node_count * (nodes_only ? 1 : 2) && !f && pages_suffice(reserved, order); i++) {
        unsigned n = i % node_count;

        if ((nodes_first >> n & 1) != (i < node_count))
            continue;
        f = block_take(&nodes[n], order, zone_limit, &dirty);
        if (!f && order)
            f = block_take_joined(&nodes[n], order, zone_limit, reserved, &dirty, &flags);
    }
    spin_unlock_irqrestore(&heap_lock, flags);
    if (!f)
        return NULL;
    flush_stale(f, order);
    if (dirty && clean)
        memset(frame_to_virt(f), 0, PAGE_SIZE << order);
    return f;
}

static void frame_clear(struct frame *f)
{
    f->refs = 0;
    f->type = 0;
    f->owner = 0;
}

void buddy_give(struct frame *f, unsigned order)
{
    uint64_t flags;

    for (uint64_t i = 0; i < 1UL << order; i++)
        frame_clear(&f[i]);
    flags = spin_lock_irqsave(&heap_lock);
    block_free(f, order, FRAME_UNSCRUBBED);
    spin_unlock_irqrestore(&heap_lock, flags);
}

/* Frames [first, last), in the largest blocks they make. */
static void frames_free(uint64_t first, uint64_t last)
{
    while (first < last) {
        unsigned order = first ? (unsigned)__builtin_ctzl(first) : 0;

        order = min(order, (unsigned)HEAP_MAX_ORDER);
        while (order &&
               (first + (1UL << order) > last || zone_of(first) != zone_of(first + (1UL << order) - 1) ||
                !block_on_one_node(first, order)))
            order--;
        block_free(&frame_table[first], order, FRAME_UNSCRUBBED);
        first += 1UL << order;
    }
}

void heap_free_list(struct frame_list *list)
{
    struct frame *f = frame_list_first(list);

    while (f) {
        uint64_t first = frame_to_mfn(f).value, last = first, flags;

        do {
            frame_list_remove(list, f);
            frame_clear(f);
            last++;
            f = frame_list_first(list);
        } while (f && frame_to_mfn(f).value == last);
        flags = spin_lock_irqsave(&heap_lock);
        frames_free(first, last);
        spin_unlock_irqrestore(&heap_lock, flags);
    }
}

void heap_init_range(maddr_t start, maddr_t end)
{
    uint64_t first = ROUND_UP(start.value, PAGE_SIZE) >> PAGE_SHIFT, last = end.value >> PAGE_SHIFT;

    if (first >= last)
        return;
    frames_free(first, last);
    total_pages += last - first;
}

/* Nothing is free in between, so that no block is joined with one that still lies on the list. */
void heap_set_nodes(const struct node_range *node_ranges, unsigned count)
{
    struct frame_list all = {0};
    struct frame *f;

    for (unsigned zone = 0; zone < ZONES; zone++)
        for (unsigned order = 0; order <= HEAP_MAX_ORDER; order++)
            while ((f = frame_list_first(&nodes[0].blocks[zone][order])) != NULL) {
                block_remove(f, order);
                f->type = order;
                frame_list_add(&all, f);
            }
    nodes[0].free_pages = unscrubbed_pages = 0;
    ranges = node_ranges;
    range_count = count;
    for (unsigned i = 0; i < count; i++)
        node_count = max(node_count, node_ranges[i].node + 1);
    while ((f = frame_list_first(&all)) != NULL) {
        uint64_t first = frame_to_mfn(f).value, size = 1UL << f->type;

        frame_list_remove(&all, f);
        f->type = 0;
        frames_free(first, first + size);
    }
}

void heap_init_done(void)
{
    log_info("Heap: %lu MiB in %lu pages\n", total_pages >> (20 - PAGE_SHIFT), total_pages);
}

/* A dirty block of at most SCRUB_MAX_ORDER, out of the lists. */
static struct frame *dirty_block_take(unsigned *order)
{
    for (unsigned n = 0; n < node_count; n++)
        for (uint64_t zones = nodes[n].zones; zones; zones &= zones - 1) {
            unsigned zone = (unsigned)__builtin_ctzl(zones);

            for (uint32_t orders = nodes[n].orders[zone]; orders; orders &= orders - 1) {
                unsigned have = (unsigned)__builtin_ctz(orders);
                struct frame *f = &frame_table[nodes[n].blocks[zone][have].tail];

                if (!(f->refs & FRAME_UNSCRUBBED))
                    continue;
                *order = min(have, (unsigned)SCRUB_MAX_ORDER);
                block_cut(&nodes[n], f, have, *order);
                return f;
            }
        }
    return NULL;
}

/* One piece; false when there is none. */
static bool scrub_piece(void)
{
    struct frame *f;
    unsigned order;
    uint64_t flags = spin_lock_irqsave(&heap_lock);

    f = dirty_block_take(&order);
    spin_unlock_irqrestore(&heap_lock, flags);
    if (!f)
        return false;
    memset(frame_to_virt(f), 0, PAGE_SIZE << order);
    flags = spin_lock_irqsave(&heap_lock);
    block_free(f, order, 0);
    spin_unlock_irqrestore(&heap_lock, flags);
    return true;
}

bool heap_scrub_some(void)
{
    bool more = false;

    if (!unscrubbed_pages || softirq_pending())
        return false;
    if (__atomic_fetch_add(&scrubbing_cpus, 1, __ATOMIC_RELAXED) < SCRUB_MAX_CPUS)
        more = scrub_piece();
    __atomic_fetch_sub(&scrubbing_cpus, 1, __ATOMIC_RELAXED);
    return more;
}
