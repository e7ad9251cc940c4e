// SPDX-License-Identifier: BSD-2-Clause
/*
 * Events the 2-level way: one pending bit and one mask bit for each port in shared_info, and for each vcpu a
 * word that says which words of pending bits to look at (xen/xen.h: struct shared_info, struct vcpu_info).
 *
 * Pending is set before the mask is read, and a guest clears its mask before it reads pending: one of the two
 * always sees the other's step.
 */
#include "event/internal.h"

static uint64_t *pending_bits(struct domain *d)
{
    return (uint64_t *)d->shared_info->evtchn_pending;
}

static uint64_t *mask_bits(struct domain *d)
{
    return (uint64_t *)d->shared_info->evtchn_mask;
}

static void two_level_select(struct vcpu *v, evtchn_port_t port)
{
    if (v && !bitmap_atomic_test_and_set((uint64_t *)&v->info->evtchn_pending_sel, port / 64))
        event_mark_vcpu(v);
}

void two_level_set_pending(struct domain *d, struct event_channel *c, evtchn_port_t port)
{
    if (unlikely(port >= EVTCHN_2L_NR_CHANNELS))
        return;
    if (!bitmap_atomic_test_and_set(pending_bits(d), port) && !bitmap_test(mask_bits(d), port))
        two_level_select(domain_vcpu(d, event_notify_vcpu(c)), port);
    event_check_pollers(d, port);
}

void two_level_clear_pending(struct domain *d, evtchn_port_t port)
{
    if (port < EVTCHN_2L_NR_CHANNELS)
        bitmap_atomic_clear(pending_bits(d), port);
}

void two_level_unmask(struct domain *d, struct event_channel *c, evtchn_port_t port)
{
    if (port < EVTCHN_2L_NR_CHANNELS && bitmap_atomic_test_and_clear(mask_bits(d), port) &&
        bitmap_test(pending_bits(d), port))
        two_level_select(domain_vcpu(d, event_notify_vcpu(c)), port);
}

bool two_level_is_pending(struct domain *d, evtchn_port_t port)
{
    return port < EVTCHN_2L_NR_CHANNELS && bitmap_test(pending_bits(d), port);
}

bool two_level_is_masked(struct domain *d, evtchn_port_t port)
{
    return port >= EVTCHN_2L_NR_CHANNELS || bitmap_test(mask_bits(d), port);
}
