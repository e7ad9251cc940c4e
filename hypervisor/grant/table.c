// SPDX-License-Identifier: BSD-2-Clause
/*
 * A domain's grant table: its life, growth, frames shown to the guest, and the change between versions.
 */
#include "grant/internal.h"

#include "console/console.h"
#include "domain/preempt.h"
#include "lib/string.h"
#include "log.h"
#include "mm/dirty_log.h"
#include "mm/heap.h"

/* Frames added between two looks at pending work. */
#define GROW_BATCH 16u
/* Grants in use that the debug key shows one by one, of each domain; the others are counted. */
#define DUMPED_GRANTS 16u

/* ---- growth ---- */

static uint32_t status_frames_for(uint32_t frames)
{
    return (uint32_t)DIV_ROUND_UP((uint64_t)frames * GRANT_V2_PER_PAGE, GRANT_STATUS_PER_PAGE);
}

static void *shared_page(struct domain *d)
{
    void *page = heap_alloc(0, HEAP_ZERO);

    if (page)
        heap_share(page, d, SHARE_READ_WRITE);
    return page;
}

static int grow_status(struct domain *d, uint32_t frames)
{
    struct grant_table *t = d->grant;

    for (; t->status_frames < status_frames_for(frames); t->status_frames++) {
        t->status[t->status_frames] = shared_page(d);
        if (!t->status[t->status_frames])
            return -ENOMEM;
    }
    return 0;
}

/* Active entries for one more page of the shared table.  What was made stays when there is no more, for the next try. */
static int grow_active(struct grant_active **pages)
{
    for (unsigned i = 0; i < GRANT_ACTIVE_PAGES; i++) {
        if (pages[i])
            continue;
        pages[i] = heap_alloc(0, HEAP_ZERO);
        if (!pages[i])
            return -ENOMEM;
        for (unsigned j = 0; j < GRANT_ACTIVE_PER_PAGE; j++)
            spin_init(&pages[i][j].lock, RANK_GRANT_ENTRY);
    }
    return 0;
}

static void entries_count(struct grant_table *t)
{
    t->entries = t->frames * (uint32_t)(t->version == 1 ? GRANT_V1_PER_PAGE : GRANT_V2_PER_PAGE);
}

int grant_grow(struct domain *d, uint32_t frames)
{
    struct grant_table *t = d->grant;

    if (frames > t->max_frames || t->released)
        return -EINVAL;
    if (t->version == 2 && grow_status(d, frames))
        return -ENOMEM;
    for (; t->frames < frames; t->frames++, entries_count(t)) {
        if (grow_active(&t->active[t->frames * GRANT_ACTIVE_PAGES]))
            return -ENOMEM;
        t->shared[t->frames] = shared_page(d);
        if (!t->shared[t->frames])
            return -ENOMEM;
    }
    return 0;
}

/* The same in steps.  -ERESTART_LATER when work is pending. */
static int grow_in_steps(struct domain *d, uint32_t frames)
{
    struct grant_table *t = d->grant;
    int rc;

    for (;;) {
        bool done;

        write_lock(&t->lock);
        rc = grant_grow(d, max(t->frames, min(frames, t->frames + GROW_BATCH)));
        if (!rc && frames > t->max_frames)
            rc = -EINVAL;
        done = t->frames >= frames;
        write_unlock(&t->lock);
        if (rc || done)
            return rc;
        if (hypercall_should_stop())
            return -ERESTART_LATER;
    }
}

/* ---- life ---- */

static int table_arrays(struct grant_table *t, uint32_t max_frames)
{
    t->max_frames = max_frames;
    t->shared = mem_new_array(void *, max_frames);
    t->status = mem_new_array(grant_status_t *, status_frames_for(max_frames));
    t->active = mem_new_array(struct grant_active *, (size_t)max_frames * GRANT_ACTIVE_PAGES);
    return t->shared && t->status && t->active ? 0 : -ENOMEM;
}

