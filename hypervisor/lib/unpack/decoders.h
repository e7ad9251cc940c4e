/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this folder share: one decoder each, and the arena their libraries allocate from. */
#ifndef LIB_UNPACK_DECODERS_H
#define LIB_UNPACK_DECODERS_H

#include "lib/base.h"

/*
 * A stack of blocks in the caller's memory. The block allocated last is given back when freed, others stay
 * until the arena is dropped: the libraries allocate a handful of blocks per call.
 */
struct unpack_arena {
    uint8_t *base;
    size_t size, used;
    size_t last; /* where the last block starts, == used when there is none */
};

/* 16-byte aligned, not cleared; NULL when it does not fit. */
void *unpack_arena_allocate(struct unpack_arena *arena, size_t count, size_t size);
void unpack_arena_free(struct unpack_arena *arena, void *block);

struct unpack_job {
    const uint8_t *in;
    size_t in_size;
    uint8_t *out;
    size_t out_capacity;
    size_t out_size; /* set by the decoder on success */
    struct unpack_arena arena;
    const char *reason;
};

/* Each does what unpack() promises, for its format. */
int unpack_gzip(struct unpack_job *job);
int unpack_xz(struct unpack_job *job);
int unpack_zstd(struct unpack_job *job);
int unpack_lz4_frame(struct unpack_job *job);
int unpack_lz4_legacy(struct unpack_job *job);

static inline int unpack_fail(struct unpack_job *job, int error, const char *reason)
{
    job->reason = reason;
    return error;
}

static inline uint32_t unpack_read_32(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

/* xxhash.c */
uint32_t unpack_xxh32(const uint8_t *data, size_t size);
uint64_t unpack_xxh64(const uint8_t *data, size_t size);

/* The texts that more than one decoder needs. */
#define UNPACK_CORRUPT "the packed data is corrupt"
#define UNPACK_CUT_OFF "the packed data is cut off"
#define UNPACK_TOO_LARGE "the unpacked data is larger than the place for it"
#define UNPACK_NO_MEMORY "the decoder needs more memory than it was given"
#define UNPACK_UNSUPPORTED "it is packed in a way the decoder does not support"

#endif
