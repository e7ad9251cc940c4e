// SPDX-License-Identifier: BSD-2-Clause
/* What machine checks mean for the machine: only what broke the hypervisor, or may have, ends it. */
#include "arch/x86/machine_check.h"
#include "lib_test.h"

#define UC (MCI_STATUS_VALID | MCI_STATUS_UNCORRECTED)
#define ACTION (UC | MCI_STATUS_ACTION_REQUIRED)
#define BOTH (MCG_STATUS_RIPV | MCG_STATUS_EIPV)

static void what_was_corrected_is_passed_by(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(machine_check_bank(BOTH, 0, i & 1, i & 2), MACHINE_CHECK_GO_ON);
        assert_int_equal(machine_check_bank(BOTH, MCI_STATUS_VALID, i & 1, i & 2), MACHINE_CHECK_GO_ON);
    }
    assert_int_equal(machine_check_global(MCG_STATUS_RIPV, false), MACHINE_CHECK_GO_ON);
}

static void a_guests_error_ends_the_guest(void **state)
{
    (void)state;
    assert_int_equal(machine_check_bank(BOTH, ACTION, true, false), MACHINE_CHECK_GUEST);
    assert_int_equal(machine_check_bank(BOTH, UC, true, true), MACHINE_CHECK_GUEST);
    assert_int_equal(machine_check_global(0, true), MACHINE_CHECK_GUEST);
}

static void an_error_of_another_cpu_or_not_used_yet_is_passed_by(void **state)
{
    (void)state;
    assert_int_equal(machine_check_bank(MCG_STATUS_RIPV, ACTION, false, false), MACHINE_CHECK_GO_ON);
    assert_int_equal(machine_check_bank(BOTH, UC, false, false), MACHINE_CHECK_GO_ON);
}

static void the_hypervisors_own_error_ends_the_machine(void **state)
{
    (void)state;
    assert_int_equal(machine_check_bank(BOTH, ACTION, false, false), MACHINE_CHECK_FATAL);
    assert_int_equal(machine_check_bank(BOTH, UC, false, true), MACHINE_CHECK_FATAL);
    assert_int_equal(machine_check_bank(BOTH, UC | MCI_STATUS_CONTEXT_CORRUPT, true, false), MACHINE_CHECK_FATAL);
    assert_int_equal(machine_check_global(0, false), MACHINE_CHECK_FATAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_corrected_is_passed_by),
        cmocka_unit_test(a_guests_error_ends_the_guest),
        cmocka_unit_test(an_error_of_another_cpu_or_not_used_yet_is_passed_by),
        cmocka_unit_test(the_hypervisors_own_error_ends_the_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
