// SPDX-License-Identifier: BSD-2-Clause
/*
 * Mapping granted frames, and undoing it.
 *
 * A mapping pins its entry and holds, for the host and for the device side each, a reference on the frame and, when writable, a
 * FRAME_WRITABLE one, beside those of the PTE.  Page tables are changed while no lock of this room is held; a mapping
 * being taken away is marked busy meanwhile.
 */
#include "grant/internal.h"

#include "errno.h"
#include "mm/dirty_log.h"

#define SIDES (GNTMAP_device_map | GNTMAP_host_map)

static uint64_t pins_of(unsigned flags)
{
    uint64_t pins = 0;

    if (flags & GNTMAP_device_map)
        pins += flags & GNTMAP_readonly ? PIN_DEVICE_READ : PIN_DEVICE_WRITE;
    if (flags & GNTMAP_host_map)
        pins += flags & GNTMAP_readonly ? PIN_HOST_READ : PIN_HOST_WRITE;
    return pins;
}

/* One side's references on a frame of the granter. */
static bool side_get(struct frame *f, const struct domain *granter, bool readonly)
{
    if (readonly)
        return frame_get(f, granter);
    return frame_get_both(f, granter, FRAME_WRITABLE) == 0;
}

static void side_put(struct frame *f, bool readonly)
{
    if (readonly) {
        frame_put(f);
        return;
    }
    dirty_log_frame(f); /* by whoever had it mapped */
    frame_put_both(f);
}

/* Pins the entry for op.  GNTST_*; *frame is NULL for I/O memory, else it has a reference. */
static int map_pin(struct domain *granter, const struct gnttab_map_grant_ref *op, struct grant_use *use, uint64_t *mfn)
{
    struct grant_table *t = granter->grant;
    int rc = GNTST_bad_gntref;

    read_lock(&t->lock);
    if (op->ref < t->entries) {
        struct grant_active *a = grant_active(t, op->ref);

        spin_lock(&a->lock);
        rc = grant_pin(granter, a, op->ref, use);
        *mfn = a->frame;
        spin_unlock(&a->lock);
    }
    read_unlock(&t->lock);
    return rc;
}

static void map_unpin(struct domain *granter, grant_ref_t ref, uint64_t pins)
{
    struct grant_table *t = granter->grant;
    struct grant_active *a;

    read_lock(&t->lock);
    a = grant_active(t, ref);
    spin_lock(&a->lock);
    grant_unpin(granter, a, ref, pins);
    spin_unlock(&a->lock);
    read_unlock(&t->lock);
}

/* Takes the references of every side and makes the host mapping.  GNTST_*, all or nothing. */
static int map_sides(struct domain *d, struct domain *granter, const struct gnttab_map_grant_ref *op, struct frame *f,
                     uint64_t mfn, unsigned cache)
{
    bool readonly = op->flags & GNTMAP_readonly;
    bool device = f && (op->flags & GNTMAP_device_map), host = f && (op->flags & GNTMAP_host_map);
    int rc = GNTST_okay;

    if (device && !side_get(f, granter, readonly))
        return GNTST_general_error;
    if (host && !side_get(f, granter, readonly)) {
        rc = GNTST_general_error;
        goto undo_device;
    }
    if (op->flags & GNTMAP_host_map)
        rc = grant_map_ops.map(d, op->host_addr, MFN(mfn), op->flags, f ? 0 : cache);
    if (!rc)
        return GNTST_okay;
    if (host)
        side_put(f, readonly);
undo_device:
    if (device)
        side_put(f, readonly);
    return rc;
}

static void mapping_publish(struct grant_mapping *m, const struct domain *granter, grant_ref_t ref, unsigned flags)
{
    __atomic_store_n(&m->granter, (uint32_t)virt_to_mfn(granter).value, __ATOMIC_RELAXED);
    __atomic_store_n(&m->ref, ref, __ATOMIC_RELAXED);
    __atomic_store_n(&m->flags, (uint16_t)flags, __ATOMIC_RELEASE);
}

