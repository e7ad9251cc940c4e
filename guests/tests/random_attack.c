// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: no sequence of hypercalls, whatever their arguments, costs anybody but their caller anything. It matters because
// the tests beside this one try what somebody thought of. Arguments are drawn from what an operation could find
// meaningful (frames and page tables of ours that others of these calls change, entries of those, small numbers,
// the hypervisor's addresses) and from nothing; a call may be a batch of others.
//
// Left out is only what ends or stops the guest itself by right. "seed=N" on the command line begins elsewhere; the
// line with the seed and the count leads to the same calls again.
//
// kinds: pv pvh
// config: memory = 32

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "start.h"
#include "string.h"
#include "timer.h"

const char test_title[] = "hypercalls with random arguments";

#define DURATION 5000000000ul
#define SCRATCH_PAGES 24u
#define BATCH_MOST 16u
#define NUMBERS 64u
#define WORDS (PAGE_SIZE / sizeof(uint64_t))

static uint64_t seed = 0x9e3779b97f4a7c15ul;
static char *scratch;                   /* nothing of the test's own is in these pages */
static uint64_t machines[SCRATCH_PAGES], slots[SCRATCH_PAGES];
static uint64_t *argument;              /* what pointers point at, mostly */
static struct multicall_entry *batch;
static unsigned long calls, accepted;

// xorshift64* (Vigna, 2016).
static uint64_t random(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1dul;
}

static uint64_t below(uint64_t most)
{
    return random() % most;
}

static const uint64_t constants[] = {
    0, 1, ~0ul, DOMID_SELF, DOMID_IO, DOMID_XEN, DOMID_INVALID, 1ul << 32, 1ul << 47, 1ul << 63, PAGE_SIZE - 8,
    0xffff800000000000ul, 0xffff810000000000ul, 0xffff820000000000ul, 0xffff82d040000000ul, 0xffff830000000000ul,
    0xffff87fffffff000ul, 0x00007ffffffffff8ul, 0xfffffffffffffff8ul, 0xfee00000ul, 0xfee00ul,
};

static uint64_t value(void)
{
    unsigned int page = (unsigned int)below(SCRATCH_PAGES);

    switch (below(12)) {
    case 0:
        return constants[below(sizeof(constants) / sizeof(constants[0]))];
    case 1:
        return random();
    case 2:
        return random() >> below(24) | 1ul << 40;       /* beyond all memory and mappings of ours */
    case 3:
        return (uint64_t)scratch + page * PAGE_SIZE + below(PAGE_SIZE);
    case 4:
        return (uint64_t)scratch + page * PAGE_SIZE;
    case 5:
        return machines[page];
    case 6:
        return machines[page] << PAGE_SHIFT | below(PAGE_SIZE);
    case 7:
        return slots[page] | below(4);
    case 8:
        return machines[page] << PAGE_SHIFT | ENTRY_PRESENT | (random() & (ENTRY_WRITABLE | ENTRY_USER));
    case 9:
        return machines[page] << 32 | machines[below(SCRATCH_PAGES)];
    default:
        return below(40);
    }
}

// A pointer: mostly to words of such values.
static uint64_t pointer(void)
{
    if (below(8) == 0)
        return value();
    for (unsigned int i = 0; i < 24; i++)
        argument[i] = value();
    return (uint64_t)argument;
}

// The guest ends, stops or leaves its own page tables by these.
static bool is_own_end(unsigned int number, const uint64_t *a)
{
    switch (number) {
    case __HYPERVISOR_iret:
    case __HYPERVISOR_multicall:                        /* made elsewhere */
        return true;
    case __HYPERVISOR_sched_op:
    case __HYPERVISOR_sched_op_compat:
        return (uint32_t)a[0] != SCHEDOP_yield;
    case __HYPERVISOR_vcpu_op:
        return (uint32_t)a[0] == VCPUOP_down || (uint32_t)a[0] == VCPUOP_register_vcpu_info ||
               (uint32_t)a[0] == VCPUOP_send_nmi;       /* to a handler that other calls have set */
    default:
        return false;
    }
}

