// SPDX-License-Identifier: BSD-2-Clause
/*
 * Unpacking: choosing the decoder, its memory, and reading ahead what it will need. See the header.
 *
 * Formats of the headers looked at here: "The .xz File Format" 1.1.0, sections 2.1, 3.1 and 4; RFC 8878
 * (zstd), section 3.1.1.1; RFC 1952 (gzip), section 2.3.1. Both sums of sizes found here are only claims.
 */
#include "lib/unpack/unpack.h"

#include <xen/errno.h>

#include "lib/checked.h"
#include "lib/string.h"
#include "lib/unpack/decoders.h"

enum {
    ARENA_ALIGN = 16,

    GZIP_ARENA = 64 * 1024,       /* state, and a window of 32 KiB */
    ZSTD_ARENA = 192 * 1024,      /* literals of a block, and tables: about 145 KiB */
    XZ_ARENA_BASE = 128 * 1024,   /* besides the dictionary */
    XZ_DICTIONARY_MIN = 4 * 1024,

    XZ_HEADER = 12, /* of the stream; its footer is as long */
    XZ_FILTER_LZMA2 = 0x21,
};

void *unpack_arena_allocate(struct unpack_arena *arena, size_t count, size_t size)
{
    uint64_t bytes;
    void *block;

    if (!checked_multiply(count, size, &bytes) ||
        !checked_round_up(max_t(uint64_t, bytes, 1), ARENA_ALIGN, &bytes))
        return NULL;
    if (bytes > arena->size - arena->used)
        return NULL;
    block = arena->base + arena->used;
    arena->last = arena->used;
    arena->used += bytes;
    return block;
}

void unpack_arena_free(struct unpack_arena *arena, void *block)
{
    if (block != NULL && arena->last < arena->used && block == arena->base + arena->last)
        arena->used = arena->last;
}

/* A reader of bytes that answers zeros past the end and remembers it. */
struct reader {
    const uint8_t *next;
    size_t left;
    bool overrun;
};

static uint8_t read_byte(struct reader *reader)
{
    if (reader->left == 0) {
        reader->overrun = true;
        return 0;
    }
    reader->left--;
    return *reader->next++;
}

/* The variable-length integer of XZ: seven bits a byte, lowest first, nine bytes at most. */
static uint64_t read_variable(struct reader *reader)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 63; shift += 7) {
        uint8_t byte = read_byte(reader);

        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return value;
    }
    reader->overrun = true;
    return 0;
}

static uint64_t xz_dictionary_of(uint8_t property)
{
    if (property >= 40)
        return property == 40 ? UINT32_MAX : 0;
    return (uint64_t)(2 | (property & 1)) << (property / 2 + 11);
}

/* The dictionary's size from the header of the first block; 0 when that cannot be made out. */
static uint64_t xz_dictionary(const uint8_t *in, size_t in_size)
{
    struct reader reader = { in + XZ_HEADER, in_size > XZ_HEADER ? in_size - XZ_HEADER : 0, false };
    uint8_t flags;

    read_byte(&reader); /* the header's own size */
    flags = read_byte(&reader);
    if (flags & 0x40)
        read_variable(&reader); /* packed size */
    if (flags & 0x80)
        read_variable(&reader); /* unpacked size */
    for (int filters = (flags & 3) + 1; filters > 0 && !reader.overrun; filters--) {
        uint64_t filter = read_variable(&reader), properties = read_variable(&reader);

        if (filter == XZ_FILTER_LZMA2 && properties == 1)
            return xz_dictionary_of(read_byte(&reader) & 0x3f);
        for (; properties > 0 && !reader.overrun; properties--)
            read_byte(&reader);
    }
    return 0;
}

/* The sum of the sizes in the index, if a stream's footer ends at in[end]. */
static uint64_t xz_unpacked_size(const uint8_t *in, size_t end)
{
    struct reader reader = { .overrun = false };
    uint64_t index, records, sum = 0;

    if (end < 2 * XZ_HEADER || in[end - 2] != 'Y' || in[end - 1] != 'Z')
        return 0;
    index = ((uint64_t)unpack_read_32(in + end - 8) + 1) * 4;
    if (index > end - 2 * XZ_HEADER)
        return 0;
    reader.next = in + end - XZ_HEADER - index;
    reader.left = index;
    if (read_byte(&reader) != 0) /* the index indicator */
        return 0;
    for (records = read_variable(&reader); records > 0 && !reader.overrun; records--) {
        read_variable(&reader); /* unpadded size of the block */
        if (!checked_add(sum, read_variable(&reader), &sum))
            return 0;
    }
    return reader.overrun ? 0 : sum;
}

