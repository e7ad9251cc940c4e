// SPDX-License-Identifier: BSD-2-Clause
/*
 * Zstandard frames (RFC 8878), one after the other, by a decoder of our own: the distribution's library is 110 KB of code
 * made for speed, and this is read once at boot.
 *
 * A frame is blocks; a compressed block is literals (section 3.1.1.3.1), then sequences (3.1.1.3.2), each of which copies some
 * literals and then some bytes from what was written before.  The whole output is the window, so no buffer for one is
 * needed, whatever size the frame asks for.  Dictionaries are not supported: kernels have none.
 */
#include <xen/errno.h>

#include "lib/string.h"
#include "lib/unpack/decoders.h"
#include "lib/unpack/unpack.h"
#include "lib/unpack/zstd_entropy.h"

enum {
    MAGIC_SIZE = 4,
    BLOCK_MOST = 128 * 1024,
    STREAMS = 4,
    MATCH_MINIMUM = 3,

    HEADER_CHECKSUM = 0x04,
    HEADER_RESERVED = 0x08,
    HEADER_SINGLE_SEGMENT = 0x20,

    LITERALS_PLAIN = 0,
    LITERALS_REPEATED = 1,
    LITERALS_PACKED = 2, /* 3: with the table there is */

    BLOCK_PLAIN = 0,
    BLOCK_REPEATED = 1,
    BLOCK_PACKED = 2,
};

/* The codes of a sequence, in the order their states start. */
enum { LITERAL_LENGTH, OFFSET, MATCH_LENGTH, CODES };

/* How a code's table is given. */
enum { TABLE_PREDEFINED, TABLE_SINGLE, TABLE_PACKED, TABLE_REPEATED };

struct code {
    const int16_t *probabilities; /* predefined */
    uint8_t count, log;           /* of those */
    uint8_t log_most, symbol_most;
};

/* What a code means: base + so many bits. */
struct meaning {
    uint32_t base;
    uint8_t bits;
};

struct zstd {
    struct unpack_job *job;
    size_t frame;                  /* where its output starts */
    uint32_t offsets[3];           /* used last */
    struct huffman_table huffman;
    struct fse_table tables[CODES], weights;
    size_t literals;
    uint8_t literal[BLOCK_MOST];
};

/* ---- constants: section 3.1.1.3.2.1.1 and 3.1.1.3.2.2 ---- */

static const int16_t literal_length_probabilities[] = { 4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1,  1,  2,  2,
                                                        2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1 };
static const int16_t match_length_probabilities[] = { 1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1,  1,  1,  1,  1,  1, 1,
                                                      1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1,  1,  1,  1,  1, 1,
                                                      1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1 };
static const int16_t offset_probabilities[] = { 1, 1, 1, 1, 1, 1, 2, 2, 2, 1,  1,  1,  1,  1, 1,
                                                1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1 };

static const struct code codes[CODES] = {
    [LITERAL_LENGTH] = { literal_length_probabilities, ARRAY_SIZE(literal_length_probabilities), 6, 9, 35 },
    [OFFSET] = { offset_probabilities, ARRAY_SIZE(offset_probabilities), 5, 8, 31 },
    [MATCH_LENGTH] = { match_length_probabilities, ARRAY_SIZE(match_length_probabilities), 6, 9, 52 },
};

static struct meaning literal_length_meaning(unsigned code)
{
    static const struct meaning meanings[] = {
        { 16, 1 }, { 18, 1 }, { 20, 1 }, { 22, 1 }, { 24, 2 }, { 28, 2 }, { 32, 3 }, { 40, 3 }, { 48, 4 }, { 64, 6 },
    };

    if (code < 16)
        return (struct meaning){ code, 0 };
    return code < 26 ? meanings[code - 16] : (struct meaning){ UINT32_C(1) << (code - 19), (uint8_t)(code - 19) };
}

static struct meaning match_length_meaning(unsigned code)
{
    static const struct meaning meanings[] = {
        { 35, 1 }, { 37, 1 }, { 39, 1 }, { 41, 1 }, { 43, 2 }, { 47, 2 }, { 51, 3 }, { 59, 3 }, { 67, 4 }, { 83, 4 }, { 99, 5 },
    };

    if (code < 32)
        return (struct meaning){ code + MATCH_MINIMUM, 0 };
    return code < 43 ? meanings[code - 32]
                     : (struct meaning){ (UINT32_C(1) << (code - 36)) + MATCH_MINIMUM, (uint8_t)(code - 36) };
}

