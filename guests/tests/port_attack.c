// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: 131,071 ports are a number like any other: the port after the last is an error, every operation on the last and
// beyond it is answered, closing one makes room for one, and a reset of all of them gives way to other work. It matters
// because tables, bitmaps and arrays of ports all end there.
//
// kinds: pv pvh
// config: max_event_channels = 131071
// config: memory = 24

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>
#include <xen/sched.h>

#include "console.h"
#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "preempt.h"
#include "result.h"
#include "start.h"
#include "timer.h"
#include "vcpu.h"

const char test_title[] = "131,071 event channels, and every error after the last";

#define WORDS (PAGE_SIZE / sizeof(event_word_t))
#define ARRAY_PAGES (EVTCHN_FIFO_NR_CHANNELS / WORDS)

static event_word_t *array[ARRAY_PAGES];

static long reset(void *unused)
{
    struct evtchn_reset request = { .dom = DOMID_SELF };

    (void)unused;
    return event_op(EVTCHNOP_reset, &request);
}

static void fifo_start(void)
{
    struct evtchn_init_control init = { .control_gfn = machine_of(page_alloc()), .vcpu = 0 };

    CHECK_EQUAL(event_op(EVTCHNOP_init_control, &init), 0);
    for (unsigned int i = 0; i < ARRAY_PAGES; i++) {
        struct evtchn_expand_array expand;

        array[i] = page_alloc();
        expand.array_gfn = machine_of(array[i]);
        CHECK_EQUAL(event_op(EVTCHNOP_expand_array, &expand), 0);
    }
    {
        struct evtchn_expand_array expand = { .array_gfn = machine_of(page_alloc()) };

        CHECK(event_op(EVTCHNOP_expand_array, &expand) < 0);    /* the array is whole */
    }
}

static long op(unsigned int command, evtchn_port_t port)
{
    union {
        struct evtchn_send send;
        struct evtchn_close close;
        struct evtchn_status status;
        struct evtchn_bind_vcpu bind;
        struct evtchn_unmask unmask;
        struct evtchn_set_priority priority;
    } u = { .status = { .dom = DOMID_SELF, .port = port } };

    if (command == EVTCHNOP_status)
        return event_op(command, &u);
    u.bind = (struct evtchn_bind_vcpu) { .port = port, .vcpu = 0 };
    return event_op(command, &u);
}

static const unsigned int commands[] = {
    EVTCHNOP_send, EVTCHNOP_status, EVTCHNOP_bind_vcpu, EVTCHNOP_unmask, EVTCHNOP_set_priority, EVTCHNOP_close,
};

static long alloc(void)
{
    struct evtchn_alloc_unbound request = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    long result = event_op(EVTCHNOP_alloc_unbound, &request);

    return result ? result : (long)request.port;
}

static void errors_check(evtchn_port_t last)
{
    static const evtchn_port_t beyond[] = {
        EVTCHN_FIFO_NR_CHANNELS, EVTCHN_FIFO_NR_CHANNELS + 1, 1u << 20, ~0u >> 1, ~0u,
    };
    struct sched_poll poll = { .nr_ports = 1, .timeout = 1 };
    evtchn_port_t port;

    CHECK_EQUAL(alloc(), -XEN_ENOSPC);
    CHECK_EQUAL(event_bind_ipi(0), -XEN_ENOSPC);
    CHECK_EQUAL(event_bind_virq(VIRQ_DEBUG, 0), -XEN_ENOSPC);
    CHECK(event_bind_interdomain(DOMID_SELF, last) < 0);
    CHECK(event_bind_vcpu(last, 4096) < 0);
    for (unsigned int i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        for (unsigned int command = 0; command < sizeof(commands) / sizeof(commands[0]); command++)
            CHECK(op(commands[command], beyond[i]) < 0);
        port = beyond[i];
        set_xen_guest_handle(poll.ports, &port);
        CHECK(sched_op(SCHEDOP_poll, &poll) < 0);
    }
    for (unsigned int command = 0; command < 5; command++)
        CHECK_EQUAL(op(commands[command], last), 0);
    CHECK_EQUAL(event_close(last), 0);
    CHECK_EQUAL(alloc(), (long)last);
}

void test_main(void)
{
    unsigned long taken = 0, stops;
    long port, last = 0;

    console_port_save();
    fifo_start();
    while ((port = alloc()) > 0) {
        last = port;
        taken++;
    }
    print("%lu ports, the last is %ld\n", taken, last);
    CHECK_EQUAL(last, EVTCHN_FIFO_NR_CHANNELS - 1);
    errors_check((evtchn_port_t)last);
    CHECK_EQUAL(preempt_all(reset, NULL, NULL, &stops), 0);
    console_port_restore();
    print("reset after %lu stops\n", stops);
    CHECK(stops > 10);
    CHECK(alloc() > 0);
}
