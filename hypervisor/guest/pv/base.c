// SPDX-License-Identifier: BSD-2-Clause
/*
 * Top-level tables of a vcpu, and page tables that take long to put away.
 *
 * A vcpu holds a reference and an L4 type reference on its kernel's and on its user space's table.  Dropping the last type
 * reference of a table devalidates the tree below it, which can take long: what is interrupted is kept in
 * v->pv->old_table, and every page-table operation of that vcpu finishes it before it starts.
 */
#include "guest/pv/tables.h"

/* ---- tables on their way out ---- */

int pv_old_table_step(struct vcpu *v)
{
    struct frame *f = v->pv->old_table;
    struct domain *d = frame_owner(f);
    int rc;

    spin_lock(&d->pv->tables_lock);
    rc = v->pv->old_table_partial ? frame_clean_partial(f) : frame_put_type_preemptible(f);
    spin_unlock(&d->pv->tables_lock);
    if (!rc) {
        v->pv->old_table = NULL;
        frame_put(f);
    }
    return rc;
}

void pv_old_table_set(struct frame *f, bool partial)
{
    struct pv_vcpu *pv = current->pv;

    if (pv && !pv->old_table) {
        if (partial)
            BUG_ON(!frame_get(f, frame_owner(f)));
        pv->old_table = f;
        pv->old_table_partial = partial;
        return;
    }
    while (partial ? frame_clean_partial(f) : frame_put_type_preemptible(f))
        ;
    if (!partial)
        frame_put(f);
}

void pv_check_failed(struct frame *f, const struct domain *d, int rc)
{
    if (rc && rc != -ERESTART_LATER && frame_owner(f) == d && frame_is_abandoned(f))
        pv_old_table_set(f, true);
}

/* ---- base pointers ---- */

/* The table at place was replaced: it matters now when v is in that mode. */
static void table_changed(struct vcpu *v, const mfn_t *place)
{
    if (unlikely(v->arch.shadow))
        pv_shadow_flush(v, TLB_FLUSH_ALL);
    if (place != pv_running_table(v))
        return;
    if (v != current)
        v->arch.cr3 = mfn_equal(*place, INVALID_MFN) ? 0 : mfn_to_maddr(*place).value;
    else if (!mfn_equal(*place, INVALID_MFN))
        pv_load_tables(v);
}

void pv_load_tables(struct vcpu *v)
{
    if (unlikely(v->arch.shadow)) {
        pv_shadow_load(v);
        return;
    }
    v->arch.cr3 = mfn_to_maddr(*pv_running_table(v)).value;
    cr3_load(v->arch.cr3);
}

/* The lock is held: new (INVALID_MFN: none), with its references, replaces *place. */
static void table_replace(struct vcpu *v, mfn_t *place, mfn_t new)
{
    mfn_t old = *place;

    *place = new;
    table_changed(v, place);
    if (mfn_equal(old, INVALID_MFN))
        return;
    if (frame_put_type_preemptible(mfn_to_frame(old)))
        pv_old_table_set(mfn_to_frame(old), false);
    else
        frame_put_fast(mfn_to_frame(old));
}

static int table_set(struct vcpu *v, mfn_t *place, mfn_t l4)
{
    struct domain *d = v->domain;
    int rc = pv_put_old_table(v);

    if (rc)
        return rc;
    if (!mfn_valid(l4))
        return -EINVAL;
    spin_lock(&d->pv->tables_lock);
    rc = frame_get_both(mfn_to_frame(l4), d, FRAME_L4);
    if (!rc)
        table_replace(v, place, l4);
    else
        pv_check_failed(mfn_to_frame(l4), d, rc);
    spin_unlock(&d->pv->tables_lock);
    return rc;
}

int pv_new_kernel_table(struct vcpu *v, mfn_t l4)
{
    if (mfn_equal(v->pv->kernel_table, l4) && !mfn_equal(l4, INVALID_MFN)) {
        table_changed(v, &v->pv->kernel_table);
        return 0;
    }
    return table_set(v, &v->pv->kernel_table, l4);
}

int pv_new_user_table(struct vcpu *v, mfn_t l4)
{
    struct domain *d = v->domain;

    if (l4.value) {
        if (mfn_equal(v->pv->user_table, l4))
            return 0;
        return table_set(v, &v->pv->user_table, l4);
    }
    if (!mfn_equal(v->pv->user_table, INVALID_MFN)) {
        spin_lock(&d->pv->tables_lock);
        table_replace(v, &v->pv->user_table, INVALID_MFN);
        spin_unlock(&d->pv->tables_lock);
    }
    return 0;
}
