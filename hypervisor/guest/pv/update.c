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

int l1_entry_update(uint64_t *slot, uint64_t value, struct domain *d, struct domain *from, enum entry_mode mode,
                    uint64_t expected)
{
    uint64_t old = mode == ENTRY_EXPECT ? expected : __atomic_load_n(slot, __ATOMIC_RELAXED);
    bool same = false;

    if (value & PTE_PRESENT) {
        value = l1_entry_stored(value);
        same = (old & PTE_PRESENT) && !((old ^ value) & ~PTE_SOFT_BITS);
        if (!same) {
            int rc = l1_entry_get(&value, d, from);

            if (unlikely(rc))
                return rc;
        }
    }
    if (unlikely(!entry_store(slot, &old, value, mode))) {
        if (!same)
            l1_entry_put(value, d);
        return -EAGAIN;
    }
    if (unlikely(d->dirty_log))
        dirty_log_frame(virt_to_frame(slot));
    if (!same)
        l1_entry_put(old, d);
    return 0;
}

int table_entry_update(uint64_t *slot, uint64_t value, struct frame *table, unsigned level, struct domain *d,
                       bool preserve_ad)
{
    uint64_t old = __atomic_load_n(slot, __ATOMIC_RELAXED);
    bool same = false;
    int rc;

    if (level == 4 && !l4_slot_is_guest((unsigned)((uint64_t)slot & (PAGE_SIZE - 1)) / sizeof(*slot)))
        return -EINVAL;
    if (value & PTE_PRESENT) {
        value |= PTE_USER;
        same = (old & PTE_PRESENT) && !((old ^ value) & ~PTE_SOFT_BITS);
        rc = same ? 0 : table_entry_get(level, value, table, d);
        if (rc) {
            /* Another domain's frame, though it looks the same, is under another lock. */
            if (rc != -ERESTART_LATER && mfn_valid(pte_frame(value)) && frame_owner(mfn_to_frame(pte_frame(value))) == d)
                pv_check_failed(mfn_to_frame(pte_frame(value)));
            return rc;
        }
    }
    entry_store(slot, &old, value, preserve_ad ? ENTRY_PRESERVE_AD : ENTRY_PLAIN);
    if (unlikely(d->dirty_log))
        dirty_log_frame(table);
    if (!same && (old & PTE_PRESENT))
        table_entry_put_later(level, old, table);
    return 0;
}
