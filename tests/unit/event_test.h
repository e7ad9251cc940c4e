/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of event channels share: domains with an event part, on the fake machine. */
#ifndef EVENT_TEST_H
#define EVENT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/host/host.h"
#include "config.h"
#include "door/handlers.h"
#include "errno.h"
#include "event/event.h"
#include "event/internal.h"
#include "mm/guest_copy.h"
#include "mm/heap.h"

static inline struct domain *event_test_domain(domid_t id, unsigned vcpus)
{
    struct domain *d = host_domain_new(id, vcpus);
    struct vcpu *v;

    assert_int_equal(event_domain_init(d, UINT32_MAX), 0);
    for_each_vcpu(d, v)
        assert_int_equal(event_vcpu_init(v), 0);
    return d;
}

static inline void event_test_domain_free(struct domain *d)
{
    struct vcpu *v;
    int rc;

    d->state = DOMAIN_DYING;
    do {
        rc = event_domain_destroy(d);
    } while (rc == -ERESTART_LATER);
    assert_int_equal(rc, 0);
    event_domain_free(d);
    for_each_vcpu(d, v)
        event_vcpu_free(v);
    host_domain_free(d);
}

static inline bool event_test_pending(struct domain *d, evtchn_port_t port)
{
    return event_upcalls.port_pending(d, port) > 0;
}

static inline void event_test_clear(struct domain *d, struct vcpu *v)
{
    memset(d->shared_info->evtchn_pending, 0, sizeof(d->shared_info->evtchn_pending));
    v->info->evtchn_pending_sel = 0;
    v->info->evtchn_upcall_pending = 0;
}

#endif
