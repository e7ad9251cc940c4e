// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: the largest batch of every operation that takes one gives way to other work all along, and comes to its end
// under a storm of interrupts; a batch of calls inside a call is refused; forged continuations are batches like others;
// text without end is dropped and counted. It matters because a CPU that a guest keeps to itself is kept from domain 0.
//
// A debug build prints the longest waits after the run: that is what this guest is for.
//
// kinds: pv pvh
// config: memory = 96

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>
#include <xen/memory.h>

#include "batch.h"
#include "grant.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "start.h"
#include "string.h"

const char test_title[] = "the largest batches under a storm, nested calls, forged continuations, log flood";

#define EXTENTS 2048u
#define BIG_ORDER 9u
#define BIG_COUNT 4u

static char *data, *places, *leaving;
static xen_pfn_t *frames, *machines;

static long call_multicall(void *unused)
{
    multicall_entry_t *calls = batch;

    (void)unused;
    for (unsigned int i = 0; i < REQUESTS; i++)
        calls[i] = (multicall_entry_t) { .op = __HYPERVISOR_xen_version };
    return multicall(calls, REQUESTS);
}

static long call_copy(void *unused)
{
    struct gnttab_copy *copies = batch;

    (void)unused;
    for (unsigned int i = 0; i < REQUESTS / 8; i++)
        copies[i] = (struct gnttab_copy) {
            .source = { .u.ref = GRANT_FIRST, .domid = domain_self() },
            .dest = { .u.gmfn = machine_of(data), .domid = DOMID_SELF }, .len = PAGE_SIZE, .flags = GNTCOPY_source_gref,
        };
    return grant_op(GNTTABOP_copy, copies, REQUESTS / 8);
}

static long call_map(void *unused)
{
    struct gnttab_map_grant_ref *maps = batch;

    (void)unused;
    for (unsigned int i = 0; i < ENTRIES; i++)
        maps[i] = (struct gnttab_map_grant_ref) {
            .host_addr = (uint64_t)places + i * PAGE_SIZE, .flags = GNTMAP_host_map,
            .ref = GRANT_FIRST, .dom = domain_self(),
        };
    return grant_op(GNTTABOP_map_grant_ref, maps, ENTRIES);
}

static long call_unmap(void *unused)
{
    struct gnttab_unmap_grant_ref *unmaps = batch;
    static uint32_t handles[ENTRIES];

    (void)unused;
    for (unsigned int i = 0; i < ENTRIES; i++)
        handles[i] = ((struct gnttab_map_grant_ref *)batch)[i].handle;
    for (unsigned int i = 0; i < ENTRIES; i++)
        unmaps[i] = (struct gnttab_unmap_grant_ref) { .host_addr = (uint64_t)places + i * PAGE_SIZE, .handle = handles[i] };
    return grant_op(GNTTABOP_unmap_grant_ref, unmaps, ENTRIES);
}

static long reservation(unsigned int command, unsigned long extents, unsigned int order)
{
    struct xen_memory_reservation request = { .nr_extents = extents, .extent_order = order, .domid = DOMID_SELF };

    set_xen_guest_handle(request.extent_start, frames);
    return memory_op(command, &request);
}

static long call_decrease(void *unused)
{
    (void)unused;
    for (unsigned int i = 0; i < EXTENTS; i++)
        frames[i] = machines[i];
    return reservation(XENMEM_decrease_reservation, EXTENTS, 0) == EXTENTS ? 0 : -1;
}

static long call_populate(void *unused)
{
    (void)unused;
    for (unsigned int i = 0; i < BIG_COUNT; i++)
        frames[i] = ((unsigned long)leaving >> PAGE_SHIFT) + i * ENTRIES;
    return reservation(XENMEM_populate_physmap, BIG_COUNT, BIG_ORDER) == BIG_COUNT ? 0 : -1;
}

static long call_text(void *unused)
{
    (void)unused;
    memset(batch, 'x', 65536);
    for (unsigned int i = 100; i < 65536; i += 100)
        ((char *)batch)[i] = '\n';
    hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, 65536, batch);
    return 0;
}

