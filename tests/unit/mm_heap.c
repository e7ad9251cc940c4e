// SPDX-License-Identifier: BSD-2-Clause
/* The allocators of mm/: blocks, ownership and claims, small allocations, range sets. */
#include <errno.h>

#include "arch/host/host.h"
#include "lib_test.h"
#include "mm/buddy.h"
#include "mm/heap.h"

#define FRAMES 4096

const struct frame_type_ops frame_type_ops; /* no page tables here */

static struct domain *guest;

static int setup(void **state)
{
    (void)state;
    host_setup(FRAMES);
    guest = host_domain_new(1, 1);
    guest->max_pages = 1024;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_teardown();
    return 0;
}

/* Every frame of a free block is accounted for once, and blocks are aligned, clean of owners and joined. */
static void check_free_memory(void)
{
    uint64_t seen = 0;

    for (uint64_t i = 1; i < FRAMES;) {
        struct frame *f = &frame_table[i];
        uint64_t size = 1;

        if (f->refs & FRAME_FREE) {
            size = 1UL << f->type;
            assert_int_equal(i & (size - 1), 0);
            assert_int_equal(f->refs & ~(FRAME_FREE | FRAME_UNSCRUBBED), 0);
            seen += size;
        }
        i += size;
    }
    assert_int_equal(seen, heap_free_pages());
}

static void blocks_come_back_whole(void **state)
{
    uint64_t random = 42, before = heap_free_pages();
    struct {
        void *pages;
        unsigned order;
    } held[200] = {0};

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        unsigned slot = random_next(&random) % 200;

        if (held[slot].pages) {
            heap_free(held[slot].pages, held[slot].order);
            held[slot].pages = NULL;
        } else {
            held[slot].order = random_next(&random) % 5;
            held[slot].pages = heap_alloc(held[slot].order, random & 1 ? HEAP_ZERO : 0);
            if (held[slot].pages && random & 1)
                for (unsigned k = 0; k < PAGE_SIZE << held[slot].order; k += 512)
                    assert_int_equal(((char *)held[slot].pages)[k], 0);
            if (held[slot].pages)
                memset(held[slot].pages, 0xa5, PAGE_SIZE << held[slot].order);
        }
        if (i % 1000 == 0)
            check_free_memory();
    }
    for (unsigned slot = 0; slot < 200; slot++)
        if (held[slot].pages)
            heap_free(held[slot].pages, held[slot].order);
    assert_int_equal(heap_free_pages(), before);
    check_free_memory();
}

static void a_large_block_is_found_among_clean_and_dirty_halves(void **state)
{
    void *block = heap_alloc(10, 0);

    (void)state;
    assert_non_null(block);
    heap_free(block, 10);
    for (unsigned i = 0; i < 40; i++) /* some of it clean, some not */
        heap_scrub_some();
    check_free_memory();
    block = heap_alloc(10, HEAP_ZERO);
    assert_non_null(block);
    for (unsigned k = 0; k < PAGE_SIZE << 10; k += 256)
        assert_int_equal(((char *)block)[k], 0);
    heap_free(block, 10);
    while (heap_scrub_some())
        ;
    assert_int_equal(heap_scrub_pages(), 0);
    check_free_memory();
}

/* Every pair of pages has one half that is clean and one that is not: more blocks than one batch of the search. */
static void buddies_of_different_cleanness_are_joined_when_needed(void **state)
{
    enum { PAGES = FRAMES };
    static void *pages[PAGES];
    void *block;
    unsigned count = 0;

    (void)state;
    while (count < PAGES && (pages[count] = heap_alloc(0, HEAP_NO_SCRUB)) != NULL)
        count++;
    for (unsigned i = 0; i < count; i++)
        if (virt_to_mfn(pages[i]).value % 2 == 0)
            heap_free(pages[i], 0);
    while (heap_scrub_some())
        ;
    for (unsigned i = 0; i < count; i++)
        if (virt_to_mfn(pages[i]).value % 2)
            heap_free(pages[i], 0);
    check_free_memory();
    block = heap_alloc(9, HEAP_ZERO);
    assert_non_null(block);
    check_free_memory();
    heap_free(block, 9);
    while (heap_scrub_some())
        ;
}

static void an_address_width_is_kept(void **state)
{
    struct frame *frames[64];

    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        frames[i] = heap_alloc_domain(guest, 0, 20, 0);
        assert_non_null(frames[i]);
        assert_true(frame_to_mfn(frames[i]).value < 256);
    }
    /* Without a limit the high end goes first. */
    struct frame *high = heap_alloc_domain(guest, 0, HEAP_ANY_WIDTH, 0);
    assert_true(frame_to_mfn(high).value >= FRAMES / 2);
    assert_null(heap_alloc_domain(guest, 0, 12, 0));
    frames[0] = high;
    for (unsigned i = 1; i < 64; i++)
        frames[i]->refs &= ~FRAME_ALLOCATED, frame_put(frames[i]);
    high->refs &= ~FRAME_ALLOCATED;
    frame_put(high);
}