static void arguments_make(unsigned int number, uint64_t *a)
{
    for (unsigned int i = 0; i < 5; i++)
        a[i] = value();
    switch (number) {
    case __HYPERVISOR_mmu_update:
        a[0] = pointer();
        a[1] = below(12);
        a[2] = below(2) ? 0 : a[2];
        a[3] = below(4) ? DOMID_SELF : a[3];
        break;
    case __HYPERVISOR_mmuext_op:
        a[0] = pointer();
        a[1] = below(6);
        a[2] = 0;
        a[3] = below(4) ? DOMID_SELF : a[3];
        for (unsigned int i = 0; i < 24; i += 3) {      /* struct mmuext_op */
            argument[i] = below(20);
            if (argument[i] == MMUEXT_NEW_BASEPTR)
                argument[i] = MMUEXT_PIN_L1_TABLE;
        }
        if (a[0] != (uint64_t)argument)
            a[1] = 0;                                   /* whatever is there might be a new base pointer */
        break;
    case __HYPERVISOR_update_va_mapping:
    case __HYPERVISOR_update_va_mapping_otherdomain:
        a[3] = below(2) ? DOMID_SELF : a[3];
        a[2] = below(2) ? UVMF_INVLPG | UVMF_LOCAL : a[2];
        break;
    case __HYPERVISOR_set_gdt:
    case __HYPERVISOR_set_trap_table:
        a[0] = pointer();
        break;
    case __HYPERVISOR_grant_table_op:
        a[0] = below(14);
        a[1] = pointer();
        a[2] = below(4);
        break;
    case __HYPERVISOR_memory_op:
    case __HYPERVISOR_event_channel_op:
    case __HYPERVISOR_physdev_op:
    case __HYPERVISOR_xen_version:
    case __HYPERVISOR_callback_op:
    case __HYPERVISOR_hvm_op:
        a[0] = below(40);
        a[1] = pointer();
        break;
    case __HYPERVISOR_vcpu_op:
        a[0] = below(16);
        a[1] = below(8) ? 0 : a[1];
        a[2] = pointer();
        break;
    default:
        if (below(2))
            a[0] = pointer();
        break;
    }
}

static bool call_make(unsigned int *number, uint64_t *a)
{
    *number = (unsigned int)below(NUMBERS);
    arguments_make(*number, a);
    return !is_own_end(*number, a);
}

// Several of them share what pointers point at: the last one made it.
static long batch_call(void)
{
    unsigned int count = 0, most = 1 + (unsigned int)below(BATCH_MOST), number;
    uint64_t a[5];

    while (count < most) {
        if (!call_make(&number, a) || number == __HYPERVISOR_mmuext_op)
            continue;
        batch[count].op = number;
        for (unsigned int i = 0; i < 5; i++)
            batch[count].args[i] = a[i];
        count++;
    }
    return multicall(batch, count);
}

static void one_call(void)
{
    unsigned int number;
    uint64_t a[5];
    long result;

    if (below(16) == 0) {
        result = batch_call();
    } else {
        if (!call_make(&number, a))
            return;
        result = hypercall(number, a[0], a[1], a[2], a[3], a[4]);
    }
    calls++;
    if (result >= 0)
        accepted++;
}

static void seed_read(void)
{
    const char *at = strstr((const char *)start_page()->cmd_line, "seed=");

    if (!at)
        return;
    seed = 0;
    for (at += 5; *at >= '0' && *at <= '9'; at++)
        seed = seed * 10 + (uint64_t)(*at - '0');
    seed |= 1ul << 63;                                  /* never 0 */
}

void test_main(void)
{
    struct evtchn_reset reset = { .dom = DOMID_SELF };
    uint64_t end, begun;

    seed_read();
    begun = seed;
    scratch = pages_alloc(SCRATCH_PAGES);
    argument = page_alloc();
    batch = page_alloc();
    for (unsigned int i = 0; i < SCRATCH_PAGES; i++) {
        machines[i] = machine_of(scratch + i * PAGE_SIZE);
        slots[i] = (machines[i] << PAGE_SHIFT) + below(ENTRIES) * 8;
    }
    for (unsigned int i = 0; i < SCRATCH_PAGES; i += 3) /* some are page tables from the start */
        NEED(page_protect(scratch + i * PAGE_SIZE, false));
    console_port_save();
    event_mask_all();
    end = time_now() + DURATION;
    while (time_now() < end)
        for (unsigned int i = 0; i < 64; i++)
            one_call();
    event_op(EVTCHNOP_reset, &reset);
    console_port_restore();
    print("seed %lu: %lu calls, %lu of them accepted\n", begun, calls, accepted);
    CHECK(calls > 1000);
    CHECK(accepted > calls / 100);
}
