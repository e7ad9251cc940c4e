// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: what another domain has in its registers and memory is seen nowhere: not in vector, FPU, debug or segment
// registers after a switch, not in state that is turned on later, not in what hypercalls write (padding and unused ends
// of buffers too), not in memory that was another's. It matters because that is where keys are.
//
// kinds: pv pvh
// peer: canary

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#include "canary.h"
#include "event.h"
#include "grant.h"
#include "hypercall.h"
#include "memory.h"
#include "peer.h"
#include "result.h"
#include "start.h"
#include "string.h"
#include "timer.h"
#include "trap.h"

const char test_title[] = "registers, outputs and new memory scanned for another domain's canary";

#define TURNS 300u
#define PATTERN 0x5a
#define CR0_TS 8ul

static uint8_t state[4096] __attribute__((aligned(64)));
static struct peer_page *peer;

// The other runs in between: its counter says so.
static void others_run(void)
{
    uint64_t before = peer->progress, end = time_now() + 2000000000ul;

    while (peer->progress < before + 2 && time_now() < end)
        sched_op(SCHEDOP_yield, 0);
}

static void state_check(const char *when)
{
    unsigned int found = canary_find(state, sizeof(state));

    if (found)
        test_failure("%s: %u halves of the canary", when, found);
}

static void vectors_check(void)
{
    for (unsigned int turn = 0; turn < TURNS; turn++) {
        uint64_t bases[4];

        others_run();
        memset(state, 0, sizeof(state));
        __asm__ volatile("fxsave64 %0" : "=m"(*(char (*)[512])state));
        __asm__ volatile("mov %%db0, %0; mov %%db1, %1; mov %%db2, %2; mov %%db3, %3"
                         : "=r"(bases[0]), "=r"(bases[1]), "=r"(bases[2]), "=r"(bases[3]));
        memcpy(state + 512, bases, sizeof(bases));
        state_check("vector state");
    }
}

static void wide_read(void *unused)
{
    (void)unused;
    __asm__ volatile("vmovupd %%ymm0, 0(%0); vmovupd %%ymm1, 32(%0); vmovupd %%ymm7, 64(%0); vmovupd %%ymm15, 96(%0)"
                     : : "r"(state) : "memory");
}

static void narrow_read(void *unused)
{
    (void)unused;
    __asm__ volatile("fxsave64 %0" : "=m"(*(char (*)[512])state));
}

// AVX is turned on only now: its registers were the other's the last time anybody used them.
static void wide_check(void)
{
    struct trap_seen seen;

    others_run();
    if (!canary_wide_enable()) {
        print("no AVX\n");
        return;
    }
    for (unsigned int turn = 0; turn < TURNS; turn++) {
        memset(state, 0, sizeof(state));
        trap_catch(wide_read, NULL, &seen);
        state_check("wide vector state");
        others_run();
    }
}

static void ts_set(void)
{
    uint64_t cr0;

    __asm__ volatile("mov %%cr0, %0; or %1, %0; mov %0, %%cr0" : "=&r"(cr0) : "r"(CR0_TS));
}

static void ts_clear(void)
{
    __asm__ volatile("clts");
}

// TS: the first use after it traps, and what is found then is ours.
static void lazy_check(void)
{
    struct trap_seen seen;

    for (unsigned int turn = 0; turn < 50; turn++) {
        ts_set();
        others_run();
        memset(state, 0, sizeof(state));
        CHECK(trap_catch(narrow_read, NULL, &seen) && seen.vector == TRAP_NO_DEVICE);
        ts_clear();
        CHECK(!trap_catch(narrow_read, NULL, &seen));
        state_check("after a trap of TS");
    }
}

static void output_check(const char *name, unsigned int number, uint64_t a, uint64_t b, uint64_t c, size_t size)
{
    long result = hypercall(number, a, b, c, 0, 0);
    unsigned int found = canary_find(state, sizeof(state));

    if (found)
        test_failure("%s (%ld): %u halves of the canary", name, result, found);
    for (size_t i = size; i < sizeof(state); i++) {
        if (state[i] != PATTERN) {
            test_failure("%s (%ld): wrote at %lu, behind its %lu bytes", name, result, i, size);
            break;
        }
    }
}

