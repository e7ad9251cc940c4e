// SPDX-License-Identifier: BSD-2-Clause
/*
 * The physmap: which machine frame is behind each guest frame (physmap.h tells the rules).
 *
 * Superpages are of 2 MiB and 1 GiB.  Part of one can be changed: it is shattered into smaller pages first, which takes a page
 * of the pool and nothing else, as the translations stay what they were.
 */
#include "guest/hvm/physmap.h"

#include "domain/preempt.h"
#include "errno.h"
#include "lib/bitmap.h"
#include "lib/string.h"
#include "mm/dirty_log.h"
#include "mm/heap.h"
#include "mm/physmap.h"

/* ---- entries ---- */

/* Sets of types: what a guest may write, what is of other domains. */
#define SET(type) (1u << PHYSMAP_##type)
#define WRITABLE_TYPES (SET(RAM) | SET(GRANT) | SET(FOREIGN) | SET(SHARED) | SET(MMIO))
#define OTHERS_TYPES (SET(GRANT) | SET(GRANT_RO) | SET(FOREIGN))

uint64_t physmap_entry(mfn_t frame, enum physmap_type type, unsigned level)
{
    uint64_t e = pte_make(frame, PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY);

    e |= (uint64_t)type << PHYSMAP_TYPE_SHIFT;
    if (WRITABLE_TYPES >> type & 1)
        e |= PTE_WRITE;
    if (type == PHYSMAP_MMIO)
        e |= PTE_PCD | PTE_PWT;
    return level > 1 ? e | PTE_LARGE : e;
}

/* What an entry of this type holds on one frame.  0, -EINVAL. */
static int frame_hold(struct domain *d, struct frame *f, enum physmap_type type)
{
    struct domain *owner;

    if (!(OTHERS_TYPES >> type & 1))
        return frame_get(f, d) ? 0 : -EINVAL;
    owner = frame_get_any_owner(f);
    if (!owner)
        return -EINVAL;
    if (owner == domain_io || (type != PHYSMAP_GRANT_RO && frame_get_type(f, FRAME_WRITABLE))) {
        frame_put(f);
        return -EINVAL;
    }
    return 0;
}

static void frame_release(struct frame *f, enum physmap_type type)
{
    if ((OTHERS_TYPES >> type & 1) && type != PHYSMAP_GRANT_RO)
        frame_put_type(f);
    frame_put(f);
}

/* What leaf e holds is given back. */
static void entry_put(uint64_t e, unsigned level)
{
    enum physmap_type type = physmap_entry_type(e);
    uint64_t first = pte_frame(e).value;

    if (type == PHYSMAP_MMIO)
        return;
    for (uint64_t i = 0; i < 1UL << physmap_order(level); i++)
        frame_release(mfn_to_frame(MFN(first + i)), type);
}