static void release_all(void)
{
    struct frame *f;

    while ((f = frame_list_first(&guest->pages)) != NULL) {
        f->refs &= ~FRAME_ALLOCATED;
        frame_put(f);
    }
}

static void a_domain_stays_within_its_limit(void **state)
{
    unsigned refs = guest->refs;
    uint64_t free = heap_free_pages();

    (void)state;
    release_all();
    refs = guest->refs;
    free = heap_free_pages();
    guest->max_pages = 10;
    for (unsigned i = 0; i < 10; i++)
        assert_non_null(heap_alloc_domain(guest, 0, HEAP_ANY_WIDTH, 0));
    assert_int_equal(guest->refs, refs + 1); /* one for all its frames */
    assert_null(heap_alloc_domain(guest, 0, HEAP_ANY_WIDTH, 0));
    assert_int_equal(heap_free_pages(), free - 10); /* the one that was refused went back */
    assert_non_null(heap_alloc_domain(guest, 0, HEAP_ANY_WIDTH, HEAP_EXTRA));
    assert_int_equal(guest->total_pages, 10);
    release_all();
    assert_int_equal(guest->total_pages, 0);
    assert_int_equal(guest->refs, refs + 1); /* the extra frame still counts as owned */
    struct frame *extra = frame_list_first(&guest->extra_pages);
    extra->refs &= ~FRAME_ALLOCATED;
    frame_put(extra);
    assert_int_equal(guest->refs, refs);
    assert_int_equal(heap_free_pages(), free);
    guest->max_pages = 1024;
}

static void a_dying_domain_gets_nothing(void **state)
{
    uint64_t free = heap_free_pages();

    (void)state;
    guest->state = DOMAIN_DYING;
    assert_null(heap_alloc_domain(guest, 0, HEAP_ANY_WIDTH, 0));
    guest->state = DOMAIN_ALIVE;
    assert_int_equal(heap_free_pages(), free);
}

static void only_an_unused_frame_can_be_taken_away(void **state)
{
    struct frame *f = heap_alloc_domain(guest, 0, HEAP_ANY_WIDTH, 0);

    (void)state;
    assert_true(frame_get(f, guest));
    assert_int_equal(heap_steal(guest, f), -EBUSY);
    frame_put(f);
    assert_int_equal(heap_steal(domain_idle, f), -EBUSY); /* not its owner */
    assert_int_equal(heap_steal(guest, f), 0);
    assert_null(frame_owner(f));
    assert_false(frame_get(f, guest));
    assert_int_equal(heap_assign(guest, f, 0, 0), 0);
    assert_ptr_equal(frame_owner(f), guest);
    release_all();
}

/* Extents of four frames; the third has one in use, the fourth number is no frame. */
static void extents_are_taken_away_until_one_is_refused(void **state)
{
    uint64_t free = heap_free_pages(), numbers[4];
    struct frame_list taken;
    struct frame *busy;

    (void)state;
    frame_list_init(&taken);
    for (unsigned i = 0; i < 3; i++)
        numbers[i] = frame_to_mfn(heap_alloc_domain(guest, 2, HEAP_ANY_WIDTH, 0)).value;
    numbers[3] = max_frame;
    busy = mfn_to_frame(MFN(numbers[2] + 1));
    assert_true(frame_get(busy, guest));
    assert_int_equal(heap_steal_extents(guest, numbers, 4, 2, &taken), -EBUSY);
    assert_int_equal(taken.count, 9); /* two extents, and one frame before that in use */
    assert_int_equal(guest->total_pages, 3);
    guest->max_pages = 10;
    heap_give_back(guest, &taken); /* two of them it may not have any more */
    guest->max_pages = 1024;
    assert_int_equal(taken.count, 0);
    assert_int_equal(guest->total_pages, 10);
    assert_ptr_equal(frame_owner(mfn_to_frame(MFN(numbers[0]))), guest);
    frame_put(busy);
    numbers[2]++;
    assert_int_equal(heap_steal_extents(guest, numbers + 2, 2, 0, &taken), -EINVAL);
    assert_int_equal(taken.count, 1);
    heap_free_list(&taken);
    release_all();
    assert_int_equal(heap_free_pages(), free);
}

