/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the kernel inside what the boot loader handed over: a Linux bzImage, or a kernel that is bare or
 * merely compressed. Says how it is packed and, where that is known, how large it will be.
 *
 * The image is untrusted and is only read; results point into it. Format of a bzImage: Linux
 * Documentation/x86/boot.rst, protocol 2.08 and later (payload_offset, payload_length). The payload of every
 * compression ends in the unpacked size as 4 little-endian bytes (gzip's own trailer, or appended).
 */
#ifndef LIB_BZIMAGE_H
#define LIB_BZIMAGE_H

#include "lib/base.h"

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

#endif
