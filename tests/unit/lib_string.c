// SPDX-License-Identifier: BSD-2-Clause
/*
 * The hypervisor's own memory and string functions, which host programs otherwise never see: the source is
 * included under other names and compared with the C library's.
 */
#include "lib_test.h"

#undef XYLEM_HOST
#define memcpy own_memcpy
#define memmove own_memmove
#define memset own_memset
#define memcmp own_memcmp
#define memchr own_memchr
#define strlen own_strlen
#define strnlen own_strnlen
#define strcmp own_strcmp
#define strncmp own_strncmp
#define strchr own_strchr
#define strstr own_strstr
#define strlcpy own_strlcpy
#define strlcat own_strlcat
#define string_equal_ignoring_case own_string_equal_ignoring_case
#define string_starts_with own_string_starts_with
#define string_to_u64 own_string_to_u64
#include "lib/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strstr

enum { ARENA = 160, LONGEST = 70 };

static void fill_pattern(unsigned char *memory, size_t size)
{
    for (size_t i = 0; i < size; i++)
        memory[i] = (unsigned char)(i * 37 + 11);
}

static void memmove_is_right_for_every_overlap(void **state)
{
    unsigned char ours[ARENA], theirs[ARENA];

    (void)state;
    for (size_t from = 0; from < 40; from++) {
        for (size_t to = 0; to < 40; to++) {
            for (size_t size = 0; size <= LONGEST; size++) {
                fill_pattern(ours, ARENA);
                fill_pattern(theirs, ARENA);
                assert_ptr_equal(own_memmove(ours + to, ours + from, size), ours + to);
                memmove(theirs + to, theirs + from, size);
                assert_memory_equal(ours, theirs, ARENA);
            }
        }
    }
}

static void memcpy_and_memset_touch_their_bytes_only(void **state)
{
    unsigned char source[ARENA], ours[ARENA], theirs[ARENA];

    (void)state;
    fill_pattern(source, ARENA);
    for (size_t at = 0; at < 16; at++) {
        for (size_t size = 0; size <= LONGEST; size++) {
            memset(ours, 0xee, ARENA);
            memset(theirs, 0xee, ARENA);
            assert_ptr_equal(own_memcpy(ours + at, source + size % 9, size), ours + at);
            memcpy(theirs + at, source + size % 9, size);
            assert_memory_equal(ours, theirs, ARENA);
            assert_ptr_equal(own_memset(ours + at + 1, 0x1a5, size), ours + at + 1);
            memset(theirs + at + 1, 0x1a5, size);
            assert_memory_equal(ours, theirs, ARENA);
        }
    }
}

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static void memcmp_finds_the_first_difference_unsigned(void **state)
{
    unsigned char a[LONGEST], b[LONGEST];

    (void)state;
    fill_pattern(a, LONGEST);
    for (size_t at = 0; at < LONGEST; at++) {
        for (size_t size = 0; size <= LONGEST; size++) {
            memcpy(b, a, LONGEST);
            b[at] ^= 0x80;
            assert_int_equal(sign(own_memcmp(a, b, size)), sign(memcmp(a, b, size)));
        }
    }
}

static void string_functions_agree_with_the_c_library(void **state)
{
    static const char *const samples[] = {
        "", "a", "ab", "abc", "abd", "ab\xff", "console=com1", "com1", "aab", "A",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        char *a = copy_exact(samples[i], strlen(samples[i]) + 1);

        assert_int_equal(own_strlen(a), strlen(a));
        assert_int_equal(own_strnlen(a, 2), strnlen(a, 2));
        for (int c = 0; c < 256; c++) {
            assert_ptr_equal(own_strchr(a, c), strchr(a, c));
            assert_ptr_equal(own_memchr(a, c, strlen(a)), memchr(a, c, strlen(a)));
        }
        for (size_t j = 0; j < sizeof(samples) / sizeof(samples[0]); j++) {
            char *b = copy_exact(samples[j], strlen(samples[j]) + 1);

            assert_int_equal(sign(own_strcmp(a, b)), sign(strcmp(a, b)));
            assert_int_equal(sign(own_strncmp(a, b, 2)), sign(strncmp(a, b, 2)));
            assert_ptr_equal(own_strstr(a, b), strstr(a, b));
            free(b);
        }
        free(a);
    }
}

static void bounded_copies_end_in_nul_and_tell_the_whole_length(void **state)
{
    char text[8] = "#######";

    (void)state;
    assert_int_equal(strlcpy(text, "abc", 0), 3);
    assert_string_equal(text, "#######");
    assert_int_equal(strlcpy(text, "abc", sizeof(text)), 3);
    assert_string_equal(text, "abc");
    assert_int_equal(strlcat(text, "defgh", sizeof(text)), 8);
    assert_string_equal(text, "abcdefg");
    assert_int_equal(strlcpy(text, "much too long", 4), 13);
    assert_string_equal(text, "muc");
    assert_int_equal(strlcat(text, "x", 2), 3); /* unterminated within its size: left alone */
    assert_string_equal(text, "muc");
}

static void numbers_are_read_up_to_the_first_foreign_character(void **state)
{
    static const struct { const char *text; unsigned base; uint64_t value; size_t used; } cases[] = {
        { "0", 0, 0, 1 },           { "42k", 0, 42, 2 },
        { "0x1F,", 0, 31, 4 },      { "0x", 0, 0, 1 },
        { "0xg", 16, 0, 1 },        { "017", 0, 15, 3 },
        { "08", 0, 0, 1 },          { "ff", 16, 255, 2 },
        { "0xff", 16, 255, 4 },     { "0xff", 10, 0, 1 },
        { "zz", 36, 1295, 2 },      { "102", 2, 2, 2 },
        { "-1", 0, 0, 0 },          { " 1", 0, 0, 0 },
        { "", 0, 0, 0 },            { "18446744073709551615", 10, UINT64_MAX, 20 },
        { "18446744073709551616", 10, UINT64_MAX, 20 },
        { "99999999999999999999999x", 10, UINT64_MAX, 23 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = copy_exact(cases[i].text, strlen(cases[i].text) + 1);
        const char *end;

        assert_int_equal(string_to_u64(text, &end, cases[i].base), cases[i].value);
        assert_int_equal((size_t)(end - text), cases[i].used);
        assert_int_equal(string_to_u64(text, NULL, cases[i].base), cases[i].value);
        free(text);
    }
}

static void prefixes_and_letter_case(void **state)
{
    (void)state;
    assert_true(string_starts_with("com1=115200", "com1="));
    assert_true(string_starts_with("x", ""));
    assert_false(string_starts_with("co", "com"));
    assert_true(string_equal_ignoring_case("Com1", "cOM1"));
    assert_false(string_equal_ignoring_case("com", "com1"));
    assert_false(string_equal_ignoring_case("[", "{"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memmove_is_right_for_every_overlap),
        cmocka_unit_test(memcpy_and_memset_touch_their_bytes_only),
        cmocka_unit_test(memcmp_finds_the_first_difference_unsigned),
        cmocka_unit_test(string_functions_agree_with_the_c_library),
        cmocka_unit_test(bounded_copies_end_in_nul_and_tell_the_whole_length),
        cmocka_unit_test(numbers_are_read_up_to_the_first_foreign_character),
        cmocka_unit_test(prefixes_and_letter_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
