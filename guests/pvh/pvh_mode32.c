// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a PVH guest's kernel makes the same hypercalls from compatibility mode, real mode and protected mode, unpaged and
// with either kind of tables: structures have the 32-bit form, of registers the lower half counts, and what the hypervisor
// writes ends where the 32-bit form does. What is wrong with an argument is an error for that call and nothing else. User
// mode, virtual-8086 mode among it, makes none. It matters because loaders run there, and because each structure is read in
// another form than the rest of the hypervisor knows.

#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "preempt.h"
#include "pvh/machine.h"
#include "pvh/mode32.h"
#include "result.h"
#include "start.h"
#include "string.h"
#include "timer.h"
#include "vcpu.h"

const char test_title[] = "PVH: hypercalls from compatibility mode, real mode and protected mode";

#define NOISE 0xdeadbeef00000000ul
#define GUARD 0xa5a5a5a5u
#define MANY 256u
#define STEP 0x400000u /* ns */
#define CALLBACK_BY_VECTOR (2ul << 56)

// The 32-bit forms, as the i386 ABI lays the public structures out.
#define FORM __attribute__((packed, aligned(4)))
struct FORM reservation32 { uint32_t extents, count, order, flags; uint16_t domid, pad; };
struct FORM place32 { uint16_t domid, size; uint32_t space, index, gfn; };
struct FORM batch32 { uint16_t domid, space, size, foreign; uint32_t indexes, gfns, errors; };
struct FORM remove32 { uint16_t domid, pad; uint32_t gfn; };
struct FORM map32 { uint32_t entries, buffer; };
struct FORM poll32 { uint32_t ports, count; uint64_t timeout; };
struct FORM runstate32 { int32_t state; uint64_t entry, time[4]; };
struct FORM singleshot32 { uint64_t timeout; uint32_t flags; };
struct FORM setup32 { uint16_t domid, pad; uint32_t count; int16_t status, pad2; uint32_t list; };
struct FORM status32 { uint32_t count; uint16_t domid; int16_t status; uint32_t list; };
struct FORM transfer32 { uint32_t frame; uint16_t domid, pad; uint32_t reference; int16_t status, pad2; };
struct FORM copy_end32 { uint32_t frame; uint16_t domid, offset; };
struct FORM copy32 { struct copy_end32 source, dest; uint16_t length, flags; int16_t status, pad; };
struct FORM entry32 { uint32_t op, result, args[6]; };
struct FORM vcpu_info32 { uint8_t pending, mask, pad[2]; uint32_t selector, cr2, pad2[5]; struct vcpu_time_info time; };
struct FORM shared32 { struct vcpu_info32 vcpu[32]; uint32_t pending[32], mask[32], version, sec, nsec, arch[6], sec_hi; };
_Static_assert(sizeof(struct runstate32) == 44 && sizeof(struct copy32) == 24 && sizeof(struct vcpu_info32) == 64, "i386");

static enum mode32 mode;

#define ADDRESS(x) ((uint32_t)(unsigned long)(x))
#define call32_2(number, a, b) hypercall32(__HYPERVISOR_##number, (uint32_t)(a), ADDRESS(b), GUARD)
#define call32_3(number, a, b, c) hypercall32(__HYPERVISOR_##number, (uint32_t)(a), (uint32_t)(b), (uint32_t)(c))

// EAX as a signed number; there is noise in the upper halves of what can carry it.
static long hypercall32(uint32_t number, uint32_t a, uint32_t b, uint32_t c)
{
    struct call32 call = { NOISE | a, NOISE | b, NOISE | c, NOISE, NOISE, number, mode, ~0ul };

    mode32_call(&call);
    return (int32_t)call.result;
}

// ---- one call of each kind

static void version_check(void)
{
    struct { uint32_t start, guard; } parameters = { 0, GUARD };
    struct xen_feature_info features = { .submap_idx = 0 };
    char extra[XEN_EXTRAVERSION_LEN] = "";

    CHECK_EQUAL(call32_2(xen_version, XENVER_version, 0), 4 << 16 | 17);
    CHECK_EQUAL(call32_2(xen_version, XENVER_extraversion, extra), 0);
    CHECK_EQUAL(extra[0], '.');
    CHECK_EQUAL(call32_2(xen_version, XENVER_platform_parameters, &parameters), 0);
    CHECK_EQUAL(parameters.guard, GUARD);
    CHECK_EQUAL(call32_2(xen_version, XENVER_get_features, &features), 0);
    CHECK(features.submap >> XENFEAT_auto_translated_physmap & 1);
    CHECK_EQUAL(call32_2(xen_version, 99, 0), -XEN_ENOSYS);
    CHECK_EQUAL(call32_2(mmu_update, 0, 0), -XEN_ENOSYS);
    CHECK_EQUAL(call32_2(physdev_op, 12, 0), -XEN_ENOSYS);
    CHECK_EQUAL(hypercall32(63, 0, 0, 0), -XEN_ENOSYS);
}

