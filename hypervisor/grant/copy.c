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

static inline uint64_t copy_pins(bool readonly)
{
    return readonly ? PIN_HOST_READ : PIN_HOST_WRITE;
}

/* What a pin of this end says of its frame. */
static void end_take(struct grant_copy_end *end, const struct grant_use *use)
{
    end->frame = use->frame;
    end->start = use->active->start;
    end->length = use->active->length;
}

/* The grant behind a transitive one has to be one to its granter d, and not transitive itself. */
static int pin_behind(struct domain *d, struct domain *behind, const struct grant_use *first, struct grant_copy_end *end)
{
    struct grant_use use = {.to = d->id, .readonly = first->readonly, .pins = first->pins};
    int rc = behind->grant ? grant_pin(behind, first->transit_ref, &use) : GNTST_general_error;

    if (rc)
        return rc;
    if (use.active->kind == GRANT_TRANSITIVE) {
        grant_unpin(behind, first->transit_ref, use.pins);
        return GNTST_general_error;
    }
    end_take(end, &use);
    return GNTST_okay;
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
    grant_unpin(d, (grant_ref_t)end->name, first->pins);
    return rc;
}

/* Whatever the case is: shared, of version 2, transitive, or none that is allowed. */
static __attribute__((noinline)) int claim_grant_any(struct grant_copy_end *end)
{
    struct grant_use use = {.to = current->domain->id, .readonly = !end->writable, .pins = copy_pins(!end->writable)};
    int rc = grant_pin(end->domain, (grant_ref_t)end->name, &use);

    if (unlikely(rc))
        return rc;
    if (unlikely(use.active->kind == GRANT_TRANSITIVE))
        return transit(end->domain, &use, end);
    end_take(end, &use);
    return GNTST_okay;
}

/*
 * The case most copies are, which is all of their speed: as grant_pin() does it for the first user of an entry of version 1.
 * False: it is another case, or one that fails, and nothing was done.
 */
static ALWAYS_INLINE bool pin_first(struct grant_copy_end *end, struct grant_active *a, grant_entry_v1_t *e, bool writable)
{
    uint16_t in_use = writable ? GTF_reading | GTF_writing : GTF_reading;
    uint32_t *word = (uint32_t *)e;
    union grant_word seen = {.raw = __atomic_load_n(word, __ATOMIC_RELAXED)}, marked = seen;

    if (unlikely((seen.flags & (GTF_type_mask | (writable ? GTF_readonly : 0))) != GTF_permit_access ||
                 seen.domid != current->domain->id))
        return false;
    marked.flags |= in_use;
    if (unlikely(!__atomic_compare_exchange_n(word, &seen.raw, marked.raw, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)))
        return false;
    if (unlikely(grant_get_frame(end->domain, GFN(__atomic_load_n(&e->frame, __ATOMIC_RELAXED)), &end->frame))) {
        grant_clear_flags(&e->flags, in_use);
        return false;
    }
    a->pins = copy_pins(!writable);
    a->frame = frame_to_mfn(end->frame).value;
    a->domid = seen.domid;
    a->kind = GRANT_FULL;
    a->start = 0;
    a->length = PAGE_SIZE;
    return true;
}

static ALWAYS_INLINE int claim_grant(struct grant_copy_end *end, bool writable)
{
    struct grant_table *t = end->domain->grant;
    grant_ref_t ref = (grant_ref_t)end->name;
    bool done = false;

    read_lock(&t->lock);
    if (likely(ref < t->entries && t->version == 1)) {
        struct grant_active *a = grant_active(t, ref);

        spin_lock(&a->lock);
        done = likely(!a->pins) && pin_first(end, a, grant_entry_v1(t, ref), writable);
        spin_unlock(&a->lock);
    }
    read_unlock(&t->lock);
    return likely(done) ? GNTST_okay : claim_grant_any(end);
}

static __attribute__((cold)) void unclaim_transit(struct grant_copy_end *end)
{
    grant_unpin(end->transit, end->transit_ref, copy_pins(!end->writable));
    domain_put(end->transit);
    end->transit = NULL;
}

static ALWAYS_INLINE void unclaim_grant(struct grant_copy_end *end, bool writable)
{
    if (unlikely(end->transit))
        unclaim_transit(end);
    grant_unpin(end->domain, (grant_ref_t)end->name, copy_pins(!writable));
}

/* Another domain was looked up and is held; the caller, by whatever name, is not. */
static inline void domain_release(struct grant_copy_end *end)
{
    if (end->domain != current->domain)
        domain_put(end->domain);
}

/* The next four are compiled for either end: writable is the destination. */
static ALWAYS_INLINE void end_release(struct grant_copy_end *end, bool writable)
{
    end->claimed = false;
    if (writable) {
        dirty_log_frame(end->frame);
        frame_put_type_fast(end->frame);
    }
    frame_put_fast(end->frame);
    if (end->is_grant)
        unclaim_grant(end, writable);
    domain_release(end);
}

/* The frame of an end, without its type.  GNTST_*. */
static ALWAYS_INLINE int end_frame(struct grant_copy_end *end, bool writable)
{
    end->start = 0;
    end->length = PAGE_SIZE;
    if (end->is_grant)
        return claim_grant(end, writable);
    return grant_get_frame(end->domain, GFN(end->name), &end->frame) ? GNTST_bad_page : GNTST_okay;
}

static ALWAYS_INLINE int end_claim(struct grant_copy_end *end, bool writable)
{
    struct domain *self = current->domain;
    int rc;

    if (!end->is_grant && end->domid != DOMID_SELF)
        return GNTST_permission_denied; /* others' frames only by grant */
    end->domain = end->domid == DOMID_SELF || end->domid == self->id ? self : domain_get(end->domid);
    if (!end->domain)
        return GNTST_bad_domain;
    rc = end->domain->grant ? end_frame(end, writable) : GNTST_bad_domain;
    if (!rc && writable && !frame_get_type_fast(end->frame, FRAME_WRITABLE) && frame_get_type(end->frame, FRAME_WRITABLE)) {
        frame_put(end->frame);
        if (end->is_grant)
            unclaim_grant(end, true);
        rc = GNTST_general_error;
    }
    end->claimed = rc == GNTST_okay;
    if (rc)
        domain_release(end);
    return rc;
}

/* Makes the end name what an element says; nothing to do when it does already. */
static ALWAYS_INLINE int end_select(struct grant_copy_end *end, domid_t domid, uint64_t name, bool is_grant, bool writable)
{
    if (end->claimed && end->name == name && end->domid == domid && end->is_grant == is_grant)
        return GNTST_okay;
    if (end->claimed)
        end_release(end, writable);
    end->domid = domid;
    end->name = name;
    end->is_grant = is_grant;
    end->writable = writable;
    return end_claim(end, writable);
}

static ALWAYS_INLINE bool within(const struct grant_copy_end *end, unsigned offset, unsigned length)
{
    bool whole = end->start == 0 && end->length == PAGE_SIZE; /* within the page it is already */

    return likely(whole) || (offset >= end->start && offset + length <= (unsigned)end->start + end->length);
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
    if (op->len == PAGE_SIZE)
        __builtin_memcpy(frame_to_virt(b->dest.frame), frame_to_virt(b->source.frame), PAGE_SIZE);
    else
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
        end_release(&batch->source, false);
    if (batch->dest.claimed)
        end_release(&batch->dest, true);
}
