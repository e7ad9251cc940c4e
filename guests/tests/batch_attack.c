// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: the largest batch of every operation that takes one gives way to other work all along, and comes to its end
// under a storm of interrupts; a batch of calls inside a call is refused; forged continuations are batches like others;
// text without end is dropped and counted. It matters because a CPU that a guest keeps to itself is kept from domain 0.
//
// A debug build prints the longest waits after the run: that is what this guest is for.
//
// config: memory = 96

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>
#include <xen/memory.h>
#include <xen/sched.h>

#include "event.h"
#include "grant.h"
#include "hypercall.h"
#include "memory.h"
#include "preempt.h"
#include "result.h"
#include "start.h"
#include "string.h"
#include "timer.h"
#include "vcpu.h"

const char test_title[] = "the largest batches under a storm, nested calls, forged continuations, log flood";

#define REQUESTS 8192u
#define EXTENTS 2048u
#define BIG_ORDER 9u
#define BIG_COUNT 4u

static void *batch;                 /* room for REQUESTS of anything up to 64 bytes */
static uint64_t *table;
static char *data, *descriptors;

static void tick(evtchn_port_t port)
{
    (void)port;
    timer_set(time_now() + 20000);
}

static long call_mmu_update(void *unused)
{
    struct mmu_update *requests = batch;

    (void)unused;
    for (unsigned int i = 0; i < REQUESTS; i++)
        requests[i] = (struct mmu_update) {
            .ptr = entry_machine(&table[i % ENTRIES]),
            .val = i & 1 ? 0 : machine_of(data) << PAGE_SHIFT | ENTRY_READ_WRITE,
        };
    return mmu_update(requests, REQUESTS, 0, DOMID_SELF);
}

static long call_mmuext(void *unused)
{
    struct mmuext_op *requests = batch;

    (void)unused;
    for (unsigned int i = 0; i < REQUESTS / 8; i++)
        requests[i] = (struct mmuext_op) {
            .cmd = i % 3 == 0 ? MMUEXT_TLB_FLUSH_ALL : MMUEXT_CLEAR_PAGE, .arg1.mfn = machine_of(data),
        };
    return mmuext_op(requests, REQUESTS / 8, 0, DOMID_SELF);
}

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
            .host_addr = entry_machine(&table[i]), .flags = GNTMAP_host_map | GNTMAP_contains_pte,
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
        unmaps[i] = (struct gnttab_unmap_grant_ref) { .host_addr = entry_machine(&table[i]), .handle = handles[i] };
    return grant_op(GNTTABOP_unmap_grant_ref, unmaps, ENTRIES);
}

static xen_pfn_t *frames;
static char *leaving;

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
        frames[i] = machine_of(leaving + i * PAGE_SIZE);
    return reservation(XENMEM_decrease_reservation, EXTENTS, 0) == EXTENTS ? 0 : -1;
}

static long call_populate(void *unused)
{
    (void)unused;
    for (unsigned int i = 0; i < BIG_COUNT; i++)
        frames[i] = ((unsigned long)leaving >> PAGE_SHIFT) + i * ENTRIES;
    return reservation(XENMEM_populate_physmap, BIG_COUNT, BIG_ORDER) == BIG_COUNT ? 0 : -1;
}

// The four large extents, traded for single frames and those for large ones again.
static long exchange(unsigned int in_order, unsigned int out_order)
{
    static xen_pfn_t in[EXTENTS], out[EXTENTS];
    struct xen_memory_exchange request = {
        .in = { .nr_extents = EXTENTS >> in_order, .extent_order = in_order, .domid = DOMID_SELF },
        .out = { .nr_extents = EXTENTS >> out_order, .extent_order = out_order, .domid = DOMID_SELF },
    };
    long result;

    for (unsigned int i = 0; i < EXTENTS >> in_order; i++)
        in[i] = frames[i];
    for (unsigned int i = 0; i < EXTENTS >> out_order; i++)
        out[i] = ((unsigned long)leaving >> PAGE_SHIFT) + (i << out_order);
    set_xen_guest_handle(request.in.extent_start, in);
    set_xen_guest_handle(request.out.extent_start, out);
    result = memory_op(XENMEM_exchange, &request);
    for (unsigned int i = 0; i < EXTENTS >> out_order; i++)
        frames[i] = out[i];
    return result;
}

static long call_exchange_small(void *unused)
{
    (void)unused;
    return exchange(BIG_ORDER, 0);
}

static long call_exchange_big(void *unused)
{
    (void)unused;
    return exchange(0, BIG_ORDER);
}

