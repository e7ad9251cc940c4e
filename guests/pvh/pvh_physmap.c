// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a guest may rearrange its own physical memory as it likes, and gets an error for what makes no sense; pages the
// hypervisor uses can be moved and taken away while they are in use; superpages fall apart without a byte changing while
// another vcpu reads; memory given back is gone and what comes is zero. It matters because nested tables are changed under a
// running guest: a stale translation is another guest's memory.
//
// config: vcpus = 2

#include <stdint.h>

#include <xen/errno.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#include "event.h"
#include "grant.h"
#include "hypercall.h"
#include "memory.h"
#include "preempt.h"
#include "pvh/machine.h"
#include "result.h"
#include "start.h"
#include "string.h"
#include "vcpu.h"

const char test_title[] = "PVH: physical memory moved, shattered, given back; pages in use; numbers that are none";

#define SUPER 512ul
#define EMPTY 0x200000ul          /* guest frames at 8 GiB: nothing is there */
#define BEYOND (1ul << 36)        /* one more than guest frames can be */

static long reservation(unsigned int command, unsigned long frame, unsigned int order)
{
    xen_pfn_t number = frame;
    struct xen_memory_reservation request = { .nr_extents = 1, .extent_order = order, .domid = DOMID_SELF };

    set_xen_guest_handle(request.extent_start, &number);
    return memory_op(command, &request);
}

static long owned(void)
{
    domid_t self = DOMID_SELF;

    return memory_op(XENMEM_current_reservation, &self);
}

// ---- a superpage, and another vcpu that reads it all the time

static volatile uint64_t *canaries;
static volatile bool stop;
static volatile unsigned long reads, wrong;

static void reader(void *unused)
{
    (void)unused;
    while (!stop) {
        for (unsigned long i = 1; i < SUPER; i += 2)
            wrong += canaries[i * (PAGE_SIZE / 8)] != i * 0x0101010101ul;
        reads++;
    }
}

static void shatter_check(void)
{
    unsigned long first = ((unsigned long)pages_alloc(2 * SUPER) + (SUPER << PAGE_SHIFT) - 1) >> PAGE_SHIFT & ~(SUPER - 1);
    volatile uint64_t *page;
    long before;

    // A fresh superpage in place of what the builder made.
    CHECK_EQUAL(reservation(XENMEM_decrease_reservation, first, 9), 1);
    CHECK_EQUAL(reservation(XENMEM_populate_physmap, first, 9), 1);
    canaries = page_of_frame(first);
    for (unsigned long i = 0; i < SUPER; i++) {
        CHECK_EQUAL(canaries[i * (PAGE_SIZE / 8)], 0); // nobody's data
        canaries[i * (PAGE_SIZE / 8)] = i * 0x0101010101ul;
    }
    before = owned();
    vcpu_run(1, reader, NULL);
    while (!reads)
        ;
    // Every second page goes, in an order that meets the superpage in its middle, and comes back as another.
    for (unsigned long k = 0; k < SUPER; k += 2) {
        unsigned long i = (k + 254) % SUPER;

        CHECK_EQUAL(reservation(XENMEM_decrease_reservation, first + i, 0), 1);
        CHECK_EQUAL(reservation(XENMEM_decrease_reservation, first + i, 0), 0);
        CHECK_EQUAL(reservation(XENMEM_populate_physmap, first + i, 0), 1);
        CHECK_EQUAL(reservation(XENMEM_populate_physmap, first + i, 0), 0);
        page = page_of_frame(first + i);
        CHECK_EQUAL(*page, 0);
        *page = ~0ul;
    }
    // Pages change places; their contents go with them.
    for (unsigned long k = 0; k < 64; k += 2) {
        CHECK_EQUAL(physmap_add(XENMAPSPACE_gmfn, first + k, EMPTY + k), 0);
        CHECK_EQUAL(physmap_add(XENMAPSPACE_gmfn, EMPTY + k, first + k), 0);
        CHECK_EQUAL(*(volatile uint64_t *)page_of_frame(first + k), ~0ul);
    }
    stop = true;
    CHECK(vcpu_wait(1));
    CHECK(reads > 0);
    CHECK_EQUAL(wrong, 0);
    CHECK_EQUAL(owned(), before);
}

// ---- pages of the hypervisor

