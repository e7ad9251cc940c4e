// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copies between frames named by grants, or by the caller's own frame numbers.
 *
 * An end of a copy claims its frame: the grant is pinned (both of them when it is transitive), the frame has a reference,
 * and FRAME_WRITABLE one at the destination.  The claim is kept while the next element names the same frame.
 */
#include "grant/internal.h"

#include "lib/string.h"
#include "mm/dirty_log.h"

static uint64_t copy_pins(bool readonly)
{
    return readonly ? PIN_HOST_READ : PIN_HOST_WRITE;
}

/* Pins an entry of d for domain `to`; *kind says what it is.  GNTST_*. */
static ALWAYS_INLINE int pin(struct domain *d, grant_ref_t ref, struct grant_use *use, struct grant_copy_end *end,
                             enum grant_kind *kind)
{
    struct grant_table *t = d->grant;
    int rc = GNTST_bad_gntref;

    read_lock(&t->lock);
    if (likely(ref < grant_entries(t))) {
        struct grant_active *a = grant_active(t, ref);

        spin_lock(&a->lock);
        rc = grant_pin(d, a, ref, use);
        if (likely(!rc)) {
            end->frame = use->frame;
            end->start = a->start;
            end->length = a->length;
            *kind = a->kind;
            if (unlikely(*kind == GRANT_TRANSITIVE))
                __atomic_fetch_add(&t->transits, 1, __ATOMIC_RELAXED);
        }
        spin_unlock(&a->lock);
    }
    read_unlock(&t->lock);
    return rc;
}

static ALWAYS_INLINE void unpin(struct domain *d, grant_ref_t ref, bool readonly, bool transitive)
{
    struct grant_table *t = d->grant;
    struct grant_active *a;

    read_lock(&t->lock);
    a = grant_active(t, ref);
    spin_lock(&a->lock);
    grant_unpin(d, a, ref, copy_pins(readonly));
    if (unlikely(transitive))
        __atomic_fetch_sub(&t->transits, 1, __ATOMIC_RELAXED);
    spin_unlock(&a->lock);
    read_unlock(&t->lock);
}

/* The grant behind a transitive one has to be one to its granter d, and not transitive itself. */
static int pin_behind(struct domain *d, struct domain *behind, const struct grant_use *first, struct grant_copy_end *end)
{
    struct grant_use use = {.to = d->id, .readonly = first->readonly, .pins = first->pins};
    enum grant_kind kind;
    int rc;

    if (!behind->grant)
        return GNTST_general_error;
    rc = pin(behind, first->transit_ref, &use, end, &kind);
    if (!rc && kind == GRANT_TRANSITIVE) {
        unpin(behind, first->transit_ref, first->readonly, true);
        rc = GNTST_general_error;
    }
    return rc;
}

/* Follows a pinned transitive grant of d, which is unpinned again when it leads nowhere. */
static __attribute__((cold)) int transit(struct domain *d, const struct grant_use *first, struct grant_copy_end *end)
{
    struct domain *behind = first->transit == d->id ? NULL : domain_get(first->transit);
    int rc = behind ? pin_behind(d, behind, first, end) : GNTST_general_error;

    if (!rc) {
        end->transit = behind;
        end->transit_ref = first->transit_ref;
        return GNTST_okay;
    }
    if (behind)
        domain_put(behind);
    unpin(d, (grant_ref_t)end->name, first->readonly, true);
    return rc;
}

static inline int claim_grant(struct grant_copy_end *end)
{
    struct grant_use use; /* what it does not say stays unsaid: this is done for every copy */
    enum grant_kind kind;
    int rc;

    use.to = current->domain->id;
    use.readonly = !end->writable;
    use.for_map = false;
    use.pins = copy_pins(!end->writable);
    rc = pin(end->domain, (grant_ref_t)end->name, &use, end, &kind);
    return likely(rc || kind != GRANT_TRANSITIVE) ? rc : transit(end->domain, &use, end);
}

static __attribute__((cold)) void unclaim_transit(struct grant_copy_end *end)
{
    unpin(end->transit, end->transit_ref, !end->writable, false);
    domain_put(end->transit);
    end->transit = NULL;
    unpin(end->domain, (grant_ref_t)end->name, !end->writable, true);
}

