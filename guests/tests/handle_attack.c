// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a pointer inside of what a hypercall's pointer names is checked like the first, each element of its array is,
// and an object half of which lies in a page that is absent is read or written up to there at most. It matters because
// the second pointer, the element after the first and the address that is used later are what checks forget.
//
// kinds: pv pvh

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#include "event.h"
#include "grant.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "start.h"
#include "string.h"
#include "timer.h"

const char test_title[] = "pointers inside of arguments, objects across the end of a page, addresses used later";

#define HANDLE(field, value) (*(uint64_t *)&(field) = (value))

static uint64_t read_only;          /* a page of ours we may only read */
static char *edge;                  /* the end of a mapped page, behind which nothing is */

// Each asks for something through an inner pointer; how many objects of it the hypervisor could read or write there.
static long reservation_inner(unsigned int command, uint64_t inner)
{
    struct xen_memory_reservation request = { .nr_extents = 2, .domid = DOMID_SELF };

    HANDLE(request.extent_start, inner);
    return memory_op(command, &request);
}

static long decrease_inner(uint64_t inner)
{
    return reservation_inner(XENMEM_decrease_reservation, inner);
}

static long populate_inner(uint64_t inner)
{
    return reservation_inner(XENMEM_populate_physmap, inner);
}

static long exchange_inner(uint64_t inner)
{
    struct xen_memory_exchange request = {
        .in = { .nr_extents = 1, .domid = DOMID_SELF }, .out = { .nr_extents = 1, .domid = DOMID_SELF },
    };
    long result;

    HANDLE(request.in.extent_start, inner);
    HANDLE(request.out.extent_start, inner);
    result = memory_op(XENMEM_exchange, &request);
    return request.nr_exchanged ? 1 : result;
}

static long list_inner(uint64_t inner)
{
    struct xen_machphys_mfn_list request = { .max_extents = 4 };

    HANDLE(request.extent_start, inner);
    return memory_op(XENMEM_machphys_mfn_list, &request);
}

static long map_inner(uint64_t inner)
{
    struct xen_memory_map request = { .nr_entries = 32 };

    HANDLE(request.buffer, inner);
    return memory_op(XENMEM_memory_map, &request);
}

static long setup_inner(uint64_t inner)
{
    struct gnttab_setup_table request = { .dom = DOMID_SELF, .nr_frames = 1 };
    long result;

    HANDLE(request.frame_list, inner);
    result = grant_op(GNTTABOP_setup_table, &request, 1);
    return result ? result : request.status;
}

static long poll_inner(uint64_t inner)
{
    struct sched_poll request = { .nr_ports = 8, .timeout = time_now() + 1000000 };

    HANDLE(request.ports, inner);
    return sched_op(SCHEDOP_poll, &request);
}

static long mask_inner(uint64_t inner)
{
    struct mmuext_op request = { .cmd = MMUEXT_TLB_FLUSH_MULTI };

    HANDLE(request.arg2.vcpumask, inner);
    return mmuext_op(&request, 1, 0, DOMID_SELF);
}

static long flush_inner(uint64_t inner)
{
    return update_va_mapping(read_only, machine_of((void *)read_only) << PAGE_SHIFT | ENTRY_READ_ONLY,
                             inner | UVMF_TLB_FLUSH);
}

static long done_inner(uint64_t inner)
{
    struct mmu_update none = { .ptr = ~7ul };

    return mmu_update(&none, 1, inner, DOMID_SELF);
}

static long done_ext_inner(uint64_t inner)
{
    struct mmuext_op request = { .cmd = MMUEXT_TLB_FLUSH_LOCAL };

    return mmuext_op(&request, 1, inner, DOMID_SELF);
}

static long text_inner(uint64_t inner)
{
    return hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, 64, inner);
}

static long call_inner(uint64_t inner)
{
    multicall_entry_t call = { .op = __HYPERVISOR_xen_version, .args = { XENVER_extraversion, inner } };

    return multicall(&call, 1) < 0 ? -1 : (long)call.result;
}

static long gdt_inner(uint64_t inner)
{
    return hypercall2(__HYPERVISOR_set_gdt, inner, 513);    /* two frames: the second lies behind the first */
}

struct inner {
    const char *name;
    long (*call)(uint64_t inner);
    bool writes;                /* the hypervisor would write there */
    bool counts;                /* the answer is how much was done, 0 for nothing */
};

static const struct inner inners[] = {
    { "decrease", decrease_inner, false, true },
    { "populate", populate_inner, true, true },
    { "exchange", exchange_inner, true, false },
    { "machphys_mfn_list", list_inner, true, false },
    { "memory_map", map_inner, true, false },
    { "setup_table", setup_inner, true, false },
    { "poll", poll_inner, false, false },
    { "vcpu mask", mask_inner, false, false },
    { "vcpu mask of update_va_mapping", flush_inner, false, false },
    { "count of mmu_update", done_inner, true, false },
    { "count of mmuext_op", done_ext_inner, true, false },
    { "console text", text_inner, false, false },
    { "pointer in a multicall", call_inner, true, false },
    { "set_gdt", gdt_inner, false, false },
};

struct place {
    const char *name;
    uint64_t address;
    bool readable;
};

