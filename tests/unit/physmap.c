// SPDX-License-Identifier: BSD-2-Clause
/*
 * The physmap of hardware-assisted guests: translations, what entries hold and when they let go, superpages and their
 * shattering, the pool and its end, log-dirty mode, teardown in pieces.  A random run compares it with an array.
 */
#include "errno.h"

#include "arch/host/host.h"
#include "grant/grant.h"
#include "guest/hvm/physmap.h"
#include "guest/release.h"
#include "lib_test.h"
#include "mm/dirty_log.h"
#include "mm/heap.h"
#include "mm/physmap.h"

#define FRAMES 8192
#define SUPER 512UL /* frames of a 2 MiB page */
#define RUNNING 1   /* the guest's vcpu runs on this other CPU */

const struct frame_type_ops frame_type_ops;
static struct domain *guest, *other;
static struct vcpu *v;
static struct hvm_vcpu hvm;
static unsigned flushes;
static struct frame *watched; /* must be referenced whenever translations are flushed */

void tlb_flush_mask(const cpu_mask_t *mask, uint64_t address, unsigned flags)
{
    assert_int_equal(mask->bits[0], 1UL << RUNNING);
    assert_int_equal(address, TLB_FLUSH_ALL);
    assert_int_equal(flags, 0);
    assert_true(hvm.flush_nested);
    if (watched)
        assert_true(watched->refs & FRAME_REFS_MASK);
    flushes++;
}

/* ---- fixture ---- */

static uint64_t free_at_start;

static int machine_setup(void **state)
{
    (void)state;
    host_setup(FRAMES);
    return 0;
}

static int machine_teardown(void **state)
{
    (void)state;
    host_teardown();
    return 0;
}

