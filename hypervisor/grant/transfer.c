// SPDX-License-Identifier: BSD-2-Clause
/*
 * Giving a frame away into a slot another domain offers (GTF_accept_transfer; xen/grant_table.h).
 *
 * The slot is committed first, so that the receiver no longer withdraws it; then the frame leaves its owner,
 * which needs that nobody else refers to it; then it is the receiver's, and the slot says which frame it got.
 */
#include "grant/internal.h"

#include "mm/heap.h"

#define COMMIT_TRIES 5

/* Commits the slot to the caller. */
static bool transfer_commit(struct domain *to, grant_ref_t ref, domid_t from)
{
    struct grant_table *t = to->grant;
    union grant_word old = {0};
    bool committed = false;

    read_lock(&t->lock);
    if (ref < t->entries)
        old.raw = __atomic_load_n(grant_word(t, ref), __ATOMIC_SEQ_CST);
    for (unsigned i = 0; !committed && i < COMMIT_TRIES && old.flags == GTF_accept_transfer && old.domid == from; i++) {
        union grant_word new = {.flags = GTF_accept_transfer | GTF_transfer_committed, .domid = from};

        committed = __atomic_compare_exchange_n(grant_word(t, ref), &old.raw, new.raw, false, __ATOMIC_SEQ_CST,
                                                __ATOMIC_SEQ_CST);
    }
    read_unlock(&t->lock);
    return committed;
}

/* The frame came, and the slot says which one; or it did not, and the slot is offered again. */
static void transfer_end(struct domain *to, grant_ref_t ref, uint64_t mfn, bool came)
{
    struct grant_table *t = to->grant;

    read_lock(&t->lock);
    if (ref < t->entries && came) {
        grant_set_frame(t, ref, mfn);
        __atomic_fetch_or((uint16_t *)grant_word(t, ref), GTF_transfer_completed, __ATOMIC_SEQ_CST);
    } else if (ref < t->entries) {
        grant_clear_flags((uint16_t *)grant_word(t, ref), GTF_transfer_committed);
    }
    read_unlock(&t->lock);
}

/* The frame changes owner; back to the giver if the receiver cannot take it.  GNTST_*. */
static int transfer_frame(struct domain *from, struct domain *to, struct frame *f)
{
    int rc = heap_steal(from, f);

    if (rc)
        return rc == -EINVAL ? GNTST_bad_page : GNTST_general_error;
    m2p_set(frame_to_mfn(f), M2P_INVALID);
    grant_map_ops.flush_tlb(from);
    if (!heap_assign(to, f, 0, 0))
        return GNTST_okay;
    if (heap_assign(from, f, 0, 0))
        heap_free_domain(f, 0);
    return GNTST_general_error;
}

static int transfer_to(struct domain *to, const struct gnttab_transfer *op)
{
    struct domain *from = current->domain;
    int rc;

    if (!to->grant || to == from)
        return GNTST_bad_domain;
    /* Both kinds of guests give frames; only PV receivers can be told a machine frame. */
    if (from->is_hvm || to->is_hvm)
        return GNTST_general_error;
    if (!mfn_valid(MFN(op->mfn)))
        return GNTST_bad_page;
    if (to->grant->version == 1 && op->mfn != (uint32_t)op->mfn)
        return GNTST_address_too_big;
    if (!transfer_commit(to, op->ref, from->id))
        return GNTST_general_error;
    rc = transfer_frame(from, to, mfn_to_frame(MFN(op->mfn)));
    transfer_end(to, op->ref, op->mfn, !rc);
    return rc;
}

void grant_transfer(struct gnttab_transfer *op)
{
    struct domain *to = domain_get(op->domid);

    op->status = GNTST_bad_domain;
    if (!to)
        return;
    op->status = (int16_t)transfer_to(to, op);
    domain_put(to);
}
