// SPDX-License-Identifier: BSD-2-Clause
/*
 * The CRC-64 of .xz files, in place of liblzma's: that one calls through a pointer which a constructor sets,
 * and nothing runs constructors here. Polynomial and bit order: "The .xz File Format" 1.1.0, section 6.
 */
#include <lzma.h>

#define POLYNOMIAL UINT64_C(0xc96c5795d7870f42) /* of ECMA-182, lowest bit first */

static uint64_t shift_nibble(uint64_t crc)
{
    for (int bit = 0; bit < 4; bit++)
        crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    return crc;
}

LZMA_API(uint64_t) lzma_crc64(const uint8_t *data, size_t size, uint64_t crc)
{
    uint64_t of_nibble[16];

    for (unsigned i = 0; i < 16; i++)
        of_nibble[i] = shift_nibble(i);
    crc = ~crc;
    for (; size > 0; data++, size--) {
        crc ^= *data;
        crc = of_nibble[crc & 15] ^ crc >> 4;
        crc = of_nibble[crc & 15] ^ crc >> 4;
    }
    return ~crc;
}
