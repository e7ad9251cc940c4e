// SPDX-License-Identifier: BSD-2-Clause
/*
 * LZ4, both the frame format and the legacy one that Linux packs kernels in, by a decoder of our own: the
 * distribution's liblz4 is one object of 57 KB, packer and all, and this is a hundred lines.
 *
 * Formats: lz4's documents "LZ4 Block Format" and "LZ4 Frame Format" 1.6.3 (with the legacy frame). A legacy frame has no end mark: it ends with the
 * input, or (Linux) with four bytes that are the size of the output.
 */
#include <xen/errno.h>

#include "lib/checked.h"
#include "lib/string.h"
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

/* The part of the input not yet read. */
struct input {
    const uint8_t *next, *end;
};

static size_t input_left(const struct input *in)
{
    return (size_t)(in->end - in->next);
}

static uint32_t input_read_32(struct input *in)
{
    uint32_t value = unpack_read_32(in->next);

    in->next += 4;
    return value;
}

/* A length starts in four bits of the token and goes on in bytes while they are 255. False: input ran out. */
static bool read_length(struct input *in, size_t *length)
{
    uint8_t byte;

    if (*length < LENGTH_EXTENDED)
        return true;
    do {
        if (in->next == in->end)
            return false;
        byte = *in->next++;
        *length += byte;
    } while (byte == 255);
    return true;
}

/* Copies what lies `distance` before `to` there; where the ranges overlap the copy repeats. */
static void copy_match(uint8_t *to, size_t distance, size_t length)
{
    const uint8_t *from = to - distance;

    if (distance >= length) {
        memcpy(to, from, length);
        return;
    }
    while (length-- > 0)
        *to++ = *from++;
}

static int copy_literals(struct unpack_job *job, struct input *in, size_t length, size_t limit)
{
    if (length > input_left(in))
        return unpack_fail(job, -XEN_EINVAL, UNPACK_CORRUPT);
    if (length > limit - job->out_size)
        return unpack_fail(job, -XEN_ENOSPC, UNPACK_TOO_LARGE);
    memcpy(job->out + job->out_size, in->next, length);
    in->next += length;
    job->out_size += length;
    return 0;
}

/* The match of one sequence; its distance is next in the input. */
static int block_match(struct unpack_job *job, struct input *in, size_t length, size_t window, size_t limit)
{
    size_t distance;

    if (input_left(in) < 2)
        return unpack_fail(job, -XEN_EINVAL, UNPACK_CORRUPT);
    distance = (size_t)(in->next[0] | in->next[1] << 8);
    in->next += 2;
    if (!read_length(in, &length) || distance == 0 || distance > job->out_size - window)
        return unpack_fail(job, -XEN_EINVAL, UNPACK_CORRUPT);
    length += MATCH_MINIMUM;
    if (length > limit - job->out_size)
        return unpack_fail(job, -XEN_ENOSPC, UNPACK_TOO_LARGE);
    copy_match(job->out + job->out_size, distance, length);
    job->out_size += length;
    return 0;
}

/*
 * Unpacks one block, all of `in`, to the end of the output. Matches reach back to out[window] at most; the
 * block may add block_limit bytes. A block ends after the literals of a sequence.
 */
static int unpack_block(struct unpack_job *job, struct input in, size_t window, size_t block_limit)
{
    size_t limit = job->out_size + min(block_limit, job->out_capacity - job->out_size);

    while (in.next != in.end) {
        uint8_t token = *in.next++;
        size_t literals = token >> 4;
        int error;

        if (!read_length(&in, &literals))
            return unpack_fail(job, -XEN_EINVAL, UNPACK_CORRUPT);
        error = copy_literals(job, &in, literals, limit);
        if (error != 0 || in.next == in.end)
            return error;
        error = block_match(job, &in, token & 15, window, limit);
        if (error != 0)
            return error;
    }
    return unpack_fail(job, -XEN_EINVAL, UNPACK_CORRUPT);
}

/* Takes `size` bytes off the input as an input of their own; false when there are not as many. */
static bool input_take(struct input *in, size_t size, struct input *part)
{
    if (size > input_left(in))
        return false;
    *part = (struct input){ in->next, in->next + size };
    in->next += size;
    return true;
}

int unpack_lz4_legacy(struct unpack_job *job)
{
    struct input in = { job->in + MAGIC_SIZE, job->in + job->in_size }, block;

    while (input_left(&in) >= 4) {
        uint32_t word = input_read_32(&in);
        int error;

        if (input_left(&in) == 0 && word == (uint32_t)job->out_size)
            return 0; /* the size that Linux appends */
        if (word == LEGACY_MAGIC)
            continue; /* another frame */
        if (!input_take(&in, word, &block))
            return unpack_fail(job, -XEN_EINVAL, UNPACK_CUT_OFF);
        error = unpack_block(job, block, job->out_size, LEGACY_BLOCK);
        if (error != 0)
            return error;
    }
    return input_left(&in) == 0 && job->out_size > 0 ? 0 : unpack_fail(job, -XEN_EINVAL, UNPACK_CUT_OFF);
}