/* Runs of four, of one and of three frames, the last of them first. */
static void frames_of_a_list_come_back_whole(void **state)
{
    static const unsigned order[8] = {4, 5, 6, 7, 3, 0, 1, 2};
    uint64_t free = heap_free_pages(), numbers[8];
    struct frame *f = heap_alloc_domain(guest, 3, HEAP_ANY_WIDTH, 0);
    struct frame_list taken;

    (void)state;
    frame_list_init(&taken);
    for (unsigned i = 0; i < 8; i++)
        numbers[i] = frame_to_mfn(f).value + order[i];
    assert_int_equal(heap_steal_extents(guest, numbers, 8, 0, &taken), 0);
    heap_free_list(&taken);
    assert_int_equal(heap_free_pages(), free);
    check_free_memory();
    for (unsigned i = 1; i < 8; i++)
        assert_false(f[i].refs & FRAME_FREE); /* no block begins inside */
}

static void a_claim_keeps_others_out_and_is_used_up(void **state)
{
    uint64_t free = heap_free_pages();
    struct domain *other = host_domain_new(2, 1);
    struct frame *f;

    (void)state;
    other->max_pages = FRAMES;
    guest->max_pages = FRAMES;
    free = heap_free_pages();
    assert_int_equal(heap_claim(guest, free + 1), -ENOMEM);
    assert_int_equal(heap_claim(guest, free - 4), 0);
    assert_int_equal(heap_claim(guest, 5), -EINVAL); /* one at a time */
    assert_int_equal(heap_unclaimed_free_pages(), 4);
    assert_null(heap_alloc_domain(other, 3, HEAP_ANY_WIDTH, 0));
    f = heap_alloc_domain(guest, 3, HEAP_ANY_WIDTH, 0);
    assert_non_null(f);
    assert_int_equal(heap_outstanding_claims(), free - 4 - 8);
    assert_int_equal(heap_claim(guest, 0), 0);
    assert_int_equal(heap_outstanding_claims(), 0);
    release_all();
    guest->max_pages = 1024;
}

static void a_shared_page_outlives_its_release_while_mapped(void **state)
{
    uint64_t free = heap_free_pages();
    void *page = heap_alloc(0, HEAP_ZERO);
    struct frame *f = virt_to_frame(page);

    (void)state;
    heap_share(page, guest, SHARE_READ_ONLY);
    assert_true(frame_get(f, guest)); /* the guest maps it */
    assert_int_equal(frame_get_type(f, FRAME_WRITABLE), -EBUSY);
    heap_unshare_release(page);
    assert_int_equal(heap_free_pages(), free - 1);
    frame_put(f);
    assert_int_equal(heap_free_pages(), free);
}

static void small_allocations_do_not_overlap_and_come_back(void **state)
{
    uint64_t random = 7, free = heap_free_pages();
    struct {
        unsigned char *p;
        size_t size;
    } held[300] = {0};

    (void)state;
    for (unsigned i = 0; i < 30000; i++) {
        unsigned slot = random_next(&random) % 300;
        unsigned char mark = (unsigned char)(slot + 1);

        if (held[slot].p) {
            for (size_t k = 0; k < held[slot].size; k++)
                assert_int_equal(held[slot].p[k], mark);
            mem_free(held[slot].p);
            held[slot].p = NULL;
            continue;
        }
        held[slot].size = 1 + random_next(&random) % (random % 7 ? 700 : 9000);
        held[slot].p = mem_alloc(held[slot].size, 16);
        assert_non_null(held[slot].p);
        assert_int_equal((uintptr_t)held[slot].p % 16, 0);
        for (size_t k = 0; k < held[slot].size; k++)
            assert_int_equal(held[slot].p[k], 0);
        memset(held[slot].p, mark, held[slot].size);
    }
    for (unsigned slot = 0; slot < 300; slot++)
        mem_free(held[slot].p);
    assert_int_equal(heap_free_pages(), free);
    assert_null(mem_alloc_array(SIZE_MAX / 2, 3));
    assert_null(mem_alloc(SIZE_MAX - 1, 1));
}

static void ranges_join_and_split(void **state)
{
    struct rangeset r;

    (void)state;
    rangeset_init(&r);
    assert_int_equal(rangeset_add(&r, 5, 4), -EINVAL);
    assert_int_equal(rangeset_add(&r, 0, UINT64_MAX), 0);
    assert_int_equal(rangeset_remove(&r, 100, 199), 0);
    assert_int_equal(r.count, 2);
    assert_false(rangeset_contains(&r, 99, 100));
    assert_true(rangeset_contains(&r, 200, UINT64_MAX));
    assert_int_equal(rangeset_add(&r, 100, 149), 0); /* touches the lower one */
    assert_int_equal(r.count, 2);
    assert_int_equal(rangeset_add(&r, 150, 199), 0);
    assert_int_equal(r.count, 1);
    rangeset_destroy(&r);
}

