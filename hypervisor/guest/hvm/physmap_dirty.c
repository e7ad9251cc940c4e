// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which frames of a hardware-assisted guest are written (mm/dirty_log.h; docs/design/log-dirty.md): its own memory is mapped
 * read-only until the first store to each frame, which is noted.
 *
 * While the mode is on, an entry of PHYSMAP_RAM has its frames' bits set.  Taking bits away therefore protects their entries
 * again, with the domain paused; it forgets its translations before it runs.  A superpage is protected as a whole and
 * shattered by the first store, so that one store does not dirty 512 frames; with the pool used up it does.
 */
#include "guest/hvm/physmap.h"

#include "domain/preempt.h"
#include "errno.h"
#include "mm/dirty_log.h"

#define PROTECT_STEP 512         /* entries between two looks at other work */

static void place_retype(const struct physmap_place *at, enum physmap_type type)
{
    __atomic_store_n(at->slot, physmap_entry(pte_frame(at->entry), type, at->level), __ATOMIC_SEQ_CST);
}

void physmap_first_write(struct domain *d, struct physmap_place at, uint64_t gfn)
{
    struct physmap *p = d->hvm->physmap;

    if (!d->dirty_log) { /* the mode is over: what was protected is opened as it is met */
        place_retype(&at, PHYSMAP_RAM);
        return;
    }
    while (at.level > 1 && physmap_shatter(p, at.slot, at.level) == 0)
        at = physmap_find(p, gfn);
    gfn &= ~((1UL << physmap_order(at.level)) - 1);
    for (uint64_t i = 0; i < 1UL << physmap_order(at.level); i++)
        (void)dirty_log_mark(d, gfn + i);
    d->dirty_log->faults++;
    place_retype(&at, PHYSMAP_RAM);
}

/* The lock is held.  Protects the entry gfn is under; returns the first guest frame behind it. */
static uint64_t gfn_protect(struct physmap *p, uint64_t gfn)
{
    struct physmap_place at = physmap_find(p, gfn);

    if (physmap_entry_type(at.entry) == PHYSMAP_RAM)
        place_retype(&at, PHYSMAP_LOG_DIRTY);
    return (gfn | ((1UL << physmap_order(at.level)) - 1)) + 1;
}

void hvm_log_dirty_protect(struct domain *d, uint64_t first, const uint64_t *words)
{
    struct physmap *p = d->hvm->physmap;
    uint64_t gfn = first, end = first + DIRTY_LOG_PAGE_BITS;

    spin_lock(&p->lock);
    while (gfn < min(end, PHYSMAP_FRAMES)) {
        uint64_t bit = gfn - first;

        if (!words[bit / 64])
            gfn = (gfn | 63) + 1;
        else if (words[bit / 64] >> bit % 64 & 1)
            gfn = gfn_protect(p, gfn);
        else
            gfn++;
    }
    spin_unlock(&p->lock);
    physmap_flush(d);
}

/* Protects everything below the log's end.  0 or -ERESTART_LATER. */
static int all_protect(struct domain *d)
{
    struct physmap *p = d->hvm->physmap;
    uint64_t end = min(d->dirty_log->limit, PHYSMAP_FRAMES);

    while (p->protect_next < end) {
        spin_lock(&p->lock);
        for (unsigned i = 0; i < PROTECT_STEP && p->protect_next < end; i++)
            p->protect_next = gfn_protect(p, p->protect_next);
        spin_unlock(&p->lock);
        if (hypercall_should_stop())
            return -ERESTART_LATER;
    }
    physmap_flush(d);
    p->protecting = false;
    return 0;
}

int hvm_log_dirty_enable(struct domain *d)
{
    struct physmap *p = d->hvm->physmap;
    int rc;

    if (d->dirty_log && !p->protecting)
        return -EINVAL;
    if (!d->dirty_log) {
        while ((rc = dirty_log_make(d, physmap_max_gfn(d) + 1)) > 0)
            if (hypercall_should_stop())
                return -ERESTART_LATER;
        if (rc)
            return rc;
        p->protecting = true;
        p->protect_next = 0;
        dirty_log_begin(d);
    }
    return all_protect(d);
}

int hvm_log_dirty_disable(struct domain *d)
{
    struct physmap *p = d->hvm->physmap;

    p->protecting = false;
    spin_lock(&p->lock); /* no fault is looking at it */
    dirty_log_end(d);
    spin_unlock(&p->lock);
    return 0;
}