static void shared_info_check(void)
{
    unsigned long a = EMPTY + 100, b = EMPTY + 101;

    // It is where the library put it; it moves, away from there, and back.
    CHECK_EQUAL(physmap_add(XENMAPSPACE_shared_info, 1, a), -XEN_EINVAL);
    for (unsigned int i = 0; i < 200; i++) {
        CHECK_EQUAL(physmap_add(XENMAPSPACE_shared_info, 0, i & 1 ? a : b), 0);
        CHECK_EQUAL(version_op(XENVER_version, NULL), 4 << 16 | 17);
    }
    CHECK_EQUAL(physmap_remove(a), 0);
    CHECK_EQUAL(physmap_remove(a), -XEN_ENOENT);
    CHECK_EQUAL(reservation(XENMEM_decrease_reservation, a, 0), 0);
    CHECK_EQUAL(physmap_add(XENMAPSPACE_shared_info, 0, b), 0);
    CHECK_EQUAL(reservation(XENMEM_decrease_reservation, b, 0), 0); // the hypervisor's, not to be given away
    CHECK_EQUAL(physmap_add(XENMAPSPACE_gmfn, b, a), -XEN_EINVAL);
}

static void grant_frames_check(void)
{
    unsigned long at = EMPTY + 200;

    CHECK_EQUAL(physmap_add(XENMAPSPACE_grant_table, 0, at), 0);
    CHECK_EQUAL(physmap_add(XENMAPSPACE_grant_table, 0, at + 1), 0); // moves
    CHECK_EQUAL(physmap_remove(at), -XEN_ENOENT);
    CHECK_EQUAL(physmap_remove(at + 1), 0);
    CHECK_EQUAL(physmap_add(XENMAPSPACE_grant_table, 1ul << 32, at), -XEN_EINVAL);
    CHECK_EQUAL(physmap_add(XENMAPSPACE_grant_table, 1ul << 20, at), -XEN_EINVAL);
    CHECK_EQUAL(physmap_add(XENMAPSPACE_grant_table, 0, at), 0);
}

// ---- many at once, stopped wherever the call gives way

#define BATCH 512u
static xen_ulong_t batch_from[BATCH];
static xen_pfn_t batch_to[BATCH];
static int batch_errors[BATCH];

static long batch_call(void *unused)
{
    struct xen_add_to_physmap_batch batch = { .domid = DOMID_SELF, .space = XENMAPSPACE_gmfn, .size = BATCH };

    (void)unused;
    set_xen_guest_handle(batch.idxs, batch_from);
    set_xen_guest_handle(batch.gpfns, batch_to);
    set_xen_guest_handle(batch.errs, batch_errors);
    return memory_op(XENMEM_add_to_physmap_batch, &batch);
}

static void batch_run(void)
{
    unsigned long stops;

    memset(batch_errors, 0xff, sizeof(batch_errors));
    CHECK_EQUAL(preempt_all(batch_call, NULL, NULL, &stops), 0);
    CHECK(stops > 0 && stops < PREEMPT_MOST);
    for (unsigned int i = 0; i < BATCH; i++)
        CHECK_EQUAL(batch_errors[i], i == 7 ? -XEN_EINVAL : 0);
}

/* A page with its number in it leaves for an empty place and comes back; one has no number that is one. */
static void batch_check(void)
{
    unsigned long first = machine_of(pages_alloc(BATCH));

    for (unsigned int i = 0; i < BATCH; i++) {
        *(volatile unsigned int *)page_of_frame(first + i) = i;
        batch_from[i] = first + i;
        batch_to[i] = EMPTY + 512 + i;
    }
    batch_to[7] = BEYOND;
    batch_run();
    CHECK_EQUAL(*(volatile unsigned int *)page_of_frame(first), ~0u);
    for (unsigned int i = 0; i < BATCH; i++) {
        batch_from[i] = i == 7 ? BEYOND : EMPTY + 512 + i;
        batch_to[i] = first + i;
    }
    batch_run();
    for (unsigned int i = 0; i < BATCH; i++)
        CHECK_EQUAL(*(volatile unsigned int *)page_of_frame(first + i), i);
}

/* vcpu_info in a page that is given away meanwhile: the hypervisor keeps it, nobody else gets it. */
static void vcpu_info_check(void)
{
    char *page = pages_alloc(1);
    struct vcpu_register_vcpu_info place = { .mfn = machine_of(page), .offset = 64 };
    long before = owned();

    CHECK_EQUAL(vcpu_op(VCPUOP_register_vcpu_info, 0, &place), 0);
    CHECK_EQUAL(reservation(XENMEM_decrease_reservation, machine_of(page), 0), 1);
    CHECK_EQUAL(owned(), before); // in use until the end
    CHECK_EQUAL(version_op(XENVER_version, NULL), 4 << 16 | 17);
    CHECK_EQUAL(vcpu_op(VCPUOP_register_vcpu_info, 0, &place), -XEN_EINVAL);
}

// ---- the same pages, moved and taken away while another vcpu has the hypervisor read and write them

static struct { evtchn_port_t port; char *source, *dest; volatile unsigned long times, refused; } use;

