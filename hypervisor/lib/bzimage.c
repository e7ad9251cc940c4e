// SPDX-License-Identifier: BSD-2-Clause
/* Kernel images as boot loaders deliver them: see the header. */
#include "lib/bzimage.h"

#include <xen/errno.h>

#include "lib/checked.h"
#include "lib/string.h"

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

/* A bare gzip member ends in its size too; the other formats keep it elsewhere, if at all. */
enum { TRAILER_SIZE = 4 };

struct signature {
    enum unpack_kind kind;
    uint8_t length;
    uint8_t bytes[6];
};

static const struct signature signatures[] = {
    { UNPACK_NONE, 4, { 0x7f, 'E', 'L', 'F' } },
    { UNPACK_GZIP, 3, { 0x1f, 0x8b, 0x08 } },
    { UNPACK_XZ, 6, { 0xfd, '7', 'z', 'X', 'Z', 0 } },
    { UNPACK_ZSTD, 4, { 0x28, 0xb5, 0x2f, 0xfd } },
    { UNPACK_LZ4, 4, { 0x04, 0x22, 0x4d, 0x18 } },
    { UNPACK_LZ4_LEGACY, 4, { 0x02, 0x21, 0x4c, 0x18 } },
    { UNPACK_BZIP2, 3, { 'B', 'Z', 'h' } },
    { UNPACK_LZMA, 3, { 0x5d, 0, 0 } },
    { UNPACK_LZO, 4, { 0x89, 'L', 'Z', 'O' } },
};

static int fail(const char **reason, int error, const char *text)
{
    *reason = text;
    return error;
}

static uint16_t read_16(const uint8_t *from)
{
    return (uint16_t)(from[0] | from[1] << 8);
}

static uint32_t read_32(const uint8_t *from)
{
    return read_16(from) | (uint32_t)read_16(from + 2) << 16;
}

enum unpack_kind unpack_detect(const void *data, size_t size)
{
    for (size_t i = 0; i < ARRAY_SIZE(signatures); i++) {
        const struct signature *signature = &signatures[i];

        if (size >= signature->length && memcmp(data, signature->bytes, signature->length) == 0)
            return signature->kind;
    }
    return UNPACK_UNKNOWN;
}

const char *unpack_name(enum unpack_kind kind)
{
    static const char *const names[] = {
        [UNPACK_UNKNOWN] = "unknown", [UNPACK_NONE] = "ELF",   [UNPACK_GZIP] = "gzip",
        [UNPACK_XZ] = "xz",           [UNPACK_ZSTD] = "zstd",  [UNPACK_LZ4] = "lz4",
        [UNPACK_LZ4_LEGACY] = "lz4 (legacy)", [UNPACK_BZIP2] = "bzip2", [UNPACK_LZMA] = "lzma",
        [UNPACK_LZO] = "lzo",
    };

    return (size_t)kind < ARRAY_SIZE(names) ? names[kind] : names[UNPACK_UNKNOWN];
}

static bool is_bzimage(const uint8_t *image, size_t size)
{
    return size >= HEADER_END && read_16(image + BOOT_FLAG) == BOOT_FLAG_VALUE &&
           memcmp(image + HEADER_MAGIC, "HdrS", 4) == 0;
}

static int find_payload(struct bzimage *result, const uint8_t *image, size_t size, const char **reason)
{
    unsigned sectors = image[SETUP_SECTORS] != 0 ? image[SETUP_SECTORS] : SETUP_SECTORS_DEFAULT;
    uint64_t start = (uint64_t)(sectors + 1) * SECTOR + read_32(image + PAYLOAD_OFFSET);
    uint32_t length = read_32(image + PAYLOAD_LENGTH);

    result->protocol = read_16(image + PROTOCOL);
    if (result->protocol < PROTOCOL_WITH_PAYLOAD)
        return fail(reason, -XEN_EOPNOTSUPP, "its boot protocol is older than 2.08");
    if (length == 0 || !checked_range(start, length, size))
        return fail(reason, -XEN_ENOEXEC, "the bzImage's payload lies outside the file (cut off?)");
    result->is_bzimage = true;
    result->payload = image + start;
    result->payload_size = length;
    return 0;
}

static int judge_payload(struct bzimage *result, const char **reason)
{
    const uint8_t *end = result->payload + result->payload_size;

    result->kind = unpack_detect(result->payload, result->payload_size);
    switch (result->kind) {
    case UNPACK_NONE:
        result->unpacked_size = result->payload_size;
        return 0;
    case UNPACK_GZIP:
    case UNPACK_XZ:
    case UNPACK_ZSTD:
    case UNPACK_LZ4:
    case UNPACK_LZ4_LEGACY:
        if (result->is_bzimage || result->kind == UNPACK_GZIP)
            result->unpacked_size = result->payload_size >= TRAILER_SIZE ? read_32(end - TRAILER_SIZE) : 0;
        return 0;
    case UNPACK_BZIP2:
    case UNPACK_LZMA:
    case UNPACK_LZO: return fail(reason, -XEN_EOPNOTSUPP, "it is packed with bzip2, lzma or lzo");
    default:
        return fail(reason, -XEN_ENOEXEC, "it is neither a bzImage, an ELF file nor packed in a known way");
    }
}

int bzimage_open(struct bzimage *result, const void *image, size_t size, const char **reason)
{
    int error = 0;

    *result = (struct bzimage){ .payload = image, .payload_size = size };
    if (is_bzimage(image, size))
        error = find_payload(result, image, size, reason);
    return error == 0 ? judge_payload(result, reason) : error;
}
