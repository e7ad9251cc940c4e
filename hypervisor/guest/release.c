// SPDX-License-Identifier: BSD-2-Clause
/*
 * Taking back the memory of a dying domain, frame by frame: undo what its kind of guest made of it, then drop the reference that
 * kept it allocated.  A frame that others still use waits on relinquish_pages for its last put.
 */
#include "guest/release.h"

#include "domain/preempt.h"
#include "errno.h"
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

static void frame_leave(struct domain *d, struct frame *f)
{
    spin_lock(&d->page_lock);
    heap_set_leaving(d, f);
    spin_unlock(&d->page_lock);
    if (__atomic_fetch_and(&f->refs, ~FRAME_ALLOCATED, __ATOMIC_ACQ_REL) & FRAME_ALLOCATED)
        frame_put(f);
}

static int list_release(struct domain *d, struct frame_list *list, int (*untype)(struct domain *d, struct frame *f))
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
        rc = untype ? untype(d, f) : 0;
        if (!rc)
            frame_leave(d, f);
        frame_put(f);
        if (rc || hypercall_should_stop())
            return -ERESTART_LATER;
    }
}

int guest_release_memory(struct domain *d, int (*untype)(struct domain *d, struct frame *f))
{
    int rc = list_release(d, &d->pages, untype);

    return rc ? rc : list_release(d, &d->extra_pages, untype);
}
