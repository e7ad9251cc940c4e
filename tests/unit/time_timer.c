// SPDX-License-Identifier: BSD-2-Clause
/*
 * Timers: they fire once, in order, not before their time and not after being stopped; more of them than the heap
 * holds; from their own functions; moved between CPUs and killed while other threads use them.
 */
#include "lib_test.h"

#include <pthread.h>

#include "arch/host/host.h"
#include "arch/time.h"
#include "lib/base.h"
#include "time/time_private.h"

#define MANY 700 /* more than a heap starts with */
#define THREADS 3
#define ROUNDS 3000

struct item {
    struct timer timer;
    unsigned fired;
    nanoseconds_t at, wanted;
};

static struct item items[MANY];
static nanoseconds_t programmed, last_fired;
static bool early, unordered;

/* The CPU's own timer: what it was last set to; a time that has passed interrupts at once. */
void clock_event_program(nanoseconds_t when)
{
    __atomic_store_n(&programmed, when, __ATOMIC_RELAXED);
    if (when && when <= time_now())
        softirq_raise(SOFTIRQ_TIMER);
}

static void fire(void *data)
{
    struct item *item = data;

    item->fired++;
    item->at = time_now();
    early |= item->at < item->wanted;
    unordered |= item->wanted < last_fired;
    last_fired = item->wanted;
}

static void item_set(struct item *item, nanoseconds_t when)
{
    item->wanted = when;
    timer_set(&item->timer, when);
}

/* Time passes, and the CPU's timer or another CPU's poke brings the softirq. */
static void pass(nanoseconds_t until)
{
    do {
        softirq_run();
        if (programmed && programmed <= until) {
            host_time = max(host_time, programmed);
            softirq_raise(SOFTIRQ_TIMER);
        }
    } while (softirq_pending() || (programmed && programmed <= until));
    host_time = max(host_time, until);
}

static int setup(void **state)
{
    (void)state;
    host_setup(1024);
    host_time = 1000;
    programmed = last_fired = 0;
    early = unordered = false;
    memset(items, 0, sizeof(items));
    for (unsigned i = 0; i < MANY; i++)
        timer_init(&items[i].timer, fire, &items[i], 0);
    return 0;
}

static int cpus_make(void **state)
{
    (void)state;
    host_setup(1024);
    for (unsigned cpu = 0; cpu < THREADS + 1; cpu++)
        assert_int_equal(timer_cpu_init(cpu), 0);
    host_teardown();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_teardown();
    return 0;
}

static void a_timer_fires_once_at_its_time(void **state)
{
    (void)state;
    item_set(&items[0], 5000);
    assert_int_equal(programmed, 5000);
    assert_true(timer_armed(&items[0].timer));
    pass(4999);
    assert_int_equal(items[0].fired, 0);
    pass(5000);
    assert_int_equal(items[0].fired, 1);
    assert_false(timer_armed(&items[0].timer));
    assert_int_equal(programmed, 0);
    pass(100000);
    assert_int_equal(items[0].fired, 1);
}

static void a_time_that_has_passed_fires_at_once(void **state)
{
    (void)state;
    timer_set(&items[0].timer, 0);
    timer_set(&items[1].timer, 999);
    pass(host_time);
    assert_int_equal(items[0].fired, 1);
    assert_int_equal(items[1].fired, 1);
}

static void moved_and_stopped_timers_keep_to_the_last_word(void **state)
{
    (void)state;
    item_set(&items[0], 5000);
    item_set(&items[0], 9000);
    item_set(&items[1], 6000);
    timer_stop(&items[1].timer);
    timer_stop(&items[1].timer);
    pass(8999);
    assert_int_equal(items[0].fired, 0);
    pass(20000);
    assert_int_equal(items[0].fired, 1);
    assert_int_equal(items[1].fired, 0);
}

static void more_timers_than_the_heap_holds_fire_in_order(void **state)
{
    uint64_t random = 99;

    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        item_set(&items[i], (nanoseconds_t)(10000 + random_next(&random) % 50000));
    for (unsigned i = 0; i < MANY; i += 7)
        timer_stop(&items[i].timer);
    pass(100000);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(items[i].fired, i % 7 != 0);
    assert_false(early);
    assert_false(unordered);
}