static const struct batch_call calls[] = {
    { "multicall", call_multicall, true }, { "grant copy", call_copy, true }, { "grant map", call_map, true },
    { "grant unmap", call_unmap, true }, { "decrease_reservation", call_decrease, true },
    { "populate_physmap of 2 MiB", call_populate, true }, { "console text", call_text, false },
};

// Memory whose pages nothing maps: it leaves, and comes back at the same numbers.
static void leaving_make(void)
{
    frames = pages_alloc(EXTENTS * sizeof(*frames) / PAGE_SIZE);
    machines = pages_alloc(EXTENTS * sizeof(*machines) / PAGE_SIZE);
    leaving = pages_alloc(EXTENTS + ENTRIES);
    leaving += -(uint64_t)leaving % (ENTRIES * PAGE_SIZE);
    for (unsigned int i = 0; i < EXTENTS; i++) {
        machines[i] = machine_of(leaving + i * PAGE_SIZE);
        page_map(leaving + i * PAGE_SIZE, 0, 0);
    }
}

// Single frames again in place of the large ones.
static void leaving_restore(void)
{
    CHECK_EQUAL(reservation(XENMEM_decrease_reservation, BIG_COUNT, BIG_ORDER), BIG_COUNT);
    for (unsigned int i = 0; i < EXTENTS; i++)
        frames[i] = ((unsigned long)leaving >> PAGE_SHIFT) + i;
    CHECK_EQUAL(reservation(XENMEM_populate_physmap, EXTENTS, 0), EXTENTS);
    for (unsigned int i = 0; i < EXTENTS; i++)
        machines[i] = frames[i];
}

static void nested_check(void)
{
    multicall_entry_t inner = { .op = __HYPERVISOR_xen_version };
    char *page = range_alloc(1);
    multicall_entry_t *edge = (multicall_entry_t *)(page + PAGE_SIZE) - 2;
    multicall_entry_t outer[4] = {
        { .op = __HYPERVISOR_multicall, .args = { (unsigned long)&inner, 1 } },
        { .op = __HYPERVISOR_iret },
        { .op = 0xffffffff },
        { .op = __HYPERVISOR_multicall, .args = { (unsigned long)outer, 4 } },
    };

    page_map(page, machine_of(page_alloc()), ENTRY_READ_WRITE);
    CHECK_EQUAL(multicall(outer, 4), 0);
    for (unsigned int i = 0; i < 4; i++)
        CHECK_EQUAL(outer[i].result, -XEN_ENOSYS);
    CHECK_EQUAL(multicall(outer, 0), 0);
    edge[0] = edge[1] = inner;                          /* and nothing is mapped behind these two */
    CHECK(multicall(edge, 0xffffffff) < 0);
}

// What only the hypervisor would ask itself: the bits that say "goes on".
static void forged_check(void)
{
    struct xen_memory_reservation request = { .nr_extents = 4, .domid = DOMID_SELF };

    set_xen_guest_handle(request.extent_start, frames);
    for (unsigned int command = 0; command < 8; command++) {
        for (uint64_t start = 5; start < 1ul << 57; start <<= 3) {
            if (command != XENMEM_exchange && command != XENMEM_maximum_ram_page)
                memory_op(command | start << 6, &request);
        }
    }
    for (uint64_t bits = 1; bits < 1ul << 40; bits <<= 1)
        grant_op(GNTTABOP_query_size | bits << 12, &request, 1);
}

void test_main(void)
{
    domid_t self = DOMID_SELF;
    long before = memory_op(XENMEM_current_reservation, &self);

    NEED(grant_init());
    batch_make();
    data = page_alloc();
    places = range_alloc(ENTRIES);
    leaving_make();
    grant_give(GRANT_FIRST, domain_self(), page_alloc(), false);
    batch_storm(calls, sizeof(calls) / sizeof(calls[0]), leaving_restore);
    nested_check();
    forged_check();
    CHECK_EQUAL(memory_op(XENMEM_current_reservation, &self), before);
}
