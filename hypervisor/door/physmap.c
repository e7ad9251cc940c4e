// SPDX-License-Identifier: BSD-2-Clause
/*
 * Placing memory in a translated guest's address space: add_to_physmap, its batched form, and remove_from_physmap
 * (xen/memory.h).  A PV guest's frame numbers are the machine's own, so for one of those the answer is -EACCES.
 *
 * A frame of the guest or of the hypervisor has one place: putting it somewhere takes it from where it was.  The guest's own memory
 * that was there before is given up.
 */
#include "door/memory.h"

#include "grant/grant.h"
#include "guest/hvm.h"
#include "mm/guest_form.h"
#include "mm/physmap.h"

/* One page to be placed. */
struct placing {
    struct domain *d;
    unsigned space;
    domid_t foreign;
    uint64_t index, gfn;
};

static bool is_at(struct domain *d, uint64_t gfn, mfn_t frame)
{
    enum physmap_type type;
    unsigned order;

    return mfn_equal(physmap_lookup(d, GFN(gfn), &type, &order), frame);
}

/* What was at gfn when the new page came: the domain's own memory is given up, or put back when it did not come. */
static void before_settle(struct domain *d, struct frame *before, uint64_t gfn, bool came)
{
    bool own = !(before->refs & FRAME_XEN_HEAP);

    if (!came)
        (void)physmap_set(d, GFN(gfn), frame_to_mfn(before), 0, own ? PHYSMAP_RAM : PHYSMAP_SHARED);
    else if (own && (__atomic_fetch_and(&before->refs, ~FRAME_ALLOCATED, __ATOMIC_ACQ_REL) & FRAME_ALLOCATED))
        frame_put(before);
    frame_put(before);
}

/*
 * A frame that has a reference of the caller's goes to a new place, from the one called old if it is there.  The new one is made
 * first: without memory for tables everything stays as it was.
 */
static int place_frame(struct domain *d, mfn_t frame, uint64_t gfn, uint64_t old, enum physmap_type type)
{
    struct frame *before;
    int rc;

    if (is_at(d, gfn, frame))
        return 0;
    if (physmap_get_frame(d, GFN(gfn), &before))
        before = NULL;
    rc = physmap_set(d, GFN(gfn), frame, 0, type);
    if (!rc && is_at(d, old, frame)) {
        rc = physmap_clear(d, GFN(old), 0);
        if (rc)
            (void)physmap_clear(d, GFN(gfn), 0);
    }
    if (before)
        before_settle(d, before, gfn, !rc);
    return rc;
}

/* A page of the hypervisor's that d may see. */
static int place_shared(struct domain *d, mfn_t frame, uint64_t gfn)
{
    struct frame *f = mfn_to_frame(frame);
    int rc;

    if (!frame_get(f, d))
        return -EINVAL;
    rc = place_frame(d, frame, gfn, m2p_get(frame), PHYSMAP_SHARED);
    frame_put(f);
    return rc;
}

static int place_grant_frame(const struct placing *p)
{
    uint64_t index = p->index & ~(uint64_t)XENMAPIDX_grant_table_status;
    mfn_t frame;
    int rc;

    if (index > UINT32_MAX)
        return -EINVAL;
    rc = grant_get_table_frame(p->d, (uint32_t)index, p->index & XENMAPIDX_grant_table_status, &frame);
    return rc ? rc : place_shared(p->d, frame, p->gfn);
}

static int place_own(const struct placing *p)
{
    struct frame *f;
    int rc = physmap_get_frame(p->d, GFN(p->index), &f);

    if (rc)
        return rc;
    rc = f->refs & FRAME_XEN_HEAP ? -EINVAL
                                  : place_frame(p->d, frame_to_mfn(f), p->gfn, p->index, PHYSMAP_RAM);
    frame_put(f);
    return rc;
}

/* Of another domain the caller controls. */
static int place_foreign(const struct placing *p)
{
    struct domain *from = domain_get(p->foreign);
    struct frame *f;
    int rc;

    if (!from)
        return -ESRCH;
    rc = from == p->d ? -EINVAL : permission_control(from);
    if (!rc)
        rc = physmap_get_frame(from, GFN(p->index), &f);
    if (!rc) {
        rc = place_frame(p->d, frame_to_mfn(f), p->gfn, INVALID_GFN.value, PHYSMAP_FOREIGN);
        frame_put(f);
    }
    domain_put(from);
    return rc;
}

static int place(const struct placing *p)
{
    switch (p->space) {
    case XENMAPSPACE_shared_info:
        return p->index ? -EINVAL : place_shared(p->d, virt_to_mfn(p->d->shared_info), p->gfn);
    case XENMAPSPACE_grant_table:
        return place_grant_frame(p);
    case XENMAPSPACE_gmfn:
    case XENMAPSPACE_gmfn_range:
        return place_own(p);
    case XENMAPSPACE_gmfn_foreign:
        return place_foreign(p);
    default:
        return -ENOSYS;
    }
}

/* A range goes on where it stopped: the argument tells how far it came. */
long memory_add_to_physmap(struct call *c)
{
    struct xen_add_to_physmap *a = c->arg;
    uint64_t count = a->space == XENMAPSPACE_gmfn_range ? a->size : 1;
    struct placing p = {.d = c->d, .space = a->space};
    long rc = 0;

    if (a->space == XENMAPSPACE_gmfn_foreign)
        return -EINVAL; /* there is no field for whose */
    if (!c->d->is_hvm)
        return -EACCES;
    while (!rc && count--) {
        p.index = a->idx++;
        p.gfn = a->gpfn++;
        a->size--;
        rc = place(&p);
        if (!rc && count && hypercall_should_stop())
            rc = -ERESTART_LATER;
    }
    return rc;
}

/* One element; its error goes to its own place.  0 or -EFAULT. */
static int batch_element(const struct xen_add_to_physmap_batch *a, struct placing *p, uint64_t i)
{
    int error;

    if (guest_read_word(&p->index, GUEST_HANDLE(a->idxs), i) || guest_read_word(&p->gfn, GUEST_HANDLE(a->gpfns), i))
        return -EFAULT;
    error = place(p);
    return guest_write(guest_element(GUEST_HANDLE(a->errs), i, sizeof(error)), &error, sizeof(error));
}

long memory_add_to_physmap_batch(struct call *c)
{
    const struct xen_add_to_physmap_batch *a = c->arg;
    struct placing p = {.d = c->d, .space = a->space, .foreign = a->u.foreign_domid};
    long rc = 0;

    if (c->start > a->size || a->space == XENMAPSPACE_gmfn_range || (a->space != XENMAPSPACE_gmfn_foreign && a->u.res0))
        return -EINVAL;
    if (!c->d->is_hvm)
        return -EACCES;
    for (; !rc && c->start < a->size; c->start++) {
        rc = batch_element(a, &p, c->start);
        if (!rc && c->start + 1 < a->size && hypercall_should_stop())
            rc = -ERESTART_LATER;
    }
    return rc;
}

/* Unmaps and no more: memory of the domain stays its own. */
long memory_remove_from_physmap(struct call *c)
{
    const struct xen_remove_from_physmap *r = c->arg;
    enum physmap_type type;
    unsigned order;

    if (!c->d->is_hvm)
        return -EACCES;
    (void)physmap_lookup(c->d, GFN(r->gpfn), &type, &order);
    return type == PHYSMAP_NONE || type == PHYSMAP_MMIO ? -ENOENT : physmap_clear(c->d, GFN(r->gpfn), 0);
}