static void without_memory_to_grow_none_is_lost(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        item_set(&items[i], 10000 + i);
    host_fail_allocation(1);
    pass(100000);
    host_fail_allocation(0);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(items[i].fired, 1);
    assert_false(early);
}

static void again(void *data)
{
    struct item *item = data;

    if (++item->fired < 5)
        timer_set(&item->timer, time_now() + 100);
}

static void a_function_may_arm_its_own_timer(void **state)
{
    (void)state;
    timer_init(&items[0].timer, again, &items[0], 0);
    timer_set(&items[0].timer, 2000);
    pass(2399);
    assert_int_equal(items[0].fired, 4);
    pass(10000);
    assert_int_equal(items[0].fired, 5);
}

static void free_itself(void *data)
{
    struct item *item = data;

    timer_kill(&item->timer);
    free(item);
}

static void a_function_may_end_and_free_its_own_timer(void **state)
{
    struct item *item = calloc(1, sizeof(*item));

    (void)state;
    timer_init(&item->timer, free_itself, item, 0);
    timer_set(&item->timer, 2000);
    pass(5000); /* the sanitizer sees any use behind it */
}

static void a_killed_timer_is_never_armed_again(void **state)
{
    (void)state;
    item_set(&items[0], 5000);
    timer_kill(&items[0].timer);
    item_set(&items[0], 6000);
    assert_false(timer_armed(&items[0].timer));
    pass(10000);
    assert_int_equal(items[0].fired, 0);
}

static void a_migrated_timer_fires_on_its_new_cpu(void **state)
{
    (void)state;
    item_set(&items[0], 5000);
    timer_migrate(&items[0].timer, 1);
    pass(10000);
    assert_int_equal(items[0].fired, 0);
    assert_true(per_cpu(softirq_pending_bits, 1) & 1u << SOFTIRQ_TIMER);
    host_thread_cpu(1);
    pass(10000);
    host_thread_cpu(0);
    assert_int_equal(items[0].fired, 1);
}

/* ---- several CPUs ---- */

static struct timer shared;
static unsigned shared_fired;
static bool stop;

static void count(void *data)
{
    __atomic_fetch_add((unsigned *)data, 1, __ATOMIC_RELAXED);
}

static void *cpu_main(void *data)
{
    unsigned cpu = (unsigned)(uintptr_t)data;
    uint64_t random = cpu + 7;

    host_thread_cpu(cpu);
    for (unsigned i = 0; i < ROUNDS; i++) {
        switch (random_next(&random) % 4) {
        case 0:
            timer_set(&shared, 1);
            break;
        case 1:
            timer_stop(&shared);
            break;
        case 2:
            timer_migrate(&shared, 1 + (unsigned)(random_next(&random) % THREADS));
            break;
        }
        softirq_run();
    }
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE))
        softirq_run();
    return NULL;
}

static void racing_cpus_neither_lose_nor_keep_a_timer(void **state)
{
    pthread_t threads[THREADS];
    unsigned before, tries = 0;

    (void)state;
    stop = false;
    shared_fired = 0;
    timer_init(&shared, count, &shared_fired, 1);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, cpu_main, (void *)(uintptr_t)(i + 1)), 0);
    before = __atomic_load_n(&shared_fired, __ATOMIC_RELAXED);
    while (__atomic_load_n(&shared_fired, __ATOMIC_RELAXED) == before) { /* armed by us it fires somewhere */
        if (tries++ % 1000 == 0)
            timer_set(&shared, 1);
        sched_yield();
    }
    timer_kill(&shared);
    before = __atomic_load_n(&shared_fired, __ATOMIC_RELAXED);
    timer_set(&shared, 1);
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared_fired, before);
    assert_false(timer_armed(&shared));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_timer_fires_once_at_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(a_time_that_has_passed_fires_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(moved_and_stopped_timers_keep_to_the_last_word, setup, teardown),
        cmocka_unit_test_setup_teardown(more_timers_than_the_heap_holds_fire_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory_to_grow_none_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(a_function_may_arm_its_own_timer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_function_may_end_and_free_its_own_timer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_killed_timer_is_never_armed_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_migrated_timer_fires_on_its_new_cpu, setup, teardown),
        cmocka_unit_test_setup_teardown(racing_cpus_neither_lose_nor_keep_a_timer, setup, teardown),
    };

    return cmocka_run_group_tests(tests, cpus_make, NULL);
}
