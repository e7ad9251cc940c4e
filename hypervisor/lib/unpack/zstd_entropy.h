/* SPDX-License-Identifier: BSD-2-Clause */
/* Entropy codes of Zstandard (RFC 8878, section 4): bits read backwards, FSE and Huffman tables. */
#pragma once

#include "lib/base.h"

#define FSE_LOG_MOST 9
#define HUFFMAN_BITS_MOST 11
#define HUFFMAN_SYMBOLS 256

/* A stream of bits read from its end; `left` below zero says that more was read than there is (as zeros). */
struct backward_bits {
    const uint8_t *start;
    size_t size;
    int64_t left;
};

/* The last byte's highest set bit marks the end.  False when there is none. */
bool bits_open(struct backward_bits *bits, const uint8_t *start, size_t size);
/* The next `count` bits, up to 32, without taking them. */
uint32_t bits_peek(const struct backward_bits *bits, unsigned count);
static inline uint32_t bits_read(struct backward_bits *bits, unsigned count)
{
    uint32_t value = bits_peek(bits, count);

    bits->left -= count;
    return value;
}

/* What a state stands for, and how the next one is found: base + so many bits. */
struct fse_entry {
    uint16_t base;
    uint8_t symbol, bits;
};

struct fse_table {
    unsigned log;
    bool valid;
    struct fse_entry entries[1 << FSE_LOG_MOST];
};

/* From the probabilities of count symbols; -1 stands for less than one.  They sum up to 1 << log. */
void fse_build(struct fse_table *table, const int16_t *probabilities, unsigned count, unsigned log);
/* Every state is this symbol, and takes no bits. */
void fse_build_single(struct fse_table *table, uint8_t symbol);
/* Reads a table of symbols up to symbol_most.  Returns the bytes it takes, 0 when it is wrong. */
size_t fse_read(struct fse_table *table, const uint8_t *in, size_t size, unsigned log_most, unsigned symbol_most);

static inline uint32_t fse_start(const struct fse_table *table, struct backward_bits *bits)
{
    return bits_read(bits, table->log);
}

static inline uint32_t fse_next(const struct fse_table *table, uint32_t state, struct backward_bits *bits)
{
    return table->entries[state].base + bits_read(bits, table->entries[state].bits);
}

struct huffman_table {
    unsigned bits; /* of the longest code; 0: there is no table */
    struct {
        uint8_t symbol, bits;
    } entries[1 << HUFFMAN_BITS_MOST];
};

/* Reads a table; scratch holds the codes of its weights.  Returns the bytes it takes, 0 when it is wrong. */
size_t huffman_read(struct huffman_table *table, struct fse_table *scratch, const uint8_t *in, size_t size);
/* Decodes one stream into exactly out_size bytes.  False when the stream does not hold just those. */
bool huffman_decode(const struct huffman_table *table, const uint8_t *in, size_t size, uint8_t *out, size_t out_size);
