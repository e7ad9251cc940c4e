// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a frame that somebody uses (a pin, a table, a mapping, a grant, a descriptor table, a vcpu's page) is not
// exchanged, and when its owner gives it back it stays what it is until the last user has gone. It matters because a
// frame freed in use is the next domain's memory with an old key to it.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/memory.h>
#include <xen/vcpu.h>

#include "grant.h"
#include "hypercall.h"
#include "memory.h"
#include "preempt.h"
#include "result.h"
#include "start.h"
#include "string.h"
#include "trap.h"

const char test_title[] = "frames in use exchanged and given back: pinned, granted, descriptors, mapped";

#define MARK 0x1badb0021badb002ul
#define REFERENCE GRANT_FIRST

static char *window;
static grant_handle_t handle;

static long exchange(xen_pfn_t machine, unsigned long frame, unsigned int order, unsigned long *done)
{
    xen_pfn_t in = machine, out = frame;
    struct xen_memory_exchange request = {
        .in = { .nr_extents = 1, .extent_order = order, .domid = DOMID_SELF },
        .out = { .nr_extents = 1, .extent_order = order, .domid = DOMID_SELF },
    };
    long result;

    set_xen_guest_handle(request.in.extent_start, &in);
    set_xen_guest_handle(request.out.extent_start, &out);
    result = memory_op(XENMEM_exchange, &request);
    *done = request.nr_exchanged;
    return result;
}

static long reservation(unsigned int command, xen_pfn_t *frame, unsigned long extents)
{
    struct xen_memory_reservation request = { .nr_extents = extents, .domid = DOMID_SELF };

    set_xen_guest_handle(request.extent_start, frame);
    return memory_op(command, &request);
}

// Each use of a page: how it begins and ends. The page is mapped nowhere else while it lasts.
static void pin_begin(char *page)
{
    CHECK_EQUAL(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(page)), 0);
}

static void pin_end(unsigned long machine)
{
    mmuext(MMUEXT_UNPIN_TABLE, machine);
}

static void mapping_begin(char *page)
{
    page_map(window, machine_of(page), ENTRY_READ_WRITE);
    *(volatile uint64_t *)window = MARK;
}

static void mapping_end(unsigned long machine)
{
    (void)machine;
    CHECK_EQUAL(*(volatile uint64_t *)window, MARK);    /* ours to the end, whatever was asked meanwhile */
    page_map(window, 0, 0);
}

static void grant_begin(char *page)
{
    grant_give(REFERENCE, domain_self(), page, false);
    CHECK_EQUAL(grant_map(window, GNTMAP_host_map, REFERENCE, domain_self(), &handle), GNTST_okay);
    *(volatile uint64_t *)window = MARK;
}

static void grant_end(unsigned long machine)
{
    (void)machine;
    CHECK_EQUAL(*(volatile uint64_t *)window, MARK);
    CHECK_EQUAL(grant_unmap(window, handle), GNTST_okay);
    CHECK(grant_take(REFERENCE));
}

static void gdt_begin(char *page)
{
    unsigned long frames[1] = { machine_of(page) };

    CHECK_EQUAL(hypercall2(__HYPERVISOR_set_gdt, frames, 512), 0);
}

static void gdt_end(unsigned long machine)
{
    unsigned long none[1] = { machine };

    CHECK_EQUAL(hypercall2(__HYPERVISOR_set_gdt, none, 0), 0);
}

static void selector_load(void *selector)
{
    __asm__ volatile("mov %0, %%es; xor %%eax, %%eax; mov %%eax, %%es" : : "r"((uint32_t)(uint64_t)selector) : "eax");
}

#define DATA_SEGMENT 0x00cff2000000fffful
#define LDT_SELECTOR 0x0f       /* entry 1 of the LDT */

