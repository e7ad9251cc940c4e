// SPDX-License-Identifier: BSD-2-Clause
/* Gzip members (RFC 1952), one after the other, by zlib. */
#include <xen/errno.h>
#include <zlib.h>

#include "lib/unpack/decoders.h"

enum {
    WINDOW_GZIP_ONLY = 15 + 16, /* zlib.h, inflateInit2: largest window, gzip header demanded */
    MEMBER_MINIMUM = 18,
};

static voidpf gzip_allocate(voidpf opaque, uInt count, uInt size)
{
    return unpack_arena_allocate(opaque, count, size);
}

static void gzip_free(voidpf opaque, voidpf block)
{
    unpack_arena_free(opaque, block);
}

static bool gzip_has_member(const z_stream *stream)
{
    return stream->avail_in >= MEMBER_MINIMUM && stream->next_in[0] == 0x1f && stream->next_in[1] == 0x8b;
}

/* Unpacks one member after the other; returns the last answer of zlib. */
static int gzip_run(z_stream *stream)
{
    int answer;

    do
        answer = inflate(stream, Z_FINISH);
    while (answer == Z_STREAM_END && gzip_has_member(stream) && inflateReset(stream) == Z_OK);
    return answer;
}

static int gzip_judge(struct unpack_job *job, const z_stream *stream, int answer)
{
    switch (answer) {
    case Z_STREAM_END: job->out_size = (size_t)(stream->next_out - job->out); return 0;
    case Z_MEM_ERROR: return unpack_fail(job, -XEN_ENOMEM, UNPACK_NO_MEMORY);
    case Z_OK:
    case Z_BUF_ERROR:
        if (stream->avail_out == 0)
            return unpack_fail(job, -XEN_ENOSPC, UNPACK_TOO_LARGE);
        return unpack_cut_off(job);
    default: return unpack_corrupt(job);
    }
}

int unpack_gzip(struct unpack_job *job)
{
    z_stream stream = { .zalloc = gzip_allocate, .zfree = gzip_free, .opaque = &job->arena };
    int answer;

    if (unpack_left(job) > UINT32_MAX)
        return unpack_fail(job, -XEN_EOPNOTSUPP, UNPACK_UNSUPPORTED);
    stream.next_in = (z_const Bytef *)(uintptr_t)job->in;
    stream.avail_in = (uInt)unpack_left(job);
    stream.next_out = job->out;
    stream.avail_out = (uInt)min_t(size_t, job->out_capacity, UINT32_MAX);
    if (inflateInit2(&stream, WINDOW_GZIP_ONLY) != Z_OK)
        return unpack_fail(job, -XEN_ENOMEM, UNPACK_NO_MEMORY);
    answer = gzip_run(&stream);
    inflateEnd(&stream);
    return gzip_judge(job, &stream, answer);
}