static long reservation32(unsigned int command, const uint32_t *frames, uint32_t count)
{
    struct reservation32 r = { ADDRESS(frames), count, 0, 0, DOMID_SELF, 0 };

    return call32_2(memory_op, command, &r);
}

static void memory_check(void)
{
    uint32_t frames[3] = { ADDRESS(machine_of(pages_alloc(1))), ADDRESS(machine_of(pages_alloc(1))), GUARD };
    struct { struct map32 map; uint32_t guard; } map = { { 16, 0 }, GUARD };
    uint32_t from[2] = { frames[0], frames[1] }, to[2], errors[3] = { GUARD, GUARD, GUARD };
    volatile uint64_t *page = page_of_frame(frames[0]), *second = page_of_frame(frames[1]);
    unsigned long empty = machine_of(range_alloc(4));
    struct place32 place = { DOMID_SELF, 0, XENMAPSPACE_gmfn, frames[0], ADDRESS(empty) };
    struct batch32 batch = { DOMID_SELF, XENMAPSPACE_gmfn, 2, 0, ADDRESS(from), ADDRESS(to), ADDRESS(errors) };
    struct remove32 gone = { DOMID_SELF, 0, ADDRESS(empty) };
    domid_t self = DOMID_SELF;
    static char buffer[16 * 20];
    long before = call32_2(memory_op, XENMEM_current_reservation, &self);

    map.map.buffer = ADDRESS(buffer);
    CHECK_EQUAL(before, memory_op(XENMEM_current_reservation, &self));
    CHECK_EQUAL(call32_2(memory_op, XENMEM_maximum_gpfn, &self), memory_op(XENMEM_maximum_gpfn, &self));
    CHECK_EQUAL(call32_2(memory_op, XENMEM_memory_map, &map), 0);
    CHECK(map.map.entries > 1 && map.map.entries <= 16);
    CHECK_EQUAL(map.map.buffer, ADDRESS(buffer));
    CHECK_EQUAL(map.guard, GUARD);
    CHECK_EQUAL(reservation32(XENMEM_decrease_reservation, frames, 2), 2);
    CHECK_EQUAL(call32_2(memory_op, XENMEM_current_reservation, &self), before - 2);
    CHECK_EQUAL(reservation32(XENMEM_populate_physmap, frames, 2), 2);
    CHECK_EQUAL(call32_2(memory_op, XENMEM_current_reservation, &self), before);
    CHECK_EQUAL(frames[2], GUARD);
    *page = 0x1234;
    *second = 0x5678;
    CHECK_EQUAL(call32_2(memory_op, XENMEM_add_to_physmap, &place), 0);
    CHECK_EQUAL(*(volatile uint64_t *)page_of_frame(empty), 0x1234);
    place = (struct place32) { DOMID_SELF, 0, XENMAPSPACE_gmfn, ADDRESS(empty), frames[0] };
    CHECK_EQUAL(call32_2(memory_op, XENMEM_add_to_physmap, &place), 0);
    CHECK_EQUAL(*page, 0x1234);
    to[0] = ADDRESS(empty);
    to[1] = ADDRESS(empty) + 1;
    CHECK_EQUAL(call32_2(memory_op, XENMEM_add_to_physmap_batch, &batch), 0);
    CHECK_EQUAL(*(volatile uint64_t *)page_of_frame(empty + 1), 0x5678);
    CHECK_EQUAL(errors[0] | errors[1], 0);
    CHECK_EQUAL(errors[2], GUARD);
    batch.indexes = ADDRESS(to);
    batch.gfns = ADDRESS(from);
    CHECK_EQUAL(call32_2(memory_op, XENMEM_add_to_physmap_batch, &batch), 0);
    CHECK_EQUAL(*page, 0x1234);
    CHECK_EQUAL(call32_2(memory_op, XENMEM_remove_from_physmap, &gone) < 0, 1);
    place = (struct place32) { DOMID_SELF, 2, XENMAPSPACE_gmfn_range, frames[0], ADDRESS(empty) };
    CHECK_EQUAL(call32_2(memory_op, XENMEM_add_to_physmap, &place), 0);
    CHECK_EQUAL(*(volatile uint64_t *)page_of_frame(empty + 1), 0x5678);
    CHECK_EQUAL(call32_2(memory_op, XENMEM_remove_from_physmap, &gone), 0);
    CHECK_EQUAL(call32_2(memory_op, XENMEM_remove_from_physmap, &gone), -XEN_ENOENT);
}

