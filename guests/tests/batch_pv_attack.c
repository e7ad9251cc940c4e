// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: the largest batch of every operation that only PV guests have gives way to other work all along, and comes to its
// end under a storm of interrupts; forged continuations are batches like others. It matters because a CPU that a guest
// keeps to itself is kept from domain 0.
//
// config: memory = 96

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>
#include <xen/memory.h>

#include "batch.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "string.h"

const char test_title[] = "the largest batches of PV operations under a storm, forged continuations";

#define EXTENTS 2048u
#define BIG_ORDER 9u
#define BIG_COUNT 4u

static uint64_t *table;
static char *data, *descriptors, *traded;
static xen_pfn_t *frames;

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

// Single frames traded for large extents, and those for single frames again.
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
        out[i] = ((unsigned long)traded >> PAGE_SHIFT) + (i << out_order);
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

static long call_gdt(void *unused)
{
    unsigned long gdt[14];

    (void)unused;
    for (unsigned int i = 0; i < 14; i++)
        gdt[i] = machine_of(descriptors);
    return hypercall2(__HYPERVISOR_set_gdt, gdt, 14 * 512) || hypercall2(__HYPERVISOR_set_gdt, gdt, 0);
}

static const struct batch_call calls[] = {
    { "mmu_update", call_mmu_update, true }, { "mmuext_op", call_mmuext, true },
    { "exchange of frames for 2 MiB", call_exchange_big, true },
    { "exchange of 2 MiB for frames", call_exchange_small, true }, { "set_trap_table", call_traps, true },
    { "set_gdt", call_gdt, false },
};

// What is traded is single frames again by then.
static void nothing_restore(void)
{
}

// What only the hypervisor would ask itself: the bits that say "goes on".
static void forged_check(void)
{
    struct mmu_update update = { .ptr = ~7ul };
    uint32_t done = 0xffffffff;

    CHECK(mmu_update(&update, 1u | 1u << 31, 0, DOMID_SELF) < 0);
    CHECK(mmu_update(&update, 1u | 1u << 31, &done, DOMID_SELF) < 0);
    mmuext_op(&update, 0u | 1u << 31, &done, DOMID_SELF);
}

void test_main(void)
{
    domid_t self = DOMID_SELF;
    long before = memory_op(XENMEM_current_reservation, &self);

    batch_make();
    data = page_alloc();
    table = page_alloc();
    descriptors = page_alloc();
    NEED(page_protect(descriptors, false));
    frames = pages_alloc(EXTENTS * sizeof(*frames) / PAGE_SIZE);
    traded = pages_alloc(EXTENTS);
    for (unsigned int i = 0; i < EXTENTS; i++) {
        frames[i] = machine_of(traded + i * PAGE_SIZE);
        NEED(update_va_mapping(traded + i * PAGE_SIZE, 0, i == EXTENTS - 1 ? UVMF_TLB_FLUSH | UVMF_ALL : 0));
    }
    NEED(page_protect(table, false));
    NEED(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(table)));
    batch_storm(calls, sizeof(calls) / sizeof(calls[0]), nothing_restore);
    forged_check();
    CHECK_EQUAL(memory_op(XENMEM_current_reservation, &self), before);
}
