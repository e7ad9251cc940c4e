// SPDX-License-Identifier: BSD-2-Clause
/*
 * Using a grant entry: checks, the "in use" flags the granter sees, and pins (xen/grant_table.h, "Rough
 * guidelines on accessing and updating grant-table entries").
 *
 * Version 1 keeps GTF_reading and GTF_writing in the entry's own flags: they are set by compare-and-exchange
 * together with the check, so that the granter cannot revoke in between.  Version 2 keeps them in the status
 * array: set, then look at the entry again.  The granter may play with the word as fast as it likes: we give
 * up after a few tries.
 */
#include "grant/internal.h"

#define FLAG_TRIES 5
#define GTF_CACHE (GTF_PWT | GTF_PCD | GTF_PAT)

static inline uint32_t word_read(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/*
 * Does the entry allow this use?  One that is pinned has been checked for type and domain when it was pinned
 * first.
 */
static inline bool entry_allows(union grant_word w, bool pinned, const struct grant_use *use, bool v2)
{
    unsigned type = w.flags & (GTF_type_mask | (use->for_map ? GTF_sub_page : 0));

    if (!use->readonly && (w.flags & GTF_readonly))
        return false;
    if (pinned)
        return true;
    if (w.domid != use->to)
        return false;
    return type == GTF_permit_access || (v2 && !use->for_map && type == GTF_transitive);
}

/* These two tell in *seen what the entry said when the flags stood. */
static inline int set_flags_v1(uint32_t *word, bool pinned, const struct grant_use *use, union grant_word *seen)
{
    union grant_word old = {.raw = word_read(word)};

    for (unsigned i = 0; i < FLAG_TRIES; i++) {
        *seen = old;
        if (!entry_allows(old, pinned, use, false))
            return GNTST_general_error;
        seen->flags |= use->readonly ? GTF_reading : GTF_reading | GTF_writing;
        if (__atomic_compare_exchange_n(word, &old.raw, seen->raw, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return GNTST_okay;
    }
    return GNTST_general_error;
}

static int set_flags_v2(uint32_t *word, grant_status_t *status, bool pinned, const struct grant_use *use,
                        union grant_word *seen)
{
    seen->raw = word_read(word);
    if (!entry_allows(*seen, pinned, use, true))
        return GNTST_general_error;
    __atomic_fetch_or(status, use->readonly ? GTF_reading : GTF_reading | GTF_writing, __ATOMIC_SEQ_CST);
    seen->raw = word_read(word);
    if (entry_allows(*seen, pinned, use, true))
        return GNTST_okay;
    grant_clear_flags(status, pinned ? GTF_writing : GTF_reading | GTF_writing);
    return GNTST_general_error;
}

/* What the entry names, read once.  Frame number, range and kind go to the active entry. */
static uint64_t entry_read_v2(const grant_entry_v2_t *entry, uint16_t flags, struct grant_active *a,
                              struct grant_use *use)
{
    const volatile grant_entry_v2_t *e = entry;

    if ((flags & GTF_type_mask) == GTF_transitive) {
        a->kind = GRANT_TRANSITIVE;
        use->transit = e->transitive.trans_domid;
        use->transit_ref = e->transitive.gref;
        return 0;
    }
    if (!(flags & GTF_sub_page))
        return e->full_page.frame;
    a->kind = GRANT_SUB_PAGE;
    a->start = e->sub_page.page_off;
    a->length = e->sub_page.length;
    return e->sub_page.frame;
}

/* I/O memory the granter may touch can be granted too; it has no references. */
static bool is_granted_io(struct domain *granter, uint64_t frame)
{
    if (granter->is_hvm || !rangeset_contains(&granter->io_memory, frame, frame))
        return false;
    return !mfn_valid(MFN(frame)) || frame_owner(mfn_to_frame(MFN(frame))) == domain_io;
}

/* The first user: finds the frame.  GNTST_*. */
static inline int resolve(struct domain *granter, struct grant_active *a, grant_ref_t ref, uint16_t flags,
                   struct grant_use *use)
{
    const struct grant_table *t = granter->grant;
    uint64_t gfn;

    a->kind = GRANT_FULL;
    a->start = 0;
    a->length = PAGE_SIZE;
    if (t->version == 1)
        gfn = __atomic_load_n(&grant_entry_v1(t, ref)->frame, __ATOMIC_RELAXED);
    else
        gfn = entry_read_v2(grant_entry_v2(t, ref), flags, a, use);
    a->domid = use->to;
    if (a->kind == GRANT_TRANSITIVE)
        return GNTST_okay;
    if (!grant_get_frame(granter, GFN(gfn), &use->frame)) {
        a->frame = frame_to_mfn(use->frame).value;
        return GNTST_okay;
    }
    if (!use->for_map || !is_granted_io(granter, gfn))
        return GNTST_bad_page;
    a->frame = gfn;
    return GNTST_okay;
}

/* One more user of a pinned entry.  GNTST_*. */
static int join(struct domain *granter, const struct grant_active *a, grant_ref_t ref, uint16_t flags,
                struct grant_use *use)
{
    const struct grant_table *t = granter->grant;
    struct grant_active now = {0};

    if (a->kind == GRANT_TRANSITIVE) {
        if (t->version == 1 || (flags & GTF_type_mask) != GTF_transitive)
            return GNTST_general_error;
        entry_read_v2(grant_entry_v2(t, ref), flags, &now, use);
        return GNTST_okay;
    }
    if (!mfn_valid(MFN(a->frame)) || frame_owner(mfn_to_frame(MFN(a->frame))) == domain_io)
        return use->for_map ? GNTST_okay : GNTST_bad_page;
    if (!frame_get(mfn_to_frame(MFN(a->frame)), granter))
        return GNTST_general_error;
    use->frame = mfn_to_frame(MFN(a->frame));
    return GNTST_okay;
}

static bool pins_overflow(uint64_t pins, uint64_t more)
{
    for (unsigned shift = 0; shift < 64; shift += 16) {
        if ((more >> shift & PIN_FIELD) && (pins >> shift & PIN_FIELD) == PIN_FIELD)
            return true;
    }
    return false;
}

/* Both locks are held. */
static int pin_locked(struct domain *granter, struct grant_active *a, grant_ref_t ref, struct grant_use *use)
{
    const struct grant_table *t = granter->grant;
    uint32_t *word = grant_word(t, ref);
    bool pinned = a->pins != 0;
    union grant_word w;
    int rc = GNTST_okay;

    if (unlikely(pinned) && (a->domid != use->to || pins_overflow(a->pins, use->pins) ||
                             (use->for_map && a->kind != GRANT_FULL)))
        return GNTST_general_error;
    if (pinned && (use->readonly || (a->pins & PIN_WRITERS)))
        w.raw = word_read(word);
    else if (t->version == 1)
        rc = set_flags_v1(word, pinned, use, &w);
    else
        rc = set_flags_v2(word, grant_status(t, ref), pinned, use, &w);
    if (rc)
        return rc;
    use->cache = w.flags & GTF_CACHE;
    rc = pinned ? join(granter, a, ref, w.flags, use) : resolve(granter, a, ref, w.flags, use);
    if (!rc && use->for_map && a->kind != GRANT_FULL) {
        rc = GNTST_general_error; /* became one after the check */
        if (use->frame)
            frame_put(use->frame);
    }
    if (rc)
        grant_reduce_flags(t, a, ref);
    else
        a->pins += use->pins;
    return rc;
}

int grant_pin(struct domain *granter, grant_ref_t ref, struct grant_use *use)
{
    struct grant_table *t = granter->grant;
    struct grant_active *a;
    int rc = GNTST_bad_gntref;

    read_lock(&t->lock);
    if (likely(ref < t->entries)) {
        use->active = a = grant_active(t, ref);
        spin_lock(&a->lock);
        rc = pin_locked(granter, a, ref, use);
        spin_unlock(&a->lock);
    }
    read_unlock(&t->lock);
    return rc;
}
