// SPDX-License-Identifier: BSD-2-Clause
/*
 * Log-dirty mode of a PV domain, on and off: a log for its frames (mm/dirty_log.h) and a shadow for each
 * vcpu (shadow.c).
 */
#include "domain/preempt.h"
#include "guest/pv/tables.h"

static void allocation_undo(struct domain *d)
{
    struct vcpu *v;

    dirty_log_end(d);
    for_each_vcpu(d, v) {
        pv_shadow_free(v->pv->shadow);
        v->pv->shadow = NULL;
    }
}

/* 0, -ENOMEM, -ERESTART_LATER. */
static int allocation_do(struct domain *d)
{
    const uint64_t said = d->shared_info->arch.max_pfn;
    struct vcpu *v;
    int rc;

    while ((rc = dirty_log_make(d, said ? said : UINT64_MAX)) > 0)
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
    dirty_log_begin(d);
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
        dirty_log_end(d);
        domain_unpause(d);
    }
    allocation_undo(d);
    return 0;
}
