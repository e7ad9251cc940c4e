// SPDX-License-Identifier: BSD-2-Clause
/*
 * Changing one entry of a validated page table.
 *
 * The order is always: take what the new entry refers to, store it, drop what the old one referred to.  CPUs may go on using
 * the old translation until the guest flushes; the frame behind it cannot change its use before they all have flushed
 * (mm/frame.c).  Under the lock only the hardware changes entries, and only accessed and dirty bits.
 */
#include "guest/pv/tables.h"

/* Stores value over *old, which becomes the entry replaced.  False: the entry is not what was expected. */
static inline bool entry_store(uint64_t *slot, uint64_t *old, uint64_t value, enum entry_mode mode)
{
    if (likely(mode == ENTRY_PLAIN)) {
        __atomic_store_n(slot, value, __ATOMIC_RELAXED);
        return true;
    }
    if (mode == ENTRY_EXPECT)
        return __atomic_compare_exchange_n(slot, old, value, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(slot, old, value | (*old & (PTE_ACCESSED | PTE_DIRTY)), false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        ;
    return true;
}

/* Anything.  value: as it is stored. */
static __attribute__((noinline)) int entry_replace(uint64_t *slot, uint64_t old, uint64_t value, struct domain *d,
                                                   struct domain *from, enum entry_mode mode)
{
    bool same = (old & value & PTE_PRESENT) && !((old ^ value) & ~PTE_SOFT_BITS);
    int rc = (value & PTE_PRESENT) && !same ? l1_entry_get(&value, d, from) : 0;

    if (unlikely(rc))
        return rc;
    if (unlikely(!entry_store(slot, &old, value, mode))) {
        if (!same)
            l1_entry_put(value, d);
        return -EAGAIN;
    }
    if (unlikely(d->dirty_log))
        dirty_log_frame(virt_to_frame(slot));
    if (!same && (old & PTE_PRESENT))
        l1_entry_put(old, d);
    return 0;
}

/*
 * Below are the two cases that nearly all updates are, of a table whose owner has the frame as ordinary memory, no log of dirty
 * pages in between.  Where they cannot be done nothing was, and entry_replace() is to find out why.
 */

/* Both entries map the same frame: the reference goes from one to the other, left to do is the writable type reference. */
static ALWAYS_INLINE bool rights_update(uint64_t *slot, uint64_t old, uint64_t value, struct domain *d, struct domain *from,
                                        enum entry_mode mode)
{
    struct frame *f = mfn_to_frame(pte_frame(value));
    bool gains = value & ~old & PTE_WRITE;

    if (((old ^ value) & (PTE_FRAME_MASK | PTE_CACHE_MASK)) || from != d || d->dirty_log || !mfn_valid(pte_frame(value)) ||
        f->owner != frame_owner_index(d))
        return false;
    if (gains && unlikely(!frame_get_type_fast(f, FRAME_WRITABLE)))
        return false;
    if (unlikely(!entry_store(slot, &old, value, mode))) {
        if (gains)
            frame_put_type_fast(f);
        return false;
    }
    if (old & ~value & PTE_WRITE)
        frame_put_type_fast(f);
    return true;
}

/* There was no entry.  A function of its own, so that what is above needs no registers for it. */
static __attribute__((noinline)) int entry_first(uint64_t *slot, uint64_t old, uint64_t value, struct domain *d,
                                                 struct domain *from, enum entry_mode mode)
{
    struct frame *f = mfn_to_frame(pte_frame(value));
    uint64_t found = old;

    if (unlikely(value & PTE_CACHE_MASK) || from != d || d->dirty_log || unlikely(!mfn_valid(pte_frame(value))) ||
        unlikely(!frame_get_fast(f, frame_owner_index(d))))
        return entry_replace(slot, old, value, d, from, mode);
    if (!(value & PTE_WRITE) || likely(frame_get_type_fast(f, FRAME_WRITABLE))) {
        if (likely(entry_store(slot, &found, value, mode)))
            return 0;
        if (value & PTE_WRITE)
            frame_put_type_fast(f);
    }
    frame_put_fast(f);
    return entry_replace(slot, old, value, d, from, mode);
}

static ALWAYS_INLINE int l1_update(uint64_t *slot, uint64_t old, uint64_t value, struct domain *d, struct domain *from,
                                   enum entry_mode mode)
{
    if (value & PTE_PRESENT) {
        value = l1_entry_stored(value);
        if (!(old & PTE_PRESENT))
            return entry_first(slot, old, value, d, from, mode);
        if (rights_update(slot, old, value, d, from, mode))
            return 0;
    }
    return entry_replace(slot, old, value, d, from, mode);
}

int l1_entry_update(uint64_t *slot, uint64_t value, struct domain *d, struct domain *from, enum entry_mode mode,
                    uint64_t expected)
{
    uint64_t old = mode == ENTRY_EXPECT ? expected : __atomic_load_n(slot, __ATOMIC_RELAXED);

    return l1_update(slot, old, value, d, from, mode);
}

int table_entry_update(uint64_t *slot, uint64_t value, struct frame *table, unsigned level, struct domain *d,
                       bool preserve_ad)
{
    uint64_t old = __atomic_load_n(slot, __ATOMIC_RELAXED);
    bool same = false;
    int rc;

    if (!table_slot_is_guest(level, (unsigned)((uint64_t)slot & (PAGE_SIZE - 1)) / sizeof(*slot)))
        return -EINVAL;
    if (value & PTE_PRESENT) {
        value |= PTE_USER;
        same = (old & PTE_PRESENT) && !((old ^ value) & ~PTE_SOFT_BITS);
        rc = same ? 0 : table_entry_get(level, value, table, d);
        if (rc) {
            if (mfn_valid(pte_frame(value)))
                pv_check_failed(mfn_to_frame(pte_frame(value)), d, rc);
            return rc;
        }
    }
    entry_store(slot, &old, value, preserve_ad ? ENTRY_PRESERVE_AD : ENTRY_PLAIN);
    if (unlikely(d->dirty_log))
        dirty_log_frame(table);
    if (!same && (old & PTE_PRESENT))
        (void)table_entry_put(level, old, table, true);
    return 0;
}

/* An entry in a frame that is no page table: an ordinary checked write to the domain's memory. */
static __attribute__((cold)) int plain_store(struct frame *f, uint64_t *slot, uint64_t value, struct domain *d)
{
    int rc = frame_get_both(f, d, FRAME_WRITABLE);

    if (rc)
        return rc;
    __atomic_store_n(slot, value, __ATOMIC_RELAXED);
    dirty_log_frame(f);
    frame_put_both(f);
    return 0;
}

static __attribute__((noinline)) int upper_store(uint64_t *slot, uint64_t value, struct frame *f, struct domain *d,
                                                 bool preserve_ad)
{
    unsigned level = frame_table_level(f);

    return level ? table_entry_update(slot, value, f, level, d, preserve_ad) : plain_store(f, slot, value, d);
}

int pv_table_store(uint64_t address, uint64_t value, bool preserve_ad, struct domain *d, struct domain *from)
{
    struct frame *f = mfn_to_frame(maddr_to_mfn(MADDR(address)));
    uint64_t *slot = maddr_to_virt(MADDR(address));

    if (unlikely(address & 7) || unlikely(!mfn_valid(maddr_to_mfn(MADDR(address)))) ||
        unlikely(f->owner != frame_owner_index(d)))
        return -EINVAL;
    if (unlikely(!frame_is_l1(f)))
        return upper_store(slot, value, f, d, preserve_ad);
    return l1_update(slot, __atomic_load_n(slot, __ATOMIC_RELAXED), value, d, from,
                     preserve_ad ? ENTRY_PRESERVE_AD : ENTRY_PLAIN);
}
