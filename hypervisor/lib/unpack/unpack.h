/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds and unpacks a kernel held in memory, with the decoders of zlib and liblzma and our own for zstd and lz4.
 *
 * Format of a bzImage: Linux Documentation/x86/boot.rst, protocol 2.08 and later (payload_offset, payload_length). The payload
 * of every compression ends in the unpacked size as 4 little-endian bytes (gzip's own trailer, or appended).
 *
 * Of the packings, zstd is taken in its present format only; an .xz file may have any filters and checks.
 *
 * WHERE IT MAY RUN. The libraries are the distribution's, built for ordinary programs. While unpack() runs,
 *   - FS base points at 64 readable bytes (the stack protector compares the word at %fs:0x28 with itself);
 *   - SSE state is enabled (CR0.EM and CR0.TS clear, CR4.OSFXSR set) and its registers are free to be
 *     changed; AVX is not used (a test looks);
 *   - the 128 bytes below the stack pointer are theirs (red zone): interrupts are off, or arrive on another
 *     stack (IST), and so do NMI and machine checks;
 *   - the stack has 16 KiB free and is aligned as the System V ABI says;
 *   - nothing else runs them: at boot, on one CPU. They keep no state between calls.
 *
 * Input is untrusted: whatever it holds the result is an error or exactly *out_size bytes of output.
 * Memory is the caller's alone: input, output and arena must not overlap; the arena (16-byte aligned) may be
 * given back as soon as the call returns.
 */
#pragma once

#include "lib/base.h"

/* ---- the kernel inside what the boot loader handed over: a Linux bzImage, or a kernel that is bare or merely packed ---- */

enum unpack_kind {
    UNPACK_UNKNOWN,
    UNPACK_NONE, /* a bare ELF image */
    UNPACK_GZIP,
    UNPACK_XZ,
    UNPACK_ZSTD,
    UNPACK_LZ4,        /* the frame format */
    UNPACK_LZ4_LEGACY, /* what Linux uses */

    UNPACK_BZIP2, /* recognised so that they can be named; there is no decoder */
    UNPACK_LZMA,
    UNPACK_LZO,
};

struct bzimage {
    bool is_bzimage;
    uint16_t protocol; /* of boot, e.g. 0x020f; 0 when it is no bzImage */
    enum unpack_kind kind;
    const uint8_t *payload;
    size_t payload_size;
    size_t unpacked_size; /* a claim, not a fact: 0 when unknown. Exact for UNPACK_NONE */
};

/* What the first bytes say it is packed with. */
enum unpack_kind unpack_detect(const void *data, size_t size);

/* "gzip", "xz", ...; for messages. */
const char *unpack_name(enum unpack_kind kind);

/*
 * Looks at image[size]. Returns 0, or -XEN_ENOEXEC (not a kernel in any known form, or cut off),
 * -XEN_EOPNOTSUPP (too old a protocol, or a packing that has no decoder); then *reason is a static text that
 * completes "the kernel cannot be used: ...".
 */
int bzimage_open(struct bzimage *result, const void *image, size_t size, const char **reason);

/* ---- unpacking it ---- */

struct unpack_needs {
    size_t out_size;   /* what the input claims, 0 when it says nothing: use bzimage.unpacked_size if known */
    size_t arena_size; /* enough for unpack() with this input; may be 0 */
};

/*
 * Learns what unpacking will take from the headers of in[in_size]: for XZ a dictionary as large as its header
 * says (Debian's kernels: 32 MiB) and a little, for the others at most 192 KiB. Uses no library: it may run
 * anywhere. Never fails; headers that make no sense are left for unpack() to refuse.
 */
struct unpack_needs unpack_measure(enum unpack_kind kind, const void *in, size_t in_size);

/*
 * Unpacks in[in_size] into out[out_capacity] and sets *out_size. Bytes after the end of the packed data are
 * ignored (a bzImage has the unpacked size there). Checksums in the data are verified.
 * Returns 0, or -XEN_EINVAL (corrupt or cut off), -XEN_ENOSPC (does not fit into `out`), -XEN_ENOMEM (the
 * arena is too small), -XEN_EOPNOTSUPP (no decoder, or an option it does not know); then *reason is a static
 * text that completes "the kernel cannot be unpacked: ..." and the contents of `out` are unspecified.
 */
int unpack(enum unpack_kind kind, const void *in, size_t in_size, void *out, size_t out_capacity,
           size_t *out_size, void *arena, size_t arena_size, const char **reason);
