// SPDX-License-Identifier: BSD-2-Clause
/* Dates against the C library's, for every day of eight thousand years. */
#include "lib/calendar.h"
#include "lib_test.h"

#include <time.h>

static void every_day_until_9999_is_the_c_librarys(void **state)
{
    (void)state;
    for (uint64_t day = 0; day < 2932897; day++) {
        time_t seconds = (time_t)(day * 86400 + day * 7919 % 86400);
        struct calendar date = calendar_from_seconds((uint64_t)seconds);
        struct tm tm;

        assert_non_null(gmtime_r(&seconds, &tm));
        assert_int_equal(date.year, tm.tm_year + 1900);
        assert_int_equal(date.month, tm.tm_mon + 1);
        assert_int_equal(date.day, tm.tm_mday);
        assert_int_equal(date.hour, tm.tm_hour);
        assert_int_equal(date.minute, tm.tm_min);
        assert_int_equal(date.second, tm.tm_sec);
        assert_int_equal(calendar_to_seconds(&date), seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_day_until_9999_is_the_c_librarys)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