// Ports of the library, which masks them; what is sent stays pending.
static void event_check(void)
{
    struct evtchn_alloc_unbound allocate = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    struct evtchn_bind_interdomain bind = { .remote_dom = DOMID_SELF };
    struct evtchn_status status = { .dom = DOMID_SELF };
    struct poll32 poll;
    struct evtchn_close close;
    struct evtchn_send send;
    uint32_t port;

    CHECK_EQUAL(call32_2(event_channel_op, EVTCHNOP_alloc_unbound, &allocate), 0);
    bind.remote_port = allocate.port;
    CHECK_EQUAL(call32_2(event_channel_op, EVTCHNOP_bind_interdomain, &bind), 0);
    port = status.port = bind.local_port;
    CHECK_EQUAL(call32_2(event_channel_op, EVTCHNOP_status, &status), 0);
    CHECK_EQUAL(status.status, EVTCHNSTAT_interdomain);
    CHECK_EQUAL(status.u.interdomain.port, allocate.port);
    event_port_mask(port);
    event_clear(port);
    poll = (struct poll32) { ADDRESS(&port), 1, time_now() + STEP };
    CHECK_EQUAL(call32_2(sched_op, SCHEDOP_poll, &poll), 0);
    CHECK(time_now() >= poll.timeout);
    send.port = allocate.port;
    CHECK_EQUAL(call32_2(event_channel_op, EVTCHNOP_send, &send), 0);
    CHECK(event_pending(port));
    poll.timeout = 0; // for ever, if it were not pending
    CHECK_EQUAL(call32_2(sched_op, SCHEDOP_poll, &poll), 0);
    event_clear(port);
    close.port = port;
    CHECK_EQUAL(call32_2(event_channel_op, EVTCHNOP_close, &close), 0);
    close.port = allocate.port;
    CHECK_EQUAL(call32_2(event_channel_op, EVTCHNOP_close, &close), 0);
    CHECK_EQUAL(call32_2(event_channel_op, EVTCHNOP_close, &close) < 0, 1);
    CHECK_EQUAL(call32_2(sched_op, SCHEDOP_yield, 0), 0);
}

// The system time has more than 32 bits once the machine has been up for five seconds.
static void timer_check(void)
{
    struct singleshot32 set;
    evtchn_port_t port = (evtchn_port_t)event_bind_virq(VIRQ_TIMER, 0);
    struct poll32 poll = { ADDRESS(&port), 1, 0 };
    uint64_t at = time_now() + STEP;

    CHECK_EQUAL(call32_3(set_timer_op, at, at >> 32, GUARD), 0);
    poll.timeout = at + 1000 * STEP;
    CHECK_EQUAL(call32_2(sched_op, SCHEDOP_poll, &poll), 0);
    CHECK(event_pending(port));
    CHECK(time_now() >= at);
    event_clear(port);
    set = (struct singleshot32) { time_now() + STEP, 0 };
    poll.timeout = set.timeout + 1000 * STEP;
    CHECK_EQUAL(call32_3(vcpu_op, VCPUOP_set_singleshot_timer, 0, ADDRESS(&set)), 0);
    CHECK_EQUAL(call32_2(sched_op, SCHEDOP_poll, &poll), 0);
    CHECK(event_pending(port));
    CHECK(time_now() >= set.timeout);
    event_clear(port);
    CHECK_EQUAL(call32_3(vcpu_op, VCPUOP_stop_singleshot_timer, 0, 0), 0);
    event_close(port);
}

