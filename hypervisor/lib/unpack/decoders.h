/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this folder share: one decoder each, and the arena their libraries allocate from. */
#pragma once

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
    const uint8_t *in, *end; /* not yet read; begins with what the format is known by */
    uint8_t *out;
    size_t out_capacity;
    size_t out_size; /* written so far */
    struct unpack_arena arena;
    const char *reason;
};

/* Each does what unpack() promises, for its format; what is left of the input does not matter. */
int unpack_gzip(struct unpack_job *job);
int unpack_xz(struct unpack_job *job);
int unpack_zstd(struct unpack_job *job);
int unpack_lz4_frame(struct unpack_job *job);
int unpack_lz4_legacy(struct unpack_job *job);

/* What a frame of zstd says that it unpacks to; 0 when it does not. */
uint64_t unpack_zstd_size(const uint8_t *in, size_t in_size);

int unpack_fail(struct unpack_job *job, int error, const char *reason);
int unpack_corrupt(struct unpack_job *job);
int unpack_cut_off(struct unpack_job *job);

/* Append to the output.  Each returns 0, or -XEN_ENOSPC when there is no room. */
int unpack_put(struct unpack_job *job, const uint8_t *from, size_t size);
int unpack_repeat(struct unpack_job *job, uint8_t byte, size_t size);
/*
 * Bytes of the output itself, from `distance` before its end on; they may be among those that this writes. -XEN_EINVAL when
 * the distance is 0 or reaches back beyond out[window].
 */
int unpack_match(struct unpack_job *job, size_t window, size_t distance, size_t size);

static inline size_t unpack_left(const struct unpack_job *job)
{
    return (size_t)(job->end - job->in);
}

typedef uint16_t unaligned_16 __attribute__((aligned(1), may_alias));
typedef uint32_t unaligned_32 __attribute__((aligned(1), may_alias));
typedef uint64_t unaligned_64 __attribute__((aligned(1), may_alias));

static inline uint16_t unpack_read_16(const uint8_t *from)
{
    return *(const unaligned_16 *)from;
}

static inline uint32_t unpack_read_32(const uint8_t *from)
{
    return *(const unaligned_32 *)from;
}

static inline uint64_t unpack_read_64(const uint8_t *from)
{
    return *(const unaligned_64 *)from;
}

/* xxhash.c */
uint32_t unpack_xxh32(const uint8_t *data, size_t size);
uint64_t unpack_xxh64(const uint8_t *data, size_t size);

/* The texts that more than one decoder needs. */
#define UNPACK_TOO_LARGE "the unpacked data is larger than the place for it"
#define UNPACK_NO_MEMORY "the decoder needs more memory than it was given"
#define UNPACK_UNSUPPORTED "it is packed in a way the decoder does not support"
