// SPDX-License-Identifier: BSD-2-Clause
/*
 * Taking back the memory of a dying PV domain.
 *
 * Its vcpus have dropped their tables (pv_release_context).  Frame by frame: undo the pin or the abandoned
 * validation, then drop the reference that kept it allocated.  A frame that others still use (a page of a
 * table that comes later, another domain's mapping) waits on relinquish_pages for its last put.  References
 * among tables form no cycle (entries.c, linear), so after the last frame nothing but other domains'
 * references is left.
 */
#include "domain/preempt.h"
#include "guest/pv/tables.h"
#include "mm/heap.h"

/*
 * The first frame of list with a reference, NULL at its end.  Frames whose last put is under way are left to
 * it.
 */
static struct frame *list_head_get(struct domain *d, struct frame_list *list, bool *busy)
{
    struct frame *f;

    spin_lock(&d->page_lock);
    f = frame_list_first(list);
    *busy = f && !frame_get(f, d);
    spin_unlock(&d->page_lock);
    return *busy ? NULL : f;
}

/* The lock is held: undoes what keeps f's type.  0 or -ERESTART_LATER. */
static int frame_untype(struct frame *f)
{
    int rc;

    if (__atomic_load_n(&f->type, __ATOMIC_RELAXED) & FRAME_PINNED) {
        rc = frame_put_type_preemptible(f);
        if (rc) {
            __atomic_fetch_or(&f->type, FRAME_PINNED, __ATOMIC_RELAXED);
            return rc;
        }
        __atomic_fetch_and(&f->type, ~FRAME_PINNED, __ATOMIC_RELAXED);
        frame_put(f);
    }
    return frame_clean_partial(f);
}

static void frame_leave(struct domain *d, struct frame *f)
{
    spin_lock(&d->page_lock);
    heap_set_leaving(d, f);
    spin_unlock(&d->page_lock);
    if (__atomic_fetch_and(&f->refs, ~FRAME_ALLOCATED, __ATOMIC_ACQ_REL) & FRAME_ALLOCATED)
        frame_put(f);
}

static int list_release(struct domain *d, struct frame_list *list)
{
    struct frame *f;
    bool busy;

    for (;;) {
        int rc;

        f = list_head_get(d, list, &busy);
        if (busy) {
            cpu_relax();
            continue;
        }
        if (!f)
            return 0;
        spin_lock(&d->pv->tables_lock);
        rc = frame_untype(f);
        spin_unlock(&d->pv->tables_lock);
        if (!rc)
            frame_leave(d, f);
        frame_put(f);
        if (rc || hypercall_should_stop())
            return -ERESTART_LATER;
    }
}

int pv_release_memory(struct domain *d)
{
    int rc = list_release(d, &d->pages);

    return rc ? rc : list_release(d, &d->extra_pages);
}
