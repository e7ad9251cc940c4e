// SPDX-License-Identifier: BSD-2-Clause
/*
 * XEN_DOMCTL_shadow_op: which frames of a domain were written, for live migration (xen/domctl.h;
 * docs/design/log-dirty.md).
 *
 * The bitmap is handed out a page of bits at a time, the domain paused for each: between two of them it may
 * run, since a bit that was taken comes back with the next write.  How far a call came is kept in the log, so
 * that it can be continued.
 */
#include "door/domctl.h"
#include "event/event.h"
#include "grant/grant.h"
#include "guest/hvm.h"
#include "guest/pv.h"
#include "lib/string.h"
#include "mm/dirty_log.h"
#include "mm/heap.h"

/*
 * What the hypervisor and other domains may be writing to at any time counts as written.  0 or
 * -ERESTART_LATER.
 */
static long outsiders_mark(struct domain *d, struct dirty_log *log)
{
    struct vcpu *v;

    if (log->position)
        return 0;
    while (grant_mark_written(d, &log->next_grant))
        if (hypercall_should_stop())
            return -ERESTART_LATER;
    event_mark_written(d);
    for_each_vcpu(d, v)
        if (v->info_frame)
            dirty_log_frame(v->info_frame);
    return 0;
}

/* Bits beyond the log: written, as far as anybody knows. */
static void beyond_mark(const struct dirty_log *log, uint64_t first, uint64_t *words)
{
    for (uint64_t bit = log->limit > first ? log->limit - first : 0; bit < DIRTY_LOG_PAGE_BITS; bit++)
        words[bit / 64] |= 1UL << bit % 64;
}

static long page_harvest(struct domain *d, struct xen_domctl_shadow_op *s, bool clear, uint64_t *words)
{
    struct dirty_log *log = d->dirty_log;
    uint64_t first = log->position * DIRTY_LOG_PAGE_BITS;
    uint64_t bytes = (min_t(uint64_t, s->pages - first, DIRTY_LOG_PAGE_BITS) + 7) / 8;
    guest_addr_t to = GUEST_HANDLE(s->dirty_bitmap);

    if (first < log->limit) {
        domain_pause(d);
        log->found += dirty_log_harvest(log, log->position, clear, words);
        if (clear && d->is_hvm)
            hvm_log_dirty_protect(d, first, words);
        domain_unpause(d);
    } else {
        memset(words, 0, PAGE_SIZE);
    }
    if (first + DIRTY_LOG_PAGE_BITS > log->limit)
        beyond_mark(log, first, words);
    if (!guest_addr_null(to) && guest_write(guest_element(to, first / 8, 1), words, bytes))
        return -EFAULT;
    log->position++;
    return 0;
}

static long harvest(struct domain *d, struct xen_domctl_shadow_op *s, bool clear)
{
    struct dirty_log *log = d->dirty_log;
    uint64_t *words;
    long rc = 0;

    if (!log)
        return -EINVAL;
    words = heap_alloc(0, 0);
    if (!words)
        return -ENOMEM;
    if (s->mode & XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL)
        rc = outsiders_mark(d, log);
    while (!rc && log->position * DIRTY_LOG_PAGE_BITS < s->pages) {
        rc = page_harvest(d, s, clear, words);
        if (!rc && log->position * DIRTY_LOG_PAGE_BITS < s->pages && hypercall_should_stop())
            rc = -ERESTART_LATER;
    }
    heap_free(words, 0);
    if (rc == -ERESTART_LATER)
        return rc;
    s->stats.dirty_count = log->found;
    s->stats.fault_count = log->faults;
    if (clear)
        log->faults = 0;
    log->position = log->found = 0;
    log->next_grant = 0;
    return rc;
}

static uint32_t allocation_mb(struct domain *d)
{
    uint64_t bytes = 0;

    if (d->is_hvm)
        bytes = physmap_pool_get(d);
    else if (d->dirty_log)
        bytes = dirty_log_bytes(d->dirty_log) + d->max_vcpus * pv_shadow_bytes();
    return (uint32_t)((bytes + (1UL << 20) - 1) >> 20);
}

long domctl_log_dirty(struct call *c)
{
    struct xen_domctl_shadow_op *s = &c->domctl->u.shadow_op;

    if (domain_is_dying(c->d) && s->op != XEN_DOMCTL_SHADOW_OP_OFF)
        return -EINVAL;
    switch (s->op) {
    case XEN_DOMCTL_SHADOW_OP_OFF:
        return c->d->is_hvm ? hvm_log_dirty_disable(c->d) : pv_log_dirty_disable(c->d);
    case XEN_DOMCTL_SHADOW_OP_ENABLE:
        if (s->mode != XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY)
            return -EOPNOTSUPP;
        __attribute__((fallthrough));
    case XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY:
        return c->d->is_hvm ? hvm_log_dirty_enable(c->d) : pv_log_dirty_enable(c->d);
    case XEN_DOMCTL_SHADOW_OP_CLEAN:
    case XEN_DOMCTL_SHADOW_OP_PEEK:
        return harvest(c->d, s, s->op == XEN_DOMCTL_SHADOW_OP_CLEAN);
    case XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION:
        s->mb = allocation_mb(c->d);
        return 0;
    default:
        return -EOPNOTSUPP;
    }
}