static int setup(void **state)
{
    (void)state;
    free_at_start = heap_free_pages();
    guest = host_domain_new(1, 1);
    other = host_domain_new(2, 1);
    guest->max_pages = other->max_pages = FRAMES;
    guest->is_hvm = true;
    v = guest->vcpus[0];
    memset(&hvm, 0, sizeof(hvm));
    v->hvm = &hvm;
    v->cpu = RUNNING;
    v->is_running = 1;
    host_set_current(idle_vcpu[0]);
    flushes = 0;
    watched = NULL;
    assert_int_equal(hvm_domain_init(guest), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    this_cpu(softirq_pending_bits) = 0;
    while (hvm_release_memory(guest))
        ;
    while (guest_release_memory(other, NULL))
        ;
    assert_int_equal(guest->pages.count, 0);
    hvm_domain_free(guest);
    host_quiesce_run();
    host_domain_free(guest);
    host_domain_free(other);
    assert_int_equal(heap_free_pages(), free_at_start); /* whatever a test did, all memory is back */
    return 0;
}

static mfn_t frames_new(struct domain *d, unsigned order)
{
    struct frame *f = heap_alloc_domain(d, order, HEAP_ANY_WIDTH, 0);

    assert_non_null(f);
    return frame_to_mfn(f);
}

static uint64_t refs(mfn_t m) { return mfn_to_frame(m)->refs & FRAME_REFS_MASK; }

static enum physmap_type type_at(uint64_t gfn, mfn_t *frame, unsigned *order)
{
    enum physmap_type type;

    *frame = physmap_lookup(guest, GFN(gfn), &type, order);
    return type;
}

static void assert_maps(uint64_t gfn, mfn_t frame, enum physmap_type type, unsigned order)
{
    unsigned found_order;
    mfn_t found;

    assert_int_equal(type_at(gfn, &found, &found_order), type);
    assert_int_equal(found.value, frame.value);
    assert_int_equal(found_order, order);
}

static void assert_empty(uint64_t gfn)
{
    unsigned order;
    mfn_t found;

    assert_int_equal(type_at(gfn, &found, &order), PHYSMAP_NONE);
    assert_int_equal(found.value, INVALID_MFN.value);
}

static uint64_t pool_free(void)
{
    uint64_t count = 0;

    for (const uint64_t *table = guest->hvm->physmap->free_tables; table; table = (const uint64_t *)table[0])
        count++;
    return count;
}

/* ---- translations ---- */

static void translations_are_what_was_set(void **state)
{
    mfn_t small = frames_new(guest, 0), super = frames_new(guest, 9);

    (void)state;
    assert_int_equal(physmap_set(guest, GFN(3), small, 0, PHYSMAP_RAM), 0);
    assert_int_equal(physmap_set(guest, GFN(1UL << 30), super, 9, PHYSMAP_RAM), 0);
    assert_maps(3, small, PHYSMAP_RAM, 0);
    assert_maps((1UL << 30) + 77, mfn_add(super, 77), PHYSMAP_RAM, 9);
    assert_empty(2);
    assert_empty((1UL << 30) + SUPER);
    assert_int_equal(physmap_max_gfn(guest), (1UL << 30) + SUPER - 1);
    assert_int_equal(m2p_get(small), 3);
    assert_int_equal(m2p_get(mfn_add(super, 77)), (1UL << 30) + 77);
    assert_int_equal(flushes, 0); /* nothing was taken away */
}

static void what_makes_no_sense_is_refused(void **state)
{
    mfn_t small = frames_new(guest, 0), super = frames_new(guest, 9), foreign = frames_new(other, 0);

    (void)state;
    assert_int_equal(physmap_set(guest, GFN(1), super, 9, PHYSMAP_RAM), -EINVAL);
    assert_int_equal(physmap_set(guest, GFN(0), mfn_add(super, 1), 9, PHYSMAP_RAM), -EINVAL);
    assert_int_equal(physmap_set(guest, GFN(0), small, 1, PHYSMAP_RAM), -EINVAL);
    assert_int_equal(physmap_set(guest, GFN(PHYSMAP_FRAMES), small, 0, PHYSMAP_RAM), -EINVAL);
    assert_int_equal(physmap_set(guest, GFN(~0UL), small, 0, PHYSMAP_RAM), -EINVAL);
    assert_int_equal(physmap_set(guest, GFN(0), foreign, 0, PHYSMAP_RAM), -EINVAL);
    assert_int_equal(physmap_set(guest, GFN(0), MFN(FRAMES), 0, PHYSMAP_RAM), -EINVAL);
    assert_int_equal(physmap_set(guest, GFN(0), INVALID_MFN, 0, PHYSMAP_FOREIGN), -EINVAL);
    assert_int_equal(physmap_set(guest, GFN(0), small, 0, PHYSMAP_NONE), -EINVAL);
    assert_int_equal(physmap_clear(guest, GFN(PHYSMAP_FRAMES), 0), -EINVAL);
    assert_int_equal(physmap_clear(guest, GFN(0), 18), -EINVAL);
    assert_int_equal(physmap_fault(guest, GFN(~0UL), true), PHYSMAP_NO_MEMORY);
    assert_int_equal(refs(small), 1);
    assert_int_equal(refs(super), 1);
    assert_int_equal(refs(foreign), 1);
    assert_empty(0);
}

/* A superpage one of whose frames cannot be held holds none of them. */
static void a_refused_superpage_holds_nothing(void **state)
{
    mfn_t super = frames_new(guest, 9);

    (void)state;
    frame_set_owner(mfn_to_frame(mfn_add(super, 300)), other);
    assert_int_equal(physmap_set(guest, GFN(0), super, 9, PHYSMAP_RAM), -EINVAL);
    for (uint64_t i = 0; i < SUPER; i++)
        assert_int_equal(refs(mfn_add(super, i)), 1);
    frame_set_owner(mfn_to_frame(mfn_add(super, 300)), guest);
}

static void frames_are_found_by_their_names(void **state)
{
    mfn_t super = frames_new(guest, 9), foreign = frames_new(other, 0);
    struct frame *f;

    (void)state;
    assert_int_equal(physmap_set(guest, GFN(SUPER), super, 9, PHYSMAP_RAM), 0);
    assert_int_equal(physmap_set(guest, GFN(0), foreign, 0, PHYSMAP_FOREIGN), 0);
    assert_int_equal(physmap_get_frame(guest, GFN(SUPER + 5), &f), 0);
    assert_int_equal(frame_to_mfn(f).value, super.value + 5);
    assert_int_equal(refs(mfn_add(super, 5)), 3);
    frame_put(f);
    assert_int_equal(physmap_get_frame(guest, GFN(5), &f), -EINVAL);
    assert_int_equal(physmap_get_frame(guest, GFN(0), &f), -EINVAL); /* not the guest's to grant */
    assert_int_equal(physmap_get_frame(guest, GFN(PHYSMAP_FRAMES + SUPER), &f), -EINVAL);
}

/* ---- references ---- */

static void removal_flushes_before_it_lets_go(void **state)
{
    mfn_t small = frames_new(guest, 0);

    (void)state;
    watched = mfn_to_frame(small);
    assert_int_equal(physmap_set(guest, GFN(3), small, 0, PHYSMAP_RAM), 0);
    assert_int_equal(refs(small), 2);
    assert_int_equal(physmap_surrender(guest, GFN(3), 0), 0);
    assert_int_equal(flushes, 1);
    assert_int_equal(refs(small), 0);
    assert_int_equal(guest->total_pages, 0);
    assert_empty(3);
    assert_int_equal(physmap_surrender(guest, GFN(3), 0), -EINVAL);
}

static void replacing_lets_go_of_what_was_there(void **state)
{
    mfn_t a = frames_new(guest, 0), b = frames_new(guest, 0);

    (void)state;
    assert_int_equal(physmap_set(guest, GFN(3), a, 0, PHYSMAP_RAM), 0);
    assert_int_equal(physmap_set(guest, GFN(3), b, 0, PHYSMAP_RAM), 0);
    assert_int_equal(flushes, 1);
    assert_int_equal(refs(a), 1);
    assert_int_equal(refs(b), 2);
    assert_int_equal(m2p_get(a), M2P_INVALID);
    assert_int_equal(m2p_get(b), 3);
}

static void a_superpage_takes_the_place_of_small_ones(void **state)
{
    mfn_t super = frames_new(guest, 9), small[8];
    uint64_t before = pool_free();

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        small[i] = frames_new(guest, 0);
        assert_int_equal(physmap_set(guest, GFN(SUPER + i * 60), small[i], 0, PHYSMAP_RAM), 0);
    }
    assert_int_equal(physmap_set(guest, GFN(SUPER), super, 9, PHYSMAP_RAM), 0);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(refs(small[i]), 1);
    assert_maps(SUPER + 60, mfn_add(super, 60), PHYSMAP_RAM, 9);
    assert_int_equal(before - pool_free(), 2); /* the two upper tables: the lowest came back */
}