static void outputs_check(void)
{
    uint64_t out = (uint64_t)state;

#define OUTPUT(name, number, a, b, c, size)                                                                        \
    (memset(state, PATTERN, sizeof(state)), output_check(name, number, a, b, c, size))
    OUTPUT("extraversion", __HYPERVISOR_xen_version, XENVER_extraversion, out, 0, sizeof(xen_extraversion_t));
    OUTPUT("compile_info", __HYPERVISOR_xen_version, XENVER_compile_info, out, 0, sizeof(struct xen_compile_info));
    OUTPUT("capabilities", __HYPERVISOR_xen_version, XENVER_capabilities, out, 0, sizeof(xen_capabilities_info_t));
    OUTPUT("changeset", __HYPERVISOR_xen_version, XENVER_changeset, out, 0, sizeof(xen_changeset_info_t));
    OUTPUT("commandline", __HYPERVISOR_xen_version, XENVER_commandline, out, 0, sizeof(xen_commandline_t));
    OUTPUT("platform", __HYPERVISOR_xen_version, XENVER_platform_parameters, out, 0,
           sizeof(struct xen_platform_parameters));
    OUTPUT("guest handle", __HYPERVISOR_xen_version, XENVER_guest_handle, out, 0, sizeof(xen_domain_handle_t));
    OUTPUT("runstate", __HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, out, sizeof(struct vcpu_runstate_info));
    memset(state, PATTERN, sizeof(state));
    ((struct evtchn_status *)state)->dom = DOMID_SELF;
    ((struct evtchn_status *)state)->port = 1;
    output_check("status", __HYPERVISOR_event_channel_op, EVTCHNOP_status, out, 0, sizeof(struct evtchn_status));
    memset(state, PATTERN, sizeof(state));
    ((struct gnttab_query_size *)state)->dom = DOMID_SELF;
    output_check("query_size", __HYPERVISOR_grant_table_op, GNTTABOP_query_size, out, 1,
                 sizeof(struct gnttab_query_size));
    memset(state, PATTERN, sizeof(state));
    ((struct gnttab_map_grant_ref *)state)->dom = peer_of_test();
    output_check("map", __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, out, 1,
                 sizeof(struct gnttab_map_grant_ref));
    OUTPUT("m2p mapping", __HYPERVISOR_memory_op, XENMEM_machphys_mapping, out, 0, sizeof(struct xen_machphys_mapping));
    OUTPUT("domctl", __HYPERVISOR_domctl, out, 0, 0, 1024);
    OUTPUT("sysctl", __HYPERVISOR_sysctl, out, 0, 0, 1024);
    OUTPUT("irq status", __HYPERVISOR_physdev_op, PHYSDEVOP_irq_status_query, out, 0,
           sizeof(struct physdev_irq_status_query));
}

static long reservation(unsigned int command, xen_pfn_t *frame)
{
    struct xen_memory_reservation request = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(request.extent_start, frame);
    return memory_op(command, &request);
}

// The other is destroyed: the frames it had come to us, one after the other.
static void memory_check(void)
{
    char *page = page_alloc(), *window = range_alloc(1), *own = page_alloc();
    unsigned int full = 0, after = 0;
    xen_pfn_t old = machine_of(page);
    uint64_t end = time_now() + 80000000000ul;

    page_map(page, 0, 0);
    print(PEER_DESTROY);
    while (after < 400 && !full) {
        xen_pfn_t frame = (unsigned long)page >> PAGE_SHIFT;

        if (time_now() > end)
            test_error("the peer was not destroyed");
        CHECK_EQUAL(reservation(XENMEM_decrease_reservation, &old), 1);
        NEED(reservation(XENMEM_populate_physmap, &frame) - 1);
        page_map(window, frame, ENTRY_READ_WRITE);
        full += canary_find(window, PAGE_SIZE);
        memset(window, 0x11, PAGE_SIZE);
        page_map(window, 0, 0);
        old = frame;
        if (peer_copy(PEER_REFERENCE, own) == GNTST_okay)
            time_sleep(2000000);
        else
            after++;
    }
    CHECK_EQUAL(full, 0);
}

void test_main(void)
{
    peer = peer_find();
    vectors_check();
    lazy_check();
    wide_check();
    outputs_check();
    memory_check();
}