static long call_traps(void *unused)
{
    struct trap_info *traps = batch;

    (void)unused;
    memset(traps, 0, sizeof(*traps) * (REQUESTS + 1));
    for (unsigned int i = 0; i < REQUESTS; i++)
        traps[i] = (struct trap_info) { .vector = (uint8_t)(i | 0x80), .cs = FLAT_KERNEL_CS, .address = 0x1000 };
    return hypercall1(__HYPERVISOR_set_trap_table, traps);
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

static long call_gdt(void *unused)
{
    unsigned long gdt[14];

    (void)unused;
    for (unsigned int i = 0; i < 14; i++)
        gdt[i] = machine_of(descriptors);
    return hypercall2(__HYPERVISOR_set_gdt, gdt, 14 * 512) || hypercall2(__HYPERVISOR_set_gdt, gdt, 0);
}

static const struct {
    const char *name;
    long (*call)(void *unused);
    bool stops;
} calls[] = {
    { "mmu_update", call_mmu_update, true }, { "mmuext_op", call_mmuext, true },
    { "multicall", call_multicall, true }, { "grant copy", call_copy, true }, { "grant map", call_map, true },
    { "grant unmap", call_unmap, true }, { "decrease_reservation", call_decrease, true },
    { "populate_physmap of 2 MiB", call_populate, true }, { "exchange of 2 MiB for frames", call_exchange_small, true },
    { "exchange of frames for 2 MiB", call_exchange_big, true }, { "set_trap_table", call_traps, true },
    { "console text", call_text, false }, { "set_gdt", call_gdt, false },
};

static void storm_run(bool every_point)
{
    for (unsigned int i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        unsigned long stops = 0;
        long result = every_point ? preempt_all(calls[i].call, NULL, NULL, &stops) : calls[i].call(NULL);

        print("%s: %ld, %lu stops\n", calls[i].name, result, stops);
        if (result)
            test_failure("%s: %ld", calls[i].name, result);
        if (every_point && calls[i].stops && (!stops || stops >= PREEMPT_MOST))
            test_failure("%s: stopped %lu times", calls[i].name, stops);
    }
    CHECK_EQUAL(reservation(XENMEM_decrease_reservation, BIG_COUNT, BIG_ORDER), BIG_COUNT);
    for (unsigned int i = 0; i < EXTENTS; i++)
        frames[i] = ((unsigned long)leaving >> PAGE_SHIFT) + i;
    CHECK_EQUAL(reservation(XENMEM_populate_physmap, EXTENTS, 0), EXTENTS);
    for (unsigned int i = 0; i < EXTENTS; i++)
        ((unsigned long *)start_page()->mfn_list)[((unsigned long)leaving >> PAGE_SHIFT) + i] = frames[i];
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
    struct mmu_update update = { .ptr = ~7ul };
    struct xen_memory_reservation request = { .nr_extents = 4, .domid = DOMID_SELF };
    uint32_t done = 0xffffffff;

    CHECK(mmu_update(&update, 1u | 1u << 31, 0, DOMID_SELF) < 0);
    CHECK(mmu_update(&update, 1u | 1u << 31, &done, DOMID_SELF) < 0);
    mmuext_op(&update, 0u | 1u << 31, &done, DOMID_SELF);
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
    int timer = event_bind_virq(VIRQ_TIMER, 0);
    domid_t self = DOMID_SELF;
    long before = memory_op(XENMEM_current_reservation, &self);

    NEED(timer);
    NEED(grant_init());
    batch = pages_alloc((REQUESTS + 1) * 64 / PAGE_SIZE + 1);
    data = page_alloc();
    table = page_alloc();
    descriptors = page_alloc();
    NEED(page_protect(descriptors, false));
    frames = pages_alloc(EXTENTS * sizeof(*frames) / PAGE_SIZE);
    leaving = pages_alloc(EXTENTS);
    for (unsigned int i = 0; i < EXTENTS; i++)
        NEED(update_va_mapping(leaving + i * PAGE_SIZE, 0, i == EXTENTS - 1 ? UVMF_TLB_FLUSH | UVMF_ALL : 0));
    grant_give(GRANT_FIRST, domain_self(), page_alloc(), false);
    NEED(page_protect(table, false));
    NEED(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(table)));
    storm_run(true);
    event_handle((evtchn_port_t)timer, tick);
    event_port_unmask((evtchn_port_t)timer);
    event_mask_restore(false);
    timer_set(time_now() + 20000);
    storm_run(false);
    event_mask_all();
    event_port_mask((evtchn_port_t)timer);
    print("%u interrupts\n", event_count((evtchn_port_t)timer));
    nested_check();
    forged_check();
    CHECK_EQUAL(memory_op(XENMEM_current_reservation, &self), before);
}