static void vcpu_check(void)
{
    struct { struct runstate32 state; uint32_t guard; } run = { .guard = GUARD };
    struct vcpu_runstate_info wide;

    CHECK_EQUAL(call32_3(vcpu_op, VCPUOP_is_up, 0, 0), 1);
    CHECK_EQUAL(call32_3(vcpu_op, VCPUOP_is_up, 999, 0), -XEN_ENOENT);
    CHECK_EQUAL(call32_3(vcpu_op, VCPUOP_get_runstate_info, 0, ADDRESS(&run)), 0);
    NEED(vcpu_op(VCPUOP_get_runstate_info, 0, &wide));
    CHECK_EQUAL(run.state.state, RUNSTATE_running);
    CHECK(run.state.entry > 0 && run.state.entry <= wide.state_entry_time);
    CHECK(run.state.time[RUNSTATE_running] > 0 && run.state.time[RUNSTATE_running] <= wide.time[RUNSTATE_running]);
    CHECK(run.state.time[RUNSTATE_offline] <= wide.time[RUNSTATE_offline]);
    CHECK_EQUAL(run.guard, GUARD);
}

static void grant_check(void)
{
    static const char text[] = "from one page to another";
    char *source = page_alloc(), *dest = page_alloc();
    struct copy32 copies[3] = {
        { { ADDRESS(machine_of(source)), DOMID_SELF, 8 }, { ADDRESS(machine_of(dest)), DOMID_SELF, 16 }, sizeof(text),
          0, 1, 0 },
        { { ~0u, DOMID_SELF, 0 }, { ADDRESS(machine_of(dest)), DOMID_SELF, 0 }, 1, 0, 1, 0 },
        { .status = 0x1111, .pad = 0x2222 } };
    struct gnttab_query_size size = { .dom = DOMID_SELF };
    struct gnttab_get_version version = { .dom = DOMID_SELF };
    struct status32 status = { 1, DOMID_SELF, 1, ADDRESS(dest) };
    struct setup32 setup = { DOMID_SELF, 0, 1, 1, 0, 0 };
    struct transfer32 transfer = { 0, 0x7fe0, 0, GUARD, 1, 0x2222 };
    uint32_t list[2] = { GUARD, GUARD };

    memcpy(source + 8, text, sizeof(text));
    CHECK_EQUAL(call32_3(grant_table_op, GNTTABOP_copy, ADDRESS(copies), 2), 0);
    CHECK_EQUAL(copies[0].status, GNTST_okay);
    CHECK_EQUAL(memcmp(dest + 16, text, sizeof(text)), 0);
    CHECK_EQUAL(copies[1].status < 0, 1);
    CHECK_EQUAL(copies[1].length, 1);
    CHECK_EQUAL(copies[2].status, 0x1111);
    CHECK_EQUAL(call32_3(grant_table_op, GNTTABOP_query_size, ADDRESS(&size), 1), 0);
    CHECK_EQUAL(size.status, GNTST_okay);
    CHECK(size.max_nr_frames > 0);
    CHECK_EQUAL(call32_3(grant_table_op, GNTTABOP_get_version, ADDRESS(&version), 1), 0);
    CHECK_EQUAL(version.version, 1);
    // The reference has neither this nor transfers for such guests.
    if (call32_3(grant_table_op, GNTTABOP_get_status_frames, ADDRESS(&status), 1) != -XEN_ENOSYS)
        CHECK_EQUAL(status.status, GNTST_general_error); // of version 1
    setup.list = ADDRESS(list);
    CHECK_EQUAL(call32_3(grant_table_op, GNTTABOP_setup_table, ADDRESS(&setup), 1), 0);
    CHECK_EQUAL(setup.status, GNTST_okay);
    CHECK(list[0] != GUARD);
    CHECK_EQUAL(list[1], GUARD);
    if (call32_3(grant_table_op, GNTTABOP_transfer, ADDRESS(&transfer), 1) != -XEN_ENOSYS)
        CHECK_EQUAL(transfer.status < 0, 1);
    CHECK_EQUAL(transfer.pad2, 0x2222);
    CHECK_EQUAL(transfer.reference, GUARD);
    page_free(source);
    page_free(dest);
}

