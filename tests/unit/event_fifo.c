// SPDX-License-Identifier: BSD-2-Clause
/*
 * The FIFO way, with a guest that consumes its queues as xen/event_channel.h and the design document say,
 * guests that do not, and threads that race.
 */
#include "event_test.h"

#include <pthread.h>

static struct domain *d;
static struct evtchn_fifo_control_block *control[2];
static event_word_t *words[EVENT_ARRAY_PAGES];
static unsigned word_pages;

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED (1u << EVTCHN_FIFO_MASKED)
#define LINKED (1u << EVTCHN_FIFO_LINKED)
#define BUSY (1u << EVTCHN_FIFO_BUSY)

static event_word_t *word(evtchn_port_t port)
{
    return &words[port / EVENT_WORDS_PER_PAGE][port % EVENT_WORDS_PER_PAGE];
}

static void expand(void)
{
    mfn_t page = host_domain_page(d);

    words[word_pages++] = mfn_to_virt(page);
    assert_int_equal(event_expand_array(d, GFN(page.value)), 0);
}

static void init_control(unsigned vcpu)
{
    mfn_t page = host_domain_page(d);
    struct evtchn_init_control args = {.control_gfn = page.value, .offset = 64, .vcpu = vcpu};

    assert_int_equal(event_init_control(d, &args), 0);
    assert_int_equal(args.link_bits, EVTCHN_FIFO_LINK_BITS);
    control[vcpu] = (struct evtchn_fifo_control_block *)((char *)mfn_to_virt(page) + 64);
}

static int setup(void **state)
{
    (void)state;
    host_setup(8192);
    d = event_test_domain(1, 3); /* the third vcpu never gets a control block */
    host_set_current(d->vcpus[0]);
    word_pages = 0;
    init_control(0);
    init_control(1);
    expand();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_set_current(idle_vcpu[0]);
    event_test_domain_free(d);
    for (size_t i = 0; i < max_frame; i++) /* every writable reference of the guest's pages was given back */
        assert_true((frame_table[i].refs & FRAME_REFS_MASK) <= 1);
    host_teardown();
    return 0;
}

/* What a guest does: takes the head of a queue off it.  0: empty. */
static evtchn_port_t consume(unsigned vcpu, unsigned priority)
{
    struct evtchn_fifo_control_block *c = control[vcpu];
    static uint32_t heads[2][EVTCHN_FIFO_MAX_QUEUES];
    uint32_t head = heads[vcpu][priority], link;
    event_word_t old;

    if (!head) {
        if (!(__atomic_fetch_and(&c->ready, ~(1u << priority), __ATOMIC_SEQ_CST) >> priority & 1))
            return 0;
        head = __atomic_load_n(&c->head[priority], __ATOMIC_SEQ_CST);
        if (!head)
            return 0;
    }
    old = __atomic_load_n(word(head), __ATOMIC_SEQ_CST);
    while (!__atomic_compare_exchange_n(word(head), &old, old & ~(LINKED | (uint32_t)EVTCHN_FIFO_LINK_MASK),
                                        false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    link = old & EVTCHN_FIFO_LINK_MASK;
    heads[vcpu][priority] = link;
    __atomic_fetch_and(word(head), ~PENDING, __ATOMIC_SEQ_CST);
    return head;
}

static evtchn_port_t ipi(unsigned vcpu)
{
    evtchn_port_t port;

    assert_int_equal(event_bind_ipi(d, vcpu, &port), 0);
    return port;
}

static void events_come_in_order(void **state)
{
    evtchn_port_t p[20];

    (void)state;
    for (unsigned i = 0; i < 20; i++)
        p[i] = ipi(0);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 20; i++)
            assert_int_equal(event_send(d, p[i]), 0);
        assert_int_equal(event_send(d, p[4]), 0); /* pending already: once is enough */
        assert_int_equal(d->vcpus[0]->info->evtchn_upcall_pending, 1);
        d->vcpus[0]->info->evtchn_upcall_pending = 0;
        for (unsigned i = 0; i < 20; i++)
            assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT), p[i]);
        assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT), 0);
    }
    assert_int_equal(host_kicks(d->vcpus[0]), 3);
}

static void priorities_have_queues(void **state)
{
    evtchn_port_t p = ipi(0), q = ipi(0);

    (void)state;
    assert_int_equal(event_set_priority(d, p, 16), -EINVAL);
    assert_int_equal(event_set_priority(d, p, 3), 0);
    assert_int_equal(event_send(d, p), 0);
    assert_int_equal(event_send(d, q), 0);
    assert_int_equal(control[0]->ready, 1u << 3 | 1u << EVTCHN_FIFO_PRIORITY_DEFAULT);
    assert_int_equal(consume(0, 3), p);
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT), q);
}

static void a_masked_event_waits_for_unmask(void **state)
{
    evtchn_port_t p = ipi(0);

    (void)state;
    *word(p) = MASKED;
    assert_int_equal(event_send(d, p), 0);
    assert_int_equal(*word(p), MASKED | PENDING);
    assert_int_equal(control[0]->ready, 0);
    assert_int_equal(event_unmask(d, p), 0);
    assert_int_equal(*word(p), PENDING | LINKED);
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT), p);
}