/* Another guest's frame is mapped writable only while it is not one of its page tables, and becomes none meanwhile. */
static void foreign_frames_are_held_writable(void **state)
{
    mfn_t foreign = frames_new(other, 0);
    struct frame *f = mfn_to_frame(foreign);

    (void)state;
    assert_int_equal(physmap_set(guest, GFN(0), foreign, 0, PHYSMAP_FOREIGN), 0);
    assert_int_equal(frame_type(f), FRAME_WRITABLE);
    assert_int_equal(f->type & FRAME_TYPE_COUNT_MASK, 1);
    assert_int_equal(frame_get_type(f, FRAME_L1), -EBUSY);
    assert_int_equal(physmap_clear(guest, GFN(0), 0), 0);
    assert_int_equal(f->type & FRAME_TYPE_COUNT_MASK, 0);
    assert_int_equal(refs(foreign), 1);
    f->type = FRAME_L1 | FRAME_VALIDATED | 1;
    assert_int_equal(physmap_set(guest, GFN(0), foreign, 0, PHYSMAP_FOREIGN), -EINVAL);
    assert_int_equal(physmap_set(guest, GFN(0), foreign, 0, PHYSMAP_GRANT), -EINVAL);
    assert_int_equal(physmap_set(guest, GFN(0), foreign, 0, PHYSMAP_GRANT_RO), 0);
    assert_int_equal(refs(foreign), 2);
    assert_int_equal(physmap_clear(guest, GFN(0), 0), 0);
    f->type = 0;
}