static void multicall_check(void)
{
    domid_t self = DOMID_SELF;
    uint64_t at = time_now() + STEP;
    evtchn_port_t port = (evtchn_port_t)event_bind_virq(VIRQ_TIMER, 0);
    struct poll32 poll = { ADDRESS(&port), 1, at + 1000 * STEP };
    struct entry32 list[6] = {
        { __HYPERVISOR_xen_version, GUARD, { XENVER_version } },
        { __HYPERVISOR_memory_op, GUARD, { XENMEM_current_reservation, ADDRESS(&self) } },
        { __HYPERVISOR_set_timer_op, GUARD, { (uint32_t)at, (uint32_t)(at >> 32) } },
        { __HYPERVISOR_xen_version, GUARD, { 99 } },
        { __HYPERVISOR_multicall, GUARD, { 0, 0 } },
        { GUARD, GUARD, { GUARD } } };

    CHECK_EQUAL(call32_2(multicall, ADDRESS(list), 5), 0);
    CHECK_EQUAL(list[0].result, 4 << 16 | 17);
    CHECK_EQUAL(list[1].result, memory_op(XENMEM_current_reservation, &self));
    CHECK_EQUAL(list[2].result, 0);
    CHECK_EQUAL((int32_t)list[3].result, -XEN_ENOSYS);
    CHECK((int32_t)list[4].result < 0);
    CHECK_EQUAL(list[5].result, GUARD);
    CHECK_EQUAL(call32_2(sched_op, SCHEDOP_poll, &poll), 0);
    CHECK(event_pending(port));
    CHECK(time_now() >= at);
    event_clear(port);
    event_close(port);
}

static void other_check(void)
{
    struct xen_hvm_param param = { .domid = DOMID_SELF, .index = HVM_PARAM_STORE_EVTCHN };
    static const char line[] = "written in the other mode\n";

    CHECK_EQUAL(call32_2(hvm_op, HVMOP_get_param, &param), 0);
    CHECK_EQUAL(param.value, hvm_param(HVM_PARAM_STORE_EVTCHN));
    param.index = HVM_NR_PARAMS;
    CHECK_EQUAL(call32_2(hvm_op, HVMOP_get_param, &param), -XEN_EINVAL);
    CHECK_EQUAL(call32_3(console_io, CONSOLEIO_write, sizeof(line) - 1, ADDRESS(line)) <= 0, 1);
    CHECK_EQUAL(call32_2(vm_assist, VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag), 0);
    CHECK_EQUAL(call32_2(vm_assist, VMASST_CMD_disable, VMASST_TYPE_runstate_update_flag), 0);
}

// ---- attacks: pointers and counts

/* A place for size bytes that end with the last page there is: moved behind everything, nothing follows. */
static void *at_end(char *page, size_t size) { return page + PAGE_SIZE - size; }