int grant_domain_init(struct domain *d, uint32_t max_frames, uint32_t max_maptrack_frames, unsigned max_version)
{
    struct grant_table *t;
    int rc;

    if ((int32_t)max_frames < 0)
        max_frames = GRANT_DEFAULT_FRAMES;
    if ((int32_t)max_maptrack_frames < 0)
        max_maptrack_frames = GRANT_DEFAULT_MAPTRACK_FRAMES;
    if (!max_version)
        max_version = 2;
    if (!max_frames || max_frames > GRANT_MOST_FRAMES || max_maptrack_frames > GRANT_MOST_FRAMES || max_version > 2)
        return -EINVAL;
    t = mem_new(struct grant_table);
    if (!t)
        return -ENOMEM;
    d->grant = t;
    rwlock_init(&t->lock, RANK_GRANT);
    t->version = 1;
    t->max_version = (uint8_t)max_version;
    rc = table_arrays(t, max_frames);
    if (!rc)
        rc = grant_mappings_init(d, max_maptrack_frames);
    if (!rc)
        rc = grant_grow(d, 1);
    if (rc)
        grant_domain_free(d);
    return rc;
}

static void status_release(struct grant_table *t)
{
    for (uint32_t i = 0; i < t->status_frames; i++) {
        heap_unshare_release(t->status[i]);
        t->status[i] = NULL;
    }
    t->status_frames = 0;
}

void grant_table_release(struct domain *d)
{
    struct grant_table *t = d->grant;

    write_lock(&t->lock);
    if (!t->released) {
        t->released = true;
        t->entries = 0;
        status_release(t);
        for (uint32_t i = 0; i < t->frames; i++)
            heap_unshare_release(t->shared[i]);
    }
    write_unlock(&t->lock);
}

void grant_domain_free(struct domain *d)
{
    struct grant_table *t = d->grant;

    if (!t)
        return;
    grant_table_release(d);
    d->grant = NULL;
    for (uint32_t i = 0; t->active && i < t->max_frames * GRANT_ACTIVE_PAGES && t->active[i]; i++)
        heap_free(t->active[i], 0);
    grant_mappings_free(t);
    mem_free(t->active);
    mem_free(t->status);
    mem_free(t->shared);
    mem_free(t);
}

/* ---- frames ---- */

/* As d's guest names it. */
static uint64_t frame_name(const struct domain *d, const void *page)
{
    return d->is_hvm ? m2p_get(virt_to_mfn(page)) : virt_to_mfn(page).value;
}

static int16_t frames_tell(const struct domain *d, void *const *pages, uint32_t have, uint32_t nr_frames, uint64_t *frames)
{
    if (nr_frames > have)
        return GNTST_general_error;
    for (uint32_t i = 0; i < nr_frames; i++)
        frames[i] = frame_name(d, pages[i]);
    return GNTST_okay;
}

int grant_setup_table(struct domain *d, uint32_t nr_frames, uint64_t *frames, int16_t *status)
{
    struct grant_table *t = d->grant;
    int rc = grow_in_steps(d, nr_frames);

    if (rc == -ERESTART_LATER)
        return rc;
    read_lock(&t->lock);
    *status = rc || t->released ? GNTST_general_error : frames_tell(d, t->shared, t->frames, nr_frames, frames);
    read_unlock(&t->lock);
    return 0;
}

int grant_get_status_frames(struct domain *d, uint32_t nr_frames, uint64_t *frames, int16_t *status)
{
    struct grant_table *t = d->grant;

    read_lock(&t->lock);
    *status = frames_tell(d, (void **)t->status, t->status_frames, nr_frames, frames);
    read_unlock(&t->lock);
    return 0;
}

void grant_query_size(struct domain *d, struct gnttab_query_size *op)
{
    struct grant_table *t = d->grant;

    read_lock(&t->lock);
    op->nr_frames = t->frames;
    op->max_nr_frames = t->max_frames;
    read_unlock(&t->lock);
    op->status = GNTST_okay;
}

/* Grows far enough for frame idx.  The table's lock is held for writing. */
static int frame_ensure(struct domain *d, uint32_t idx, bool status)
{
    struct grant_table *t = d->grant;
    uint64_t need = (uint64_t)idx + 1;

    if (t->released || (status && t->version != 2))
        return -EINVAL;
    if (idx < (status ? t->status_frames : t->frames))
        return 0;
    if (status) /* the shared frames whose entries' states it holds */
        need = (uint64_t)idx * (GRANT_STATUS_PER_PAGE / GRANT_V2_PER_PAGE) + 1;
    return need > t->max_frames ? -EINVAL : grant_grow(d, (uint32_t)need);
}

int grant_get_table_frame(struct domain *d, uint32_t idx, bool status, mfn_t *frame)
{
    struct grant_table *t = d->grant;
    int rc;

    if (!t)
        return -EINVAL;
    write_lock(&t->lock);
    rc = frame_ensure(d, idx, status);
    if (!rc)
        *frame = virt_to_mfn(status ? (void *)t->status[idx] : t->shared[idx]);
    write_unlock(&t->lock);
    return rc;
}