static void grants_are_unmapped_as_what_they_are(void **state)
{
    mfn_t granted = frames_new(other, 0), own = frames_new(guest, 0);

    (void)state;
    assert_int_equal(hvm_grant_map(guest, 5 << PAGE_SHIFT | 8, granted, 0), GNTST_bad_virt_addr);
    assert_int_equal(hvm_grant_map(guest, 5 << PAGE_SHIFT, granted, 0), GNTST_okay);
    assert_maps(5, granted, PHYSMAP_GRANT, 0);
    assert_int_equal(hvm_grant_unmap(guest, 6 << PAGE_SHIFT, granted, 0, 0), GNTST_general_error);
    assert_int_equal(hvm_grant_unmap(guest, 5 << PAGE_SHIFT, own, 0, 0), GNTST_general_error);
    assert_int_equal(hvm_grant_unmap(guest, 5 << PAGE_SHIFT, granted, 0, 7 << PAGE_SHIFT), GNTST_general_error);
    assert_int_equal(physmap_surrender(guest, GFN(5), 0), -EINVAL); /* not its own memory */
    assert_int_equal(hvm_grant_unmap(guest, 5 << PAGE_SHIFT, granted, 0, 0), GNTST_okay);
    assert_empty(5);
    assert_int_equal(refs(granted), 1);
    /* The guest put something else there meanwhile. */
    assert_int_equal(hvm_grant_map(guest, 5 << PAGE_SHIFT, granted, GNTMAP_readonly), GNTST_okay);
    assert_maps(5, granted, PHYSMAP_GRANT_RO, 0);
    assert_int_equal(physmap_fault(guest, GFN(5), true), PHYSMAP_DROP_WRITE);
    assert_int_equal(physmap_set(guest, GFN(5), own, 0, PHYSMAP_RAM), 0);
    assert_int_equal(hvm_grant_unmap(guest, 5 << PAGE_SHIFT, granted, GNTMAP_readonly, 0), GNTST_general_error);
    assert_maps(5, own, PHYSMAP_RAM, 0);
    assert_int_equal(refs(granted), 1);
}

/* ---- superpages ---- */

static void a_superpage_shatters_and_keeps_the_rest(void **state)
{
    mfn_t super = frames_new(guest, 9);
    uint64_t before;

    (void)state;
    assert_int_equal(physmap_set(guest, GFN(SUPER), super, 9, PHYSMAP_RAM), 0);
    before = pool_free();
    assert_int_equal(physmap_surrender(guest, GFN(SUPER + 100), 0), 0);
    assert_int_equal(before - pool_free(), 1);
    for (uint64_t i = 0; i < SUPER; i++) {
        if (i == 100)
            assert_empty(SUPER + i);
        else
            assert_maps(SUPER + i, mfn_add(super, i), PHYSMAP_RAM, 0);
    }
    assert_int_equal(refs(mfn_add(super, 100)), 0);
    assert_int_equal(refs(mfn_add(super, 101)), 2);
    assert_int_equal(guest->total_pages, SUPER - 1);
}