static void ranges_agree_with_a_bitmap(void **state)
{
    bool model[64] = {0};
    uint64_t random = 99;
    struct rangeset r;

    (void)state;
    rangeset_init(&r);
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t a = random_next(&random) % 64, b = random_next(&random) % 64;
        uint64_t first = a < b ? a : b, last = a < b ? b : a;
        bool add = random_next(&random) & 1, all = true;

        assert_int_equal(add ? rangeset_add(&r, first, last) : rangeset_remove(&r, first, last), 0);
        for (uint64_t k = first; k <= last; k++)
            model[k] = add;
        a = random_next(&random) % 64;
        for (uint64_t k = a; k < 64 && k < a + 5; k++)
            all = all && model[k];
        b = a + 4 < 63 ? a + 4 : 63;
        assert_int_equal(rangeset_contains(&r, a, b), all);
    }
    rangeset_destroy(&r);
}

/* ---- nodes; the last, since there is no way back ---- */

static unsigned node_of(const struct frame *f)
{
    uint64_t number = frame_to_mfn(f).value;

    return number >= 1001 && number < 3003 ? 1 : 0;
}

static void check_nodes(void)
{
    uint64_t seen[2] = {0};

    check_free_memory();
    for (uint64_t i = 1; i < FRAMES;) {
        struct frame *f = &frame_table[i];
        uint64_t size = f->refs & FRAME_FREE ? 1UL << f->type : 1;

        if (f->refs & FRAME_FREE) {
            assert_int_equal(node_of(f), node_of(f + size - 1));
            seen[node_of(f)] += size;
        }
        i += size;
    }
    assert_int_equal(seen[0], heap_node_free_pages(0));
    assert_int_equal(seen[1], heap_node_free_pages(1));
}

static void memory_comes_from_the_node_that_is_wanted(void **state)
{
    static const struct node_range range = {1001, 3003, 1};
    uint64_t before = heap_free_pages(), other;
    struct frame *frames[600], *f;

    (void)state;
    heap_set_nodes(&range, 1);
    assert_int_equal(heap_free_pages(), before);
    check_nodes();
    guest->node_affinity = 2;
    for (unsigned i = 0; i < 300; i++) {
        frames[i] = heap_alloc_domain(guest, 0, HEAP_ANY_WIDTH, 0);
        assert_int_equal(node_of(frames[i]), 1);
        frames[300 + i] = heap_alloc_domain(guest, 0, HEAP_ANY_WIDTH, HEAP_NODE(0));
        assert_int_equal(node_of(frames[300 + i]), 0);
    }
    check_nodes();
    for (unsigned i = 0; i < 600; i++)
        frame_put(frames[i]);
    check_nodes();
    guest->max_pages = FRAMES;
    while (heap_alloc_domain(guest, 0, HEAP_ANY_WIDTH, HEAP_NODE(1) | HEAP_NODE_ONLY))
        ;
    assert_int_equal(heap_node_free_pages(1), 0);
    other = heap_node_free_pages(0);
    assert_in_range(other, 1, FRAMES);
    f = heap_alloc_domain(guest, 0, HEAP_ANY_WIDTH, HEAP_NODE(1));
    assert_int_equal(node_of(f), 0);
    assert_null(heap_alloc_domain(guest, 0, HEAP_ANY_WIDTH, HEAP_NODE(200) | HEAP_NODE_ONLY));
    check_nodes();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_come_back_whole),
        cmocka_unit_test(a_large_block_is_found_among_clean_and_dirty_halves),
        cmocka_unit_test(buddies_of_different_cleanness_are_joined_when_needed),
        cmocka_unit_test(an_address_width_is_kept),
        cmocka_unit_test(a_domain_stays_within_its_limit),
        cmocka_unit_test(a_dying_domain_gets_nothing),
        cmocka_unit_test(only_an_unused_frame_can_be_taken_away),
        cmocka_unit_test(extents_are_taken_away_until_one_is_refused),
        cmocka_unit_test(frames_of_a_list_come_back_whole),
        cmocka_unit_test(a_claim_keeps_others_out_and_is_used_up),
        cmocka_unit_test(a_shared_page_outlives_its_release_while_mapped),
        cmocka_unit_test(small_allocations_do_not_overlap_and_come_back),
        cmocka_unit_test(ranges_join_and_split),
        cmocka_unit_test(ranges_agree_with_a_bitmap),
        cmocka_unit_test(memory_comes_from_the_node_that_is_wanted),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
