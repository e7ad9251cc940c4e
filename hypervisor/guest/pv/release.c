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
#include "guest/pv/tables.h"
#include "guest/release.h"

/* Undoes what keeps f's type.  0 or -ERESTART_LATER. */
static int frame_untype(struct domain *d, struct frame *f)
{
    int rc = 0;

    spin_lock(&d->pv->tables_lock);
    if (__atomic_load_n(&f->type, __ATOMIC_RELAXED) & FRAME_PINNED) {
        rc = frame_put_type_preemptible(f);
        if (rc) {
            __atomic_fetch_or(&f->type, FRAME_PINNED, __ATOMIC_RELAXED);
        } else {
            __atomic_fetch_and(&f->type, ~FRAME_PINNED, __ATOMIC_RELAXED);
            frame_put(f);
        }
    }
    if (!rc)
        rc = frame_clean_partial(f);
    spin_unlock(&d->pv->tables_lock);
    return rc;
}

int pv_release_memory(struct domain *d) { return guest_release_memory(d, frame_untype); }
