// SPDX-License-Identifier: BSD-2-Clause
/*
 * Giving a frame away into a slot another domain offers (GTF_accept_transfer; xen/grant_table.h).
 *
 * The slot is committed first, so that the receiver no longer withdraws it; then the frame leaves its owner,
 * which needs that nobody else refers to it; then it is the receiver's, and the slot says which frame it got.
 */
#include "grant/internal.h"

#include "errno.h"
#include "mm/heap.h"

#define COMMIT_TRIES 5

/* Commits the slot to the caller.  The receiver's table is held for reading. */
static bool commit_word(uint32_t *word, domid_t from)
{
    union grant_word old = {.raw = __atomic_load_n(word, __ATOMIC_SEQ_CST)};

    for (unsigned i = 0; i < COMMIT_TRIES; i++) {
        union grant_word new = old;

        if (old.flags != GTF_accept_transfer || old.domid != from)
            return false;
        new.flags |= GTF_transfer_committed;
        if (__atomic_compare_exchange_n(word, &old.raw, new.raw, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return true;
    }
    return false;
}

static bool transfer_commit(struct domain *to, grant_ref_t ref, domid_t from)
{
    struct grant_table *t = to->grant;
    bool committed = false;

    read_lock(&t->lock);
    if (ref < t->entries)
        committed = commit_word(grant_word(t, ref), from);
    read_unlock(&t->lock);
    return committed;
}

/* The frame did not come: the slot is offered again. */
static void transfer_withdraw(struct domain *to, grant_ref_t ref)
{
    struct grant_table *t = to->grant;

    read_lock(&t->lock);
    if (ref < t->entries)
        __atomic_fetch_and((uint16_t *)grant_word(t, ref), (uint16_t)~GTF_transfer_committed,
                           __ATOMIC_SEQ_CST);
    read_unlock(&t->lock);
}

static void transfer_complete(struct domain *to, grant_ref_t ref, uint64_t mfn)
{
    struct grant_table *t = to->grant;

    read_lock(&t->lock);
    if (ref < t->entries) {
        if (t->version == 1)
            __atomic_store_n(&grant_entry_v1(t, ref)->frame, (uint32_t)mfn, __ATOMIC_RELAXED);
        else
            __atomic_store_n(&grant_entry_v2(t, ref)->full_page.frame, mfn, __ATOMIC_RELAXED);
        __atomic_fetch_or((uint16_t *)grant_word(t, ref), GTF_transfer_completed, __ATOMIC_SEQ_CST);
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
    if (rc)
        transfer_withdraw(to, op->ref);
    else
        transfer_complete(to, op->ref, op->mfn);
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
