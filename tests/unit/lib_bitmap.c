// SPDX-License-Identifier: BSD-2-Clause
/* Bitmaps against a plain array of flags, for lengths around word borders; base.h and checked.h besides. */
#include "lib_test.h"

#include "lib/bitmap.h"
#include "lib/checked.h"

static const size_t lengths[] = { 1, 2, 63, 64, 65, 100, 127, 128, 129, 200 };

struct model {
    bool bit[200];
};

/* A random map in exact memory, and its model; what lies beyond the length is random, to be ignored. */
static uint64_t *make_map(struct model *model, size_t bits, uint64_t *seed, unsigned density)
{
    uint64_t *map = malloc(BITMAP_WORDS(bits) * 8);

    for (size_t i = 0; i < BITMAP_WORDS(bits); i++)
        map[i] = random_next(seed);
    for (size_t i = 0; i < bits; i++) {
        model->bit[i] = random_next(seed) % 100 < density;
        (model->bit[i] ? bitmap_set : bitmap_clear)(map, i);
        assert_int_equal(bitmap_test(map, i), model->bit[i]);
    }
    return map;
}

static size_t model_next(const struct model *model, size_t bits, size_t from, bool value)
{
    while (from < bits && model->bit[from] != value)
        from++;
    return from < bits ? from : bits;
}

static void check_queries(const struct model *model, const uint64_t *map, size_t bits)
{
    size_t weight = 0, bit, visited = 0;

    for (size_t from = 0; from <= bits + 70; from++) {
        assert_int_equal(bitmap_find_next(map, bits, from), model_next(model, bits, from, true));
        assert_int_equal(bitmap_find_next_zero(map, bits, from), model_next(model, bits, from, false));
    }
    for (size_t i = 0; i < bits; i++)
        weight += model->bit[i];
    bitmap_for_each(bit, map, bits) {
        assert_true(model->bit[bit]);
        visited++;
    }
    assert_int_equal(visited, weight);
    assert_int_equal(bitmap_weight(map, bits), weight);
    assert_int_equal(bitmap_empty(map, bits), weight == 0);
}

static void searches_and_counts_agree_with_a_plain_array(void **state)
{
    static const unsigned densities[] = { 0, 3, 50, 97, 100 };
    uint64_t seed = 1;

    (void)state;
    for (size_t l = 0; l < ARRAY_SIZE(lengths); l++) {
        for (size_t d = 0; d < 10 * ARRAY_SIZE(densities); d++) {
            struct model model;
            uint64_t *map = make_map(&model, lengths[l], &seed, densities[d / 10]);

            check_queries(&model, map, lengths[l]);
            free(map);
        }
    }
}

static void check_pair(size_t bits, uint64_t *seed)
{
    struct model x, y;
    uint64_t *a = make_map(&x, bits, seed, 50), *b = make_map(&y, bits, seed, 50);
    uint64_t *product = malloc(BITMAP_WORDS(bits) * 8);
    bool meet = false;

    bitmap_and(product, a, b, bits);
    for (size_t i = 0; i < bits; i++) {
        assert_int_equal(bitmap_test(product, i), x.bit[i] && y.bit[i]);
        meet |= x.bit[i] && y.bit[i];
    }
    assert_int_equal(bitmap_intersects(a, b, bits), meet);
    if (bits % 64 != 0)
        assert_int_equal(product[bits / 64] >> bits % 64, 0);
    free(a), free(b), free(product);
}

static void set_operations_agree_with_a_plain_array(void **state)
{
    uint64_t seed = 2;

    (void)state;
    for (size_t l = 0; l < ARRAY_SIZE(lengths); l++) {
        for (int round = 0; round < 20; round++)
            check_pair(lengths[l], &seed);
    }
}