static void a_moved_port_changes_queues(void **state)
{
    evtchn_port_t unbound, p, q = ipi(0);

    (void)state;
    assert_int_equal(event_alloc_unbound(d, d->id, &unbound), 0);
    assert_int_equal(event_bind_interdomain(d, d->id, unbound, &p), 0); /* pending at once, on vcpu 0 */
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT), p);
    assert_int_equal(event_send(d, p), 0); /* tail of vcpu 0's queue: `unbound` */
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT), unbound);
    assert_int_equal(event_bind_vcpu(d, unbound, 1), 0);
    assert_int_equal(event_send(d, p), 0);
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT), 0);
    assert_int_equal(event_send(d, q), 0); /* must not be chained behind the port that left */
    assert_int_equal(consume(1, EVTCHN_FIFO_PRIORITY_DEFAULT), unbound);
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT), q);
}

static void a_vcpu_without_control_block_gets_nothing(void **state)
{
    evtchn_port_t p = ipi(2);

    (void)state;
    assert_int_equal(event_send(d, p), 0);
    assert_int_equal(host_kicks(d->vcpus[2]), 0);
    assert_int_equal(*word(p), 0);
}

static void events_before_the_array_are_shown_later(void **state)
{
    evtchn_port_t p = 0;

    (void)state;
    while (p < EVENT_WORDS_PER_PAGE + 5)
        p = ipi(0);
    assert_int_equal(event_send(d, p), 0);
    assert_int_equal(control[0]->ready, 0);
    expand();
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT), p);
}

static void pending_2_level_events_survive_the_switch(void **state)
{
    struct domain *e = event_test_domain(2, 1), *mine = d;
    evtchn_port_t p;

    (void)state;
    d = e;
    assert_int_equal(event_bind_ipi(e, 0, &p), 0);
    assert_int_equal(event_send(e, p), 0);
    word_pages = 0;
    init_control(0);
    assert_false(event_test_pending(e, p));
    expand();
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT), p);
    d = mine;
    event_test_domain_free(e);
}

static void bad_arguments_are_refused(void **state)
{
    mfn_t page = host_domain_page(d), ours = virt_to_mfn(heap_alloc(0, HEAP_ZERO));
    struct evtchn_init_control args = {.control_gfn = page.value, .offset = 0, .vcpu = 3};

    (void)state;
    assert_int_equal(event_init_control(d, &args), -ENOENT);
    args.vcpu = 2;
    args.offset = 4;
    assert_int_equal(event_init_control(d, &args), -EINVAL);
    args.offset = PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) + 8;
    assert_int_equal(event_init_control(d, &args), -EINVAL);
    args.offset = 0;
    args.control_gfn = ours.value;
    assert_int_equal(event_init_control(d, &args), -EINVAL);
    args.control_gfn = 1UL << 40;
    assert_int_equal(event_init_control(d, &args), -EINVAL);
    args.control_gfn = page.value;
    args.vcpu = 0;
    assert_int_equal(event_init_control(d, &args), -EINVAL); /* has one */
    assert_int_equal(event_expand_array(d, GFN(ours.value)), -EINVAL);
    assert_int_equal(mfn_to_frame(page)->refs & FRAME_REFS_MASK, 1);
    heap_free(mfn_to_virt(ours), 0);
}

static void corrupted_words_hurt_only_the_guest(void **state)
{
    static const event_word_t junk[] = {~0u, LINKED | 0x1ffff, BUSY, LINKED | BUSY, PENDING | LINKED | 7,
                                        0,   MASKED | LINKED};
    evtchn_port_t p[8];

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        p[i] = ipi(i & 1);
    for (unsigned round = 0; round < 2000; round++) {
        unsigned x = round * 2654435761u;

        *word(p[x >> 8 & 7]) = junk[(x >> 12) % ARRAY_SIZE(junk)];
        control[x & 1]->head[7] = x;
        control[x & 1]->ready = x >> 3;
        assert_int_equal(event_send(d, p[x >> 16 & 7]), 0);
        assert_int_equal(event_unmask(d, p[x >> 20 & 7]), 0);
        assert_int_equal(event_set_priority(d, p[x >> 24 & 7], x & 15), 0);
    }
}

static void a_linked_word_keeps_its_port_from_reuse(void **state)
{
    evtchn_port_t p = ipi(0);

    (void)state;
    assert_int_equal(event_send(d, p), 0);
    assert_int_equal(event_close(d, p), 0);
    assert_int_not_equal(ipi(0), p);
    *word(p) = 0;
    assert_int_equal(ipi(0), p);
}

