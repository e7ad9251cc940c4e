// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a hypercall's pointer is the guest's word, never the hypervisor's: aimed at the hypervisor, at the canonical
// hole, at the end of the address space, at nothing or at read-only memory, the call fails and nothing outside of the
// guest is read or written. It matters because one unchecked copy is the whole machine's memory.
//
// kinds: pv pvh

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/callback.h>
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
#include "string.h"

const char test_title[] = "pointers of every hypercall, aimed where they must not reach";

struct call {
    const char *name;
    unsigned int number, pointer;       /* which argument is the pointer */
    uint64_t a, b, c, d;
    bool none;                          /* 0 is an answer too: nothing of what was asked for was done */
};

#define P 0
static const struct call calls[] = {
    { "set_trap_table", __HYPERVISOR_set_trap_table, 0, P, 0, 0, 0, false },
    { "mmu_update", __HYPERVISOR_mmu_update, 0, P, 1, 0, DOMID_SELF, false },
    { "set_gdt", __HYPERVISOR_set_gdt, 0, P, 512, 0, 0, false },
    { "memory_op exchange", __HYPERVISOR_memory_op, 1, XENMEM_exchange, P, 0, 0, false },
    { "memory_op decrease", __HYPERVISOR_memory_op, 1, XENMEM_decrease_reservation, P, 0, 0, true },
    { "memory_op populate", __HYPERVISOR_memory_op, 1, XENMEM_populate_physmap, P, 0, 0, true },
    { "memory_op memory_map", __HYPERVISOR_memory_op, 1, XENMEM_memory_map, P, 0, 0, false },
    { "memory_op current", __HYPERVISOR_memory_op, 1, XENMEM_current_reservation, P, 0, 0, false },
    { "memory_op m2p list", __HYPERVISOR_memory_op, 1, XENMEM_machphys_mfn_list, P, 0, 0, false },
    { "memory_op m2p mapping", __HYPERVISOR_memory_op, 1, XENMEM_machphys_mapping, P, 0, 0, false },
    { "multicall", __HYPERVISOR_multicall, 0, P, 1, 0, 0, false },
    { "version extraversion", __HYPERVISOR_xen_version, 1, XENVER_extraversion, P, 0, 0, false },
    { "version compile_info", __HYPERVISOR_xen_version, 1, XENVER_compile_info, P, 0, 0, false },
    { "version capabilities", __HYPERVISOR_xen_version, 1, XENVER_capabilities, P, 0, 0, false },
    { "version changeset", __HYPERVISOR_xen_version, 1, XENVER_changeset, P, 0, 0, false },
    { "version parameters", __HYPERVISOR_xen_version, 1, XENVER_platform_parameters, P, 0, 0, false },
    { "version features", __HYPERVISOR_xen_version, 1, XENVER_get_features, P, 0, 0, false },
    { "version guest_handle", __HYPERVISOR_xen_version, 1, XENVER_guest_handle, P, 0, 0, false },
    { "grant map", __HYPERVISOR_grant_table_op, 1, GNTTABOP_map_grant_ref, P, 1, 0, false },
    { "grant unmap", __HYPERVISOR_grant_table_op, 1, GNTTABOP_unmap_grant_ref, P, 1, 0, false },
    { "grant setup", __HYPERVISOR_grant_table_op, 1, GNTTABOP_setup_table, P, 1, 0, false },
    { "grant copy", __HYPERVISOR_grant_table_op, 1, GNTTABOP_copy, P, 1, 0, false },
    { "grant query_size", __HYPERVISOR_grant_table_op, 1, GNTTABOP_query_size, P, 1, 0, false },
    { "vcpu runstate", __HYPERVISOR_vcpu_op, 2, VCPUOP_get_runstate_info, 0, P, 0, false },
    { "vcpu initialise", __HYPERVISOR_vcpu_op, 2, VCPUOP_initialise, 1, P, 0, false },
    { "vcpu periodic", __HYPERVISOR_vcpu_op, 2, VCPUOP_set_periodic_timer, 0, P, 0, false },
    { "vcpu singleshot", __HYPERVISOR_vcpu_op, 2, VCPUOP_set_singleshot_timer, 0, P, 0, false },
    { "vcpu register info", __HYPERVISOR_vcpu_op, 2, VCPUOP_register_vcpu_info, 0, P, 0, false },
    { "vcpu runstate area", __HYPERVISOR_vcpu_op, 2, VCPUOP_register_runstate_memory_area, 0, P, 0, false },
    { "mmuext_op", __HYPERVISOR_mmuext_op, 0, P, 1, 0, DOMID_SELF, false },
    { "sched poll", __HYPERVISOR_sched_op, 1, SCHEDOP_poll, P, 0, 0, false },
    { "sched shutdown", __HYPERVISOR_sched_op, 1, SCHEDOP_shutdown, P, 0, 0, false },
    { "sched watchdog", __HYPERVISOR_sched_op, 1, SCHEDOP_watchdog, P, 0, 0, false },
    { "callback register", __HYPERVISOR_callback_op, 1, CALLBACKOP_register, P, 0, 0, false },
    { "event alloc", __HYPERVISOR_event_channel_op, 1, EVTCHNOP_alloc_unbound, P, 0, 0, false },
    { "event bind_interdomain", __HYPERVISOR_event_channel_op, 1, EVTCHNOP_bind_interdomain, P, 0, 0, false },
    { "event bind_virq", __HYPERVISOR_event_channel_op, 1, EVTCHNOP_bind_virq, P, 0, 0, false },
    { "event bind_ipi", __HYPERVISOR_event_channel_op, 1, EVTCHNOP_bind_ipi, P, 0, 0, false },
    { "event close", __HYPERVISOR_event_channel_op, 1, EVTCHNOP_close, P, 0, 0, false },
    { "event send", __HYPERVISOR_event_channel_op, 1, EVTCHNOP_send, P, 0, 0, false },
    { "event status", __HYPERVISOR_event_channel_op, 1, EVTCHNOP_status, P, 0, 0, false },
    { "event init_control", __HYPERVISOR_event_channel_op, 1, EVTCHNOP_init_control, P, 0, 0, false },
    { "physdev iopl", __HYPERVISOR_physdev_op, 1, PHYSDEVOP_set_iopl, P, 0, 0, false },
    { "physdev iobitmap", __HYPERVISOR_physdev_op, 1, PHYSDEVOP_set_iobitmap, P, 0, 0, false },
};