struct frame {
    uint8_t flags;
    size_t block_limit;
    uint64_t content_size; /* if the flags have FLAG_CONTENT_SIZE */
};

/* Flags, block size, perhaps the content's size, and a byte of the checksum over all that. */
static int frame_header(struct unpack_job *job, struct input *in, struct frame *frame)
{
    const uint8_t *descriptor = in->next;
    size_t size = 2;

    if (input_left(in) < 3)
        return unpack_fail(job, -XEN_EINVAL, UNPACK_CUT_OFF);
    frame->flags = descriptor[0];
    if ((frame->flags & FLAG_VERSION_MASK) != FLAG_VERSION ||
        (frame->flags & (FLAG_RESERVED | FLAG_DICTIONARY)) != 0 || descriptor[1] < 0x40 ||
        (descriptor[1] & 0x8f) != 0)
        return unpack_fail(job, -XEN_EOPNOTSUPP, UNPACK_UNSUPPORTED);
    frame->block_limit = (size_t)1 << (2 * (descriptor[1] >> 4) + 8);
    if (frame->flags & FLAG_CONTENT_SIZE) {
        if (input_left(in) < 2 + 8 + 1)
            return unpack_fail(job, -XEN_EINVAL, UNPACK_CUT_OFF);
        frame->content_size = unpack_read_32(descriptor + 2) | (uint64_t)unpack_read_32(descriptor + 6) << 32;
        size += 8;
    }
    if (descriptor[size] != (unpack_xxh32(descriptor, size) >> 8 & 0xff))
        return unpack_fail(job, -XEN_EINVAL, UNPACK_CORRUPT);
    in->next += size + 1;
    return 0;
}

/* One block after its size word. */
static int frame_block(struct unpack_job *job, const struct frame *frame, struct input *in, uint32_t word)
{
    size_t size = word & ~BLOCK_PLAIN;
    size_t window = frame->flags & FLAG_BLOCK_INDEPENDENT ? job->out_size : 0;
    struct input block, sum = { NULL, NULL };
    int error;

    if (size > frame->block_limit)
        return unpack_fail(job, -XEN_EINVAL, UNPACK_CORRUPT);
    if (!input_take(in, size, &block) ||
        ((frame->flags & FLAG_BLOCK_CHECKSUM) != 0 && !input_take(in, 4, &sum)))
        return unpack_fail(job, -XEN_EINVAL, UNPACK_CUT_OFF);
    if (word & BLOCK_PLAIN)
        error = copy_literals(job, &(struct input){ block.next, block.end }, size, job->out_capacity);
    else
        error = unpack_block(job, block, window, frame->block_limit);
    if (error == 0 && (frame->flags & FLAG_BLOCK_CHECKSUM) != 0 &&
        unpack_read_32(sum.next) != unpack_xxh32(block.next, size))
        return unpack_fail(job, -XEN_EINVAL, UNPACK_CORRUPT);
    return error;
}

/* After the end mark: size and checksum of the content, as far as the frame has them. */
static int frame_end(struct unpack_job *job, const struct frame *frame, struct input *in)
{
    struct input sum;

    if ((frame->flags & FLAG_CONTENT_SIZE) != 0 && frame->content_size != job->out_size)
        return unpack_fail(job, -XEN_EINVAL, UNPACK_CORRUPT);
    if ((frame->flags & FLAG_CONTENT_CHECKSUM) == 0)
        return 0;
    if (!input_take(in, 4, &sum))
        return unpack_fail(job, -XEN_EINVAL, UNPACK_CUT_OFF);
    if (unpack_read_32(sum.next) != unpack_xxh32(job->out, job->out_size))
        return unpack_fail(job, -XEN_EINVAL, UNPACK_CORRUPT);
    return 0;
}

int unpack_lz4_frame(struct unpack_job *job)
{
    struct input in = { job->in + MAGIC_SIZE, job->in + job->in_size };
    struct frame frame;
    int error = frame_header(job, &in, &frame);

    while (error == 0 && input_left(&in) >= 4) {
        uint32_t word = input_read_32(&in);

        if (word == 0)
            return frame_end(job, &frame, &in);
        error = frame_block(job, &frame, &in, word);
    }
    return error != 0 ? error : unpack_fail(job, -XEN_EINVAL, UNPACK_CUT_OFF);
}
