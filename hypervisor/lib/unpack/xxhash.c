// SPDX-License-Identifier: BSD-2-Clause
/* The checksums of lz4 (XXH32) and Zstandard (XXH64), with seed 0: "xxHash fast digest algorithm" 0.1.1. */
#include "lib/unpack/decoders.h"

#define PRIME32_1 UINT32_C(0x9e3779b1)
#define PRIME32_2 UINT32_C(0x85ebca77)
#define PRIME32_3 UINT32_C(0xc2b2ae3d)
#define PRIME32_4 UINT32_C(0x27d4eb2f)
#define PRIME32_5 UINT32_C(0x165667b1)

#define PRIME64_1 UINT64_C(0x9e3779b185ebca87)
#define PRIME64_2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define PRIME64_3 UINT64_C(0x165667b19e3779f9)
#define PRIME64_4 UINT64_C(0x85ebca77c2b2ae63)
#define PRIME64_5 UINT64_C(0x27d4eb2f165667c5)

static uint32_t rotate_32(uint32_t value, unsigned bits)
{
    return value << bits | value >> (32 - bits);
}

static uint64_t rotate_64(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

/* The part over stripes of 16 bytes; moves *data beyond them. */
static uint32_t stripes_32(const uint8_t **data, size_t size)
{
    uint32_t lanes[4] = { PRIME32_1 + PRIME32_2, PRIME32_2, 0, -PRIME32_1 };

    for (; size >= 16; size -= 16) {
        for (unsigned i = 0; i < 4; i++, *data += 4)
            lanes[i] = rotate_32(lanes[i] + unpack_read_32(*data) * PRIME32_2, 13) * PRIME32_1;
    }
    return rotate_32(lanes[0], 1) + rotate_32(lanes[1], 7) + rotate_32(lanes[2], 12) + rotate_32(lanes[3], 18);
}

uint32_t unpack_xxh32(const uint8_t *data, size_t size)
{
    uint32_t hash = size >= 16 ? stripes_32(&data, size) : PRIME32_5;
    size_t left = size % 16;

    hash += (uint32_t)size;
    for (; left >= 4; left -= 4, data += 4)
        hash = rotate_32(hash + unpack_read_32(data) * PRIME32_3, 17) * PRIME32_4;
    for (; left > 0; left--, data++)
        hash = rotate_32(hash + *data * PRIME32_5, 11) * PRIME32_1;
    hash = (hash ^ hash >> 15) * PRIME32_2;
    hash = (hash ^ hash >> 13) * PRIME32_3;
    return hash ^ hash >> 16;
}

static uint64_t round_64(uint64_t lane, uint64_t word)
{
    return rotate_64(lane + word * PRIME64_2, 31) * PRIME64_1;
}

/* The part over stripes of 32 bytes; moves *data beyond them. */
static uint64_t stripes_64(const uint8_t **data, size_t size)
{
    uint64_t lanes[4] = { PRIME64_1 + PRIME64_2, PRIME64_2, 0, -PRIME64_1 }, hash;

    for (; size >= 32; size -= 32) {
        for (unsigned i = 0; i < 4; i++, *data += 8)
            lanes[i] = round_64(lanes[i], unpack_read_64(*data));
    }
    hash = rotate_64(lanes[0], 1) + rotate_64(lanes[1], 7) + rotate_64(lanes[2], 12) + rotate_64(lanes[3], 18);
    for (unsigned i = 0; i < 4; i++)
        hash = (hash ^ round_64(0, lanes[i])) * PRIME64_1 + PRIME64_4;
    return hash;
}

uint64_t unpack_xxh64(const uint8_t *data, size_t size)
{
    uint64_t hash = size >= 32 ? stripes_64(&data, size) : PRIME64_5;
    size_t left = size % 32;

    hash += size;
    for (; left >= 8; left -= 8, data += 8)
        hash = rotate_64(hash ^ round_64(0, unpack_read_64(data)), 27) * PRIME64_1 + PRIME64_4;
    if (left >= 4) {
        hash = rotate_64(hash ^ unpack_read_32(data) * PRIME64_1, 23) * PRIME64_2 + PRIME64_3;
        data += 4;
        left -= 4;
    }
    for (; left > 0; left--, data++)
        hash = rotate_64(hash ^ *data * PRIME64_5, 11) * PRIME64_1;
    hash = (hash ^ hash >> 33) * PRIME64_2;
    hash = (hash ^ hash >> 29) * PRIME64_3;
    return hash ^ hash >> 32;
}
