// SPDX-License-Identifier: BSD-2-Clause
/* Bitmaps: see the header. */
#include "lib/bitmap.h"

/* The valid bits of word `word` of a map of `bits` bits. */
static uint64_t word_mask(size_t word, size_t bits)
{
    size_t left = bits - word * 64;

    return left >= 64 ? UINT64_MAX : BIT(left) - 1;
}

void bitmap_fill(uint64_t *map, size_t bits)
{
    for (size_t i = 0; i < BITMAP_WORDS(bits); i++)
        map[i] = word_mask(i, bits);
}

/* The part of [start, start + count) that lies in `start`'s word, as a mask; *taken is its length. */
static uint64_t range_mask(size_t start, size_t count, size_t *taken)
{
    size_t room = 64 - start % 64;

    *taken = count < room ? count : room;
    return (UINT64_MAX >> (64 - *taken)) << (start % 64);
}

void bitmap_set_range(uint64_t *map, size_t start, size_t count)
{
    for (size_t taken; count > 0; start += taken, count -= taken)
        map[start / 64] |= range_mask(start, count, &taken);
}

void bitmap_clear_range(uint64_t *map, size_t start, size_t count)
{
    for (size_t taken; count > 0; start += taken, count -= taken)
        map[start / 64] &= ~range_mask(start, count, &taken);
}

void bitmap_and(uint64_t *to, const uint64_t *a, const uint64_t *b, size_t bits)
{
    for (size_t i = 0; i < BITMAP_WORDS(bits); i++)
        to[i] = a[i] & b[i] & word_mask(i, bits);
}

bool bitmap_empty(const uint64_t *map, size_t bits)
{
    return bitmap_find_first(map, bits) == bits;
}

bool bitmap_intersects(const uint64_t *a, const uint64_t *b, size_t bits)
{
    for (size_t i = 0; i < BITMAP_WORDS(bits); i++) {
        if ((a[i] & b[i] & word_mask(i, bits)) != 0)
            return true;
    }
    return false;
}

/* By halves, as the population count of the compiler's library is not linked in. */
static unsigned word_weight(uint64_t word)
{
    word -= (word >> 1) & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + ((word >> 2) & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)((word * UINT64_C(0x0101010101010101)) >> 56);
}

size_t bitmap_weight(const uint64_t *map, size_t bits)
{
    size_t weight = 0;

    for (size_t i = 0; i < BITMAP_WORDS(bits); i++)
        weight += word_weight(map[i] & word_mask(i, bits));
    return weight;
}

/* The first bit at or after `from` of the map with every word xored with `flip`. */
static size_t find_next(const uint64_t *map, size_t bits, size_t from, uint64_t flip)
{
    uint64_t ignored;

    if (from >= bits)
        return bits;
    ignored = BIT(from % 64) - 1;
    for (size_t i = from / 64; i < BITMAP_WORDS(bits); i++, ignored = 0) {
        uint64_t word = (__atomic_load_n(&map[i], __ATOMIC_RELAXED) ^ flip) & ~ignored & word_mask(i, bits);

        if (word != 0)
            return i * 64 + (size_t)__builtin_ctzll(word);
    }
    return bits;
}

size_t bitmap_find_next(const uint64_t *map, size_t bits, size_t from)
{
    return find_next(map, bits, from, 0);
}

size_t bitmap_find_next_zero(const uint64_t *map, size_t bits, size_t from)
{
    return find_next(map, bits, from, UINT64_MAX);
}
