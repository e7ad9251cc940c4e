// SPDX-License-Identifier: BSD-2-Clause
/*
 * Entropy codes of Zstandard: see the header.  Nothing here trusts its input: a table is complete or refused, a state is always
 * below its table's size, and bits beyond a stream's start read as zeros and are counted.
 */
#include "lib/unpack/zstd_entropy.h"

#include "lib/unpack/decoders.h"

static inline unsigned highest_bit(uint32_t value)
{
    return 31 - (unsigned)__builtin_clz(value);
}

/* ---- bits ---- */

bool bits_open(struct backward_bits *bits, const uint8_t *start, size_t size)
{
    if (size == 0 || start[size - 1] == 0)
        return false;
    *bits = (struct backward_bits){ start, size, (int64_t)(size - 1) * 8 + highest_bit(start[size - 1]) };
    return true;
}

/* Eight bytes from `at` on, zeros behind the end. */
static inline uint64_t bytes_at(const struct backward_bits *bits, size_t at)
{
    uint64_t value = 0;
    size_t count = bits->size - at < 8 ? bits->size - at : 8;

    if (count == 8)
        return unpack_read_64(bits->start + at);
    for (size_t i = 0; i < count; i++)
        value |= (uint64_t)bits->start[at + i] << (8 * i);
    return value;
}

uint32_t bits_peek(const struct backward_bits *bits, unsigned count)
{
    uint64_t mask = (UINT64_C(1) << count) - 1;
    int64_t from = bits->left - count;

    if (likely(from >= 0))
        return (uint32_t)(bytes_at(bits, (size_t)from / 8) >> (from % 8) & mask);
    if (bits->left <= 0)
        return 0;
    return (uint32_t)((bytes_at(bits, 0) & ((UINT64_C(1) << bits->left) - 1)) << -from & mask);
}

/* Bits read forwards, as FSE tables are described. */
struct forward_bits {
    const uint8_t *in;
    size_t size, at; /* in bytes; in bits */
};

static uint32_t forward_peek(const struct forward_bits *bits, unsigned count)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < 4 && bits->at / 8 + i < bits->size; i++)
        value |= (uint32_t)bits->in[bits->at / 8 + i] << (8 * i);
    return value >> (bits->at % 8) & ((UINT32_C(1) << count) - 1);
}

/* ---- finite state entropy ---- */

/* Section 4.1.1: symbols are spread over the table with a step that visits every place once. */
static void fse_spread(struct fse_table *table, const int16_t *probabilities, unsigned count)
{
    uint32_t size = UINT32_C(1) << table->log, step = (size >> 1) + (size >> 3) + 3, top = size, at = 0;

    for (unsigned symbol = 0; symbol < count; symbol++) {
        if (probabilities[symbol] == -1)
            table->entries[--top].symbol = (uint8_t)symbol;
    }
    for (unsigned symbol = 0; symbol < count; symbol++) {
        for (int16_t i = 0; i < probabilities[symbol]; i++) {
            table->entries[at].symbol = (uint8_t)symbol;
            do {
                at = (at + step) & (size - 1);
            } while (at >= top);
        }
    }
}

void fse_build(struct fse_table *table, const int16_t *probabilities, unsigned count, unsigned log)
{
    uint16_t next[HUFFMAN_SYMBOLS];

    table->log = log;
    table->valid = true;
    fse_spread(table, probabilities, count);
    for (unsigned symbol = 0; symbol < count; symbol++)
        next[symbol] = (uint16_t)(probabilities[symbol] == -1 ? 1 : probabilities[symbol]);
    for (uint32_t i = 0; i < UINT32_C(1) << log; i++) {
        struct fse_entry *entry = &table->entries[i];
        uint32_t number = next[entry->symbol]++;

        entry->bits = (uint8_t)(log - highest_bit(number));
        entry->base = (uint16_t)((number << entry->bits) - (UINT32_C(1) << log));
    }
}

void fse_build_single(struct fse_table *table, uint8_t symbol)
{
    table->log = 0;
    table->valid = true;
    table->entries[0] = (struct fse_entry){ .symbol = symbol };
}

/* A probability, in as few bits as the sum still allows: below 2 ** bits - 1 - (left + 1) one bit is saved. */
static int fse_read_probability(struct forward_bits *bits, int32_t left)
{
    unsigned count = highest_bit((uint32_t)left + 1) + 1;
    uint32_t value = forward_peek(bits, count), low = value & ((UINT32_C(1) << (count - 1)) - 1);
    uint32_t threshold = (UINT32_C(1) << count) - 1 - ((uint32_t)left + 1);

    bits->at += count;
    if (low < threshold) {
        bits->at--;
        value = low;
    } else if (value != low) {
        value -= threshold;
    }
    return (int)value - 1;
}