/* Freed ports that stay linked are passed over, but one search does not pass over as many as the guest likes. */
static void a_search_passes_over_so_many_linked_words_only(void **state)
{
    const evtchn_port_t ports = 6000, unlinked = 5000;
    evtchn_port_t first = ipi(0), last = first;

    (void)state;
    while (word_pages * EVENT_WORDS_PER_PAGE <= ports)
        expand();
    while (last < ports)
        last = ipi(0);
    for (evtchn_port_t port = first; port <= last; port++) {
        assert_int_equal(event_close(d, port), 0);
        *word(port) = port == unlinked ? 0 : LINKED;
    }
    assert_true(ipi(0) > last);
    *word(first + 1) = 0;
    assert_int_equal(ipi(0), first + 1);
}

static void all_131071_ports_can_be_used(void **state)
{
    evtchn_port_t p = 0;

    (void)state;
    for (unsigned i = 1; i < EVTCHN_FIFO_NR_CHANNELS; i++)
        p = ipi(0);
    assert_int_equal(p, EVTCHN_FIFO_NR_CHANNELS - 1);
    assert_int_equal(event_bind_ipi(d, 0, &p), -ENOSPC);
    while (word_pages < EVENT_ARRAY_PAGES)
        expand();
    assert_int_equal(event_expand_array(d, GFN(host_domain_page(d).value)), -ENOSPC);
    assert_int_equal(event_send(d, EVTCHN_FIFO_NR_CHANNELS - 1), 0);
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT), EVTCHN_FIFO_NR_CHANNELS - 1);
}

static void reset_returns_to_2_level(void **state)
{
    evtchn_port_t p = ipi(0);

    (void)state;
    assert_int_equal(event_send(d, p), 0);
    d->vcpus[0]->info->evtchn_upcall_mask = 1; /* not interrupted by its own events */
    assert_int_equal(event_reset(d), 0);
    assert_int_equal(consume(0, EVTCHN_FIFO_PRIORITY_DEFAULT), p);
    p = ipi(0);
    assert_int_equal(event_send(d, p), 0);
    assert_int_equal(d->vcpus[0]->info->evtchn_pending_sel, 1);
    assert_int_equal(event_expand_array(d, GFN(host_domain_page(d).value)), -EOPNOTSUPP);
}

/* ---- races ---- */

#define RACE_PORTS 16
#define RACE_ROUNDS 4000
static evtchn_port_t race_port[RACE_PORTS];
static uint32_t race_done;

static void *race_sender(void *arg)
{
    unsigned cpu = (unsigned)(uintptr_t)arg;

    host_thread_cpu(cpu);
    host_set_current(d->vcpus[0]);
    for (unsigned i = 0; i < RACE_ROUNDS; i++) {
        event_send(d, race_port[(i * 7 + cpu) % RACE_PORTS]);
        if (i % 16 == 0)
            event_set_priority(d, race_port[i % RACE_PORTS], 7 + (i & 1));
    }
    __atomic_fetch_add(&race_done, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/*
 * Two senders on all ports of two vcpus, the guest consuming: in the end nothing that is pending is in no
 * queue.
 */
static void racing_senders_lose_nothing(void **state)
{
    pthread_t threads[2];
    bool last;

    (void)state;
    race_done = 0;
    for (unsigned i = 0; i < RACE_PORTS; i++)
        race_port[i] = ipi(i & 1);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race_sender, (void *)(uintptr_t)(i + 1)), 0);
    do {
        last = __atomic_load_n(&race_done, __ATOMIC_SEQ_CST) == 2;
        for (unsigned vcpu = 0; vcpu < 2; vcpu++) {
            for (unsigned priority = 7; priority < 9; priority++) {
                while (consume(vcpu, priority))
                    ;
            }
        }
    } while (!last);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < RACE_PORTS; i++)
        assert_int_equal(*word(race_port[i]) & PENDING, 0);
}

static void *race_binder(void *arg)
{
    host_thread_cpu((unsigned)(uintptr_t)arg);
    host_set_current(d->vcpus[0]);
    for (unsigned i = 0; i < RACE_ROUNDS; i++) {
        evtchn_port_t p, q;

        if (event_alloc_unbound(d, d->id, &p) || event_bind_interdomain(d, d->id, p, &q))
            continue;
        event_send(d, p);
        event_send(d, q);
        event_close(d, (i & 1) ? p : q);
        event_send(d, p);
        event_close(d, (i & 1) ? q : p);
    }
    return NULL;
}

static void racing_binds_and_closes(void **state)
{
    pthread_t threads[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race_binder, (void *)(uintptr_t)(i + 1)), 0);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(d->event->active, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(events_come_in_order),
        TEST(priorities_have_queues),
        TEST(a_masked_event_waits_for_unmask),
        TEST(a_moved_port_changes_queues),
        TEST(a_vcpu_without_control_block_gets_nothing),
        TEST(events_before_the_array_are_shown_later),
        TEST(pending_2_level_events_survive_the_switch),
        TEST(bad_arguments_are_refused),
        TEST(corrupted_words_hurt_only_the_guest),
        TEST(a_linked_word_keeps_its_port_from_reuse),
        TEST(a_search_passes_over_so_many_linked_words_only),
        TEST(all_131071_ports_can_be_used),
        TEST(reset_returns_to_2_level),
        TEST(racing_senders_lose_nothing),
        TEST(racing_binds_and_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
