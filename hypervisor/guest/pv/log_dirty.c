// SPDX-License-Identifier: BSD-2-Clause
/*
 * Log-dirty mode of a PV domain, on and off: a log for its frames (mm/dirty_log.h) and a shadow for each
 * vcpu (shadow.c).
 */
#include "domain/preempt.h"
#include "guest/pv/tables.h"

/*
 * Frame numbers beyond what the guest said it has are possible, but the guest does not decide how much memory
 * this takes.
 */
#define SPARE_FRAMES (1UL << 20)

static uint64_t log_limit(struct domain *d)
{
    uint64_t owned = d->max_pages > d->total_pages ? d->max_pages : d->total_pages;
    uint64_t said = d->shared_info->arch.max_pfn;
    uint64_t most = min_t(uint64_t, owned, max_frame) * 2 + SPARE_FRAMES;

    return said && said < most ? said : most;
}

static void allocation_undo(struct domain *d)
{
    struct vcpu *v;

    dirty_log_retire(NULL, d->pv->new_dirty_log);
    d->pv->new_dirty_log = NULL;
    for_each_vcpu(d, v) {
        pv_shadow_free(v->pv->shadow);
        v->pv->shadow = NULL;
    }
}

/* 0, -ENOMEM, -ERESTART_LATER. */
static int allocation_do(struct domain *d)
{
    struct vcpu *v;
    int rc;

    if (!d->pv->new_dirty_log)
        d->pv->new_dirty_log = dirty_log_new(log_limit(d));
    if (!d->pv->new_dirty_log)
        return -ENOMEM;
    while ((rc = dirty_log_allocate(d->pv->new_dirty_log)) > 0)
        if (hypercall_should_stop())
            return -ERESTART_LATER;
    if (rc)
        return rc;
    for_each_vcpu(d, v) {
        if (v->pv->shadow)
            continue;
        v->pv->shadow = pv_shadow_new(d);
        if (!v->pv->shadow)
            return -ENOMEM;
        if (hypercall_should_stop())
            return -ERESTART_LATER;
    }
    return 0;
}

int pv_log_dirty_enable(struct domain *d)
{
    struct vcpu *v;
    int rc;

    if (d->dirty_log)
        return -EINVAL;
    rc = allocation_do(d);
    if (rc == -ENOMEM)
        allocation_undo(d);
    if (rc)
        return rc;
    domain_pause(d);
    for_each_vcpu(d, v)
        v->arch.shadow = v->pv->shadow;
    __atomic_store_n(&d->dirty_log, d->pv->new_dirty_log, __ATOMIC_RELEASE);
    d->pv->new_dirty_log = NULL;
    domain_unpause(d);
    return 0;
}

int pv_log_dirty_disable(struct domain *d)
{
    struct vcpu *v;

    if (d->dirty_log) {
        domain_pause(d);
        for_each_vcpu(d, v)
            v->arch.shadow = NULL;
        dirty_log_retire(d, d->dirty_log);
        domain_unpause(d);
    }
    allocation_undo(d);
    return 0;
}