size_t fse_read(struct fse_table *table, const uint8_t *in, size_t size, unsigned log_most, unsigned symbol_most)
{
    int16_t probabilities[HUFFMAN_SYMBOLS] = { 0 };
    struct forward_bits bits = { in, size, 4 };
    unsigned log = size ? (in[0] & 15u) + 5 : 0, count = 0;
    int32_t left = (int32_t)1 << log;

    if (!size || log > log_most)
        return 0;
    while (left > 0) {
        int probability = fse_read_probability(&bits, left);
        uint32_t zeros = 3;

        if (count > symbol_most || bits.at > size * 8)
            return 0;
        probabilities[count++] = (int16_t)probability;
        left -= probability < 0 ? 1 : probability;
        for (; probability == 0 && zeros == 3; bits.at += 2) {
            zeros = forward_peek(&bits, 2);
            count += zeros;
            if (count > symbol_most + 1)
                return 0;
        }
    }
    if (left < 0 || bits.at > size * 8)
        return 0;
    fse_build(table, probabilities, count, log);
    return (bits.at + 7) / 8;
}

/* ---- Huffman ---- */

/* Two states take turns until the stream is used up; what the other one then says comes last. */
static unsigned weights_decode(const struct fse_table *table, struct backward_bits *bits, uint8_t *weights)
{
    uint32_t states[2];
    unsigned count = 0;

    states[0] = fse_start(table, bits);
    states[1] = fse_start(table, bits);
    if (bits->left < 0)
        return 0;
    while (count < HUFFMAN_SYMBOLS - 2) {
        uint32_t *state = &states[count % 2];

        weights[count++] = table->entries[*state].symbol;
        *state = fse_next(table, *state, bits);
        if (bits->left < 0) {
            weights[count] = table->entries[states[count % 2]].symbol;
            return count + 1;
        }
    }
    return 0;
}

/* The weights of all symbols but the last used one.  Returns the bytes they take, 0 when they are wrong. */
static size_t weights_read(const uint8_t *in, size_t size, struct fse_table *scratch, uint8_t *weights, unsigned *count)
{
    struct backward_bits bits;
    size_t table, packed;

    if (size == 0)
        return 0;
    if (in[0] >= 128) {
        *count = in[0] - 127u;
        packed = (*count + 1) / 2;
        if (packed > size - 1)
            return 0;
        for (unsigned i = 0; i < *count; i++)
            weights[i] = i % 2 ? in[1 + i / 2] & 15 : in[1 + i / 2] >> 4;
        return 1 + packed;
    }
    packed = in[0];
    if (packed > size - 1)
        return 0;
    table = fse_read(scratch, in + 1, packed, 6, HUFFMAN_BITS_MOST + 1);
    if (!table || !bits_open(&bits, in + 1 + table, packed - table))
        return 0;
    *count = weights_decode(scratch, &bits, weights);
    return *count ? 1 + packed : 0;
}

/* The last symbol's weight makes the codes complete.  False when none does. */
static bool weights_complete(uint8_t *weights, unsigned *count, unsigned *bits)
{
    uint32_t sum = 0, left;

    for (unsigned i = 0; i < *count; i++) {
        if (weights[i] > HUFFMAN_BITS_MOST)
            return false;
        sum += weights[i] ? UINT32_C(1) << (weights[i] - 1) : 0;
    }
    if (sum == 0)
        return false;
    *bits = highest_bit(sum) + 1;
    left = (UINT32_C(1) << *bits) - sum;
    if (*bits > HUFFMAN_BITS_MOST || (left & (left - 1)) != 0)
        return false;
    weights[(*count)++] = (uint8_t)(highest_bit(left) + 1);
    return true;
}

size_t huffman_read(struct huffman_table *table, struct fse_table *scratch, const uint8_t *in, size_t size)
{
    uint8_t weights[HUFFMAN_SYMBOLS];
    unsigned count, at = 0;
    size_t used = weights_read(in, size, scratch, weights, &count);

    table->bits = 0;
    if (!used || !weights_complete(weights, &count, &table->bits)) {
        table->bits = 0;
        return 0;
    }
    for (unsigned weight = 1; weight <= table->bits; weight++) {
        for (unsigned symbol = 0; symbol < count; symbol++) {
            for (unsigned i = 0; weights[symbol] == weight && i < 1u << (weight - 1); i++, at++) {
                table->entries[at].symbol = (uint8_t)symbol;
                table->entries[at].bits = (uint8_t)(table->bits + 1 - weight);
            }
        }
    }
    return used;
}

bool huffman_decode(const struct huffman_table *table, const uint8_t *in, size_t size, uint8_t *out, size_t out_size)
{
    struct backward_bits bits;

    if (!bits_open(&bits, in, size))
        return false;
    for (size_t i = 0; i < out_size; i++) {
        uint32_t code = bits_peek(&bits, table->bits);

        out[i] = table->entries[code].symbol;
        bits.left -= table->entries[code].bits;
        if (bits.left < 0)
            return false;
    }
    return bits.left == 0;
}
