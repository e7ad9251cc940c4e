// SPDX-License-Identifier: BSD-2-Clause
/* Pages of MSI-X tables are protected exactly while an entry of a device that has them is in use. */
#include "arch/x86/msix_table.h"
#include "lib_test.h"

static bool is_protected(uint64_t page)
{
    return rangeset_contains(&msix_table_pages, page, page);
}

static void a_device_is_protected_from_its_first_entry_to_its_last(void **state)
{
    const struct msix_pages pages[2] = {{10, 11}, {20, 20}};

    (void)state;
    assert_int_equal(msix_table_protect(1, pages), 0);
    assert_int_equal(msix_table_protect(1, pages), 0);
    assert_true(is_protected(10) && is_protected(11) && is_protected(20));
    assert_false(is_protected(9) || is_protected(12) || is_protected(19) || is_protected(21));
    msix_table_release(1);
    assert_true(is_protected(10) && is_protected(20));
    msix_table_release(1);
    assert_false(is_protected(10) || is_protected(11) || is_protected(20));
    assert_int_equal(msix_table_pages.count, 0);
}

static void pages_of_two_devices_stay_until_both_are_done(void **state)
{
    const struct msix_pages first[2] = {{10, 12}, {10, 10}}, second[2] = {{12, 13}, {5, 5}};

    (void)state;
    assert_int_equal(msix_table_protect(1, first), 0);
    assert_int_equal(msix_table_protect(2, second), 0);
    msix_table_release(1);
    assert_true(is_protected(12) && is_protected(13) && is_protected(5));
    assert_false(is_protected(10) || is_protected(11));
    msix_table_release(2);
    assert_int_equal(msix_table_pages.count, 0);
}

static void what_is_not_in_use_cannot_be_released(void **state)
{
    const struct msix_pages pages[2] = {{1, 1}, {2, 2}};

    (void)state;
    assert_int_equal(msix_table_protect(3, pages), 0);
    msix_table_release(4);
    assert_true(is_protected(1) && is_protected(2));
    msix_table_release(3);
    msix_table_release(3);
    assert_int_equal(msix_table_pages.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_is_protected_from_its_first_entry_to_its_last),
        cmocka_unit_test(pages_of_two_devices_stay_until_both_are_done),
        cmocka_unit_test(what_is_not_in_use_cannot_be_released),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
