// SPDX-License-Identifier: BSD-2-Clause
/*
 * Grant mappings in a PV guest's address space (grant_map_ops of grant/grant.h, through guest/grant_map.c).  ABI:
 * xen/grant_table.h.
 *
 * The entry made here holds its own reference to the frame, and a writable type reference when it maps writable, like any
 * other first-level entry: whichever way it goes (unmapped, overwritten by the guest, its table devalidated), they are
 * given back.  The grant room's own references are its own business.
 */
#include "guest/pv/tables.h"

_Static_assert(GTF_PWT == PTE_PWT << 2 && GTF_PCD == PTE_PCD << 2 && GTF_PAT == PTE_PAT, "grant_entry() moves these bits");

/* The lock is held: the slot host_addr names; NULL when there is none. */
static uint64_t *grant_slot(struct domain *d, uint64_t host_addr, bool contains_pte)
{
    mfn_t m = maddr_to_mfn(MADDR(host_addr));
    uint64_t *slot;

    if (contains_pte) {
        if ((host_addr & 7) || !mfn_valid(m) || frame_owner(mfn_to_frame(m)) != d)
            return NULL;
        slot = maddr_to_virt(MADDR(host_addr));
    } else {
        slot = current->domain == d ? pv_walk(current->pv->kernel_table, host_addr) : NULL;
    }
    return slot && frame_table_level(virt_to_frame(slot)) == 1 ? slot : NULL;
}

static uint64_t grant_entry(mfn_t frame, unsigned flags, unsigned cache)
{
    uint64_t e = pte_make(frame, PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY | PTE_USER);

    if (!(flags & GNTMAP_readonly))
        e |= PTE_WRITE;
    e |= (uint64_t)((flags >> _GNTMAP_guest_avail0) & 7) << 9;
    return e | (cache >> 2 & (PTE_PWT | PTE_PCD)) | (cache & PTE_PAT);
}

/* The lock is held: puts an entry in place; what was there before. */
static uint64_t slot_exchange(uint64_t *slot, uint64_t e)
{
    uint64_t old = __atomic_exchange_n(slot, e, __ATOMIC_ACQ_REL);

    dirty_log_frame(virt_to_frame(slot));
    return old;
}

static int grant_frame_get(mfn_t frame, bool writable)
{
    struct frame *f = mfn_to_frame(frame);

    if (!frame_is_memory(frame))
        return 0;
    if (!frame_get_any_owner(f))
        return -EINVAL;
    if (writable && frame_get_type(f, FRAME_WRITABLE)) {
        frame_put(f);
        return -EINVAL;
    }
    return 0;
}

int pv_grant_map(struct domain *d, uint64_t host_addr, mfn_t frame, unsigned flags, unsigned cache)
{
    uint64_t e = grant_entry(frame, flags, cache), *slot;
    int rc = GNTST_bad_virt_addr;

    if (grant_frame_get(frame, e & PTE_WRITE))
        return GNTST_general_error;
    spin_lock(&d->pv->tables_lock);
    slot = grant_slot(d, host_addr, flags & GNTMAP_contains_pte);
    if (slot) {
        e = slot_exchange(slot, e);
        rc = GNTST_okay;
    }
    l1_entry_put(e, d);
    spin_unlock(&d->pv->tables_lock);
    return rc;
}

/* The lock is held: the entry to put in the place of the mapping, taken out of new_addr's slot. */
static int replacement_take(struct domain *d, uint64_t *slot, uint64_t new_addr, unsigned flags, uint64_t *e)
{
    uint64_t *from;

    *e = 0;
    if (!new_addr)
        return GNTST_okay;
    if (flags & GNTMAP_contains_pte)
        return GNTST_general_error;
    from = grant_slot(d, new_addr, false);
    if (!from || from == slot)
        return GNTST_bad_virt_addr;
    *e = slot_exchange(from, 0);
    return GNTST_okay;
}

int pv_grant_unmap(struct domain *d, uint64_t host_addr, mfn_t frame, unsigned flags, uint64_t new_addr)
{
    uint64_t *slot, old, e;
    int rc = GNTST_general_error;

    /* The tables of a dying domain go as a whole, and with them what their entries hold. */
    if (domain_is_dying(d))
        return GNTST_okay;
    spin_lock(&d->pv->tables_lock);
    slot = grant_slot(d, host_addr, flags & GNTMAP_contains_pte);
    if (!slot) {
        rc = GNTST_bad_virt_addr;
    } else {
        old = __atomic_load_n(slot, __ATOMIC_RELAXED);
        if ((old & PTE_PRESENT) && mfn_equal(pte_frame(old), frame))
            rc = replacement_take(d, slot, new_addr, flags, &e);
    }
    if (rc == GNTST_okay)
        l1_entry_put(slot_exchange(slot, e), d);
    spin_unlock(&d->pv->tables_lock);
    return rc;
}

void pv_grant_flush(struct domain *d)
{
    cpu_mask_t mask;

    domain_running_cpus(d, &mask);
    tlb_flush_mask(&mask, TLB_FLUSH_ALL, 0);
}