static long call_with(const struct call *call, uint64_t address)
{
    uint64_t arguments[4] = { call->a, call->b, call->c, call->d };

    arguments[call->pointer] = address;
    return hypercall(call->number, arguments[0], arguments[1], arguments[2], arguments[3], 0);
}

struct place {
    const char *name;
    uint64_t address;
};

static void place_check(const struct place *place)
{
    for (unsigned int i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        long result = call_with(&calls[i], place->address);

        if ((result >= 0 && !(result == 0 && calls[i].none)) || result < -4096)
            test_failure("%s with its pointer at %s (%lx): expected an error, got %ld", calls[i].name, place->name,
                         place->address, result);
    }
}

// Where the hypervisor has to write its answer into a page the guest may only read.
static void read_only_check(void)
{
    char *page = page_alloc();

    CHECK_EQUAL(page_protect(page, false), 0);
    for (unsigned int i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i].number != __HYPERVISOR_xen_version)
            continue;
        if (call_with(&calls[i], (uint64_t)page) >= 0)
            test_failure("%s wrote into a read-only page", calls[i].name);
    }
    for (unsigned int i = 0; i < PAGE_SIZE; i++) {
        if (page[i])
            test_failure("a read-only page changed at %u", i);
    }
}

void test_main(void)
{
    static const struct place places[] = {
        { "the hypervisor's data", 0xffff82d040200000ul },
        { "the hypervisor's map of all memory", 0xffff830000100000ul },
        { "the end of the hypervisor's range", 0xffff87fffffffff8ul },
        { "the canonical hole", 0x0000800000000000ul },
        { "the middle of the hole", 0x8000000000000000ul },
        { "the last bytes of the low half", 0x00007ffffffffffcul },
        { "the end of the address space", 0xfffffffffffffffcul },
        { "a page that is absent", 0x0000700000000000ul },
    };

    for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        place_check(&places[i]);
    read_only_check();
}
