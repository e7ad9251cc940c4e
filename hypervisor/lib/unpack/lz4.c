// SPDX-License-Identifier: BSD-2-Clause
/*
 * LZ4, both the frame format and the legacy one that Linux packs kernels in, by a decoder of our own: the
 * distribution's liblz4 is one object of 57 KB, packer and all, and this is a hundred lines.
 *
 * Formats: lz4's documents "LZ4 Block Format" and "LZ4 Frame Format" 1.6.3 (with the legacy frame). A legacy frame has no end mark: it ends with the
 * input, or (Linux) with four bytes that are the size of the output.
 */
#include <xen/errno.h>

#include "lib/unpack/decoders.h"

enum {
    MATCH_MINIMUM = 4,
    LENGTH_EXTENDED = 15,

    MAGIC_SIZE = 4,
    LEGACY_MAGIC = 0x184c2102,
    LEGACY_BLOCK = 8 * 1024 * 1024,

    FLAG_DICTIONARY = 0x01,
    FLAG_RESERVED = 0x02,
    FLAG_CONTENT_CHECKSUM = 0x04,
    FLAG_CONTENT_SIZE = 0x08,
    FLAG_BLOCK_CHECKSUM = 0x10,
    FLAG_BLOCK_INDEPENDENT = 0x20,
    FLAG_VERSION = 0x40,
    FLAG_VERSION_MASK = 0xc0,
};

#define BLOCK_PLAIN (UINT32_C(1) << 31)

/* A length starts in four bits of the token and goes on in bytes while they are 255. False: input ran out. */
static bool read_length(struct unpack_job *job, size_t *length)
{
    uint8_t byte;

    if (*length < LENGTH_EXTENDED)
        return true;
    do {
        if (job->in == job->end)
            return false;
        byte = *job->in++;
        *length += byte;
    } while (byte == 255);
    return true;
}

static int copy_literals(struct unpack_job *job, size_t length)
{
    if (length > unpack_left(job))
        return unpack_corrupt(job);
    job->in += length;
    return unpack_put(job, job->in - length, length);
}

/* The match of one sequence; its distance is next in the input. */
static int copy_match(struct unpack_job *job, size_t length, size_t window)
{
    size_t distance;

    if (unpack_left(job) < 2)
        return unpack_corrupt(job);
    distance = (size_t)(job->in[0] | job->in[1] << 8);
    job->in += 2;
    return read_length(job, &length) ? unpack_match(job, window, distance, length + MATCH_MINIMUM) : unpack_corrupt(job);
}

/* The sequences of a block, all of the input there is. A block ends after the literals of one. */
static int read_sequences(struct unpack_job *job, size_t window)
{
    while (job->in != job->end) {
        uint8_t token = *job->in++;
        size_t literals = token >> 4;
        int error = read_length(job, &literals) ? copy_literals(job, literals) : unpack_corrupt(job);

        if (error != 0 || job->in == job->end)
            return error;
        error = copy_match(job, token & 15, window);
        if (error != 0)
            return error;
    }
    return unpack_corrupt(job);
}

/* Unpacks a block, the next `size` bytes of input. Matches reach back to out[window] at most; it may add `limit` bytes. */
static int unpack_block(struct unpack_job *job, size_t size, size_t window, size_t limit)
{
    const uint8_t *end = job->end;
    size_t capacity = job->out_capacity;
    int error;

    job->end = job->in + size;
    job->out_capacity = job->out_size + min(limit, capacity - job->out_size);
    error = read_sequences(job, window);
    job->end = end;
    job->out_capacity = capacity;
    return error;
}

int unpack_lz4_legacy(struct unpack_job *job)
{
    job->in += MAGIC_SIZE;
    while (unpack_left(job) >= 4) {
        uint32_t word = unpack_read_32(job->in);
        int error;

        job->in += 4;
        if (unpack_left(job) == 0 && word == (uint32_t)job->out_size)
            return 0; /* the size that Linux appends */
        if (word == LEGACY_MAGIC)
            continue; /* another frame */
        if (word > unpack_left(job))
            return unpack_cut_off(job);
        error = unpack_block(job, word, job->out_size, LEGACY_BLOCK);
        if (error != 0)
            return error;
    }
    return unpack_left(job) == 0 && job->out_size > 0 ? 0 : unpack_cut_off(job);
}

struct frame {
    uint8_t flags;
    size_t block_limit;
    uint64_t content_size; /* if the flags have FLAG_CONTENT_SIZE */
};

/* Flags, block size, perhaps the content's size, and a byte of the checksum over all that. */
static int frame_header(struct unpack_job *job, struct frame *frame)
{
    const uint8_t *descriptor = job->in;
    size_t size = 2;

    if (unpack_left(job) < 3)
        return unpack_cut_off(job);
    frame->flags = descriptor[0];
    if ((frame->flags & FLAG_VERSION_MASK) != FLAG_VERSION ||
        (frame->flags & (FLAG_RESERVED | FLAG_DICTIONARY)) != 0 || descriptor[1] < 0x40 ||
        (descriptor[1] & 0x8f) != 0)
        return unpack_fail(job, -XEN_EOPNOTSUPP, UNPACK_UNSUPPORTED);
    frame->block_limit = (size_t)1 << (2 * (descriptor[1] >> 4) + 8);
    if (frame->flags & FLAG_CONTENT_SIZE) {
        if (unpack_left(job) < 2 + 8 + 1)
            return unpack_cut_off(job);
        frame->content_size = unpack_read_64(descriptor + 2);
        size += 8;
    }
    job->in += size + 1;
    return descriptor[size] == (unpack_xxh32(descriptor, size) >> 8 & 0xff) ? 0 : unpack_corrupt(job);
}

/* One block after its size word. */
static int frame_block(struct unpack_job *job, const struct frame *frame, uint32_t word)
{
    const uint8_t *block = job->in;
    size_t size = word & ~BLOCK_PLAIN, sum = frame->flags & FLAG_BLOCK_CHECKSUM ? 4 : 0;
    size_t window = frame->flags & FLAG_BLOCK_INDEPENDENT ? job->out_size : 0;
    int error;

    if (size > frame->block_limit)
        return unpack_corrupt(job);
    if (size + sum > unpack_left(job))
        return unpack_cut_off(job);
    error = word & BLOCK_PLAIN ? copy_literals(job, size) : unpack_block(job, size, window, frame->block_limit);
    job->in += sum;
    if (error == 0 && sum > 0 && unpack_read_32(block + size) != unpack_xxh32(block, size))
        return unpack_corrupt(job);
    return error;
}

/* After the end mark: size and checksum of the content, as far as the frame has them. */
static int frame_end(struct unpack_job *job, const struct frame *frame)
{
    if ((frame->flags & FLAG_CONTENT_SIZE) != 0 && frame->content_size != job->out_size)
        return unpack_corrupt(job);
    if ((frame->flags & FLAG_CONTENT_CHECKSUM) == 0)
        return 0;
    if (unpack_left(job) < 4)
        return unpack_cut_off(job);
    return unpack_read_32(job->in) == unpack_xxh32(job->out, job->out_size) ? 0 : unpack_corrupt(job);
}

int unpack_lz4_frame(struct unpack_job *job)
{
    struct frame frame = { 0 };
    int error;

    job->in += MAGIC_SIZE;
    error = frame_header(job, &frame);
    while (error == 0 && unpack_left(job) >= 4) {
        uint32_t word = unpack_read_32(job->in);

        job->in += 4;
        if (word == 0)
            return frame_end(job, &frame);
        error = frame_block(job, &frame, word);
    }
    return error != 0 ? error : unpack_cut_off(job);
}