static void populate_is_whole_or_nothing(void **state)
{
    mfn_t super = frames_new(guest, 9), small = frames_new(guest, 0), odd = frames_new(guest, 9);

    (void)state;
    assert_int_equal(physmap_populate(guest, GFN(0), super, 9), 0);
    assert_maps(7, mfn_add(super, 7), PHYSMAP_RAM, 9);
    assert_int_equal(physmap_populate(guest, GFN(7), small, 0), -EEXIST);
    assert_int_equal(refs(small), 1);
    /* Not aligned: in small pages, and with the last of them in the way none stays. */
    assert_int_equal(physmap_set(guest, GFN(3 * SUPER), small, 0, PHYSMAP_RAM), 0);
    assert_int_equal(physmap_populate(guest, GFN(2 * SUPER + 1), odd, 9), -EEXIST);
    for (uint64_t i = 0; i < SUPER; i++)
        assert_int_equal(refs(mfn_add(odd, i)), 1);
    assert_empty(2 * SUPER + 1);
    assert_int_equal(physmap_populate(guest, GFN(3 * SUPER + 1), odd, 9), 0);
    assert_maps(3 * SUPER + 1, odd, PHYSMAP_RAM, 0);
    assert_int_equal(physmap_populate(guest, GFN(PHYSMAP_FRAMES - 1), odd, 9), -EINVAL);
    assert_int_equal(physmap_surrender(guest, GFN(0), 9), 0);
    assert_int_equal(refs(super), 0);
    assert_int_equal(physmap_surrender(guest, GFN(3 * SUPER + 1), 9), 0);
    assert_int_equal(refs(odd), 0);
}

/* ---- the pool ---- */

static void a_used_up_pool_is_an_error(void **state)
{
    mfn_t super = frames_new(guest, 9), small = frames_new(guest, 0);
    uint64_t used;

    (void)state;
    assert_int_equal(physmap_set(guest, GFN(0), super, 9, PHYSMAP_RAM), 0);
    used = guest->hvm->physmap->pool_pages - pool_free();
    assert_int_equal(physmap_pool_set(guest, 0), -ENOMEM); /* what is in use stays */
    assert_int_equal(physmap_pool_get(guest), used << PAGE_SHIFT);
    assert_int_equal(pool_free(), 0);
    assert_int_equal(physmap_set(guest, GFN(1UL << 30), small, 0, PHYSMAP_RAM), -ENOMEM);
    assert_int_equal(refs(small), 1);
    assert_int_equal(physmap_clear(guest, GFN(3), 0), -ENOMEM); /* cannot be shattered */
    assert_maps(3, mfn_add(super, 3), PHYSMAP_RAM, 9);
    assert_int_equal(physmap_surrender(guest, GFN(3), 0), -ENOMEM);
    assert_int_equal(refs(mfn_add(super, 3)), 2);
    assert_int_equal(physmap_surrender(guest, GFN(0), 9), 0); /* needs none */
    assert_int_equal(physmap_pool_set(guest, 16 * PAGE_SIZE), 0);
    assert_int_equal(physmap_set(guest, GFN(1UL << 30), small, 0, PHYSMAP_RAM), 0);
}

static void the_pool_grows_in_pieces(void **state)
{
    unsigned calls = 0;

    (void)state;
    this_cpu(softirq_pending_bits) = 1;
    for (int rc = -ERESTART_LATER; rc == -ERESTART_LATER; calls++)
        rc = physmap_pool_set(guest, 300 * PAGE_SIZE);
    assert_int_equal(physmap_pool_get(guest), 300 * PAGE_SIZE);
    assert_true(calls > 10);
}

/* With 0, 1, 2... pages left in the heap, until a domain can be made. */
static void failing_allocations_leave_nothing(void **state)
{
    uint64_t **taken = NULL, **page, free_before;
    unsigned failures = 0;

    (void)state;
    while (hvm_release_memory(guest))
        ;
    hvm_domain_free(guest);
    for (bool failed = true; failed; failures += failed) {
        while ((page = heap_alloc(0, 0)) != NULL) {
            *page = (uint64_t *)taken;
            taken = page;
        }
        for (unsigned i = 0; i < failures; i++) {
            page = taken;
            taken = (uint64_t **)*page;
            heap_free(page, 0);
        }
        free_before = heap_free_pages();
        failed = hvm_domain_init(guest) != 0;
        if (!failed)
            continue;
        hvm_domain_free(guest);
        assert_null(guest->hvm);
        assert_int_equal(heap_free_pages(), free_before);
    }
    assert_true(failures > 256); /* a page each for the tables' pool */
    for (; taken; taken = page) {
        page = (uint64_t **)*taken;
        heap_free(taken, 0);
    }
}

/* ---- log-dirty mode ---- */

static void log_dirty_on(void)
{
    while (hvm_log_dirty_enable(guest))
        ;
}

