// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: an event reaches the port it was sent to, once per edge, only while unmasked; ports that are not ours or not
// open are refused. It matters because an event is a guest's interrupt: lost is a hang, stray is another's device.
//
// kinds: pv pvh

#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>

#include "event.h"
#include "hypercall.h"
#include "result.h"
#include "start.h"

const char test_title[] = "event channels: to self, IPI, between two of our ports, masks, errors";

static void masked_check(void)
{
    int port = event_bind_ipi(0);

    NEED(port);
    event_handle((evtchn_port_t)port, NULL);
    CHECK_EQUAL(event_send((evtchn_port_t)port), 0);
    CHECK(event_pending((evtchn_port_t)port));
    CHECK_EQUAL(event_count((evtchn_port_t)port), 0);
    event_port_unmask((evtchn_port_t)port);
    CHECK_EQUAL(event_count((evtchn_port_t)port), 1);
    CHECK(!event_pending((evtchn_port_t)port));
    for (int i = 0; i < 10; i++)
        CHECK_EQUAL(event_send((evtchn_port_t)port), 0);
    CHECK_EQUAL(event_count((evtchn_port_t)port), 11);
    CHECK_EQUAL(event_close((evtchn_port_t)port), 0);
    CHECK_EQUAL(event_send((evtchn_port_t)port), -XEN_EINVAL);
}

static void upcall_mask_check(void)
{
    int port = event_bind_ipi(0);

    NEED(port);
    event_handle((evtchn_port_t)port, NULL);
    event_port_unmask((evtchn_port_t)port);
    event_mask_all();
    event_send((evtchn_port_t)port);
    event_send((evtchn_port_t)port);
    CHECK_EQUAL(event_count((evtchn_port_t)port), 0);
    event_mask_restore(false);
    CHECK_EQUAL(event_count((evtchn_port_t)port), 1);
    event_close((evtchn_port_t)port);
}

static void pair_check(void)
{
    struct evtchn_status status;
    int one = event_alloc_unbound(DOMID_SELF), two;

    NEED(one);
    CHECK_EQUAL(event_status((evtchn_port_t)one, &status), 0);
    CHECK_EQUAL(status.status, EVTCHNSTAT_unbound);
    two = event_bind_interdomain(DOMID_SELF, (evtchn_port_t)one);
    NEED(two);
    CHECK_EQUAL(event_status((evtchn_port_t)one, &status), 0);
    CHECK_EQUAL(status.status, EVTCHNSTAT_interdomain);
    CHECK_EQUAL(status.u.interdomain.port, two);
    CHECK_EQUAL(status.u.interdomain.dom, domain_self());
    event_clear((evtchn_port_t)one);
    event_clear((evtchn_port_t)two);
    CHECK_EQUAL(event_send((evtchn_port_t)two), 0);
    CHECK(event_pending((evtchn_port_t)one));
    CHECK(!event_pending((evtchn_port_t)two));
    CHECK(event_bind_interdomain(DOMID_SELF, (evtchn_port_t)one) < 0);
    CHECK_EQUAL(event_close((evtchn_port_t)one), 0);
    CHECK_EQUAL(event_status((evtchn_port_t)two, &status), 0);
    CHECK_EQUAL(status.status, EVTCHNSTAT_unbound);
    CHECK_EQUAL(event_close((evtchn_port_t)two), 0);
}

static void refused_check(void)
{
    struct evtchn_status status;
    int timer = event_bind_virq(VIRQ_TIMER, 0);

    NEED(timer);
    CHECK_EQUAL(event_bind_virq(VIRQ_TIMER, 0), -XEN_EEXIST);
    CHECK(event_bind_virq(VIRQ_TIMER, 77) < 0);
    CHECK_EQUAL(event_bind_virq(1000, 0), -XEN_EINVAL);
    CHECK(event_bind_ipi(77) < 0);
    CHECK(event_send(0) < 0);
    CHECK(event_send(100000000) < 0);
    CHECK(event_close(0) < 0);
    CHECK(event_close(4000) < 0);
    CHECK(event_bind_interdomain(12345, 1) < 0);
    CHECK(event_bind_interdomain(DOMID_SELF, 4000) < 0);
    CHECK(event_bind_vcpu((evtchn_port_t)timer, 77) < 0);
    CHECK(event_status(4000, &status) < 0);
    CHECK_EQUAL(event_close((evtchn_port_t)timer), 0);
    CHECK_EQUAL(event_status((evtchn_port_t)timer, &status), 0);
    CHECK_EQUAL(status.status, EVTCHNSTAT_closed);
    CHECK_EQUAL(event_op(1000, 0), -XEN_ENOSYS);
}

void test_main(void)
{
    event_mask_restore(false);
    masked_check();
    upcall_mask_check();
    pair_check();
    refused_check();
}