static void ldt_begin(char *page)
{
    struct mmuext_op op = { .cmd = MMUEXT_SET_LDT, .arg1.linear_addr = (unsigned long)window, .arg2.nr_ents = 512 };
    struct trap_seen seen;

    page_map(window, machine_of(page), ENTRY_READ_ONLY);
    CHECK_EQUAL(hypercall2(__HYPERVISOR_update_descriptor, machine_of(page) << PAGE_SHIFT | 8, DATA_SEGMENT), 0);
    CHECK_EQUAL(mmuext_op(&op, 1, 0, DOMID_SELF), 0);
    CHECK(!trap_catch(selector_load, (void *)LDT_SELECTOR, &seen));
}

static void ldt_end(unsigned long machine)
{
    struct mmuext_op op = { .cmd = MMUEXT_SET_LDT };
    struct trap_seen seen;

    (void)machine;
    CHECK(!trap_catch(selector_load, (void *)LDT_SELECTOR, &seen));
    CHECK_EQUAL(((volatile uint64_t *)window)[1] & ~(1ul << 40), DATA_SEGMENT);
    CHECK_EQUAL(mmuext_op(&op, 1, 0, DOMID_SELF), 0);
    page_map(window, 0, 0);
}

struct use {
    const char *name;
    void (*begin)(char *page);
    void (*end)(unsigned long machine);
};

static const struct use uses[] = {
    { "pinned", pin_begin, pin_end }, { "mapped", mapping_begin, mapping_end }, { "granted", grant_begin, grant_end },
    { "in the GDT", gdt_begin, gdt_end }, { "in the LDT", ldt_begin, ldt_end },
};

static char *page_unmapped(void)
{
    char *page = page_alloc();

    CHECK_EQUAL(update_va_mapping(page, 0, UVMF_INVLPG | UVMF_ALL), 0);
    return page;
}

static void use_check(const struct use *use)
{
    char *page = page_unmapped();
    unsigned long machine = machine_of(page), frame = (unsigned long)page >> PAGE_SHIFT, done;
    xen_pfn_t leaving = machine, fresh = frame;
    domid_t self = DOMID_SELF;
    long before;

    use->begin(page);
    if (exchange(machine, frame, 0, &done) == 0 || done)
        test_failure("a frame that is %s was exchanged", use->name);
    before = memory_op(XENMEM_current_reservation, &self);
    reservation(XENMEM_decrease_reservation, &leaving, 1);
    leaving = machine;
    if (reservation(XENMEM_decrease_reservation, &leaving, 1) > 0 &&
        memory_op(XENMEM_current_reservation, &self) < before - 1)
        test_failure("a frame that is %s was given back twice", use->name);
    for (unsigned int i = 0; i < 16; i++) {             /* new frames are never the one in use */
        fresh = frame;
        if (reservation(XENMEM_populate_physmap, &fresh, 1) != 1)
            break;
        if (fresh == machine)
            test_failure("a frame that is %s was handed out again", use->name);
        leaving = fresh;
        CHECK_EQUAL(reservation(XENMEM_decrease_reservation, &leaving, 1), 1);
    }
    use->end(machine);
    if (update_va_mapping(window, machine << PAGE_SHIFT | ENTRY_READ_WRITE, UVMF_INVLPG) == 0)
        test_failure("a frame that was %s is still ours after it was given back and let go", use->name);
}

static void pages_unmap(char *pages)
{
    for (unsigned int i = 0; i < 512; i++)
        NEED(update_va_mapping(pages + i * PAGE_SIZE, 0, i == 511 ? UVMF_TLB_FLUSH | UVMF_ALL : 0));
}

// A list in which one of many is in use: the chunk it is in is refused whole, and every frame of it is still ours.
static void chunk_check(void)
{
    char *pages = pages_alloc(512);
    xen_pfn_t in[512], out = 0;
    struct xen_memory_exchange request = {
        .in = { .nr_extents = 512, .domid = DOMID_SELF },
        .out = { .nr_extents = 1, .extent_order = 9, .domid = DOMID_SELF },
    };

    for (unsigned int i = 0; i < 512; i++)
        in[i] = machine_of(pages + i * PAGE_SIZE);
    pages_unmap(pages);
    NEED(page_protect(pages + 300 * PAGE_SIZE, true));
    set_xen_guest_handle(request.in.extent_start, in);
    set_xen_guest_handle(request.out.extent_start, &out);
    CHECK(memory_op(XENMEM_exchange, &request) < 0);
    CHECK_EQUAL(request.nr_exchanged, 0);
    for (unsigned int i = 0; i < 512; i++)
        NEED(page_protect(pages + i * PAGE_SIZE, true));
}