/* ---- literals ---- */

static uint64_t little_endian(const uint8_t *from, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

/* Four streams behind a table of the first three's sizes; each unpacks to as much as the others, the last to the rest. */
static bool streams_decode(struct zstd *z, const uint8_t *in, size_t size)
{
    size_t part = (z->literals + STREAMS - 1) / STREAMS, done = 0;
    const uint8_t *sizes = in;

    if (size < 6 || part * (STREAMS - 1) > z->literals)
        return false;
    in += 6;
    size -= 6;
    for (unsigned i = 0; i < STREAMS; i++) {
        size_t packed = i < STREAMS - 1 ? little_endian(sizes + 2 * i, 2) : size;
        size_t unpacked = i < STREAMS - 1 ? part : z->literals - done;

        if (packed > size || !huffman_decode(&z->huffman, in, packed, z->literal + done, unpacked))
            return false;
        in += packed;
        size -= packed;
        done += unpacked;
    }
    return true;
}

/* Literals under a Huffman code; header is what their section begins with. */
static int literals_unpack(struct zstd *z, unsigned type, unsigned format)
{
    static const uint8_t size_bits[] = { 10, 10, 14, 18 };
    unsigned bits = size_bits[format], header = (4 + 2 * bits) / 8;
    uint64_t mask = (UINT64_C(1) << bits) - 1, word, packed;
    const uint8_t *in;
    size_t table = 0;

    if (header > unpack_left(z->job))
        return unpack_cut_off(z->job);
    word = little_endian(z->job->in, header);
    z->literals = word >> 4 & mask;
    packed = word >> (4 + bits) & mask;
    in = z->job->in + header;
    if (packed > unpack_left(z->job) - header)
        return unpack_cut_off(z->job);
    z->job->in = in + packed;
    if (z->literals > BLOCK_MOST)
        return unpack_corrupt(z->job);
    if (type == LITERALS_PACKED) {
        table = huffman_read(&z->huffman, &z->weights, in, packed);
        if (table == 0)
            return unpack_corrupt(z->job);
    }
    if (z->huffman.bits == 0)
        return unpack_corrupt(z->job);
    in += table;
    packed -= table;
    return (format ? streams_decode(z, in, packed) : huffman_decode(&z->huffman, in, packed, z->literal, z->literals))
               ? 0
               : unpack_corrupt(z->job);
}

static int literals_read(struct zstd *z)
{
    unsigned type, format, header;

    if (unpack_left(z->job) == 0)
        return unpack_cut_off(z->job);
    type = z->job->in[0] & 3;
    format = z->job->in[0] >> 2 & 3;
    if (type >= LITERALS_PACKED)
        return literals_unpack(z, type, format);
    header = format == 1 ? 2 : format == 3 ? 3 : 1;
    if (header > unpack_left(z->job))
        return unpack_cut_off(z->job);
    z->literals = little_endian(z->job->in, header) >> (header == 1 ? 3 : 4);
    z->job->in += header;
    if (z->literals > BLOCK_MOST)
        return unpack_corrupt(z->job);
    if ((type == LITERALS_PLAIN ? z->literals : 1) > unpack_left(z->job))
        return unpack_cut_off(z->job);
    if (type == LITERALS_PLAIN)
        memcpy(z->literal, z->job->in, z->literals);
    else
        memset(z->literal, z->job->in[0], z->literals);
    z->job->in += type == LITERALS_PLAIN ? z->literals : 1;
    return 0;
}

/* ---- sequences ---- */

static int table_read(struct zstd *z, unsigned which, unsigned mode)
{
    const struct code *code = &codes[which];
    struct fse_table *table = &z->tables[which];
    size_t used;

    switch (mode) {
    case TABLE_PREDEFINED:
        fse_build(table, code->probabilities, code->count, code->log);
        return 0;
    case TABLE_SINGLE:
        if (unpack_left(z->job) == 0)
            return unpack_cut_off(z->job);
        if (*z->job->in > code->symbol_most)
            return unpack_corrupt(z->job);
        fse_build_single(table, *z->job->in++);
        return 0;
    case TABLE_PACKED:
        table->valid = false;
        used = fse_read(table, z->job->in, unpack_left(z->job), code->log_most, code->symbol_most);
        z->job->in += used;
        return used ? 0 : unpack_corrupt(z->job);
    default:
        return table->valid ? 0 : unpack_corrupt(z->job);
    }
}

/* Number of sequences and the modes of their tables.  0 or an error. */
static int sequences_header(struct zstd *z, size_t *count, unsigned *modes)
{
    size_t left = unpack_left(z->job), bytes;

    *count = 0;
    if (left == 0)
        return unpack_cut_off(z->job);
    bytes = z->job->in[0] < 128 ? 1 : z->job->in[0] < 255 ? 2 : 3;
    if (z->job->in[0] == 0) {
        z->job->in++;
        return 0;
    }
    if (left < bytes + 1)
        return unpack_cut_off(z->job);
    *count = bytes == 1   ? z->job->in[0]
             : bytes == 2 ? (size_t)(z->job->in[0] - 128) << 8 | z->job->in[1]
                          : little_endian(z->job->in + 1, 2) + 0x7f00;
    *modes = z->job->in[bytes];
    z->job->in += bytes + 1;
    return *modes & 3 ? unpack_corrupt(z->job) : 0;
}

/* An offset's value is one of those used last, or a new one plus three.  0 when it names none. */
static uint32_t offset_find(struct zstd *z, uint32_t value, bool no_literals)
{
    uint32_t *last = z->offsets, offset;
    unsigned which;

    if (value > 3) {
        offset = value - 3;
        which = 2;
    } else {
        which = value - 1 + (no_literals ? 1 : 0);
        if (which == 0)
            return last[0];
        offset = which < 3 ? last[which] : last[0] - 1;
        which = which < 3 ? which : 2;
    }
    if (which == 2)
        last[2] = last[1];
    last[1] = last[0];
    last[0] = offset;
    return offset;
}

static uint32_t meaning_read(struct meaning meaning, struct backward_bits *bits)
{
    return meaning.base + bits_read(bits, meaning.bits);
}

/* One sequence: its numbers from the bits, then what it says.  *literal is the first literal not yet used. */
static int sequence_do(struct zstd *z, const uint32_t *states, struct backward_bits *bits, size_t *literal)
{
    unsigned code = z->tables[OFFSET].entries[states[OFFSET]].symbol;
    uint32_t offset = (UINT32_C(1) << code) + bits_read(bits, code);
    uint32_t match = meaning_read(match_length_meaning(z->tables[MATCH_LENGTH].entries[states[MATCH_LENGTH]].symbol), bits);
    uint32_t count =
        meaning_read(literal_length_meaning(z->tables[LITERAL_LENGTH].entries[states[LITERAL_LENGTH]].symbol), bits);
    int rc;

    if (bits->left < 0 || count > z->literals - *literal)
        return unpack_corrupt(z->job);
    rc = unpack_put(z->job, z->literal + *literal, count);
    *literal += count;
    return rc ? rc : unpack_match(z->job, z->frame, offset_find(z, offset, count == 0), match);
}

static int sequences_do(struct zstd *z, size_t count, size_t *literal)
{
    static const uint8_t order[] = { LITERAL_LENGTH, MATCH_LENGTH, OFFSET }; /* of the states' steps */
    struct backward_bits bits;
    uint32_t states[CODES];

    if (!bits_open(&bits, z->job->in, unpack_left(z->job)))
        return unpack_corrupt(z->job);
    for (unsigned i = 0; i < CODES; i++)
        states[i] = fse_start(&z->tables[i], &bits);
    for (; count > 0; count--) {
        int rc = sequence_do(z, states, &bits, literal);

        if (rc)
            return rc;
        for (unsigned i = 0; i < CODES && count > 1; i++)
            states[order[i]] = fse_next(&z->tables[order[i]], states[order[i]], &bits);
    }
    return bits.left == 0 ? 0 : unpack_corrupt(z->job);
}

/* A compressed block is all of the input there is. */
static int block_unpack(struct zstd *z)
{
    size_t count, literal = 0, start = z->job->out_size;
    unsigned modes = 0;
    int rc = literals_read(z);

    rc = rc ? rc : sequences_header(z, &count, &modes);
    if (!rc && count) {
        for (unsigned i = 0; i < CODES && !rc; i++)
            rc = table_read(z, i, modes >> (6 - 2 * i) & 3);
        rc = rc ? rc : sequences_do(z, count, &literal);
    } else if (!rc && unpack_left(z->job)) {
        rc = unpack_corrupt(z->job);
    }
    rc = rc ? rc : unpack_put(z->job, z->literal + literal, z->literals - literal);
    return !rc && z->job->out_size - start > BLOCK_MOST ? unpack_corrupt(z->job) : rc;
}

/* ---- frames ---- */

/* The rest of a block whose header was read. */
static int block_read(struct zstd *z, unsigned type, size_t size)
{
    struct unpack_job *job = z->job;
    const uint8_t *start = job->in, *end = job->end;
    size_t packed = type == BLOCK_REPEATED ? 1 : size;
    int rc;

    if (size > BLOCK_MOST || type > BLOCK_PACKED)
        return unpack_corrupt(job);
    if (packed > unpack_left(job))
        return unpack_cut_off(job);
    job->end = start + packed;
    if (type == BLOCK_PACKED)
        rc = block_unpack(z);
    else
        rc = type == BLOCK_PLAIN ? unpack_put(job, start, size) : unpack_repeat(job, *start, size);
    job->in = job->end;
    job->end = end;
    return rc;
}

static int blocks_read(struct zstd *z)
{
    uint32_t header = 0;
    int rc = 0;

    while (!rc && !(header & 1)) {
        if (unpack_left(z->job) < 3)
            return unpack_cut_off(z->job);
        header = (uint32_t)little_endian(z->job->in, 3);
        z->job->in += 3;
        rc = block_read(z, header >> 1 & 3, header >> 3);
    }
    return rc;
}

/* Behind the magic number.  *size is what the frame says it unpacks to, UINT64_MAX when it does not. */
static int header_read(struct unpack_job *job, bool *checksum, uint64_t *size)
{
    static const uint8_t dictionary_bytes[] = { 0, 1, 2, 4 };
    unsigned flags, size_bytes, dictionary, window;

    if (unpack_left(job) == 0)
        return unpack_cut_off(job);
    flags = *job->in++;
    size_bytes = flags >> 6 ? 1u << (flags >> 6) : flags & HEADER_SINGLE_SEGMENT ? 1 : 0;
    dictionary = dictionary_bytes[flags & 3];
    window = flags & HEADER_SINGLE_SEGMENT ? 0 : 1;
    if (flags & HEADER_RESERVED)
        return unpack_fail(job, -XEN_EOPNOTSUPP, UNPACK_UNSUPPORTED);
    if (window + dictionary + size_bytes > unpack_left(job))
        return unpack_cut_off(job);
    job->in += window;
    if (little_endian(job->in, dictionary))
        return unpack_fail(job, -XEN_EOPNOTSUPP, UNPACK_UNSUPPORTED);
    job->in += dictionary;
    *size = size_bytes ? little_endian(job->in, size_bytes) + (size_bytes == 2 ? 256 : 0) : UINT64_MAX;
    *checksum = flags & HEADER_CHECKSUM;
    job->in += size_bytes;
    return 0;
}

uint64_t unpack_zstd_size(const uint8_t *in, size_t in_size)
{
    struct unpack_job job = { .in = in + min_t(size_t, MAGIC_SIZE, in_size), .end = in + in_size };
    uint64_t size;
    bool checksum;

    return header_read(&job, &checksum, &size) || size == UINT64_MAX ? 0 : size;
}

static int frame_read(struct zstd *z)
{
    uint64_t size = UINT64_MAX;
    size_t unpacked;
    bool checksum = false;
    int rc;

    z->job->in += MAGIC_SIZE;
    z->frame = z->job->out_size;
    z->offsets[0] = 1;
    z->offsets[1] = 4;
    z->offsets[2] = 8;
    z->huffman.bits = 0;
    for (unsigned i = 0; i < CODES; i++)
        z->tables[i].valid = false;
    rc = header_read(z->job, &checksum, &size);
    rc = rc ? rc : blocks_read(z);
    if (rc)
        return rc;
    unpacked = z->job->out_size - z->frame;
    if (size != UINT64_MAX && size != unpacked)
        return unpack_corrupt(z->job);
    if (!checksum)
        return 0;
    if (unpack_left(z->job) < 4)
        return unpack_cut_off(z->job);
    z->job->in += 4;
    return unpack_read_32(z->job->in - 4) == (uint32_t)unpack_xxh64(z->job->out + z->frame, unpacked)
               ? 0
               : unpack_corrupt(z->job);
}

int unpack_zstd(struct unpack_job *job)
{
    struct zstd *z = unpack_arena_allocate(&job->arena, 1, sizeof(*z));
    int rc;

    if (z == NULL)
        return unpack_fail(job, -XEN_ENOMEM, UNPACK_NO_MEMORY);
    z->job = job;
    do {
        rc = frame_read(z);
    } while (!rc && unpack_detect(z->job->in, unpack_left(z->job)) == UNPACK_ZSTD);
    return rc;
}
