// SPDX-License-Identifier: BSD-2-Clause
/* One .xz stream, with any filters (Linux uses the x86 one) and any check, by liblzma. */
#include <lzma.h>
#include <xen/errno.h>

#include "lib/unpack/decoders.h"

static void *xz_allocate(void *opaque, size_t count, size_t size)
{
    return unpack_arena_allocate(opaque, count, size);
}

static void xz_free(void *opaque, void *block)
{
    unpack_arena_free(opaque, block);
}

static int xz_judge(struct unpack_job *job, lzma_ret answer)
{
    switch (answer) {
    case LZMA_OK: return 0;
    case LZMA_BUF_ERROR: return unpack_fail(job, -XEN_ENOSPC, UNPACK_TOO_LARGE);
    case LZMA_MEM_ERROR:
    case LZMA_MEMLIMIT_ERROR: return unpack_fail(job, -XEN_ENOMEM, UNPACK_NO_MEMORY);
    case LZMA_OPTIONS_ERROR:
    case LZMA_UNSUPPORTED_CHECK: return unpack_fail(job, -XEN_EOPNOTSUPP, UNPACK_UNSUPPORTED);
    default: return unpack_corrupt(job);
    }
}

int unpack_xz(struct unpack_job *job)
{
    const lzma_allocator allocator = { xz_allocate, xz_free, &job->arena };
    uint64_t memory_limit = UINT64_MAX; /* the arena is the limit */
    size_t in_position = 0;
    lzma_ret answer = lzma_stream_buffer_decode(&memory_limit, LZMA_TELL_UNSUPPORTED_CHECK, &allocator,
                                                job->in, &in_position, unpack_left(job), job->out,
                                                &job->out_size, job->out_capacity);

    return xz_judge(job, answer);
}
