// SPDX-License-Identifier: BSD-2-Clause
/*
 * Mapping granted frames, and undoing it.
 *
 * A mapping pins its entry and holds, for the host and for the device side each, a reference on the frame and, when writable, a
 * FRAME_WRITABLE one, beside those of the PTE.  Page tables are changed while no lock of this room is held; a mapping
 * being taken away is marked busy meanwhile.
 */
#include "grant/internal.h"

#include "domain/preempt.h"
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

static void sides_put(struct frame *f, unsigned flags)
{
    for (unsigned side = GNTMAP_device_map; side <= GNTMAP_host_map; side <<= 1) {
        if (!(flags & side))
            continue;
        if (!(flags & GNTMAP_readonly)) {
            dirty_log_frame(f); /* by whoever had it mapped */
            frame_put_type(f);
        }
        frame_put(f);
    }
}

/* The references of the sides that flags name on a frame of the granter: all or none. */
static bool sides_get(struct frame *f, const struct domain *granter, unsigned flags)
{
    for (unsigned side = GNTMAP_device_map; side <= GNTMAP_host_map; side <<= 1) {
        if (!(flags & side))
            continue;
        if (flags & GNTMAP_readonly ? !frame_get(f, granter) : frame_get_both(f, granter, FRAME_WRITABLE) != 0) {
            sides_put(f, flags & (GNTMAP_readonly | (side - 1)));
            return false;
        }
    }
    return true;
}

/* Takes the references of every side and makes the host mapping.  GNTST_*, all or nothing. */
static int map_sides(struct domain *d, struct domain *granter, const struct gnttab_map_grant_ref *op,
                     const struct grant_use *use)
{
    struct frame *f = use->frame;
    int rc = GNTST_okay;

    if (f && !sides_get(f, granter, op->flags))
        return GNTST_general_error;
    if (op->flags & GNTMAP_host_map)
        rc = grant_map_ops.map(d, op->host_addr, MFN(use->active->frame), op->flags, f ? 0 : use->cache);
    if (rc && f)
        sides_put(f, op->flags);
    return rc;
}

/* The granter is known and a handle is there.  GNTST_*. */
static int map_with_handle(struct domain *granter, struct gnttab_map_grant_ref *op, uint32_t handle)
{
    struct domain *d = current->domain;
    struct grant_use use = {
        .to = d->id, .readonly = op->flags & GNTMAP_readonly, .for_map = true, .pins = pins_of(op->flags),
    };
    struct grant_mapping *m = grant_mapping(d->grant, handle);
    int rc = grant_pin(granter, op->ref, &use);

    if (rc)
        return rc;
    rc = map_sides(d, granter, op, &use);
    if (use.frame)
        frame_put(use.frame);
    if (rc) {
        grant_unpin(granter, op->ref, use.pins);
        return rc;
    }
    op->handle = handle;
    op->dev_bus_addr = mfn_to_maddr(MFN(use.active->frame)).value;
    __atomic_store_n(&m->granter, (uint32_t)virt_to_mfn(granter).value, __ATOMIC_RELAXED);
    __atomic_store_n(&m->ref, op->ref, __ATOMIC_RELAXED);
    __atomic_store_n(&m->flags, (uint16_t)((op->flags & 0xff) | (use.frame ? 0 : MAPPING_IO)), __ATOMIC_RELEASE);
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

/* First half: the mapping is gone from the page tables (or an error is in the status). */
static void unmap_begin(struct grant_unmap *u)
{
    struct domain *d = current->domain;
    struct grant_table *t;
    struct grant_active *a;
    bool exists;

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
    t = u->granter->grant;
    read_lock(&t->lock);
    exists = u->ref < t->frames * GRANT_V1_PER_PAGE; /* for good */
    read_unlock(&t->lock);
    if (exists) {
        a = grant_lock(u->granter, u->ref);
        u->status = (int16_t)unmap_claim(u, u->mapping, a);
        grant_unlock(u->granter, a);
    }
    if (u->undone & GNTMAP_host_map) {
        int rc = grant_map_ops.unmap(d, u->host_addr, MFN(u->frame), u->mapping->flags & 0xff, u->new_addr);

        if (rc) { /* it stays mapped, both sides */
            u->status = (int16_t)rc;
            a = grant_lock(u->granter, u->ref);
            __atomic_store_n(&u->mapping->flags, (uint16_t)((u->mapping->flags & ~MAPPING_BUSY) | u->undone), __ATOMIC_RELEASE);
            grant_unlock(u->granter, a);
            u->undone = 0;
        }
    }
    if (!u->undone)
        domain_put(u->granter);
}

/* TLBs are flushed: the granter gets back what the sides held, and the mapping is free when none is left. */
static void mapping_undo(struct domain *d, uint32_t handle, struct grant_mapping *m, unsigned sides)
{
    struct domain *granter = mapping_granter(m);
    struct grant_active *a = grant_lock(granter, m->ref);
    struct frame *f = mfn_to_frame(MFN(a->frame));
    unsigned flags = m->flags & ~sides;
    bool free = !(flags & SIDES);

    sides |= flags & GNTMAP_readonly;
    grant_unpin_locked(granter, a, m->ref, pins_of(sides));
    __atomic_store_n(&m->flags, (uint16_t)(free ? 0 : flags & ~MAPPING_BUSY), __ATOMIC_RELEASE);
    grant_unlock(granter, a);
    if (!(flags & MAPPING_IO))
        sides_put(f, sides);
    if (free) {
        grant_mapping_release(d, handle);
        domain_put(granter); /* the mapping's */
    }
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
    for (unsigned i = 0; i < count; i++) {
        if (!ops[i].undone)
            continue;
        mapping_undo(current->domain, ops[i].handle, ops[i].mapping, ops[i].undone);
        domain_put(ops[i].granter); /* ours */
    }
}

/* ---- a dying domain ---- */

int grant_domain_release_mappings(struct domain *d)
{
    struct grant_table *t = d->grant;
    uint32_t end;

    if (!t)
        return 0;
    end = t->mapping_pages * (uint32_t)GRANT_MAPPINGS_PER_PAGE;
    while (t->next_release < end) {
        struct grant_mapping *m = grant_mapping(t, t->next_release);

        if (m->flags & SIDES) /* d does not run any more; what its page tables hold goes with them */
            mapping_undo(d, t->next_release, m, m->flags & SIDES);
        if (!(++t->next_release & 63) && hypercall_should_stop())
            return -ERESTART_LATER;
    }
    grant_table_release(d);
    return 0;
}