static void pointer_check(char *last)
{
    char *hole = range_alloc(1);
    uint32_t *frame = at_end(last, 4);
    struct remove32 *gone = at_end(last, sizeof(*gone));
    struct reservation32 *r = at_end(last, sizeof(*r));
    struct runstate32 *run = at_end(last, sizeof(*run));
    struct copy32 *copy = at_end(last, sizeof(*copy));
    struct entry32 *entry = at_end(last, sizeof(*entry));
    struct singleshot32 *set = at_end(last, sizeof(*set));
    static const uint32_t nowhere[] = { 0xfffffffc, 0xffffffff, 0xfffffff0 };

    // What ends with the page is in reach, its 64-bit form would not be.
    *gone = (struct remove32) { DOMID_SELF, 0, ADDRESS(machine_of(hole)) };
    CHECK_EQUAL(call32_2(memory_op, XENMEM_remove_from_physmap, gone), -XEN_ENOENT);
    CHECK_EQUAL(call32_2(memory_op, XENMEM_remove_from_physmap, (char *)gone + 4), -XEN_EFAULT);
    *r = (struct reservation32) { ADDRESS(frame), 0, 0, 0, DOMID_SELF, 0 };
    CHECK_EQUAL(call32_2(memory_op, XENMEM_decrease_reservation, r), 0);
    CHECK_EQUAL(call32_3(vcpu_op, VCPUOP_get_runstate_info, 0, ADDRESS(run)), 0);
    CHECK_EQUAL(call32_3(vcpu_op, VCPUOP_get_runstate_info, 0, ADDRESS(run) + 1), -XEN_EFAULT);
    *set = (struct singleshot32) { time_now() + 1000 * STEP, VCPU_SSHOTTMR_future };
    CHECK_EQUAL(call32_3(vcpu_op, VCPUOP_set_singleshot_timer, 0, ADDRESS(set)), 0);
    CHECK_EQUAL(call32_3(vcpu_op, VCPUOP_stop_singleshot_timer, 0, 0), 0);
    CHECK_EQUAL(call32_3(vcpu_op, VCPUOP_set_singleshot_timer, 0, ADDRESS(set) + 4), -XEN_EFAULT);
    *copy = (struct copy32) { { ~0u, DOMID_SELF, 0 }, { ~0u, DOMID_SELF, 0 }, 1, 0, 1, 0 };
    CHECK_EQUAL(call32_3(grant_table_op, GNTTABOP_copy, ADDRESS(copy), 1), 0);
    CHECK(copy->status < 0);
    CHECK_EQUAL(call32_3(grant_table_op, GNTTABOP_copy, ADDRESS(copy), 2), -XEN_EFAULT);
    *entry = (struct entry32) { __HYPERVISOR_xen_version, GUARD, { XENVER_version } };
    CHECK_EQUAL(call32_2(multicall, ADDRESS(entry), 1), 0);
    CHECK_EQUAL(entry->result, 4 << 16 | 17);
    CHECK_EQUAL(call32_2(multicall, ADDRESS(entry), 2), -XEN_EFAULT);
    // Addresses where nothing is, and across the end of what 32 bits reach.
    for (unsigned int i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]) + 1; i++) {
        uint32_t at = i ? nowhere[i - 1] : ADDRESS(hole);

        CHECK_EQUAL(hypercall32(__HYPERVISOR_memory_op, XENMEM_remove_from_physmap, at, 0), -XEN_EFAULT);
        CHECK_EQUAL(hypercall32(__HYPERVISOR_memory_op, XENMEM_populate_physmap, at, 0), 0);
        CHECK_EQUAL(hypercall32(__HYPERVISOR_multicall, at, 3, 0), -XEN_EFAULT);
        CHECK_EQUAL(call32_3(grant_table_op, GNTTABOP_copy, at, 1), -XEN_EFAULT);
        CHECK_EQUAL(call32_3(vcpu_op, VCPUOP_get_runstate_info, 0, at), -XEN_EFAULT);
        CHECK_EQUAL(hypercall32(__HYPERVISOR_sched_op, SCHEDOP_poll, at, 0), -XEN_EFAULT);
        CHECK_EQUAL(hypercall32(__HYPERVISOR_event_channel_op, EVTCHNOP_send, at, 0), -XEN_EFAULT);
    }
}

static void count_check(void)
{
    uint32_t frame = ADDRESS(machine_of(pages_alloc(1)));
    char *hole = range_alloc(1);
    struct poll32 poll = { ADDRESS(hole), 1, 0 };

    // Lists that nobody could have, or that are not there.
    CHECK_EQUAL(reservation32(XENMEM_decrease_reservation, &frame, 1u << 26), 0);
    CHECK_EQUAL(reservation32(XENMEM_decrease_reservation, &frame, ~0u), 0);
    CHECK_EQUAL(reservation32(XENMEM_decrease_reservation, (uint32_t *)hole, 5), 0);
    CHECK_EQUAL(reservation32(XENMEM_populate_physmap, (uint32_t *)0xfffffffcul, 1), 0);
    CHECK_EQUAL(call32_3(grant_table_op, GNTTABOP_copy, ADDRESS(hole), ~0u), -XEN_EINVAL);
    CHECK_EQUAL(call32_3(grant_table_op, GNTTABOP_setup_table, ADDRESS(hole), 2), -XEN_EINVAL);
    CHECK_EQUAL(call32_2(sched_op, SCHEDOP_poll, &poll), -XEN_EFAULT);
    poll.count = 129;
    CHECK_EQUAL(call32_2(sched_op, SCHEDOP_poll, &poll), -XEN_EINVAL);
    CHECK_EQUAL(hypercall32(__HYPERVISOR_multicall, ADDRESS(hole), ~0u, 0), -XEN_EFAULT);
}

// ---- stopped wherever the hypervisor gives way, in compatibility mode

static uint32_t frames[MANY], places[MANY], errors[MANY];
static struct entry32 entries[MANY];
static struct copy32 copies[MANY];