/* Takes the bits and has the frames protected again, as the control interface does. */
static uint32_t harvest(uint64_t *words)
{
    uint32_t found = dirty_log_harvest(guest->dirty_log, 0, true, words);

    hvm_log_dirty_protect(guest, 0, words);
    return found;
}

static void first_writes_are_noted(void **state)
{
    mfn_t small = frames_new(guest, 0), super = frames_new(guest, 9);
    uint64_t words[PAGE_SIZE / 8];

    (void)state;
    assert_int_equal(physmap_set(guest, GFN(3), small, 0, PHYSMAP_RAM), 0);
    assert_int_equal(physmap_set(guest, GFN(SUPER), super, 9, PHYSMAP_RAM), 0);
    log_dirty_on();
    assert_int_equal(hvm_log_dirty_enable(guest), -EINVAL);
    assert_true(flushes > 0);
    assert_maps(3, small, PHYSMAP_LOG_DIRTY, 0);
    assert_maps(SUPER, super, PHYSMAP_LOG_DIRTY, 9);
    assert_int_equal(physmap_fault(guest, GFN(3), false), PHYSMAP_RETRY);
    assert_maps(3, small, PHYSMAP_LOG_DIRTY, 0);
    assert_int_equal(physmap_fault(guest, GFN(3), true), PHYSMAP_RETRY);
    assert_maps(3, small, PHYSMAP_RAM, 0);
    assert_int_equal(physmap_fault(guest, GFN(SUPER + 7), true), PHYSMAP_RETRY);
    assert_maps(SUPER + 7, mfn_add(super, 7), PHYSMAP_RAM, 0);
    assert_maps(SUPER + 8, mfn_add(super, 8), PHYSMAP_LOG_DIRTY, 0);
    assert_int_equal(harvest(words), 2);
    assert_int_equal(words[0], 1UL << 3);
    assert_int_equal(words[SUPER / 64], 1UL << 7);
    assert_maps(3, small, PHYSMAP_LOG_DIRTY, 0);
    assert_maps(SUPER + 7, mfn_add(super, 7), PHYSMAP_LOG_DIRTY, 0);
    assert_int_equal(harvest(words), 0);
    assert_int_equal(physmap_fault(guest, GFN(3), true), PHYSMAP_RETRY);
    assert_int_equal(harvest(words), 1);
}

static void new_memory_counts_as_written(void **state)
{
    mfn_t small = frames_new(guest, 0), later = frames_new(guest, 0);
    uint64_t words[PAGE_SIZE / 8];

    (void)state;
    assert_int_equal(physmap_set(guest, GFN(9), small, 0, PHYSMAP_RAM), 0);
    log_dirty_on();
    assert_int_equal(physmap_set(guest, GFN(4), later, 0, PHYSMAP_RAM), 0);
    assert_int_equal(harvest(words), 1);
    assert_int_equal(words[0], 1UL << 4);
    assert_maps(4, later, PHYSMAP_LOG_DIRTY, 0);
}

/* Nothing to shatter with: the whole superpage counts as written, and is protected again as a whole. */
static void log_dirty_goes_on_without_a_pool(void **state)
{
    mfn_t super = frames_new(guest, 9);
    uint64_t words[PAGE_SIZE / 8];

    (void)state;
    assert_int_equal(physmap_set(guest, GFN(0), super, 9, PHYSMAP_RAM), 0);
    log_dirty_on();
    assert_int_equal(physmap_pool_set(guest, 0), -ENOMEM);
    assert_int_equal(physmap_fault(guest, GFN(100), true), PHYSMAP_RETRY);
    assert_maps(0, super, PHYSMAP_RAM, 9);
    assert_int_equal(harvest(words), SUPER);
    assert_maps(0, super, PHYSMAP_LOG_DIRTY, 9);
}