/* ---- versions ---- */

int grant_get_version(struct domain *d, uint32_t *version)
{
    *version = __atomic_load_n(&d->grant->version, __ATOMIC_RELAXED);
    return 0;
}

/* What the reserved entries say, in terms both versions have. */
struct reserved_entry {
    uint16_t flags;
    domid_t domid;
    uint64_t frame;
};

static int reserved_get(const struct grant_table *t, struct reserved_entry *r)
{
    for (grant_ref_t i = 0; i < GNTTAB_NR_RESERVED_ENTRIES; i++) {
        union grant_word w = {.raw = __atomic_load_n(grant_word(t, i), __ATOMIC_RELAXED)};

        r[i] = (struct reserved_entry){.flags = w.flags, .domid = w.domid};
        if (t->version == 1) {
            r[i].frame = __atomic_load_n(&grant_entry_v1(t, i)->frame, __ATOMIC_RELAXED);
            continue;
        }
        r[i].frame = __atomic_load_n(&grant_entry_v2(t, i)->full_page.frame, __ATOMIC_RELAXED);
        /* Version 1 cannot say these. */
        if ((r[i].flags & GTF_type_mask) == GTF_transitive ||
            ((r[i].flags & GTF_type_mask) == GTF_permit_access && (r[i].flags & GTF_sub_page)) ||
            r[i].frame != (uint32_t)r[i].frame)
            return -ERANGE;
        r[i].flags |= *grant_status(t, i) & (GTF_reading | GTF_writing);
    }
    return 0;
}

static void reserved_put(const struct grant_table *t, const struct reserved_entry *r)
{
    for (grant_ref_t i = 0; i < GNTTAB_NR_RESERVED_ENTRIES; i++) {
        union grant_word w = {.flags = r[i].flags, .domid = r[i].domid};

        if (t->version == 2) {
            *grant_status(t, i) = w.flags & (GTF_reading | GTF_writing);
            w.flags &= (uint16_t)~(GTF_reading | GTF_writing);
        }
        grant_set_frame(t, i, r[i].frame);
        __atomic_store_n(grant_word(t, i), w.raw, __ATOMIC_RELEASE);
    }
}

/* Entries beyond the reserved ones are lost by a change, and what only version 2 can say: none may be in use. */
static bool others_in_use(const struct grant_table *t)
{
    for (grant_ref_t ref = 0; ref < t->frames * GRANT_V1_PER_PAGE; ref++) {
        const struct grant_active *a = grant_active(t, ref);

        if (a->pins && (ref >= GNTTAB_NR_RESERVED_ENTRIES || a->kind == GRANT_TRANSITIVE))
            return true;
    }
    return false;
}

/* A guest that still maps status frames would keep pages nobody writes. */
static bool status_mapped(const struct grant_table *t)
{
    for (uint32_t i = 0; i < t->status_frames; i++) {
        if ((__atomic_load_n(&virt_to_frame(t->status[i])->refs, __ATOMIC_RELAXED) & FRAME_REFS_MASK) > 1)
            return true;
    }
    return false;
}

/* Lock held for writing; the versions differ. */
static int change_version(struct domain *d, uint8_t version)
{
    struct grant_table *t = d->grant;
    struct reserved_entry reserved[GNTTAB_NR_RESERVED_ENTRIES];
    int rc;

    if (t->released)
        return -EINVAL;
    if (others_in_use(t))
        return -EBUSY;
    rc = reserved_get(t, reserved);
    if (rc)
        return rc;
    if (version == 2) {
        rc = grow_status(d, t->frames);
        if (rc)
            status_release(t);
    } else if (status_mapped(t)) {
        rc = -EBUSY;
    } else {
        status_release(t);
    }
    if (rc)
        return rc;
    for (uint32_t i = 0; i < t->frames; i++)
        memset(t->shared[i], 0, PAGE_SIZE);
    t->version = version;
    entries_count(t);
    reserved_put(t, reserved);
    return 0;
}

int grant_set_version(struct domain *d, uint32_t *version)
{
    struct grant_table *t = d->grant;
    int rc = 0;

    if (*version != 1 && *version != 2)
        return -EINVAL;
    if (*version > t->max_version)
        return -ENOSYS; /* as if the operation did not exist */
    write_lock(&t->lock);
    if (t->version != *version)
        rc = change_version(d, (uint8_t)*version);
    *version = t->version;
    write_unlock(&t->lock);
    return rc;
}

