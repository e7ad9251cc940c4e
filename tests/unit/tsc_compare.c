// SPDX-License-Identifier: BSD-2-Clause
/* Counters of two CPUs, here threads: a difference is found and measured, and none is seen where there is
 * none. */
#include "arch/time.h"
#include "lib_test.h"
#include "time/time_private.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#define DIFFERENCE 3600000000000L

static _Thread_local int64_t offset;
static bool over;

uint64_t tsc_read_ordered(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)(now.tv_sec * 1000000000L + now.tv_nsec + offset);
}

/* The boot CPU; *slow makes it be away for long, as an emulated one may. */
static void *boot_cpu(void *slow)
{
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        time_answer();
        if (*(bool *)slow)
            nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
        else
            sched_yield();
    }
    return NULL;
}

static int64_t compare(int64_t ahead, bool slow)
{
    pthread_t thread;
    int64_t result;

    over = false;
    assert_int_equal(pthread_create(&thread, NULL, boot_cpu, &slow), 0);
    offset = ahead;
    result = tsc_compare();
    offset = 0;
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    return result;
}

static void one_counter_is_never_taken_for_two(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(compare(0, false), 0);
    assert_int_equal(compare(0, true), 0);
}

static void a_difference_is_found_in_both_directions(void **state)
{
    (void)state;
    /* right within half an exchange, which on a busy machine may take long */
    assert_in_range(compare(DIFFERENCE, false), DIFFERENCE / 2, DIFFERENCE * 2);
    assert_in_range(-compare(-DIFFERENCE, true), DIFFERENCE / 2, DIFFERENCE * 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_counter_is_never_taken_for_two),
        cmocka_unit_test(a_difference_is_found_in_both_directions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