static void place_check(const struct place *place)
{
    for (unsigned int i = 0; i < sizeof(inners) / sizeof(inners[0]); i++) {
        long result;

        if (place->readable && !inners[i].writes)
            continue;
        result = inners[i].call(place->address);
        if (result > 0 || (result == 0 && !inners[i].counts) || result < -4096)
            test_failure("%s with a pointer to %s (%lx): expected an error, got %ld", inners[i].name, place->name,
                         place->address, result);
    }
}

static void places_check(void)
{
    const uint64_t first_name = frame_of_machine(machine_of((void *)read_only));
    const struct place places[] = {
        { "the hypervisor's data", 0xffff82d040200000ul, false },
        { "its map of all memory", 0xffff830000100000ul, false },
        { "its writable machine-to-physical table", 0xffff82c000000000ul, false },
        { "the frame table", 0xffff82e000000000ul, false },
        { "the machine-to-physical table", (uint64_t)&machine_to_phys_mapping[machine_of((void *)read_only)], true },
        { "the canonical hole", 0x0000800000000000ul, false },
        { "the last bytes before the hole", 0x00007ffffffffffcul, false },
        { "the last bytes before the hypervisor", 0xffff7ffffffffffcul, false },
        { "the end of the address space", ~3ul, false },
        { "page 0", 8, false },
        { "an absent page", 0x700000000000ul, false },
        { "a read-only page", read_only, true },
    };

    for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        place_check(&places[i]);
    CHECK_EQUAL(frame_of_machine(machine_of((void *)read_only)), first_name);
    for (unsigned int i = 0; i < PAGE_SIZE; i++) {
        if (((volatile uint8_t *)read_only)[i] != 0) {
            test_failure("a read-only page changed at %u", i);
            break;
        }
    }
}

// An object at every distance from the end of the page: refused unless whole, and not read beyond.
static void edge_check(void)
{
    for (unsigned int bytes = 1; bytes < 16; bytes++) {
        uint64_t place = (uint64_t)edge - bytes;

        CHECK(memory_op(XENMEM_exchange, place) < 0);
        CHECK(grant_op(GNTTABOP_map_grant_ref, place, 1) < 0);
        CHECK(version_op(XENVER_capabilities, place) < 0);
        CHECK(multicall(place, 1) < 0);
        CHECK(mmu_update(place, 1, 0, DOMID_SELF) < 0);
        CHECK(mmuext_op(place, 1, 0, DOMID_SELF) < 0);
        CHECK(vcpu_op(VCPUOP_get_runstate_info, 0, place) < 0);
        CHECK(vcpu_op(VCPUOP_initialise, 1, place) < 0);
        CHECK(done_ext_inner(bytes < 4 ? place : (uint64_t)edge) < 0);
    }
    /* the first element is there, the second is not: the first may have been done, no more */
    memset(edge - 16, 0, 16);
    ((struct mmu_update *)(edge - 16))->ptr = ~7ul;
    CHECK(mmu_update(edge - 16, 2, 0, DOMID_SELF) < 0);
    CHECK(mmu_update(edge - 16, 0x7fffffff, 0, DOMID_SELF) < 0);
    CHECK(mmuext_op(edge - 16, 0x7fffffff, 0, DOMID_SELF) < 0);
    CHECK(multicall(edge - 16, 0x10000000) < 0);
}

// Addresses the hypervisor keeps and writes to later: nothing may appear in the M2P or in a read-only page.
static void later_check(void)
{
    static const uint64_t places[] = {
        0xffff82d040200000ul, 0xffff830000100000ul, 0x800000000000ul, ~0ul - 7, 0x700000000000ul,
    };
    struct vcpu_register_runstate_memory_area area = { 0 };
    struct vcpu_register_time_memory_area time_area = { 0 };
    struct vcpu_register_vcpu_info info = { .mfn = frame_absent() };
    long result;

    for (unsigned int i = 0; i < 7; i++) {
        uint64_t place = i < 5 ? places[i] : i == 5 ? read_only : (uint64_t)&machine_to_phys_mapping[0];

        area.addr.p = place;
        vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area);
        time_area.addr.p = place;
        vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &time_area);
        for (unsigned int turn = 0; turn < 20; turn++)
            sched_op(SCHEDOP_yield, 0);
        time_pass(2000000);
    }
    area.addr.p = 0;
    vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area);
    time_area.addr.p = 0;
    vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &time_area);
    CHECK(vcpu_op(VCPUOP_register_vcpu_info, 0, &info) < 0);
    info.mfn = frame_untouchable();
    CHECK(vcpu_op(VCPUOP_register_vcpu_info, 0, &info) < 0);
    info.mfn = machine_of((void *)read_only);
    info.offset = PAGE_SIZE - 8;
    CHECK(vcpu_op(VCPUOP_register_vcpu_info, 0, &info) < 0);
    info.offset = 1;
    result = vcpu_op(VCPUOP_register_vcpu_info, 0, &info);
    CHECK(result < 0);
    for (unsigned int i = 0; i < PAGE_SIZE; i++) {
        if (((volatile uint8_t *)read_only)[i] != 0) {
            test_failure("a read-only page was written to later, at %u", i);
            break;
        }
    }
}

void test_main(void)
{
    char *pages = range_alloc(1);                           /* a hole follows */

    read_only = (uint64_t)page_alloc();
    NEED(page_protect((void *)read_only, false));
    page_map(pages, machine_of(page_alloc()), ENTRY_READ_WRITE);
    edge = pages + PAGE_SIZE;
    places_check();
    edge_check();
    later_check();
}
