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
#include "mm/physmap.h"

static uint64_t copy_pins(bool readonly)
{
    return readonly ? PIN_HOST_READ : PIN_HOST_WRITE;
}

/* Pins an entry of d for domain `to`.  GNTST_*. */
static int pin(struct domain *d, grant_ref_t ref, struct grant_use *use, struct grant_copy_end *end, bool *transitive)
{
    struct grant_table *t = d->grant;
    int rc = GNTST_bad_gntref;

    read_lock(&t->lock);
    if (likely(ref < grant_entries(t))) {
        struct grant_active *a = grant_active(t, ref);

        spin_lock(&a->lock);
        rc = grant_pin(d, a, ref, use);
        if (!rc) {
            end->start = a->start;
            end->length = a->length;
            *transitive = a->kind == GRANT_TRANSITIVE;
            if (*transitive)
                __atomic_fetch_add(&t->transits, 1, __ATOMIC_RELAXED);
        }
        spin_unlock(&a->lock);
    }
    read_unlock(&t->lock);
    return rc;
}

static void unpin(struct domain *d, grant_ref_t ref, bool readonly, bool transitive)
{
    struct grant_table *t = d->grant;
    struct grant_active *a;

    read_lock(&t->lock);
    a = grant_active(t, ref);
    spin_lock(&a->lock);
    grant_unpin(d, a, ref, copy_pins(readonly));
    if (transitive)
        __atomic_fetch_sub(&t->transits, 1, __ATOMIC_RELAXED);
    spin_unlock(&a->lock);
    read_unlock(&t->lock);
}

/* Follows a pinned transitive grant of d: the grant behind it has to be one to d, and not transitive itself. */
static int transit(struct domain *d, const struct grant_use *first, struct grant_copy_end *end)
{
    struct grant_use use = {.to = d->id, .readonly = first->readonly, .pins = first->pins};
    struct domain *behind;
    bool transitive = false;
    int rc;

    if (first->transit == d->id)
        return GNTST_general_error;
    behind = domain_get(first->transit);
    if (!behind || !behind->grant) {
        rc = GNTST_general_error;
        goto out;
    }
    rc = pin(behind, first->transit_ref, &use, end, &transitive);
    if (!rc && transitive) {
        unpin(behind, first->transit_ref, first->readonly, true);
        rc = GNTST_general_error;
    }
    if (!rc) {
        end->transit = behind;
        end->transit_ref = first->transit_ref;
        end->frame = use.frame;
        return GNTST_okay;
    }
out:
    if (behind)
        domain_put(behind);
    return rc;
}

static int claim_grant(struct grant_copy_end *end, struct domain *d, grant_ref_t ref)
{
    struct grant_use use = {
        .to = current->domain->id, .readonly = !end->writable, .pins = copy_pins(!end->writable),
    };
    bool transitive = false;
    int rc = pin(d, ref, &use, end, &transitive);

    if (rc)
        return rc;
    end->frame = use.frame;
    if (likely(!transitive))
        return GNTST_okay;
    rc = transit(d, &use, end);
    if (rc)
        unpin(d, ref, use.readonly, true);
    return rc;
}

static void unclaim_grant(struct grant_copy_end *end)
{
    if (end->transit) {
        unpin(end->transit, end->transit_ref, !end->writable, false);
        domain_put(end->transit);
    }
    unpin(end->domain, (grant_ref_t)end->name, !end->writable, end->transit != NULL);
    end->transit = NULL;
}

/* Another domain was looked up and is held; the caller, by whatever name, is not. */
static void domain_release(struct grant_copy_end *end)
{
    if (end->domain != current->domain)
        domain_put(end->domain);
}

static void end_release(struct grant_copy_end *end)
{
    if (!end->claimed)
        return;
    end->claimed = false;
    if (end->writable) {
        dirty_log_frame(end->frame);
        frame_put_type(end->frame);
    }
    frame_put(end->frame);
    if (end->is_grant)
        unclaim_grant(end);
    domain_release(end);
}

/* The frame of an end, without its type.  GNTST_*. */
static int end_frame(struct grant_copy_end *end)
{
    if (end->is_grant)
        return claim_grant(end, end->domain, (grant_ref_t)end->name);
    end->start = 0;
    end->length = PAGE_SIZE;
    return physmap_get_frame(end->domain, GFN(end->name), &end->frame) ? GNTST_bad_page : GNTST_okay;
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
    if (!rc && end->writable && frame_get_type(end->frame, FRAME_WRITABLE)) {
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
static int end_select(struct grant_copy_end *end, domid_t domid, uint64_t name, bool is_grant, bool writable)
{
    if (end->claimed && end->name == name && end->domid == domid && end->is_grant == is_grant)
        return GNTST_okay;
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
    end_release(&batch->source);
    end_release(&batch->dest);
}
