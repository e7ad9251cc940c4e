// SPDX-License-Identifier: BSD-2-Clause
/*
 * Unpacking: the packings there are, finding the packed kernel, choosing its decoder, the decoder's memory and output, and
 * reading ahead what it will need. See the header.
 *
 * Formats of the headers looked at here: "The .xz File Format" 1.1.0, sections 2.1, 3.1 and 4; RFC 1952 (gzip), section
 * 2.3.1; of a bzImage as the header says. All sizes found here are only claims.
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

    TRAILER_SIZE = 4, /* a bare gzip member ends in its size too; the other formats keep it elsewhere, if at all */
};

/* Offsets in the first sectors of a bzImage (boot.rst, "The real-mode kernel header"). */
enum {
    SETUP_SECTORS = 0x1f1,
    BOOT_FLAG = 0x1fe,
    HEADER_MAGIC = 0x202,
    PROTOCOL = 0x206,
    PAYLOAD_OFFSET = 0x248,
    PAYLOAD_LENGTH = 0x24c,
    HEADER_END = 0x250,

    BOOT_FLAG_VALUE = 0xaa55,
    SECTOR = 512,
    SETUP_SECTORS_DEFAULT = 4, /* what 0 means */
    PROTOCOL_WITH_PAYLOAD = 0x0208,
};

static int unpack_plain(struct unpack_job *job)
{
    return unpack_put(job, job->in, unpack_left(job));
}

static const struct format {
    const char *name;
    uint8_t length, signature[6];
    uint32_t arena;
    int (*unpack)(struct unpack_job *job); /* NULL: it can be named, but there is no decoder */
} formats[] = {
    [UNPACK_UNKNOWN] = { .name = "unknown" },
    [UNPACK_NONE] = { "ELF", 4, { 0x7f, 'E', 'L', 'F' }, 0, unpack_plain },
    [UNPACK_GZIP] = { "gzip", 3, { 0x1f, 0x8b, 0x08 }, GZIP_ARENA, unpack_gzip },
    [UNPACK_XZ] = { "xz", 6, { 0xfd, '7', 'z', 'X', 'Z', 0 }, XZ_ARENA_BASE, unpack_xz },
    [UNPACK_ZSTD] = { "zstd", 4, { 0x28, 0xb5, 0x2f, 0xfd }, ZSTD_ARENA, unpack_zstd },
    [UNPACK_LZ4] = { "lz4", 4, { 0x04, 0x22, 0x4d, 0x18 }, 0, unpack_lz4_frame },
    [UNPACK_LZ4_LEGACY] = { "lz4 (legacy)", 4, { 0x02, 0x21, 0x4c, 0x18 }, 0, unpack_lz4_legacy },
    [UNPACK_BZIP2] = { "bzip2", 3, { 'B', 'Z', 'h' }, 0, NULL },
    [UNPACK_LZMA] = { "lzma", 3, { 0x5d, 0, 0 }, 0, NULL },
    [UNPACK_LZO] = { "lzo", 4, { 0x89, 'L', 'Z', 'O' }, 0, NULL },
};

enum unpack_kind unpack_detect(const void *data, size_t size)
{
    for (size_t kind = UNPACK_NONE; kind < ARRAY_SIZE(formats); kind++) {
        const struct format *format = &formats[kind];

        if (size >= format->length && memcmp(data, format->signature, format->length) == 0)
            return (enum unpack_kind)kind;
    }
    return UNPACK_UNKNOWN;
}

const char *unpack_name(enum unpack_kind kind)
{
    return formats[kind].name;
}

/* ---- where the packed kernel is ---- */

static int fail(const char **reason, int error, const char *text)
{
    *reason = text;
    return error;
}

static bool is_bzimage(const uint8_t *image, size_t size)
{
    return size >= HEADER_END && unpack_read_16(image + BOOT_FLAG) == BOOT_FLAG_VALUE &&
           memcmp(image + HEADER_MAGIC, "HdrS", 4) == 0;
}

static int find_payload(struct bzimage *result, const uint8_t *image, size_t size, const char **reason)
{
    unsigned sectors = image[SETUP_SECTORS] != 0 ? image[SETUP_SECTORS] : SETUP_SECTORS_DEFAULT;
    uint64_t start = (uint64_t)(sectors + 1) * SECTOR + unpack_read_32(image + PAYLOAD_OFFSET);
    uint32_t length = unpack_read_32(image + PAYLOAD_LENGTH);

    result->protocol = unpack_read_16(image + PROTOCOL);
    if (result->protocol < PROTOCOL_WITH_PAYLOAD)
        return fail(reason, -XEN_EOPNOTSUPP, "its boot protocol is older than 2.08");
    if (length == 0 || !checked_range(start, length, size))
        return fail(reason, -XEN_ENOEXEC, "the bzImage's payload lies outside the file (cut off?)");
    result->is_bzimage = true;
    result->payload = image + start;
    result->payload_size = length;
    return 0;
}