static void what_stays_protected_is_opened_after_the_mode(void **state)
{
    mfn_t super = frames_new(guest, 9);

    (void)state;
    assert_int_equal(physmap_set(guest, GFN(0), super, 9, PHYSMAP_RAM), 0);
    log_dirty_on();
    assert_int_equal(hvm_log_dirty_disable(guest), 0);
    assert_null(guest->dirty_log);
    assert_int_equal(physmap_fault(guest, GFN(100), true), PHYSMAP_RETRY);
    assert_maps(0, super, PHYSMAP_RAM, 9); /* not shattered for nothing */
    assert_int_equal(hvm_log_dirty_disable(guest), 0);
}

/* What the guest says it has does not decide how much memory its log takes. */
static void a_log_is_bounded(void **state)
{
    mfn_t small = frames_new(guest, 0);

    (void)state;
    guest->max_pages = 100;
    assert_int_equal(physmap_set(guest, GFN(PHYSMAP_FRAMES - 1), small, 0, PHYSMAP_RAM), 0);
    log_dirty_on();
    assert_true(guest->dirty_log->limit <= 2 * FRAMES + (1UL << 20));
    assert_maps(PHYSMAP_FRAMES - 1, small, PHYSMAP_RAM, 0); /* always counts as written */
    guest->max_pages = FRAMES;
}

static void protecting_stops_for_other_work(void **state)
{
    unsigned calls = 0;

    (void)state;
    for (unsigned i = 0; i < 1500; i++)
        assert_int_equal(physmap_set(guest, GFN(i), frames_new(guest, 0), 0, PHYSMAP_RAM), 0);
    this_cpu(softirq_pending_bits) = 1;
    for (int rc = -ERESTART_LATER; rc == -ERESTART_LATER; calls++)
        rc = hvm_log_dirty_enable(guest);
    assert_true(calls >= 3);
    for (unsigned i = 0; i < 1500; i++) {
        unsigned order;
        mfn_t m;

        assert_int_equal(type_at(i, &m, &order), PHYSMAP_LOG_DIRTY);
    }
}

/* ---- the end ---- */

static void teardown_stops_for_other_work(void **state)
{
    uint64_t free_at_end, calls = 0;
    mfn_t foreign = frames_new(other, 0);

    (void)state;
    for (unsigned i = 0; i < 600; i++)
        assert_int_equal(physmap_set(guest, GFN(i * 5), frames_new(guest, 0), 0, PHYSMAP_RAM), 0);
    assert_int_equal(physmap_set(guest, GFN(1UL << 35), frames_new(guest, 9), 9, PHYSMAP_RAM), 0);
    assert_int_equal(physmap_set(guest, GFN(1UL << 34), foreign, 0, PHYSMAP_FOREIGN), 0);
    guest->state = DOMAIN_DYING;
    this_cpu(softirq_pending_bits) = 1;
    for (int rc = -ERESTART_LATER; rc == -ERESTART_LATER; calls++)
        rc = hvm_release_memory(guest);
    assert_true(calls > 600);
    assert_int_equal(guest->total_pages, 0);
    assert_int_equal(guest->pages.count + guest->relinquish_pages.count, 0);
    assert_int_equal(refs(foreign), 1);
    assert_int_equal(guest->hvm->physmap->pool_pages, 0);
    free_at_end = heap_free_pages();
    assert_int_equal(hvm_release_memory(guest), 0);
    assert_int_equal(heap_free_pages(), free_at_end);
}

/* A frame another domain still uses outlives the physmap. */
static void frames_in_use_are_left_to_their_users(void **state)
{
    mfn_t small = frames_new(guest, 0);
    struct frame *f;

    (void)state;
    assert_int_equal(physmap_set(guest, GFN(3), small, 0, PHYSMAP_RAM), 0);
    assert_int_equal(physmap_get_frame(guest, GFN(3), &f), 0);
    guest->state = DOMAIN_DYING;
    while (hvm_release_memory(guest))
        ;
    assert_int_equal(refs(small), 1);
    assert_int_equal(guest->relinquish_pages.count, 1);
    frame_put(f);
    assert_int_equal(guest->relinquish_pages.count, 0);
}

/* ---- against an array ---- */

#define RANGE (4 * SUPER)