/* ---- swapping, caches, dump ---- */

static void swap_entries(const struct grant_table *t, grant_ref_t a, grant_ref_t b)
{
    size_t size = t->version == 1 ? sizeof(grant_entry_v1_t) : sizeof(grant_entry_v2_t);
    uint8_t entry[sizeof(grant_entry_v2_t)];

    memcpy(entry, grant_word(t, a), size);
    memcpy(grant_word(t, a), grant_word(t, b), size);
    memcpy(grant_word(t, b), entry, size);
}

int grant_swap(struct domain *d, grant_ref_t a, grant_ref_t b)
{
    struct grant_table *t = d->grant;
    int status = GNTST_okay;

    write_lock(&t->lock); /* also keeps everybody from pinning either */
    if (a >= t->entries || b >= t->entries)
        status = GNTST_bad_gntref;
    else if (a != b && (grant_active(t, a)->pins || grant_active(t, b)->pins))
        status = GNTST_eagain;
    else if (a != b)
        swap_entries(t, a, b);
    write_unlock(&t->lock);
    return status;
}

int grant_cache_flush(struct domain *d, const struct gnttab_cache_flush *op)
{
    const uint32_t known = GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL | GNTTAB_CACHE_SOURCE_GREF;
    uint64_t mfn = op->a.dev_bus_addr >> PAGE_SHIFT;

    if ((op->op & ~known) || (uint32_t)op->offset + op->length > PAGE_SIZE ||
        (op->op & (GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL)) == 0)
        return -EINVAL;
    if (op->op & GNTTAB_CACHE_SOURCE_GREF)
        return -EOPNOTSUPP;
    if (!op->length)
        return 0;
    /* Devices see this architecture's caches: there is nothing to write back, only a claim to check. */
    if (!mfn_valid(MFN(mfn)) || !frame_get(mfn_to_frame(MFN(mfn)), d))
        return -EPERM;
    frame_put(mfn_to_frame(MFN(mfn)));
    return 0;
}

static uint32_t mappings_count(const struct grant_table *t)
{
    const struct grant_mapping *mapping;
    uint32_t count = 0;

    for (uint32_t handle = 0; (mapping = grant_mapping(t, handle)) != NULL; handle++)
        count += mapping->flags != 0;
    return count;
}

void grant_dump(struct domain *d)
{
    struct grant_table *t = d->grant;
    uint32_t in_use = 0;

    if (!t)
        return;
    read_lock(&t->lock);
    for (grant_ref_t ref = 0; ref < t->frames * GRANT_V1_PER_PAGE; ref++) {
        const struct grant_active *a = grant_active(t, ref);

        if (a->pins && in_use++ < DUMPED_GRANTS)
            log_error("  ref %u to d%u: frame %#lx pins %#018lx\n", ref, a->domid, a->frame, a->pins);
    }
    log_error("d%u: grant table version %u, %u frames of %u, %u grants in use, %u mappings of others'\n", d->id,
              t->version, t->frames, t->max_frames, in_use, mappings_count(t));
    read_unlock(&t->lock);
}

static void grant_dump_all(void)
{
    domain_for_each(grant_dump);
}

void grant_init(void)
{
    debug_key_register('g', "print grant tables: what is in use", grant_dump_all);
}

/* ---- written frames ---- */

#define MARK_STEP 4096 /* entries looked at in one go */

bool grant_mark_written(struct domain *d, grant_ref_t *next)
{
    struct grant_table *t = d->grant;
    grant_ref_t ref, end;

    if (!t)
        return false;
    read_lock(&t->lock);
    end = t->entries;
    for (ref = *next; ref < end && ref - *next < MARK_STEP; ref++) {
        struct grant_active *a = grant_active(t, ref);

        if (likely(!(__atomic_load_n(&a->pins, __ATOMIC_RELAXED) & PIN_WRITERS)))
            continue;
        spin_lock(&a->lock);
        if ((a->pins & PIN_WRITERS) && mfn_valid(MFN(a->frame)))
            dirty_log_frame(mfn_to_frame(MFN(a->frame)));
        spin_unlock(&a->lock);
    }
    read_unlock(&t->lock);
    *next = ref;
    return ref < end;
}
