// SPDX-License-Identifier: BSD-2-Clause
/*
 * Events the 2-level way: one pending bit and one mask bit for each port in shared_info, and for each vcpu a
 * word that says which words of pending bits to look at (xen/xen.h: struct shared_info, struct vcpu_info).
 *
 * Pending is set before the mask is read, and a guest clears its mask before it reads pending: one of the two
 * always sees the other's step.
 *
 * A hardware-assisted guest of 32 bits has words of 32 bits (xen/foreign/x86_32.h): fewer ports, the mask and the
 * selector elsewhere.
 */
#include "event/internal.h"

#include <xen/foreign/x86_32.h>

/*
 * A form has words of 1 << shift bits.  Everything follows from that: as many words in a bitmap as a word has bits, the
 * mask behind the pending bits, the selector in the second word of vcpu_info.
 */
#define SHIFT_64 6
#define SHIFT_32 5
#define PORTS(shift) (1u << 2 * (shift))
#define FORM_ASSERT(shift, shared, info)                                                                        \
    _Static_assert(offsetof(shared, evtchn_pending) == offsetof(struct shared_info, evtchn_pending) &&          \
                       offsetof(shared, evtchn_mask) == offsetof(shared, evtchn_pending) + PORTS(shift) / 8 &&  \
                       offsetof(info, evtchn_pending_sel) * 8 == 1u << (shift) &&                               \
                       offsetof(info, time) == offsetof(struct vcpu_info, time) &&                              \
                       sizeof(info) == sizeof(struct vcpu_info), "the form with this shift")
FORM_ASSERT(SHIFT_64, struct shared_info, struct vcpu_info);
FORM_ASSERT(SHIFT_32, struct shared_info_x86_32, struct vcpu_info_x86_32);

static unsigned shift_of(const struct domain *d) { return domain_shared_32bit(d) ? SHIFT_32 : SHIFT_64; }

static uint64_t *port_bits(struct domain *d) { return (uint64_t *)d->shared_info->evtchn_pending; }

static inline __attribute__((always_inline)) void two_level_select(struct vcpu *v, evtchn_port_t port, unsigned shift)
{
    if (v && !bitmap_atomic_test_and_set((uint64_t *)v->info, (1u << shift) + (port >> shift)))
        event_mark_vcpu(v);
}

static inline __attribute__((always_inline)) void set_pending(struct domain *d, struct event_channel *c,
                                                              evtchn_port_t port, unsigned shift)
{
    if (!bitmap_atomic_test_and_set(port_bits(d), port) && !bitmap_test(port_bits(d), PORTS(shift) + port))
        two_level_select(domain_vcpu(d, event_notify_vcpu(c)), port, shift);
    event_check_pollers(d, port);
}

static __attribute__((noinline)) void set_pending_32(struct domain *d, struct event_channel *c, evtchn_port_t port)
{
    if (domain_shared_32bit(d) && port < PORTS(SHIFT_32))
        set_pending(d, c, port, SHIFT_32);
}

/* The usual form is told by the look at the port alone. */
void two_level_set_pending(struct domain *d, struct event_channel *c, evtchn_port_t port)
{
    if (unlikely(port >= __atomic_load_n(&d->wide_ports, __ATOMIC_RELAXED)))
        set_pending_32(d, c, port);
    else
        set_pending(d, c, port, SHIFT_64);
}

uint32_t two_level_ports(const struct domain *d) { return PORTS(shift_of(d)); }

void two_level_select_all(struct vcpu *v)
{
    if (domain_shared_32bit(v->domain))
        __atomic_store_n(&((struct vcpu_info_x86_32 *)v->info)->evtchn_pending_sel, UINT32_MAX, __ATOMIC_SEQ_CST);
    else
        __atomic_store_n(&v->info->evtchn_pending_sel, ~(xen_ulong_t)0, __ATOMIC_SEQ_CST);
}

void two_level_clear_pending(struct domain *d, evtchn_port_t port)
{
    if (port < two_level_ports(d))
        bitmap_atomic_clear(port_bits(d), port);
}

void two_level_unmask(struct domain *d, struct event_channel *c, evtchn_port_t port)
{
    unsigned shift = shift_of(d);

    if (port < PORTS(shift) && bitmap_atomic_test_and_clear(port_bits(d), PORTS(shift) + port) &&
        bitmap_test(port_bits(d), port))
        two_level_select(domain_vcpu(d, event_notify_vcpu(c)), port, shift);
}

event_word_t two_level_read(struct domain *d, evtchn_port_t port)
{
    unsigned shift = shift_of(d);

    if (port >= PORTS(shift))
        return EVENT_MASKED;
    return (bitmap_test(port_bits(d), port) ? EVENT_PENDING : 0) |
           (bitmap_test(port_bits(d), PORTS(shift) + port) ? EVENT_MASKED : 0);
}