static long decrease_run(void *count) { return reservation32(XENMEM_decrease_reservation, frames, *(unsigned int *)count); }
static long populate_run(void *count) { return reservation32(XENMEM_populate_physmap, frames, *(unsigned int *)count); }
static long multicall_run(void *count) { return call32_2(multicall, ADDRESS(entries), *(unsigned int *)count); }
static long copy_run(void *count)
{
    return call32_3(grant_table_op, GNTTABOP_copy, ADDRESS(copies), *(unsigned int *)count);
}
static long batch_run(void *count)
{
    struct batch32 batch = { DOMID_SELF, XENMAPSPACE_gmfn, (uint16_t)*(unsigned int *)count, 0, ADDRESS(frames),
                             ADDRESS(places), ADDRESS(errors) };

    return call32_2(memory_op, XENMEM_add_to_physmap_batch, &batch);
}
static long range_run(void *count)
{
    struct place32 place = { DOMID_SELF, (uint16_t)*(unsigned int *)count, XENMAPSPACE_gmfn_range, frames[0], places[0] };

    return call32_2(memory_op, XENMEM_add_to_physmap, &place);
}

static void stopped(long (*run)(void *count), long expected)
{
    unsigned int count = MANY;
    unsigned long stops;

    CHECK_EQUAL(preempt_all(run, &count, NULL, &stops), expected);
    CHECK(stops > 0 && stops < PREEMPT_MOST);
}

static void preempt_check(void)
{
    char *first = pages_alloc(MANY), *there = range_alloc(MANY);
    domid_t self = DOMID_SELF;
    long before = memory_op(XENMEM_current_reservation, &self);
    volatile uint32_t *target = page_alloc();

    for (uint32_t i = 0; i < MANY; i++) {
        frames[i] = ADDRESS(machine_of(first)) + i;
        places[i] = ADDRESS(machine_of(there)) + i;
        entries[i] = (struct entry32) { __HYPERVISOR_memory_op, GUARD, { XENMEM_current_reservation, ADDRESS(&self) } };
        copies[i] = (struct copy32) {
            { ADDRESS(machine_of(&frames[i])), DOMID_SELF, (uint16_t)(ADDRESS(&frames[i]) & (PAGE_SIZE - 1)) },
            { ADDRESS(machine_of((void *)target)), DOMID_SELF, (uint16_t)(4 * i) }, 4, 0, 1, 0 };
    }
    stopped(decrease_run, MANY);
    CHECK_EQUAL(memory_op(XENMEM_current_reservation, &self), before - (long)MANY);
    stopped(populate_run, MANY);
    CHECK_EQUAL(memory_op(XENMEM_current_reservation, &self), before);
    stopped(multicall_run, 0);
    stopped(copy_run, 0);
    for (uint32_t i = 0; i < MANY; i++) {
        CHECK_EQUAL(entries[i].result, before);
        CHECK_EQUAL(copies[i].status, GNTST_okay);
        CHECK_EQUAL(target[i], frames[i]);
        *(volatile uint32_t *)page_of_frame(frames[i]) = i;
        errors[i] = GUARD;
    }
    stopped(batch_run, 0);
    for (uint32_t i = 0; i < MANY; i++) {
        CHECK_EQUAL(errors[i], 0);
        CHECK_EQUAL(*(volatile uint32_t *)page_of_frame(places[i]), i);
        frames[i] ^= places[i];
        places[i] ^= frames[i];
        frames[i] ^= places[i];
    }
    stopped(range_run, 0);
    for (uint32_t i = 0; i < MANY; i++)
        CHECK_EQUAL(*(volatile uint32_t *)page_of_frame(places[i]), i);
}

// ---- user mode, which may not

#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_CSTAR 0xc0000083u
#define EFER_SCE 1u
#define STAR_SELECTORS (0x08ul << 32) /* SYSCALL comes to our own segments; SYSRET makes its own */

/* By SYSRET there, of either width, and by SYSCALL back: neither a stack nor a task segment is needed for it. */
static int32_t user_call(bool narrow)
{
    unsigned long result;

    __asm__ volatile("lea 3f(%%rip), %%rax\n\t"
                     "mov %%rax, %%rdx\n\t"
                     "shr $32, %%rdx\n\t"
                     "mov %[lstar], %%ecx\n\t"
                     "wrmsr\n\t"
                     "mov %[cstar], %%ecx\n\t"
                     "wrmsr\n\t"
                     "lea 2f(%%rip), %%rcx\n\t"
                     "mov $2, %%r11d\n\t"
                     "test %[narrow], %[narrow]\n\t"
                     "jz 1f\n\t"
                     "sysretl\n"
                     "1:\tsysretq\n"
                     "2:\tmov %[number], %%eax\n\t" /* the same bytes in either width */
                     "vmmcall\n\t"
                     "syscall\n"
                     "3:"
                     : "=&a"(result)
                     : [lstar] "i"(MSR_LSTAR), [cstar] "i"(MSR_CSTAR), [number] "i"(__HYPERVISOR_sched_op),
                       [narrow] "r"((uint32_t)narrow)
                     : "rcx", "rdx", "r11", "memory", "cc");
    return (int32_t)result;
}

