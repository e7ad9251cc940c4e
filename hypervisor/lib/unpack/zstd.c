// SPDX-License-Identifier: BSD-2-Clause
/*
 * Zstandard frames (RFC 8878), one after the other, by libzstd.
 *
 * The whole output is the window, so no buffer for one is needed, whatever size the frame asks for.
 */
#define ZSTD_STATIC_LINKING_ONLY /* for ZSTD_initStaticDCtx; the library is linked statically indeed */
#include <xen/errno.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "lib/bzimage.h"
#include "lib/unpack/decoders.h"

static int zstd_judge(struct unpack_job *job, size_t answer)
{
    switch (ZSTD_getErrorCode(answer)) {
    case ZSTD_error_dstSize_tooSmall: return unpack_fail(job, -XEN_ENOSPC, UNPACK_TOO_LARGE);
    case ZSTD_error_srcSize_wrong: return unpack_fail(job, -XEN_EINVAL, UNPACK_CUT_OFF);
    case ZSTD_error_memory_allocation: return unpack_fail(job, -XEN_ENOMEM, UNPACK_NO_MEMORY);
    case ZSTD_error_version_unsupported:
    case ZSTD_error_frameParameter_unsupported:
    case ZSTD_error_dictionary_wrong: return unpack_fail(job, -XEN_EOPNOTSUPP, UNPACK_UNSUPPORTED);
    default: return unpack_fail(job, -XEN_EINVAL, UNPACK_CORRUPT);
    }
}

/*
 * Unpacks the frames from in[0] on, as long as what follows is another one; the check of the magic number
 * also keeps the library from its decoders of former formats, which are not linked in.
 */
static int zstd_run(struct unpack_job *job, ZSTD_DCtx *context)
{
    size_t at = 0;

    do {
        size_t packed = ZSTD_findFrameCompressedSize(job->in + at, job->in_size - at);
        size_t unpacked;

        if (ZSTD_isError(packed))
            return zstd_judge(job, packed);
        unpacked = ZSTD_decompressDCtx(context, job->out + job->out_size, job->out_capacity - job->out_size,
                                       job->in + at, packed);
        if (ZSTD_isError(unpacked))
            return zstd_judge(job, unpacked);
        job->out_size += unpacked;
        at += packed;
    } while (unpack_detect(job->in + at, job->in_size - at) == UNPACK_ZSTD);
    return 0;
}

int unpack_zstd(struct unpack_job *job)
{
    ZSTD_DCtx *context = ZSTD_initStaticDCtx(job->arena.base, job->arena.size);

    if (context == NULL)
        return unpack_fail(job, -XEN_ENOMEM, UNPACK_NO_MEMORY);
    return zstd_run(job, context);
}