/* The granter is known and a handle is there.  GNTST_*. */
static int map_with_handle(struct domain *granter, struct gnttab_map_grant_ref *op, uint32_t handle)
{
    struct domain *d = current->domain;
    struct grant_use use = {
        .to = d->id, .readonly = op->flags & GNTMAP_readonly, .for_map = true, .pins = pins_of(op->flags),
    };
    uint64_t mfn = 0;
    int rc = map_pin(granter, op, &use, &mfn);

    if (rc)
        return rc;
    rc = map_sides(d, granter, op, use.frame, mfn, use.cache);
    if (use.frame)
        frame_put(use.frame);
    if (rc) {
        map_unpin(granter, op->ref, use.pins);
        return rc;
    }
    op->handle = handle;
    op->dev_bus_addr = mfn_to_maddr(MFN(mfn)).value;
    mapping_publish(grant_mapping(d->grant, handle), granter, op->ref,
                    (op->flags & 0xff) | (use.frame ? 0 : MAPPING_IO));
    return GNTST_okay;
}

void grant_map(struct gnttab_map_grant_ref *op)
{
    struct domain *d = current->domain, *granter;
    uint32_t handle;

    op->status = GNTST_bad_gntref;
    if (!(op->flags & SIDES))
        return;
    op->status = GNTST_general_error;
    if (d->is_hvm && (op->flags & (GNTMAP_device_map | GNTMAP_application_map | GNTMAP_contains_pte)))
        return;
    granter = domain_get(op->dom);
    if (!granter || !granter->grant) {
        op->status = GNTST_bad_domain;
        goto out;
    }
    handle = grant_mapping_allocate(d);
    if (handle == GRANT_NO_MAPPING) {
        op->status = GNTST_no_space;
        goto out;
    }
    op->status = (int16_t)map_with_handle(granter, op, handle);
    if (op->status == GNTST_okay)
        return; /* the mapping keeps the granter's reference */
    grant_mapping_release(d, handle);
out:
    if (granter)
        domain_put(granter);
}

/* ---- unmapping ---- */

static struct domain *mapping_granter(const struct grant_mapping *m)
{
    return mfn_to_virt(MFN(__atomic_load_n(&m->granter, __ATOMIC_RELAXED)));
}

/* The sides the caller names that are mapped: marked as being undone.  GNTST_*; both locks of the entry held. */
static int unmap_claim(struct grant_unmap *u, struct grant_mapping *m, const struct grant_active *a)
{
    unsigned flags = m->flags;

    if (!(flags & SIDES) || (flags & MAPPING_BUSY) || m->ref != u->ref || mapping_granter(m) != u->granter)
        return GNTST_bad_handle;
    u->frame = a->frame;
    if (u->dev_bus_addr && (flags & GNTMAP_device_map)) {
        if (u->dev_bus_addr != mfn_to_maddr(MFN(a->frame)).value)
            return GNTST_bad_dev_addr;
        u->undone |= GNTMAP_device_map;
    }
    if (u->host_addr && (flags & GNTMAP_host_map))
        u->undone |= GNTMAP_host_map;
    if (u->undone)
        __atomic_store_n(&m->flags, (uint16_t)((flags & ~u->undone) | MAPPING_BUSY), __ATOMIC_RELAXED);
    return GNTST_okay;
}

/* An entry with both its locks held; NULL when there is none of that number. */
static struct grant_active *entry_lock(struct domain *granter, grant_ref_t ref)
{
    struct grant_table *t = granter->grant;
    struct grant_active *a;

    read_lock(&t->lock);
    if (ref >= t->frames * GRANT_V1_PER_PAGE) {
        read_unlock(&t->lock);
        return NULL;
    }
    a = grant_active(t, ref);
    spin_lock(&a->lock);
    return a;
}

static void entry_unlock(struct domain *granter, struct grant_active *a)
{
    spin_unlock(&a->lock);
    read_unlock(&granter->grant->lock);
}

/* The host side could not be taken away: it stays mapped. */
static void unmap_unclaim(struct grant_unmap *u)
{
    uint16_t flags = (uint16_t)((u->mapping->flags & ~MAPPING_BUSY) | u->undone);

    __atomic_store_n(&u->mapping->flags, flags, __ATOMIC_RELEASE);
    u->undone = 0;
}