static void user_check(void)
{
    wrmsr(MSR_STAR, STAR_SELECTORS);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    CHECK_EQUAL(user_call(false), -XEN_EPERM);
    CHECK_EQUAL(user_call(true), -XEN_EPERM);
    mode = MODE_VIRTUAL_8086;
    CHECK_EQUAL(call32_2(xen_version, XENVER_version, 0), -XEN_EPERM);
}

// ---- the form of what is shared follows the mode the callback was set in

static void callback_set(bool narrow)
{
    struct xen_hvm_param p = {
        .domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ, .value = CALLBACK_BY_VECTOR | VECTOR_UPCALL };

    NEED(narrow ? call32_2(hvm_op, HVMOP_set_param, &p) : hypercall2(__HYPERVISOR_hvm_op, HVMOP_set_param, &p));
}

static void shared_check(void)
{
    volatile struct shared32 *shared = (void *)shared_page();
    evtchn_port_t one = (evtchn_port_t)event_alloc_unbound(DOMID_SELF);
    evtchn_port_t two = (evtchn_port_t)event_bind_interdomain(DOMID_SELF, one);
    struct evtchn_unmask unmask = { .port = two };
    static struct { struct runstate32 state; uint32_t guard; } run;
    uint32_t area = ADDRESS(&run), seconds = shared_page()->wc_sec;
    bool masked = event_mask_all();

    CHECK(seconds > 1000000000);
    callback_set(true);
    CHECK_EQUAL(shared->sec, seconds);
    CHECK_EQUAL(shared->sec_hi, 0);
    CHECK_EQUAL(shared->version & 1, 0);
    for (unsigned int i = 0; i < 32; i++)
        shared->mask[i] = ~0u;
    shared->vcpu[0].pending = 0;
    shared->vcpu[0].selector = 0;
    NEED(event_send(one));
    CHECK_EQUAL(shared->pending[two / 32] >> two % 32 & 1, 1);
    CHECK_EQUAL(shared->vcpu[0].selector, 0); // masked
    CHECK_EQUAL(call32_2(event_channel_op, EVTCHNOP_unmask, &unmask), 0);
    CHECK_EQUAL(shared->mask[two / 32] >> two % 32 & 1, 0);
    CHECK_EQUAL(shared->vcpu[0].selector, 1u << two / 32);
    CHECK_EQUAL(shared->vcpu[0].pending, 1);
    shared->pending[two / 32] = 0;
    shared->vcpu[0].selector = 0;
    shared->vcpu[0].pending = 0;

    run.guard = GUARD;
    CHECK_EQUAL(call32_3(vcpu_op, VCPUOP_register_runstate_memory_area, 0, ADDRESS(&area)), 0);
    CHECK_EQUAL(run.state.state, RUNSTATE_running);
    CHECK(run.state.time[RUNSTATE_running] > 0 && run.state.time[RUNSTATE_running] < time_now());
    CHECK_EQUAL(run.guard, GUARD);
    area = 0;
    CHECK_EQUAL(call32_3(vcpu_op, VCPUOP_register_runstate_memory_area, 0, ADDRESS(&area)), 0);

    for (unsigned int i = 0; i < 32; i++)
        shared->mask[i] = 0;
    callback_set(false);
    CHECK_EQUAL(shared_page()->wc_sec, seconds);
    event_mask_restore(masked);
    event_close(two);
    event_close(one);
}

void test_main(void)
{
    char *last = range_alloc(1);

    NEED(physmap_add(XENMAPSPACE_gmfn, machine_of(pages_alloc(1)), machine_of(last)));
    preempt_check();
    user_check();
    for (mode = MODE_COMPATIBILITY; mode < MODE_COUNT; mode++) {
        print("mode %u\n", mode);
        version_check();
        memory_check();
        event_check();
        timer_check();
        vcpu_check();
        grant_check();
        multicall_check();
        other_check();
        pointer_check(last);
        count_check();
        shared_check();
        if (mode == MODE_REAL)
            CHECK_EQUAL(mode32_real_cr0 & 1, 0);
    }
}