static int frames_hold(struct domain *d, mfn_t first, unsigned order, enum physmap_type type)
{
    for (uint64_t i = 0; type != PHYSMAP_MMIO && i < 1UL << order; i++) {
        int rc = mfn_valid(mfn_add(first, i)) ? frame_hold(d, mfn_to_frame(mfn_add(first, i)), type) : -EINVAL;

        while (rc && i-- > 0)
            frame_release(mfn_to_frame(mfn_add(first, i)), type);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---- the lock is held ---- */

int physmap_shatter(struct physmap *p, uint64_t *slot, unsigned level)
{
    uint64_t *table = physmap_table_new(p), e = *slot;
    uint64_t step = 1UL << physmap_order(level - 1);

    if (!table)
        return -ENOMEM;
    for (uint64_t i = 0; i < PTES_PER_TABLE; i++)
        table[i] = physmap_entry(mfn_add(pte_frame(e), i * step), physmap_entry_type(e), level - 1);
    __atomic_store_n(slot, pte_make(virt_to_mfn(table), PHYSMAP_TABLE_ENTRY), __ATOMIC_RELEASE);
    return 0;
}

/* The slot of level for gfn, with what tables that takes; NULL when the pool is used up. */
static uint64_t *slot_make(struct physmap *p, uint64_t gfn, unsigned level)
{
    uint64_t *table = p->root;

    for (unsigned l = PHYSMAP_LEVELS;; l--) {
        uint64_t *slot = &table[gfn >> physmap_order(l) & (PTES_PER_TABLE - 1)];

        if (l == level)
            return slot;
        if (!(*slot & PTE_PRESENT)) {
            table = physmap_table_new(p);
            if (!table)
                return NULL;
            memset(table, 0, PAGE_SIZE);
            __atomic_store_n(slot, pte_make(virt_to_mfn(table), PHYSMAP_TABLE_ENTRY), __ATOMIC_RELEASE);
        } else if (*slot & PTE_LARGE) {
            if (physmap_shatter(p, slot, l))
                return NULL;
        }
        table = mfn_to_virt(pte_frame(*slot));
    }
}

static void leaf_unname(uint64_t e, uint64_t gfn, unsigned level)
{
    for (uint64_t i = 0; physmap_entry_type(e) != PHYSMAP_MMIO && i < 1UL << physmap_order(level); i++)
        if (m2p_get(mfn_add(pte_frame(e), i)) == gfn + i)
            m2p_set(mfn_add(pte_frame(e), i), M2P_INVALID);
}

/* No CPU can see e any more: gives back what is under it.  Level 2 at most, so it is 512 frames. */
static void subtree_put(struct physmap *p, uint64_t e, uint64_t gfn, unsigned level)
{
    if (!(e & PTE_PRESENT))
        return;
    if (physmap_entry_is_table(e, level)) {
        uint64_t *table = mfn_to_virt(pte_frame(e));

        for (uint64_t i = 0; i < PTES_PER_TABLE; i++)
            subtree_put(p, table[i], gfn + (i << physmap_order(level - 1)), level - 1);
        physmap_table_free(p, table);
        return;
    }
    leaf_unname(e, gfn, level);
    entry_put(e, level);
}

static void slot_replace(struct domain *d, uint64_t *slot, uint64_t e, uint64_t gfn, unsigned level)
{
    uint64_t old = __atomic_exchange_n(slot, e, __ATOMIC_SEQ_CST);

    if (!(old & PTE_PRESENT))
        return;
    physmap_flush(d);
    subtree_put(d->hvm->physmap, old, gfn, level);
}

/* ---- public ---- */

maddr_t physmap_root(const struct domain *d)
{
    return virt_to_maddr(d->hvm->physmap->root);
}

void physmap_flush(struct domain *d)
{
    struct vcpu *v;
    cpu_mask_t mask;

    __atomic_fetch_add(&d->hvm->physmap->version, 1, __ATOMIC_SEQ_CST);
    for_each_vcpu(d, v)
        __atomic_store_n(&v->hvm->flush_nested, true, __ATOMIC_RELEASE);
    domain_running_cpus(d, &mask);
    bitmap_clear(mask.bits, cpu_id());
    if (!bitmap_empty(mask.bits, MAX_CPUS))
        tlb_flush_mask(&mask, TLB_FLUSH_ALL, 0);
}

mfn_t physmap_lookup(struct domain *d, gfn_t gfn, enum physmap_type *type, unsigned *order)
{
    struct physmap *p = d->hvm->physmap;
    struct physmap_place at = {.level = 1};

    if (gfn.value < PHYSMAP_FRAMES) {
        spin_lock(&p->lock);
        at = physmap_find(p, gfn.value);
        spin_unlock(&p->lock);
    }
    *type = physmap_entry_type(at.entry);
    *order = physmap_order(at.level);
    return *type == PHYSMAP_NONE ? INVALID_MFN : physmap_place_frame(&at, gfn.value);
}

int physmap_frame_of(struct domain *d, gfn_t gfn, struct frame **frame)
{
    struct physmap *p = d->hvm->physmap;
    struct physmap_place at;
    enum physmap_type type;
    int rc = -EINVAL;

    if (gfn.value >= PHYSMAP_FRAMES)
        return -EINVAL;
    spin_lock(&p->lock);
    at = physmap_find(p, gfn.value);
    type = physmap_entry_type(at.entry);
    if (physmap_type_is_ram(type) || type == PHYSMAP_SHARED) {
        *frame = mfn_to_frame(physmap_place_frame(&at, gfn.value));
        rc = frame_get_fast(*frame, frame_owner_index(d)) ? 0 : -EINVAL;
    }
    spin_unlock(&p->lock);
    return rc;
}

static bool range_ok(gfn_t gfn, unsigned order)
{
    return order % 9 == 0 && order <= 18 && gfn.value < PHYSMAP_FRAMES && !(gfn.value & ((1UL << order) - 1));
}

/* The guest's name for its own frames, and the news that they changed. */
static void frames_name(struct domain *d, gfn_t gfn, mfn_t frame, unsigned order, enum physmap_type type)
{
    if ((OTHERS_TYPES | SET(MMIO)) >> type & 1)
        return;
    for (uint64_t i = 0; i < 1UL << order; i++) {
        m2p_set(mfn_add(frame, i), gfn.value + i);
        (void)dirty_log_mark(d, gfn.value + i);
    }
}

int physmap_set(struct domain *d, gfn_t gfn, mfn_t frame, unsigned order, enum physmap_type type)
{
    struct physmap *p = d->hvm->physmap;
    unsigned level = order / 9 + 1;
    uint64_t *slot;
    int rc;

    if (!range_ok(gfn, order) || (frame.value & ((1UL << order) - 1)) || type == PHYSMAP_NONE)
        return -EINVAL;
    rc = frames_hold(d, frame, order, type);
    if (rc)
        return rc;
    spin_lock(&p->lock);
    slot = slot_make(p, gfn.value, level);
    if (!slot)
        rc = -ENOMEM;
    else if (level == 3 && (*slot & PTE_PRESENT))
        rc = -EINVAL; /* too much to give back in one go */
    if (!rc) {
        slot_replace(d, slot, physmap_entry(frame, type, level), gfn.value, level);
        frames_name(d, gfn, frame, order, type);
        p->max_gfn = max(p->max_gfn, gfn.value + (1UL << order) - 1);
    }
    spin_unlock(&p->lock);
    if (rc)
        entry_put(physmap_entry(frame, type, level), level);
    return rc;
}

int physmap_clear(struct domain *d, gfn_t gfn, unsigned order)
{
    struct physmap *p = d->hvm->physmap;
    unsigned level = order / 9 + 1;
    struct physmap_place at;
    uint64_t *slot;
    int rc = 0;

    if (!range_ok(gfn, order) || order > 9)
        return -EINVAL;
    spin_lock(&p->lock);
    at = physmap_find(p, gfn.value);
    if (at.level < level || (at.entry & PTE_PRESENT)) {
        slot = slot_make(p, gfn.value, level);
        if (slot)
            slot_replace(d, slot, 0, gfn.value, level);
        else
            rc = -ENOMEM;
    }
    spin_unlock(&p->lock);
    return rc;
}

/* An extent in pieces the tables can have at once. */
static unsigned piece_order(uint64_t gfn, uint64_t frame, unsigned order)
{
    return order >= 9 && !((gfn | frame) & 511) ? 9 : 0;
}

int physmap_populate(struct domain *d, gfn_t gfn, mfn_t frame, unsigned order)
{
    uint64_t count = 1UL << order, done = 0;
    enum physmap_type type;
    unsigned piece, there;
    int rc = 0;

    if (gfn.value >= PHYSMAP_FRAMES || PHYSMAP_FRAMES - gfn.value < count)
        return -EINVAL;
    for (; !rc && done < count; done += rc ? 0 : 1UL << piece) {
        gfn_t at = GFN(gfn.value + done);

        piece = piece_order(at.value, frame.value + done, order);
        (void)physmap_lookup(d, at, &type, &there);
        rc = type == PHYSMAP_NONE ? physmap_set(d, at, mfn_add(frame, done), piece, PHYSMAP_RAM) : -EEXIST;
    }
    while (rc && done > 0) {
        done -= order >= 9 && !((gfn.value | frame.value) & 511) ? 512 : 1;
        (void)physmap_clear(d, GFN(gfn.value + done), piece_order(gfn.value + done, frame.value + done, order));
    }
    return rc;
}

/* The lock is not held.  Frames first to first + count leave d once their last reference goes. */
static void frames_surrender(mfn_t first, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct frame *f = mfn_to_frame(mfn_add(first, i));

        if (__atomic_fetch_and(&f->refs, ~FRAME_ALLOCATED, __ATOMIC_ACQ_REL) & FRAME_ALLOCATED)
            frame_put(f);
        frame_put(f); /* ours */
    }
}

/* One page, or 2 MiB of one superpage: references first, so that they are there when the mapping's go. */
static int piece_surrender(struct domain *d, gfn_t gfn, unsigned order)
{
    enum physmap_type type;
    unsigned there;
    mfn_t first = physmap_lookup(d, gfn, &type, &there);
    uint64_t held = 0;
    int rc = physmap_type_is_ram(type) ? 0 : -EINVAL;

    while (!rc && held < 1UL << order) {
        struct frame *f;

        rc = physmap_frame_of(d, GFN(gfn.value + held), &f);
        if (rc)
            break;
        if (!mfn_equal(frame_to_mfn(f), mfn_add(first, held)) || (f->refs & FRAME_XEN_HEAP)) {
            frame_put(f);
            rc = -EINVAL;
            break;
        }
        held++;
    }
    if (!rc)
        rc = physmap_clear(d, gfn, order);
    if (!rc)
        frames_surrender(first, held);
    while (rc && held-- > 0)
        frame_put(mfn_to_frame(mfn_add(first, held)));
    return rc;
}

int physmap_surrender(struct domain *d, gfn_t gfn, unsigned order)
{
    enum physmap_type type;
    unsigned there;
    int rc = 0;

    if (gfn.value >= PHYSMAP_FRAMES || PHYSMAP_FRAMES - gfn.value < 1UL << order)
        return -EINVAL;
    for (uint64_t done = 0; !rc && done < 1UL << order;) {
        gfn_t at = GFN(gfn.value + done);
        unsigned piece;

        (void)physmap_lookup(d, at, &type, &there);
        piece = there >= 9 && order >= 9 && !(at.value & 511) ? 9 : 0;
        rc = piece_surrender(d, at, piece);
        done += 1UL << piece;
    }
    return rc;
}

int physmap_clear_grant(struct domain *d, gfn_t gfn, mfn_t frame)
{
    struct physmap *p = d->hvm->physmap;
    struct physmap_place at;
    enum physmap_type type;
    int rc = -EINVAL;

    if (gfn.value >= PHYSMAP_FRAMES)
        return -EINVAL;
    spin_lock(&p->lock);
    at = physmap_find(p, gfn.value);
    type = physmap_entry_type(at.entry);
    if ((type == PHYSMAP_GRANT || type == PHYSMAP_GRANT_RO) && mfn_equal(pte_frame(at.entry), frame)) {
        __atomic_store_n(at.slot, 0, __ATOMIC_SEQ_CST);
        entry_put(at.entry, at.level); /* not the last: the grant room's go after its flush */
        rc = 0;
    }
    spin_unlock(&p->lock);
    return rc;
}

enum physmap_fault physmap_fault(struct domain *d, gfn_t gfn, bool write)
{
    struct physmap *p = d->hvm->physmap;
    enum physmap_fault result = PHYSMAP_RETRY;
    struct physmap_place at;
    enum physmap_type type;

    if (gfn.value >= PHYSMAP_FRAMES)
        return PHYSMAP_NO_MEMORY;
    spin_lock(&p->lock);
    at = physmap_find(p, gfn.value);
    type = physmap_entry_type(at.entry);
    if (type == PHYSMAP_NONE)
        result = PHYSMAP_NO_MEMORY;
    else if (write && (type == PHYSMAP_RAM_RO || type == PHYSMAP_GRANT_RO))
        result = PHYSMAP_DROP_WRITE;
    else if (write && type == PHYSMAP_LOG_DIRTY)
        physmap_first_write(d, at, gfn.value);
    spin_unlock(&p->lock);
    return result;
}

uint64_t physmap_max_gfn(struct domain *d)
{
    return __atomic_load_n(&d->hvm->physmap->max_gfn, __ATOMIC_RELAXED);
}

/* ---- life ---- */

#define POOL_PAGES_FIRST 256 /* until the toolstack says how many */

int physmap_init(struct domain *d)
{
    struct physmap *p = mem_new(struct physmap);

    if (!p)
        return -ENOMEM;
    spin_init(&p->lock, RANK_PHYSMAP);
    d->hvm->physmap = p;
    p->root = heap_alloc(0, HEAP_ZERO);
    p->version = 1;
    return p->root && !physmap_pool_set(d, POOL_PAGES_FIRST * PAGE_SIZE) ? 0 : -ENOMEM;
}

/* The first leaf table or large leaf there is, taken out whole, or an upper table that became empty.  False: nothing left. */
static bool teardown_step(struct physmap *p)
{
    uint64_t *table = p->root, *slot = NULL;
    uint64_t gfn = 0;
    unsigned level = PHYSMAP_LEVELS;

    for (;;) {
        unsigned i = 0;
        uint64_t e;

        while (i < PTES_PER_TABLE && !(table[i] & PTE_PRESENT))
            i++;
        if (i == PTES_PER_TABLE) {
            if (!slot)
                return false;
            *slot = 0;
            physmap_table_free(p, table);
            return true;
        }
        gfn += (uint64_t)i << physmap_order(level);
        slot = &table[i];
        e = *slot;
        if (level <= 2 || !physmap_entry_is_table(e, level)) {
            if (level == 3 && physmap_shatter(p, slot, level) == 0)
                return true;
            *slot = 0;
            subtree_put(p, e, gfn, level);
            return true;
        }
        table = mfn_to_virt(pte_frame(e));
        level--;
    }
}

int physmap_teardown(struct domain *d)
{
    struct physmap *p = d->hvm->physmap;
    bool more;

    for (;;) {
        spin_lock(&p->lock);
        more = teardown_step(p) || !physmap_pool_drain(p);
        spin_unlock(&p->lock);
        if (!more)
            return 0;
        if (hypercall_should_stop())
            return -ERESTART_LATER;
    }
}

void physmap_free(struct domain *d)
{
    struct physmap *p = d->hvm->physmap;

    if (!p)
        return;
    if (p->root) {
        while (teardown_step(p) || !physmap_pool_drain(p))
            ;
        heap_free(p->root, 0);
    }
    dirty_log_end(d);
    mem_free(p);
    d->hvm->physmap = NULL;
}