static struct unpack_needs xz_measure(const uint8_t *in, size_t in_size)
{
    uint64_t size = xz_unpacked_size(in, in_size);

    if (size == 0 && in_size > 4) /* a bzImage has four bytes behind the footer */
        size = xz_unpacked_size(in, in_size - 4);
    return (struct unpack_needs){
        .out_size = size,
        .arena_size = max_t(uint64_t, xz_dictionary(in, in_size), XZ_DICTIONARY_MIN) + XZ_ARENA_BASE,
    };
}

static uint64_t zstd_unpacked_size(const uint8_t *in, size_t in_size)
{
    static const uint8_t dictionary_bytes[4] = { 0, 1, 2, 4 };
    struct reader reader = { in + 4, in_size > 4 ? in_size - 4 : 0, false };
    uint8_t descriptor = read_byte(&reader);
    bool single_segment = (descriptor & 0x20) != 0;
    unsigned skip = dictionary_bytes[descriptor & 3] + (single_segment ? 0 : 1);
    unsigned bytes = descriptor >> 6 == 0 ? (single_segment ? 1 : 0) : 1u << (descriptor >> 6);
    uint64_t size = 0;

    while (skip-- > 0)
        read_byte(&reader);
    for (unsigned i = 0; i < bytes; i++)
        size |= (uint64_t)read_byte(&reader) << (8 * i);
    return reader.overrun ? 0 : bytes == 2 ? size + 256 : size;
}

struct unpack_needs unpack_measure(enum unpack_kind kind, const void *in, size_t in_size)
{
    const uint8_t *bytes = in;

    switch (kind) {
    case UNPACK_NONE: return (struct unpack_needs){ in_size, 0 };
    case UNPACK_GZIP:
        return (struct unpack_needs){ in_size > 4 ? unpack_read_32(bytes + in_size - 4) : 0, GZIP_ARENA };
    case UNPACK_XZ: return xz_measure(bytes, in_size);
    case UNPACK_ZSTD: return (struct unpack_needs){ zstd_unpacked_size(bytes, in_size), ZSTD_ARENA };
    default: return (struct unpack_needs){ 0, 0 };
    }
}

static int unpack_plain(struct unpack_job *job)
{
    if (job->in_size > job->out_capacity)
        return unpack_fail(job, -XEN_ENOSPC, UNPACK_TOO_LARGE);
    memcpy(job->out, job->in, job->in_size);
    job->out_size = job->in_size;
    return 0;
}

static int unpack_choose(enum unpack_kind kind, struct unpack_job *job)
{
    if (unpack_detect(job->in, job->in_size) != kind)
        return unpack_fail(job, -XEN_EINVAL, "the packed data does not begin as its format demands");
    switch (kind) {
    case UNPACK_NONE: return unpack_plain(job);
    case UNPACK_GZIP: return unpack_gzip(job);
    case UNPACK_XZ: return unpack_xz(job);
    case UNPACK_ZSTD: return unpack_zstd(job);
    case UNPACK_LZ4: return unpack_lz4_frame(job);
    case UNPACK_LZ4_LEGACY: return unpack_lz4_legacy(job);
    default: return unpack_fail(job, -XEN_EOPNOTSUPP, "there is no decoder for its format");
    }
}

int unpack(enum unpack_kind kind, const void *in, size_t in_size, void *out, size_t out_capacity,
           size_t *out_size, void *arena, size_t arena_size, const char **reason)
{
    struct unpack_job job = {
        .in = in,
        .in_size = in_size,
        .out = out,
        .out_capacity = out_capacity,
        .arena = { .base = arena, .size = arena_size },
    };
    int error = unpack_choose(kind, &job);

    if (error == 0)
        *out_size = job.out_size;
    else
        *reason = job.reason;
    return error;
}