// New frames hold nothing of their last owner.
static void page_new(char *page, unsigned long machine)
{
    NEED(update_va_mapping(page, machine << PAGE_SHIFT | ENTRY_READ_WRITE, UVMF_INVLPG));
    for (unsigned int i = 0; i < PAGE_SIZE / sizeof(long); i++)
        if (((unsigned long *)page)[i])
            test_failure("a frame that came by an exchange holds %lx", ((unsigned long *)page)[i]);
    *(unsigned long *)page = MARK;
}

// Pages for one frame of 2 MiB, and back. No frame follows the one before it, which is the longest way through a heap.
static void shapes_check(void)
{
    char *pages = pages_alloc(512);
    static xen_pfn_t in[512], out[512];
    struct xen_memory_exchange request = {
        .in = { .nr_extents = 512, .domid = DOMID_SELF },
        .out = { .nr_extents = 1, .extent_order = 9, .domid = DOMID_SELF },
    };

    for (unsigned int i = 0; i < 512; i++)
        in[i] = machine_of(pages + i * 3 % 512 * PAGE_SIZE);
    pages_unmap(pages);
    out[0] = (unsigned long)pages >> PAGE_SHIFT;
    set_xen_guest_handle(request.in.extent_start, in);
    set_xen_guest_handle(request.out.extent_start, out);
    CHECK_EQUAL(memory_op(XENMEM_exchange, &request), 0);
    CHECK_EQUAL(request.nr_exchanged, 512);
    CHECK_EQUAL(out[0] % 512, 0);
    for (unsigned int i = 0; i < 512; i++)
        page_new(pages + i * PAGE_SIZE, out[0] + i);
    pages_unmap(pages);
    in[0] = out[0];
    for (unsigned int i = 0; i < 512; i++)
        out[i] = ((unsigned long)pages >> PAGE_SHIFT) + i * 3 % 512;
    request.in = (struct xen_memory_reservation){ .nr_extents = 1, .extent_order = 9, .domid = DOMID_SELF };
    request.out = (struct xen_memory_reservation){ .nr_extents = 512, .domid = DOMID_SELF };
    request.nr_exchanged = 0;
    set_xen_guest_handle(request.in.extent_start, in);
    set_xen_guest_handle(request.out.extent_start, out);
    CHECK_EQUAL(memory_op(XENMEM_exchange, &request), 0);
    CHECK_EQUAL(request.nr_exchanged, 1);
    for (unsigned int i = 0; i < 512; i++)
        page_new(pages + i * 3 % 512 * PAGE_SIZE, out[i]);
}

// Each vcpu's page of the hypervisor, and the shared page, are never ours to give.
static void shared_check(void)
{
    unsigned long machine = start_page()->shared_info >> PAGE_SHIFT, done;
    xen_pfn_t leaving = machine;

    CHECK(exchange(machine, 100, 0, &done) < 0);
    CHECK_EQUAL(reservation(XENMEM_decrease_reservation, &leaving, 1), 0);
    CHECK(mmuext(MMUEXT_PIN_L1_TABLE, machine) < 0);
    CHECK(*(volatile unsigned char *)&shared_page()->vcpu_info[0].evtchn_upcall_mask <= 1);
}

void test_main(void)
{
    NEED(grant_init());
    window = range_alloc(1);
    for (unsigned int i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        print("%s\n", uses[i].name);
        use_check(&uses[i]);
    }
    chunk_check();
    shapes_check();
    shared_check();
}