static void user(void *unused)
{
    struct evtchn_unmask unmask = { .port = use.port };
    struct vcpu_runstate_info run;

    (void)unused;
    while (!stop) {
        struct gnttab_copy copy = {
            .source = { .u.ref = GRANT_FIRST, .domid = domain_self() },
            .dest = { .u.gmfn = machine_of(use.dest), .domid = DOMID_SELF },
            .len = 8, .flags = GNTCOPY_source_gref,
        };

        *(volatile char *)use.dest = 0;
        use.refused += event_send(use.port) || event_op(EVTCHNOP_unmask, &unmask);
        use.refused += grant_op(GNTTABOP_copy, &copy, 1) || copy.status != GNTST_okay;
        use.refused += *(volatile char *)use.dest != *use.source;
        use.refused += vcpu_op(VCPUOP_get_runstate_info, 1, &run) != 0;
        use.times++;
    }
}

static void in_use_check(void)
{
    unsigned long shared = (unsigned long)shared_page() >> PAGE_SHIFT, grants = machine_of(grant_entry(0)), seen;

    use.port = (evtchn_port_t)event_bind_ipi(0);
    use.source = page_alloc();
    use.dest = page_alloc();
    *use.source = 0x5a;
    grant_give(GRANT_FIRST, domain_self(), use.source, true);
    stop = false;
    vcpu_run(1, user, NULL);
    while (!use.times)
        ;
    for (unsigned long i = 0; i < 400 || use.times < 20; i++) {
        seen = use.times;
        NEED(physmap_add(XENMAPSPACE_shared_info, 0, EMPTY + 300 + i % 2));
        NEED(physmap_add(XENMAPSPACE_grant_table, 0, EMPTY + 302 + i % 2));
        if (i % 3 == 0) {
            CHECK_EQUAL(physmap_remove(EMPTY + 300 + i % 2), 0);
            CHECK_EQUAL(physmap_remove(EMPTY + 302 + i % 2), 0);
        }
        for (unsigned int turn = 0; i % 16 == 0 && turn < 1000 && use.times == seen; turn++)
            sched_op(SCHEDOP_yield, 0);
    }
    NEED(physmap_add(XENMAPSPACE_shared_info, 0, shared));
    NEED(physmap_add(XENMAPSPACE_grant_table, 0, grants));
    stop = true;
    CHECK(vcpu_wait(1));
    print("used %lu times meanwhile\n", use.times);
    CHECK_EQUAL(use.refused, 0);
    CHECK(event_pending(use.port)); /* what was written meanwhile is there */
    event_clear(use.port);
    event_close(use.port);
    CHECK(grant_take(GRANT_FIRST));
}

// ---- numbers that are none

static void numbers_check(void)
{
    static const unsigned long numbers[] = { EMPTY, BEYOND - 1, BEYOND, BEYOND + 1, 1ul << 40, 1ul << 52, ~0ul, ~0ul - 511 };
    unsigned long own = machine_of(pages_alloc(1));

    for (unsigned int i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        unsigned long n = numbers[i];

        CHECK_EQUAL(reservation(XENMEM_decrease_reservation, n, 0), 0);
        CHECK_EQUAL(reservation(XENMEM_decrease_reservation, n & ~511ul, 9), 0);
        CHECK(physmap_add(XENMAPSPACE_gmfn, n, own) < 0);
        CHECK(physmap_remove(n) < 0);
        if (n >= BEYOND) {
            CHECK_EQUAL(reservation(XENMEM_populate_physmap, n, 0), 0);
            CHECK_EQUAL(physmap_add(XENMAPSPACE_grant_table, 0, n), -XEN_EINVAL);
        }
    }
    CHECK_EQUAL(physmap_add(99, 0, EMPTY), -XEN_ENOSYS);
    CHECK_EQUAL(physmap_add(XENMAPSPACE_gmfn_foreign, 0, EMPTY), -XEN_EINVAL);
    CHECK_EQUAL(physmap_add(XENMAPSPACE_gmfn, own, own), 0);
}

// ---- the pool of tables

/* A page placed all over: tables for it run out, which is an error for that call and nothing else. */
static void pool_check(void)
{
    unsigned long own = machine_of(pages_alloc(1)), at = own, places = 0;
    volatile uint64_t *page = page_of_frame(own);
    long rc = 0;

    *page = 0x5a5a;
    for (unsigned long i = 1; i < 1ul << 17 && !rc; i++) {
        unsigned long next = (i << 19) % BEYOND + i % 512;

        rc = physmap_add(XENMAPSPACE_gmfn, at, next);
        if (!rc)
            at = next, places++;
    }
    CHECK_EQUAL(rc, -XEN_ENOMEM);
    CHECK(places > 10);
    CHECK_EQUAL(physmap_add(XENMAPSPACE_gmfn, at, own), 0);
    CHECK_EQUAL(*page, 0x5a5a);
}

void test_main(void)
{
    numbers_check();
    shatter_check();
    batch_check(); /* as long as the shared page is where the library has it */
    NEED(grant_init());
    in_use_check();
    shared_info_check();
    grant_frames_check();
    vcpu_info_check();
    pool_check();
}
