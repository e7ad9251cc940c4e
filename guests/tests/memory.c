// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a domain gets back what it gives away and no frame more; frame lists and the machine-to-physical table agree;
// a frame in use can not be given away behind its user's back. It matters because each slip is a frame with two owners.

#include <stdint.h>

#include <xen/errno.h>
#include <xen/memory.h>

#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "string.h"
#include "trap.h"

const char test_title[] = "memory: decrease and populate, limits, lists of frames";

#define COUNT 8u

static long reservation(unsigned int command, xen_pfn_t *frames, unsigned long count, unsigned int order)
{
    struct xen_memory_reservation request = { .nr_extents = count, .extent_order = order, .domid = DOMID_SELF };

    set_xen_guest_handle(request.extent_start, frames);
    return memory_op(command, &request);
}

static void lists_check(void)
{
    domid_t self = DOMID_SELF;
    unsigned long wrong = 0;

    for (unsigned long frame = 0; frame < memory_frames(); frame++)
        wrong += frame_of_machine(machine_of_frame(frame)) != frame;
    CHECK_EQUAL(wrong, 0);
    CHECK_EQUAL(memory_op(XENMEM_current_reservation, &self), memory_frames());
    CHECK(memory_op(XENMEM_maximum_reservation, &self) >= (long)memory_frames());
    CHECK(memory_op(XENMEM_maximum_ram_page, 0) > 0);
}

// Frames leave in one call and come back in another, as other machine frames or the same.
static void balloon_check(void)
{
    domid_t self = DOMID_SELF;
    long before = memory_op(XENMEM_current_reservation, &self);
    xen_pfn_t machines[COUNT], numbers[COUNT];
    char *pages = pages_alloc(COUNT);

    for (unsigned int i = 0; i < COUNT; i++) {
        char *page = pages + i * PAGE_SIZE;

        machines[i] = machine_of(page);
        numbers[i] = (unsigned long)page >> PAGE_SHIFT;
        CHECK_EQUAL(update_va_mapping(page, 0, UVMF_INVLPG), 0);
    }
    CHECK_EQUAL(reservation(XENMEM_decrease_reservation, machines, COUNT, 0), COUNT);
    CHECK_EQUAL(memory_op(XENMEM_current_reservation, &self), before - COUNT);
    CHECK_EQUAL(reservation(XENMEM_populate_physmap, numbers, COUNT, 0), COUNT);
    CHECK_EQUAL(memory_op(XENMEM_current_reservation, &self), before);
    for (unsigned int i = 0; i < COUNT; i++) {
        char *page = pages + i * PAGE_SIZE;

        CHECK_EQUAL(frame_of_machine(numbers[i]), (unsigned long)page >> PAGE_SHIFT);
        CHECK_EQUAL(update_va_mapping(page, numbers[i] << PAGE_SHIFT | ENTRY_READ_WRITE, UVMF_INVLPG), 0);
        CHECK_EQUAL(trap_probe_write(page), -1);
    }
}

// A frame given away while mapped stays readable memory of nobody else until the mapping goes.
static void mapped_check(void)
{
    char *page = page_alloc();
    xen_pfn_t machine = machine_of(page), number = (unsigned long)page >> PAGE_SHIFT;

    memset(page, 0x5a, PAGE_SIZE);
    reservation(XENMEM_decrease_reservation, &machine, 1, 0);
    CHECK_EQUAL(page[100], 0x5a);
    CHECK_EQUAL(update_va_mapping(page, 0, UVMF_INVLPG), 0);
    CHECK(update_va_mapping(page, machine << PAGE_SHIFT | ENTRY_READ_WRITE, UVMF_INVLPG) < 0);
    CHECK_EQUAL(reservation(XENMEM_populate_physmap, &number, 1, 0), 1);
    CHECK_EQUAL(update_va_mapping(page, number << PAGE_SHIFT | ENTRY_READ_WRITE, UVMF_INVLPG), 0);
}

static void refused_check(void)
{
    xen_pfn_t machine = ~0ul, hole = 0xa0;

    CHECK_EQUAL(reservation(XENMEM_decrease_reservation, &machine, 1, 0), 0);
    CHECK_EQUAL(reservation(XENMEM_decrease_reservation, &hole, 1, 0), 0);
    CHECK(reservation(XENMEM_populate_physmap, &machine, 1, 40) <= 0);
    CHECK_EQUAL(memory_op(63, 0), -XEN_ENOSYS);
}

void test_main(void)
{
    lists_check();
    balloon_check();
    mapped_check();
    refused_check();
}