static void random_operations_agree_with_an_array(void **state)
{
    uint64_t random = 7, model[RANGE], words[PAGE_SIZE / 8];

    (void)state;
    for (unsigned i = 0; i < RANGE; i++)
        model[i] = INVALID_MFN.value;
    for (unsigned step = 0; step < 4000; step++) {
        uint64_t gfn = random_next(&random) % RANGE, super = gfn & ~(SUPER - 1);
        struct frame *f;

        switch (random_next(&random) % 8) {
        case 0:
            f = heap_alloc_domain(guest, 9, HEAP_ANY_WIDTH, 0);
            if (f && physmap_populate(guest, GFN(super), frame_to_mfn(f), 9) == 0)
                for (unsigned i = 0; i < SUPER; i++)
                    model[super + i] = frame_to_mfn(f).value + i;
            else if (f)
                for (unsigned i = 0; i < SUPER; i++)
                    heap_steal(guest, f + i), heap_free_domain(f + i, 0);
            break;
        case 1:
            if (physmap_surrender(guest, GFN(super), 9) == 0)
                for (unsigned i = 0; i < SUPER; i++)
                    model[super + i] = INVALID_MFN.value;
            else /* as far as it came */
                for (unsigned i = 0; i < SUPER; i++) {
                    unsigned order;
                    mfn_t m;

                    if (type_at(super + i, &m, &order) == PHYSMAP_NONE)
                        model[super + i] = INVALID_MFN.value;
                }
            break;
        case 2:
            if (guest->dirty_log)
                hvm_log_dirty_disable(guest);
            else
                log_dirty_on();
            break;
        case 3:
            if (guest->dirty_log)
                harvest(words);
            break;
        case 4:
            if (physmap_surrender(guest, GFN(gfn), 0) == 0)
                model[gfn] = INVALID_MFN.value;
            break;
        case 5:
            assert_int_equal(physmap_fault(guest, GFN(gfn), true),
                             model[gfn] == INVALID_MFN.value ? PHYSMAP_NO_MEMORY : PHYSMAP_RETRY);
            break;
        default:
            f = heap_alloc_domain(guest, 0, HEAP_ANY_WIDTH, 0);
            if (f && physmap_populate(guest, GFN(gfn), frame_to_mfn(f), 0) == 0)
                model[gfn] = frame_to_mfn(f).value;
            else if (f)
                heap_steal(guest, f), heap_free_domain(f, 0);
            break;
        }
        if (step % 100)
            continue;
        for (unsigned i = 0; i < RANGE; i++) {
            unsigned order;
            mfn_t m;

            (void)type_at(i, &m, &order);
            assert_int_equal(m.value, model[i]);
            if (m.value != INVALID_MFN.value)
                assert_int_equal(refs(m), 2);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(translations_are_what_was_set),
        TEST(what_makes_no_sense_is_refused),
        TEST(a_refused_superpage_holds_nothing),
        TEST(frames_are_found_by_their_names),
        TEST(removal_flushes_before_it_lets_go),
        TEST(replacing_lets_go_of_what_was_there),
        TEST(a_superpage_takes_the_place_of_small_ones),
        TEST(foreign_frames_are_held_writable),
        TEST(grants_are_unmapped_as_what_they_are),
        TEST(a_superpage_shatters_and_keeps_the_rest),
        TEST(populate_is_whole_or_nothing),
        TEST(a_used_up_pool_is_an_error),
        TEST(the_pool_grows_in_pieces),
        TEST(failing_allocations_leave_nothing),
        TEST(first_writes_are_noted),
        TEST(new_memory_counts_as_written),
        TEST(log_dirty_goes_on_without_a_pool),
        TEST(what_stays_protected_is_opened_after_the_mode),
        TEST(a_log_is_bounded),
        TEST(protecting_stops_for_other_work),
        TEST(teardown_stops_for_other_work),
        TEST(frames_in_use_are_left_to_their_users),
        TEST(random_operations_agree_with_an_array),
    };

    return cmocka_run_group_tests(tests, machine_setup, machine_teardown);
}
