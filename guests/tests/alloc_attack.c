// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a hypercall for which there is no memory fails whole: what it began is undone, asking again works when there is
// memory, and nothing is lost. It matters because the way out of an operation that failed half way is the least walked.
//
// In a debug build the runner makes allocations of guests fail meanwhile: every one, every second, every third, ... In
// other builds this guest only walks the ways in.
//
// press: N

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>
#include <xen/memory.h>
#include <xen/vcpu.h>

#include "console.h"
#include "event.h"
#include "grant.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "start.h"
#include "string.h"
#include "timer.h"
#include "vcpu.h"

const char test_title[] = "every operation that allocates, with allocations failing";

#define DURATION 8000000000ul
#define PORTS 600u
#define MAPS 1200u
#define TABLES ((MAPS + ENTRIES - 1) / ENTRIES)
#define REFERENCE GRANT_FIRST

static unsigned long failed[8];
static uint64_t *tables[TABLES];
static char *control, *array;
static evtchn_port_t ports[PORTS];

enum { EVENTS, FIFO, VERSION, SETUP, MAPPING, MEMORY, EXCHANGE, COUNT };
static const char *const names[COUNT] = { "ports", "FIFO", "version", "table", "maps", "memory", "exchange" };

// Only for want of memory may an operation fail that works otherwise.
static bool done(unsigned int what, long result, long enough)
{
    if (result >= enough)
        return true;
    if (result < 0 && result != -XEN_ENOMEM)
        test_failure("%s: expected no memory, got %ld", names[what], result);
    failed[what]++;
    return false;
}

static void events_round(void)
{
    unsigned int got = 0;

    while (got < PORTS) {
        int port = event_alloc_unbound(DOMID_SELF);

        if (!done(EVENTS, port, 0))
            break;
        ports[got++] = (evtchn_port_t)port;
    }
    while (got)
        CHECK_EQUAL(event_close(ports[--got]), 0);
}

static void fifo_round(void)
{
    struct evtchn_init_control init = { .control_gfn = machine_of(control), .vcpu = 0 };
    struct evtchn_expand_array expand = { .array_gfn = machine_of(array) };
    struct evtchn_reset reset = { .dom = DOMID_SELF };

    if (!done(FIFO, event_op(EVTCHNOP_init_control, &init), 0)) {
        CHECK(event_op(EVTCHNOP_expand_array, &expand) < 0);
        return;
    }
    done(FIFO, event_op(EVTCHNOP_expand_array, &expand), 0);
    events_round();
    CHECK_EQUAL(event_op(EVTCHNOP_reset, &reset), 0);
    CHECK_EQUAL(page_protect(control, false), 0);           /* nobody holds it any more */
    CHECK_EQUAL(page_protect(control, true), 0);
}

static void version_round(void)
{
    struct gnttab_set_version set = { .version = 2 };

    done(VERSION, grant_op(GNTTABOP_set_version, &set, 1), 0);
    set.version = 1;
    CHECK_EQUAL(grant_op(GNTTABOP_set_version, &set, 1), 0);
}

static void setup_round(void)
{
    static xen_pfn_t frames[32];
    struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 32 };
    long result;

    set_xen_guest_handle(setup.frame_list, frames);
    result = grant_op(GNTTABOP_setup_table, &setup, 1);
    if (result || setup.status != GNTST_okay)
        failed[SETUP]++;
}

static char *given;
static unsigned long maps;

static uint64_t place_of(unsigned int index)
{
    return entry_machine(&tables[index / ENTRIES][index % ENTRIES]);
}

static void maps_round(void)
{
    static grant_handle_t handles[MAPS];
    unsigned int mapped = 0;

    grant_give(REFERENCE, domain_self(), given, false);     /* a change of the version takes grants back */
    while (mapped < MAPS) {
        struct gnttab_map_grant_ref map = {
            .host_addr = place_of(mapped), .flags = GNTMAP_host_map | GNTMAP_contains_pte, .ref = REFERENCE,
            .dom = domain_self(),
        };

        NEED(grant_op(GNTTABOP_map_grant_ref, &map, 1));
        if (map.status != GNTST_okay) {
            failed[MAPPING]++;
            break;
        }
        handles[mapped++] = map.handle;
    }
    maps += mapped;
    while (mapped--) {
        struct gnttab_unmap_grant_ref unmap = { .host_addr = place_of(mapped), .handle = handles[mapped] };

        NEED(grant_op(GNTTABOP_unmap_grant_ref, &unmap, 1));
        CHECK_EQUAL(unmap.status, GNTST_okay);
    }
    CHECK_EQUAL(grant_entry(REFERENCE)->flags & (GTF_reading | GTF_writing), 0);
}

static long reservation(unsigned int command, xen_pfn_t *frame)
{
    struct xen_memory_reservation request = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(request.extent_start, frame);
    return memory_op(command, &request);
}

static char *moving;
static xen_pfn_t moving_machine;

static void memory_round(void)
{
    unsigned long number = (unsigned long)moving >> PAGE_SHIFT;
    struct xen_memory_exchange trade = {
        .in = { .nr_extents = 1, .domid = DOMID_SELF }, .out = { .nr_extents = 1, .domid = DOMID_SELF },
    };
    xen_pfn_t frame = number, out = number;
    domid_t self = DOMID_SELF;
    long before = memory_op(XENMEM_current_reservation, &self);

    set_xen_guest_handle(trade.in.extent_start, &moving_machine);
    set_xen_guest_handle(trade.out.extent_start, &out);
    if (done(EXCHANGE, memory_op(XENMEM_exchange, &trade), 0))
        moving_machine = out;
    CHECK_EQUAL(memory_op(XENMEM_current_reservation, &self), before);
    CHECK_EQUAL(frame_of_machine(moving_machine), number);
    CHECK_EQUAL(reservation(XENMEM_decrease_reservation, &moving_machine), 1);
    for (unsigned int tries = 0; !done(MEMORY, reservation(XENMEM_populate_physmap, &frame), 1); tries++) {
        frame = number;
        if (tries > 10000)
            test_error("no memory for a single page any more");
        time_pass(1000000);                                 /* while every one fails */
    }
    moving_machine = frame;
    CHECK_EQUAL(memory_op(XENMEM_current_reservation, &self), before);
}

void test_main(void)
{
    uint64_t end = time_now() + DURATION;
    unsigned long rounds = 0;

    NEED(grant_init());
    console_port_save();
    control = page_alloc();
    array = page_alloc();
    moving = page_alloc();
    moving_machine = machine_of(moving);
    NEED(update_va_mapping(moving, 0, UVMF_INVLPG));
    for (unsigned int i = 0; i < TABLES; i++) {
        tables[i] = page_alloc();
        NEED(page_protect(tables[i], false));
        NEED(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(tables[i])));
    }
    given = page_alloc();
    do {
        events_round();
        version_round();
        setup_round();
        maps_round();
        fifo_round();
        memory_round();
        rounds++;
    } while (time_now() < end);
    console_port_restore();
    print("%lu rounds, %lu maps; failed:", rounds, maps);
    for (unsigned int i = 0; i < COUNT; i++)
        print(" %s %lu", names[i], failed[i]);
    print("\n");
    CHECK(maps > 0);
}
