// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: ports are a bounded resource whose exhaustion is an error and nothing else; a port closed and bound again on
// one vcpu while another sends to it never reaches a stranger. It matters because every error path after the last port
// and every send that races a close was once a use after free.
//
// kinds: pv pvh
// config: vcpus = 2

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>

#include "event.h"
#include "hypercall.h"
#include "result.h"
#include "start.h"
#include "timer.h"
#include "vcpu.h"

const char test_title[] = "event channels: all ports taken, sends against closes, bindings that move";

#define DURATION 2000000000ul

static volatile bool stop;
static volatile unsigned long sends;

// The default limit of the tools is 1023; the two-level kind ends at 4096.
static void exhaust_check(void)
{
    unsigned int taken = 0;
    int first = 0, last = 0, port;

    while ((port = event_alloc_unbound(DOMID_SELF)) >= 0 && taken < 5000) {
        if (!taken)
            first = port;
        last = port;
        taken++;
    }
    print("%u ports, then %d\n", taken, port);
    CHECK(taken > 500 && taken < 4096);
    CHECK_EQUAL(port, -XEN_ENOSPC);
    CHECK_EQUAL(event_bind_ipi(0), -XEN_ENOSPC);
    CHECK_EQUAL(event_bind_virq(VIRQ_DEBUG, 0), -XEN_ENOSPC);
    CHECK(event_bind_interdomain(DOMID_SELF, (evtchn_port_t)first) < 0);
    CHECK_EQUAL(event_close((evtchn_port_t)first), 0);
    CHECK_EQUAL(event_alloc_unbound(DOMID_SELF), first);
    for (port = first; port <= last; port++)
        event_close((evtchn_port_t)port);
    port = event_bind_virq(VIRQ_DEBUG, 0);
    CHECK(port > 0);
    event_close((evtchn_port_t)port);
}

static void sender(void *argument)
{
    evtchn_port_t port = *(evtchn_port_t *)argument;

    while (!stop) {
        struct evtchn_status status;

        event_send(port);
        event_bind_vcpu(port, 1);
        event_status(port, &status);
        sends++;
    }
}

static void race_check(void)
{
    static evtchn_port_t target;
    unsigned long turns = 0;
    uint64_t end;
    int port = event_alloc_unbound(DOMID_SELF), peer;

    NEED(port);
    target = (evtchn_port_t)port;
    vcpu_run(1, sender, &target);
    for (end = time_now() + DURATION; time_now() < end; turns++) {
        struct evtchn_status status;

        peer = event_bind_interdomain(DOMID_SELF, target);
        if (peer >= 0)
            event_send((evtchn_port_t)peer);
        event_close(target);
        if (peer >= 0) {
            CHECK_EQUAL(event_status((evtchn_port_t)peer, &status), 0);
            CHECK_EQUAL(status.status, EVTCHNSTAT_unbound);
            event_close((evtchn_port_t)peer);
        }
        port = turns % 2 ? event_bind_ipi(turns / 2 % 2) : event_alloc_unbound(DOMID_SELF);
        CHECK_EQUAL(port, target);
        if (turns % 2) {
            event_close(target);
            CHECK_EQUAL(event_alloc_unbound(DOMID_SELF), target);
        }
    }
    stop = true;
    CHECK(vcpu_wait(1));
    print("%lu turns, %lu sends\n", turns, sends);
    event_close(target);
}

void test_main(void)
{
    exhaust_check();
    race_check();
}
