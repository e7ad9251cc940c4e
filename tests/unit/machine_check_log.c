// SPDX-License-Identifier: BSD-2-Clause
/* The logs of machine checks: in order, bounded, each record once and gone when it is given back. */
#include "arch/x86/machine_check.h"
#include "lib_test.h"

static bool add(bool polled, unsigned bank)
{
    return machine_check_log_add(&(struct machine_check_record){.polled = polled, .bank = bank});
}

static void records_come_once_and_in_order_from_their_log(void **state)
{
    struct machine_check_record r;
    unsigned first, second;

    (void)state;
    assert_true(add(true, 1) && add(false, 2) && add(true, 3));
    first = machine_check_log_take(true, &r);
    assert_int_not_equal(first, 0);
    assert_int_equal(r.bank, 1);
    second = machine_check_log_take(true, &r);
    assert_int_equal(r.bank, 3);
    assert_int_equal(machine_check_log_take(true, &r), 0);
    machine_check_log_done(true, first);
    machine_check_log_done(true, second);
    machine_check_log_done(false, machine_check_log_take(false, &r));
    assert_int_equal(r.bank, 2);
}

static void a_full_log_loses_the_new_ones_until_one_is_given_back(void **state)
{
    struct machine_check_record r;
    unsigned number;

    (void)state;
    for (unsigned i = 0; i < MACHINE_CHECK_LOG_RECORDS; i++)
        assert_true(add(true, i));
    assert_false(add(true, 99));
    assert_true(add(false, 7));
    number = machine_check_log_take(true, &r);
    assert_false(add(true, 99));
    machine_check_log_done(true, number);
    assert_true(add(true, 99));
    for (unsigned i = 1; i < MACHINE_CHECK_LOG_RECORDS; i++)
        machine_check_log_done(true, machine_check_log_take(true, &r));
    assert_int_equal(r.bank, MACHINE_CHECK_LOG_RECORDS - 1);
    machine_check_log_done(true, machine_check_log_take(true, &r));
    assert_int_equal(r.bank, 99);
    machine_check_log_done(false, machine_check_log_take(false, &r));
}

static void numbers_that_were_not_given_do_nothing(void **state)
{
    struct machine_check_record r;

    (void)state;
    assert_true(add(true, 5));
    for (uint64_t number = 0; number < 100; number++)
        machine_check_log_done(true, number);
    machine_check_log_done(true, UINT64_MAX);
    assert_int_not_equal(machine_check_log_take(true, &r), 0);
    assert_int_equal(r.bank, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_once_and_in_order_from_their_log),
        cmocka_unit_test(a_full_log_loses_the_new_ones_until_one_is_given_back),
        cmocka_unit_test(numbers_that_were_not_given_do_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