/* First half: the mapping is gone from the page tables (or an error is in the status). */
static void unmap_begin(struct grant_unmap *u)
{
    struct domain *d = current->domain;
    struct grant_active *a;

    u->undone = 0;
    u->status = GNTST_bad_handle;
    u->mapping = grant_mapping(d->grant, u->handle);
    if (!u->mapping || !(__atomic_load_n(&u->mapping->flags, __ATOMIC_ACQUIRE) & SIDES))
        return;
    /* Another vcpu may be unmapping it: what is read here is checked again under the entry's lock. */
    u->granter = mapping_granter(u->mapping);
    u->ref = __atomic_load_n(&u->mapping->ref, __ATOMIC_RELAXED);
    if (!domain_hold(u->granter))
        return;
    a = entry_lock(u->granter, u->ref);
    if (a) {
        u->status = (int16_t)unmap_claim(u, u->mapping, a);
        entry_unlock(u->granter, a);
    }
    if (u->undone & GNTMAP_host_map) {
        int rc = grant_map_ops.unmap(d, u->host_addr, MFN(u->frame), u->mapping->flags & 0xff, u->new_addr);

        if (rc) {
            u->status = (int16_t)rc;
            a = entry_lock(u->granter, u->ref);
            unmap_unclaim(u);
            entry_unlock(u->granter, a);
        }
    }
    if (!u->undone)
        domain_put(u->granter);
}

/* Second half, TLBs flushed: the granter gets back what was undone. */
static void unmap_finish(struct grant_unmap *u)
{
    struct domain *d = current->domain;
    struct frame *f = mfn_to_frame(MFN(u->frame));
    struct grant_active *a;
    unsigned flags;
    bool free;

    if (!u->undone)
        return;
    a = entry_lock(u->granter, u->ref);
    flags = u->mapping->flags;
    free = !(flags & SIDES);
    grant_unpin(u->granter, a, u->ref, pins_of(u->undone | (flags & GNTMAP_readonly)));
    __atomic_store_n(&u->mapping->flags, (uint16_t)(free ? 0 : flags & ~MAPPING_BUSY), __ATOMIC_RELEASE);
    entry_unlock(u->granter, a);
    if (!(flags & MAPPING_IO)) {
        if (u->undone & GNTMAP_device_map)
            side_put(f, flags & GNTMAP_readonly);
        if (u->undone & GNTMAP_host_map)
            side_put(f, flags & GNTMAP_readonly);
    }
    if (free) {
        grant_mapping_release(d, u->handle);
        domain_put(u->granter); /* the mapping's */
    }
    domain_put(u->granter); /* ours */
}

void grant_unmap(struct grant_unmap *ops, unsigned count)
{
    bool flush = false;

    for (unsigned i = 0; i < count; i++) {
        unmap_begin(&ops[i]);
        flush |= (ops[i].undone & GNTMAP_host_map) != 0;
    }
    if (flush)
        grant_map_ops.flush_tlb(current->domain);
    for (unsigned i = 0; i < count; i++)
        unmap_finish(&ops[i]);
}

/* ---- a dying domain ---- */

/* The domain does not run any more; what its page tables hold goes with them. */
static void release_mapping(struct domain *d, uint32_t handle, struct grant_mapping *m)
{
    struct domain *granter = mapping_granter(m);
    bool readonly = m->flags & GNTMAP_readonly, counted = !(m->flags & MAPPING_IO);
    struct grant_active *a = entry_lock(granter, m->ref);
    unsigned sides = m->flags & SIDES;
    struct frame *f = mfn_to_frame(MFN(a->frame));

    grant_unpin(granter, a, m->ref, pins_of(m->flags));
    m->flags = 0;
    entry_unlock(granter, a);
    if (counted && (sides & GNTMAP_device_map))
        side_put(f, readonly);
    if (counted && (sides & GNTMAP_host_map))
        side_put(f, readonly);
    grant_mapping_release(d, handle);
    domain_put(granter);
}

int grant_domain_release_mappings(struct domain *d)
{
    struct grant_table *t = d->grant;
    uint32_t end;

    if (!t)
        return 0;
    end = t->mapping_pages * (uint32_t)GRANT_MAPPINGS_PER_PAGE;
    for (; t->next_release < end; t->next_release++) {
        struct grant_mapping *m = grant_mapping(t, t->next_release);

        if ((t->next_release & 63) == 63 && grant_work_pending()) {
            if (m->flags & SIDES)
                release_mapping(d, t->next_release, m);
            t->next_release++;
            return -ERESTART_LATER;
        }
        if (m->flags & SIDES)
            release_mapping(d, t->next_release, m);
    }
    grant_table_release(d);
    return 0;
}
