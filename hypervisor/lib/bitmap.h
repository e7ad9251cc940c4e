/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bitmaps: arrays of uint64_t, bit n being bit n % 64 of word n / 64 (little-endian, as the ABI's bitmaps).
 *
 * `bits` is always the length of the map in bits; bits beyond it in the last word are kept zero by the
 * functions that write whole words and never looked at by those that read. A search that finds nothing
 * returns `bits`. Only the functions named bitmap_atomic_ may be used without a lock on a shared map; they
 * are full barriers.
 */
#pragma once

#include "lib/base.h"

#define BITMAP_WORDS(bits) (((bits) + 63) / 64)
#define BITMAP_DECLARE(name, bits) uint64_t name[BITMAP_WORDS(bits)]

/* Visits the number of each set bit, lowest first. `bit` is an existing size_t variable. */
#define bitmap_for_each(bit, map, bits)                                                                      \
    for ((bit) = bitmap_find_first(map, bits); (bit) < (bits); (bit) = bitmap_find_next(map, bits, (bit) + 1))

static inline void bitmap_set(uint64_t *map, size_t bit)
{
    map[bit / 64] |= BIT(bit % 64);
}

static inline void bitmap_clear(uint64_t *map, size_t bit)
{
    map[bit / 64] &= ~BIT(bit % 64);
}

/* Reads the word once, so it may watch a map that others change atomically. */
static inline bool bitmap_test(const uint64_t *map, size_t bit)
{
    return (__atomic_load_n(&map[bit / 64], __ATOMIC_RELAXED) >> (bit % 64)) & 1;
}

static inline void bitmap_atomic_set(uint64_t *map, size_t bit)
{
    __atomic_fetch_or(&map[bit / 64], BIT(bit % 64), __ATOMIC_SEQ_CST);
}

static inline void bitmap_atomic_clear(uint64_t *map, size_t bit)
{
    __atomic_fetch_and(&map[bit / 64], ~BIT(bit % 64), __ATOMIC_SEQ_CST);
}

static inline bool bitmap_atomic_test_and_set(uint64_t *map, size_t bit)
{
    return __atomic_fetch_or(&map[bit / 64], BIT(bit % 64), __ATOMIC_SEQ_CST) & BIT(bit % 64);
}

static inline bool bitmap_atomic_test_and_clear(uint64_t *map, size_t bit)
{
    return __atomic_fetch_and(&map[bit / 64], ~BIT(bit % 64), __ATOMIC_SEQ_CST) & BIT(bit % 64);
}

/* The whole map. */
void bitmap_fill(uint64_t *map, size_t bits);

/* `count` bits from `start`; the range must lie within the map. */
void bitmap_set_range(uint64_t *map, size_t start, size_t count);
void bitmap_clear_range(uint64_t *map, size_t start, size_t count);

/* to = a op b; `to` may be one of the others. */
void bitmap_and(uint64_t *to, const uint64_t *a, const uint64_t *b, size_t bits);

bool bitmap_empty(const uint64_t *map, size_t bits);
bool bitmap_intersects(const uint64_t *a, const uint64_t *b, size_t bits);
size_t bitmap_weight(const uint64_t *map, size_t bits);

/* The lowest set (or zero) bit at or after `from`; `from` may be beyond the end. */
size_t bitmap_find_next(const uint64_t *map, size_t bits, size_t from);
size_t bitmap_find_next_zero(const uint64_t *map, size_t bits, size_t from);

static inline size_t bitmap_find_first(const uint64_t *map, size_t bits)
{
    return bitmap_find_next(map, bits, 0);
}