int bzimage_open(struct bzimage *result, const void *image, size_t size, const char **reason)
{
    int error = 0;

    *result = (struct bzimage){ .payload = image, .payload_size = size };
    if (is_bzimage(image, size))
        error = find_payload(result, image, size, reason);
    if (error != 0)
        return error;
    result->kind = unpack_detect(result->payload, result->payload_size);
    if (result->kind == UNPACK_UNKNOWN)
        return fail(reason, -XEN_ENOEXEC, "it is neither a bzImage, an ELF file nor packed in a known way");
    if (formats[result->kind].unpack == NULL)
        return fail(reason, -XEN_EOPNOTSUPP, "it is packed with bzip2, lzma or lzo");
    if (result->kind == UNPACK_NONE)
        result->unpacked_size = result->payload_size;
    else if ((result->is_bzimage || result->kind == UNPACK_GZIP) && result->payload_size >= TRAILER_SIZE)
        result->unpacked_size = unpack_read_32(result->payload + result->payload_size - TRAILER_SIZE);
    return 0;
}

/* ---- what unpacking will take ---- */

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

struct unpack_needs unpack_measure(enum unpack_kind kind, const void *in, size_t in_size)
{
    struct unpack_needs needs = { 0, formats[kind].arena };
    const uint8_t *bytes = in;

    if (kind == UNPACK_NONE)
        needs.out_size = in_size;
    if (kind == UNPACK_GZIP && in_size > TRAILER_SIZE)
        needs.out_size = unpack_read_32(bytes + in_size - TRAILER_SIZE);
    if (kind == UNPACK_ZSTD)
        needs.out_size = unpack_zstd_size(bytes, in_size);
    if (kind == UNPACK_XZ) {
        needs.arena_size += max_t(uint64_t, xz_dictionary(bytes, in_size), XZ_DICTIONARY_MIN);
        needs.out_size = xz_unpacked_size(bytes, in_size);
        if (needs.out_size == 0 && in_size > TRAILER_SIZE) /* a bzImage has four bytes behind the footer */
            needs.out_size = xz_unpacked_size(bytes, in_size - TRAILER_SIZE);
    }
    return needs;
}

/* ---- what decoders share ---- */

void *unpack_arena_allocate(struct unpack_arena *arena, size_t count, size_t size)
{
    uint64_t bytes;
    void *block;

    if (!checked_multiply(count, size, &bytes) || bytes > arena->size - arena->used)
        return NULL;
    block = arena->base + arena->used;
    arena->last = arena->used;
    arena->used += ROUND_UP(bytes, ARENA_ALIGN); /* size and used are multiples of that, and so is what is left */
    return block;
}

void unpack_arena_free(struct unpack_arena *arena, void *block)
{
    if (block != NULL && arena->last < arena->used && block == arena->base + arena->last)
        arena->used = arena->last;
}

int unpack_fail(struct unpack_job *job, int error, const char *reason)
{
    return fail(&job->reason, error, reason);
}

int unpack_corrupt(struct unpack_job *job)
{
    return unpack_fail(job, -XEN_EINVAL, "the packed data is corrupt");
}

int unpack_cut_off(struct unpack_job *job)
{
    return unpack_fail(job, -XEN_EINVAL, "the packed data is cut off");
}

int unpack_put(struct unpack_job *job, const uint8_t *from, size_t size)
{
    if (size > job->out_capacity - job->out_size)
        return unpack_fail(job, -XEN_ENOSPC, UNPACK_TOO_LARGE);
    memcpy(job->out + job->out_size, from, size);
    job->out_size += size;
    return 0;
}

int unpack_match(struct unpack_job *job, size_t window, size_t distance, size_t size)
{
    uint8_t *to = job->out + job->out_size;

    if (distance == 0 || distance > job->out_size - window)
        return unpack_corrupt(job);
    if (distance >= size)
        return unpack_put(job, to - distance, size);
    if (size > job->out_capacity - job->out_size)
        return unpack_fail(job, -XEN_ENOSPC, UNPACK_TOO_LARGE);
    job->out_size += size;
    for (const uint8_t *from = to - distance; size > 0; size--)
        *to++ = *from++;
    return 0;
}

int unpack_repeat(struct unpack_job *job, uint8_t byte, size_t size)
{
    int error = unpack_put(job, &byte, size > 0);

    return error != 0 || size < 2 ? error : unpack_match(job, 0, 1, size - 1);
}

int unpack(enum unpack_kind kind, const void *in, size_t in_size, void *out, size_t out_capacity,
           size_t *out_size, void *arena, size_t arena_size, const char **reason)
{
    struct unpack_job job = {
        .in = in,
        .end = (const uint8_t *)in + in_size,
        .out = out,
        .out_capacity = out_capacity,
        .arena = { .base = arena, .size = ROUND_DOWN(arena_size, ARENA_ALIGN) },
    };
    int error;

    if (unpack_detect(in, in_size) != kind)
        return fail(reason, -XEN_EINVAL, "the packed data does not begin as its format demands");
    if (formats[kind].unpack == NULL)
        return fail(reason, -XEN_EOPNOTSUPP, "there is no decoder for its format");
    error = formats[kind].unpack(&job);
    if (error == 0)
        *out_size = job.out_size;
    else
        *reason = job.reason;
    return error;
}