static inline void unclaim_grant(struct grant_copy_end *end)
{
    if (unlikely(end->transit))
        unclaim_transit(end);
    else
        unpin(end->domain, (grant_ref_t)end->name, !end->writable, false);
}

/* Another domain was looked up and is held; the caller, by whatever name, is not. */
static inline void domain_release(struct grant_copy_end *end)
{
    if (end->domain != current->domain)
        domain_put(end->domain);
}

static void end_release(struct grant_copy_end *end)
{
    end->claimed = false;
    if (end->writable) {
        dirty_log_frame(end->frame);
        frame_put_type_fast(end->frame);
    }
    frame_put_fast(end->frame);
    if (end->is_grant)
        unclaim_grant(end);
    domain_release(end);
}

/* The frame of an end, without its type.  GNTST_*. */
static inline int end_frame(struct grant_copy_end *end)
{
    if (end->is_grant)
        return claim_grant(end);
    end->start = 0;
    end->length = PAGE_SIZE;
    return grant_get_frame(end->domain, GFN(end->name), &end->frame) ? GNTST_bad_page : GNTST_okay;
}

static int end_claim(struct grant_copy_end *end)
{
    struct domain *self = current->domain;
    int rc;

    if (!end->is_grant && end->domid != DOMID_SELF)
        return GNTST_permission_denied; /* others' frames only by grant */
    end->domain = end->domid == DOMID_SELF || end->domid == self->id ? self : domain_get(end->domid);
    if (!end->domain)
        return GNTST_bad_domain;
    rc = end->domain->grant ? end_frame(end) : GNTST_bad_domain;
    if (!rc && end->writable && !frame_get_writable_fast(end->frame) && frame_get_type(end->frame, FRAME_WRITABLE)) {
        frame_put(end->frame);
        if (end->is_grant)
            unclaim_grant(end);
        rc = GNTST_general_error;
    }
    end->claimed = rc == GNTST_okay;
    if (rc)
        domain_release(end);
    return rc;
}

/* Makes the end name what an element says; nothing to do when it does already. */
static inline int end_select(struct grant_copy_end *end, domid_t domid, uint64_t name, bool is_grant, bool writable)
{
    if (end->claimed && end->name == name && end->domid == domid && end->is_grant == is_grant)
        return GNTST_okay;
    if (end->claimed)
        end_release(end);
    end->domid = domid;
    end->name = name;
    end->is_grant = is_grant;
    end->writable = writable;
    return end_claim(end);
}

static bool within(const struct grant_copy_end *end, unsigned offset, unsigned length)
{
    return offset >= end->start && offset + length <= (unsigned)end->start + end->length;
}

static int copy_one(struct grant_copy_batch *b, const struct gnttab_copy *op)
{
    bool from_grant = op->flags & GNTCOPY_source_gref, to_grant = op->flags & GNTCOPY_dest_gref;
    int rc;

    if (op->source.offset + op->len > (int)PAGE_SIZE || op->dest.offset + op->len > (int)PAGE_SIZE)
        return GNTST_bad_copy_arg;
    rc = end_select(&b->source, op->source.domid, from_grant ? op->source.u.ref : op->source.u.gmfn, from_grant, false);
    if (rc)
        return rc;
    rc = end_select(&b->dest, op->dest.domid, to_grant ? op->dest.u.ref : op->dest.u.gmfn, to_grant, true);
    if (rc)
        return rc;
    if (!within(&b->source, op->source.offset, op->len) || !within(&b->dest, op->dest.offset, op->len))
        return GNTST_general_error;
    /* Both may be the same frame, and guests may write meanwhile: the bytes are theirs. */
    memmove((char *)frame_to_virt(b->dest.frame) + op->dest.offset,
            (char *)frame_to_virt(b->source.frame) + op->source.offset, op->len);
    return GNTST_okay;
}

void grant_copy(struct grant_copy_batch *batch, struct gnttab_copy *op)
{
    op->status = (int16_t)copy_one(batch, op);
}

void grant_copy_finish(struct grant_copy_batch *batch)
{
    if (batch->source.claimed)
        end_release(&batch->source);
    if (batch->dest.claimed)
        end_release(&batch->dest);
}
