// SPDX-License-Identifier: BSD-2-Clause
/* Formatted print, compared with the C library's wherever both define the result. */
#include "lib_test.h"

#include <limits.h>
#include <stdio.h>

#include "lib/print.h"

#define SAME(...)                                                                                            \
    do {                                                                                                     \
        char ours[256], theirs[256];                                                                         \
        assert_int_equal(print_format(ours, sizeof(ours), __VA_ARGS__),                                      \
                         snprintf(theirs, sizeof(theirs), __VA_ARGS__));                                     \
        assert_string_equal(ours, theirs);                                                                   \
    } while (0)

static void every_combination_of_flags_and_width(void **state)
{
    static const char *const flags[] = { "", "0", "#", "#0" };
    static const char *const widths[] = { "", "1", "7", "12", "30" };
    static const char conversions[] = "dux";
    static const long values[] = { 0, 1, -1, 42, 255, -4096, INT_MAX, INT_MIN, LONG_MAX, LONG_MIN };
    static const char *const lengths[] = { "", "l", "ll", "z", "j", "t" };

    (void)state;
    for (size_t f = 0; f < 4 * 5 * 6 * 3; f++) {
        char format[32];

        snprintf(format, sizeof(format), "[%%%s%s%s%c]", flags[f % 4], widths[f / 4 % 5], lengths[f / 20 % 6],
                 conversions[f / 120]);
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            if (f / 20 % 6 == 0)
                SAME(format, (int)values[v]);
            else
                SAME(format, values[v]);
        }
    }
}

static void strings_and_characters(void **state)
{
    const char unterminated[3] = { 'a', 'b', 'c' };

    (void)state;
    SAME("%s|%10s|%.2s|%.0s|%10.2s|%2s", "text", "text", "text", "text", "text", "text");
    SAME("%.3s", unterminated);
    SAME("%c%3c|", 'a', 'b');
    SAME("100%% %d%%", 5);
    SAME("");
    SAME("%p", (void *)0xffff82d040000000);
}

static void what_the_c_library_leaves_open(void **state)
{
    char text[64];

    (void)state;
    print_format(text, sizeof(text), "%s", (char *)NULL);
    assert_string_equal(text, "(null)");
    print_format(text, sizeof(text), "%p", NULL);
    assert_string_equal(text, "0x0");
    print_format(text, sizeof(text), "a%d %y %d", 1, 2);
    assert_string_equal(text, "a1 %y %d");
    print_format(text, sizeof(text), "end %");
    assert_string_equal(text, "end %");
    print_format(text, sizeof(text), "end %#08l");
    assert_string_equal(text, "end %#08l");
    print_format(text, sizeof(text), "a%d %-3d %d", 1, 2, 3);
    assert_string_equal(text, "a1 %-3d %d");
}

static void short_buffers_are_cut_and_terminated(void **state)
{
    (void)state;
    for (size_t size = 0; size < 12; size++) {
        char *buffer = malloc(size + 1);

        buffer[size] = '#';
        assert_int_equal(print_format(buffer, size, "%s-%d", "abcd", 1234), 9);
        assert_int_equal(buffer[size], '#');
        if (size > 0)
            assert_int_equal(strlen(buffer), size - 1 < 9 ? size - 1 : 9);
        free(buffer);
    }
    assert_int_equal(print_format(NULL, 0, "%1000d", 1), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_of_flags_and_width),
        cmocka_unit_test(strings_and_characters),
        cmocka_unit_test(what_the_c_library_leaves_open),
        cmocka_unit_test(short_buffers_are_cut_and_terminated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