static void ranges_touch_their_bits_only(void **state)
{
    enum { BITS = 200 };
    uint64_t map[BITMAP_WORDS(BITS)];

    (void)state;
    for (size_t start = 0; start < BITS; start += 7) {
        for (size_t count = 0; count <= BITS - start; count++) {
            memset(map, 0, sizeof(map));
            bitmap_set_range(map, start, count);
            assert_int_equal(bitmap_weight(map, BITS), count);
            assert_int_equal(bitmap_find_first(map, BITS), count > 0 ? start : BITS);
            bitmap_fill(map, BITS);
            bitmap_clear_range(map, start, count);
            assert_int_equal(bitmap_weight(map, BITS), BITS - count);
            assert_int_equal(bitmap_find_next_zero(map, BITS, 0), count > 0 ? start : BITS);
        }
    }
}

static void single_bits_tell_their_former_value(void **state)
{
    BITMAP_DECLARE(map, 130) = { 0 };

    (void)state;
    bitmap_set(map, 129);
    assert_true(bitmap_atomic_test_and_clear(map, 129));
    assert_false(bitmap_atomic_test_and_clear(map, 129));
    assert_false(bitmap_atomic_test_and_set(map, 63));
    assert_true(bitmap_atomic_test_and_set(map, 63));
    bitmap_atomic_set(map, 64);
    bitmap_atomic_clear(map, 63);
    assert_int_equal(map[0], 0);
    assert_int_equal(map[1], 1);
    assert_true(bitmap_test(map, 64));
    bitmap_clear(map, 64);
    assert_true(bitmap_empty(map, 130));
}

static void base_macros(void **state)
{
    int calls = 0;

    (void)state;
    assert_int_equal(min(3, 2), 2);
    assert_int_equal(max(min(1, 2), min(++calls, 7)), 1);
    assert_int_equal(calls, 1);
    assert_int_equal(ROUND_UP(UINT64_C(0x100000001), 4096), UINT64_C(0x100001000));
    assert_int_equal(ROUND_DOWN(UINT64_C(0x100001fff), 4096u), UINT64_C(0x100001000));
    assert_int_equal(DIV_ROUND_UP(UINT64_MAX, 2u), UINT64_MAX / 2 + 1);
    assert_int_equal(BITS(7, 4), 0xf0);
    assert_int_equal(BITS(63, 0), UINT64_MAX);
    assert_true(IS_ALIGNED(0x3000u, 0x1000) && !IS_ALIGNED(0x3001u, 0x1000));
    assert_true(IS_POWER_OF_TWO(64u) && !IS_POWER_OF_TWO(0u) && !IS_POWER_OF_TWO(6u));
}

static void checked_arithmetic_says_when_it_does_not_fit(void **state)
{
    uint64_t result;
    uint32_t narrow;

    (void)state;
    assert_true(checked_add(UINT64_MAX - 1, 1, &result) && result == UINT64_MAX);
    assert_false(checked_add(UINT64_MAX, 1, &result));
    assert_false(checked_add(UINT32_MAX, 1, &narrow));
    assert_false(checked_multiply(UINT64_C(1) << 32, UINT64_C(1) << 32, &result));
    assert_true(checked_range(10, 0, 10) && checked_range(0, 10, 10));
    assert_false(checked_range(11, 0, 10) || checked_range(5, 6, 10) || checked_range(1, UINT64_MAX, 10));
    assert_true(checked_ranges_overlap(0, 10, 9, 1) && checked_ranges_overlap(9, 5, 0, 10));
    assert_false(checked_ranges_overlap(0, 10, 10, 1) || checked_ranges_overlap(5, 0, 0, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_and_counts_agree_with_a_plain_array),
        cmocka_unit_test(set_operations_agree_with_a_plain_array),
        cmocka_unit_test(ranges_touch_their_bits_only),
        cmocka_unit_test(single_bits_tell_their_former_value),
        cmocka_unit_test(base_macros),
        cmocka_unit_test(checked_arithmetic_says_when_it_does_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
