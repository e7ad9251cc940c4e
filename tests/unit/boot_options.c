// SPDX-License-Identifier: BSD-2-Clause
/* The command line: words, values, quotes, negation, what makes no sense and what nobody knows. */
#include "lib_test.h"

#include <stdio.h>

#include "errno.h"
#include "log.h"
#include "options.h"

static bool flag, other_flag = true;
static unsigned number;
static uint64_t bytes;
static char text[8];
static char called_with[32], said[512];

static int call(const char *value)
{
    snprintf(called_with, sizeof(called_with), "%s", value);
    return strcmp(value, "bad") == 0 ? -EINVAL : 0;
}

extern const struct option options_start[];
const struct option options_start[] = {
    {"flag", OPTION_BOOL, &flag, 0},          {"other", OPTION_BOOL, &other_flag, 0},
    {"number", OPTION_UNSIGNED, &number, 0},  {"bytes", OPTION_SIZE, &bytes, 0},
    {"text", OPTION_STRING, text, sizeof(text)}, {"call", OPTION_CALL, (void *)call, 0},
};

/* In the hypervisor the linker gathers the options and marks their end. */
void options_bounds(void);
__attribute__((used)) void options_bounds(void)
{
    __asm__ volatile(".globl options_end\n.set options_end, options_start + %c0" : : "i"(sizeof(options_start)));
}

void log_print(enum log_level level, const char *format, ...)
{
    size_t used = strlen(said);
    va_list args;

    (void)level;
    va_start(args, format);
    vsnprintf(said + used, sizeof(said) - used, format, args);
    va_end(args);
}

static int setup(void **state)
{
    (void)state;
    flag = false;
    other_flag = true;
    number = 0;
    bytes = 0;
    text[0] = called_with[0] = said[0] = '\0';
    return 0;
}

static void each_kind_takes_its_value(void **state)
{
    (void)state;
    options_parse("flag number=0x20 bytes=3M text=abc call=x");
    assert_true(flag);
    assert_int_equal(number, 32);
    assert_int_equal(bytes, 3 << 20);
    assert_string_equal(text, "abc");
    assert_string_equal(called_with, "x");
    assert_string_equal(said, "");
}

static void sizes_mean_kibibytes_without_a_letter(void **state)
{
    static const struct { const char *line; uint64_t bytes; } sizes[] = {
        {"bytes=4", 4 << 10}, {"bytes=4b", 4}, {"bytes=4k", 4 << 10}, {"bytes=1G", 1ul << 30}, {"bytes=2T", 2ul << 40}};

    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        options_parse(sizes[i].line);
        assert_int_equal(bytes, sizes[i].bytes);
    }
}

static void booleans_have_many_words_and_a_negation(void **state)
{
    (void)state;
    options_parse("flag=on other=disable");
    assert_true(flag);
    assert_false(other_flag);
    options_parse("no-flag other=yes");
    assert_false(flag);
    assert_true(other_flag);
    options_parse("no-call");
    assert_string_equal(called_with, "no");
}

static void quotes_keep_spaces_together(void **state)
{
    (void)state;
    options_parse("  call=\"a b\"  number=7");
    assert_string_equal(called_with, "a b");
    assert_int_equal(number, 7);
    options_parse("text='c d'");
    assert_string_equal(text, "c d");
}

static void the_last_one_counts(void **state)
{
    (void)state;
    options_parse("number=1 number=2");
    assert_int_equal(number, 2);
}

static void what_follows_two_dashes_is_not_ours(void **state)
{
    (void)state;
    options_parse("number=1 -- number=2 unknown_behind");
    assert_int_equal(number, 1);
    assert_string_equal(said, "");
}

static void a_value_without_sense_is_named_and_changes_nothing(void **state)
{
    (void)state;
    options_parse("number=12x bytes=5q flag=maybe call=bad");
    assert_int_equal(number, 0);
    assert_int_equal(bytes, 0);
    assert_false(flag);
    assert_non_null(strstr(said, "number: the value \"12x\""));
    assert_non_null(strstr(said, "bytes: the value \"5q\""));
    assert_non_null(strstr(said, "flag: the value \"maybe\""));
    assert_non_null(strstr(said, "call: the value \"bad\""));
    said[0] = '\0';
    options_parse("bytes=99999999999999999999T number=4294967296 text=much_too_long");
    assert_int_equal(bytes, 0);
    assert_int_equal(number, 0);
    assert_non_null(strstr(said, "text"));
    assert_int_equal(strlen(text), sizeof(text) - 1);
}

static void an_unknown_option_is_named_once_and_harmless(void **state)
{
    const char *first;

    (void)state;
    options_parse("nobody nobody number=3 nobody=4");
    assert_int_equal(number, 3);
    first = strstr(said, "nobody");
    assert_non_null(first);
    assert_null(strstr(first + 1, "nobody"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_kind_takes_its_value, setup),
        cmocka_unit_test_setup(sizes_mean_kibibytes_without_a_letter, setup),
        cmocka_unit_test_setup(booleans_have_many_words_and_a_negation, setup),
        cmocka_unit_test_setup(quotes_keep_spaces_together, setup),
        cmocka_unit_test_setup(the_last_one_counts, setup),
        cmocka_unit_test_setup(what_follows_two_dashes_is_not_ours, setup),
        cmocka_unit_test_setup(a_value_without_sense_is_named_and_changes_nothing, setup),
        cmocka_unit_test_setup(an_unknown_option_is_named_once_and_harmless, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
