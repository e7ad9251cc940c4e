// SPDX-License-Identifier: BSD-2-Clause
/*
 * Kernels in every packing: packed here with the libraries' own packers, unpacked by ours into exact memory;
 * then cut off, scrambled, or given too little room. If the machine has kernels in /boot, those too.
 */
#include "lib_test.h"

#include <glob.h>
#include <lz4.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdio.h>
#include <xen/elfnote.h>
#include <xen/errno.h>
#include <zlib.h>
#include <zstd.h>

#include "lib/elf.h"
#include "lib/unpack/unpack.h"

enum { DATA_SIZE = 200 * 1000, PACKED_MAX = 300 * 1000, SMALL_SIZE = 20 * 1000 };

struct packed {
    enum unpack_kind kind;
    uint8_t *bytes;
    size_t size;
    bool has_checksum; /* of a kind that a changed header cannot switch off */
};

/* Something like code: an ELF magic number, repetition far and near, calls, some noise. */
static uint8_t *make_data(size_t size)
{
    uint8_t *data = malloc(size);
    uint64_t seed = 6;

    for (size_t i = 0; i < size; i++) {
        uint64_t random = random_next(&seed);

        data[i] = i > 5000 && random % 16 != 0 ? data[i - 4999 + random % 3] : (uint8_t)(random >> 40);
        if (random % 61 == 0)
            data[i] = 0xe8;
        if (i % 8192 < 700)
            data[i] = 0;
    }
    memcpy(data, "\177ELF", 4);
    return data;
}

static void append_size(struct packed *packed, size_t size)
{
    for (int i = 0; i < 4; i++)
        packed->bytes[packed->size++] = (uint8_t)(size >> (8 * i));
}

static struct packed pack_gzip(const uint8_t *data, size_t size)
{
    struct packed packed = { UNPACK_GZIP, malloc(PACKED_MAX), 0, true };
    z_stream stream = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size, .next_out = packed.bytes,
                        .avail_out = PACKED_MAX };

    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    packed.size = stream.total_out;
    deflateEnd(&stream);
    return packed;
}

static struct packed pack_xz(const uint8_t *data, size_t size, bool x86, lzma_check check)
{
    struct packed packed = { UNPACK_XZ, malloc(PACKED_MAX), 0, true };
    lzma_options_lzma options;
    lzma_filter filters[] = {
        { LZMA_FILTER_X86, NULL },
        { LZMA_FILTER_LZMA2, &options },
        { LZMA_VLI_UNKNOWN, NULL },
    };

    assert_false(lzma_lzma_preset(&options, 6));
    options.dict_size = 1 << 20;
    assert_int_equal(lzma_stream_buffer_encode(filters + !x86, check, NULL, data, size, packed.bytes,
                                               &packed.size, PACKED_MAX),
                     LZMA_OK);
    return packed;
}

static struct packed pack_zstd_level(const uint8_t *data, size_t size, bool with_size, int level, bool checksum)
{
    struct packed packed = { UNPACK_ZSTD, malloc(PACKED_MAX), 0, checksum };
    ZSTD_CCtx *context = ZSTD_createCCtx();

    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, with_size);
    packed.size = ZSTD_compress2(context, packed.bytes, PACKED_MAX, data, size);
    assert_false(ZSTD_isError(packed.size));
    ZSTD_freeCCtx(context);
    return packed;
}

static struct packed pack_zstd(const uint8_t *data, size_t size, bool with_size)
{
    return pack_zstd_level(data, size, with_size, 19, true);
}

static struct packed pack_lz4_frame(const uint8_t *data, size_t size, bool linked, bool sums)
{
    struct packed packed = { UNPACK_LZ4, malloc(PACKED_MAX), 0, false };
    const LZ4F_preferences_t preferences = {
        .frameInfo = {
            .blockSizeID = LZ4F_max64KB,
            .blockMode = linked ? LZ4F_blockLinked : LZ4F_blockIndependent,
            .contentChecksumFlag = sums,
            .blockChecksumFlag = sums,
            .contentSize = sums ? size : 0,
        },
    };

    packed.size = LZ4F_compressFrame(packed.bytes, PACKED_MAX, data, size, &preferences);
    assert_false(LZ4F_isError(packed.size));
    return packed;
}

static struct packed pack_lz4_legacy(const uint8_t *data, size_t size)
{
    struct packed packed = { UNPACK_LZ4_LEGACY, malloc(PACKED_MAX), 0, false };

    append_size(&packed, 0x184c2102);
    for (size_t at = 0; at < size; at += 8 << 20) {
        size_t block = size - at < 8 << 20 ? size - at : 8 << 20;
        int length = LZ4_compress_default((const char *)data + at, (char *)packed.bytes + packed.size + 4,
                                          (int)block, (int)(PACKED_MAX - packed.size - 8));

        assert_true(length > 0);
        append_size(&packed, (size_t)length);
        packed.size += (size_t)length;
    }
    return packed;
}

enum { VARIANTS = 11 };

static struct packed pack_variant(int variant, const uint8_t *data, size_t size)
{
    switch (variant) {
    case 0: return pack_gzip(data, size);
    case 1: return pack_xz(data, size, true, LZMA_CHECK_CRC32);
    case 2: return pack_xz(data, size, false, LZMA_CHECK_CRC64);
    case 3: return pack_xz(data, size, false, LZMA_CHECK_SHA256);
    case 4: return pack_zstd(data, size, true);
    case 5: return pack_zstd(data, size, false);
    case 6: return pack_lz4_frame(data, size, false, false);
    case 7: return pack_lz4_frame(data, size, true, false);
    case 8: return pack_lz4_frame(data, size, false, true);
    case 9: return pack_lz4_frame(data, size, true, true);
    default: return pack_lz4_legacy(data, size);
    }
}

struct result {
    int error;
    uint8_t *out;
    size_t size;
    const char *reason;
};

/* Unpacks an exact copy into exact memory. The caller frees ->out. */
static struct result run(enum unpack_kind kind, const uint8_t *bytes, size_t size, size_t capacity,
                         size_t arena_size)
{
    struct result result = { .out = malloc(capacity > 0 ? capacity : 1) };
    uint8_t *in = copy_exact(bytes, size);
    void *arena = malloc(arena_size > 0 ? arena_size : 1);

    result.error = unpack(kind, in, size, result.out, capacity, &result.size, arena, arena_size,
                          &result.reason);
    assert_true(result.error == 0 ? result.size <= capacity : result.reason != NULL);
    free(arena);
    free(in);
    return result;
}

static int run_for_error(const struct packed *packed, size_t size, size_t capacity, size_t arena_size)
{
    struct result result = run(packed->kind, packed->bytes, size, capacity, arena_size);

    free(result.out);
    return result.error;
}

static size_t arena_for(const struct packed *packed)
{
    return unpack_measure(packed->kind, packed->bytes, packed->size).arena_size;
}

static void expect_data(const struct packed *packed, const uint8_t *data, size_t size, size_t capacity)
{
    struct result result = run(packed->kind, packed->bytes, packed->size, capacity, arena_for(packed));

    assert_int_equal(result.error, 0);
    assert_int_equal(result.size, size);
    assert_memory_equal(result.out, data, size);
    free(result.out);
}

static void every_packing_gives_the_data_back(void **state)
{
    uint8_t *data = make_data(DATA_SIZE);

    (void)state;
    for (int variant = 0; variant < VARIANTS; variant++) {
        for (size_t size = DATA_SIZE; size > 0; size = size > 3 ? size / 7 : size - 1) {
            struct packed packed = pack_variant(variant, data, size);

            assert_int_equal(unpack_detect(packed.bytes, packed.size), packed.kind);
            expect_data(&packed, data, size, size);
            expect_data(&packed, data, size, size + 1000);
            assert_int_equal(run_for_error(&packed, packed.size, size - 1, arena_for(&packed)), -XEN_ENOSPC);
            append_size(&packed, size); /* as Linux does */
            if (packed.kind != UNPACK_GZIP)
                expect_data(&packed, data, size, size);
            free(packed.bytes);
        }
    }
    free(data);
}

static void blocks_of_8_mib_follow_one_another(void **state)
{
    size_t size = (9 << 20) + 123;
    uint8_t *data = calloc(1, size);
    struct packed packed;

    (void)state;
    data[0] = data[size - 1] = 7;
    packed = pack_lz4_legacy(data, size);
    expect_data(&packed, data, size, size);
    append_size(&packed, size);
    expect_data(&packed, data, size, size);
    free(packed.bytes);
    free(data);
}

static void several_members_are_one_file(void **state)
{
    uint8_t *data = make_data(2000);
    struct packed packed[2];

    (void)state;
    for (int variant = 0; variant <= 4; variant += 4) { /* gzip and zstd */
        packed[0] = pack_variant(variant, data, 1200);
        packed[1] = pack_variant(variant, data + 1200, 800);
        memcpy(packed[0].bytes + packed[0].size, packed[1].bytes, packed[1].size);
        packed[0].size += packed[1].size;
        expect_data(&packed[0], data, 2000, 2000);
        free(packed[0].bytes);
        free(packed[1].bytes);
    }
    free(data);
}

static void needs_are_measured(void **state)
{
    uint8_t *data = make_data(DATA_SIZE);
    struct unpack_needs needs;

    (void)state;
    for (int variant = 0; variant < 5; variant++) { /* those that say their size */
        struct packed packed = pack_variant(variant, data, DATA_SIZE);

        needs = unpack_measure(packed.kind, packed.bytes, packed.size);
        assert_int_equal(needs.out_size, DATA_SIZE);
        assert_true(needs.arena_size < (2 << 20));
        assert_int_equal(run_for_error(&packed, packed.size, DATA_SIZE, 0), -XEN_ENOMEM);
        assert_int_equal(run_for_error(&packed, packed.size, DATA_SIZE, 4096), -XEN_ENOMEM);
        if (packed.kind == UNPACK_XZ) {
            append_size(&packed, DATA_SIZE);
            assert_int_equal(unpack_measure(UNPACK_XZ, packed.bytes, packed.size).out_size, DATA_SIZE);
        }
        free(packed.bytes);
    }
    needs = unpack_measure(UNPACK_NONE, data, DATA_SIZE);
    assert_int_equal(needs.out_size, DATA_SIZE);
    assert_int_equal(needs.arena_size, 0);
    free(data);
}

static void measuring_never_leaves_the_input(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        enum unpack_kind kind = (enum unpack_kind)(random_next(&seed) % (UNPACK_LZO + 1));
        size_t size = random_next(&seed) % 64;
        uint8_t *in = malloc(size > 0 ? size : 1);

        for (size_t i = 0; i < size; i++)
            in[i] = (uint8_t)(random_next(&seed) % 3 == 0 ? 0xff : random_next(&seed) >> 30);
        if (size > 30) {
            memcpy(in + size - 2, "YZ", 2);
            memcpy(in + size - 8, "\1\0\0\0", 4);
        }
        unpack_measure(kind, in, size);
        unpack_detect(in, size);
        free(in);
    }
}

static void data_cut_off_is_an_error(void **state)
{
    uint8_t *data = make_data(SMALL_SIZE);

    (void)state;
    for (int variant = 0; variant < VARIANTS; variant++) {
        struct packed packed = pack_variant(variant, data, SMALL_SIZE);

        for (size_t size = 0; size < packed.size; size += size < 200 || size + 200 > packed.size ? 1 : 97)
            assert_int_not_equal(run_for_error(&packed, size, SMALL_SIZE, arena_for(&packed)), 0);
        free(packed.bytes);
    }
    free(data);
}

static void scramble(uint8_t *bytes, size_t size, uint64_t *seed)
{
    for (uint64_t n = random_next(seed) % 4 + 1; n > 0; n--) {
        size_t at = random_next(seed) % (random_next(seed) % 2 == 0 && size > 32 ? 32 : size);

        bytes[at] = random_next(seed) % 4 == 0 ? 0xff : (uint8_t)(random_next(seed) >> 20);
    }
}

static void scrambled_data_is_an_error_or_harmless(void **state)
{
    uint8_t *data = make_data(SMALL_SIZE);
    uint64_t seed = 8;

    (void)state;
    for (int variant = 0; variant < VARIANTS; variant++) {
        struct packed packed = pack_variant(variant, data, SMALL_SIZE);

        for (int round = 0; round < (packed.kind >= UNPACK_LZ4 ? 8000 : 800); round++) {
            uint8_t *bent = copy_exact(packed.bytes, packed.size);
            struct result result;

            scramble(bent, packed.size, &seed);
            result = run(packed.kind, bent, packed.size, SMALL_SIZE, arena_for(&packed));
            if (result.error == 0 && result.size == SMALL_SIZE && packed.has_checksum)
                assert_memory_equal(result.out, data, SMALL_SIZE);
            free(result.out);
            free(bent);
        }
        free(packed.bytes);
    }
    free(data);
}

static void random_lz4_blocks_never_fault(void **state)
{
    uint64_t seed = 9;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        size_t block = random_next(&seed) % 40, capacity = random_next(&seed) % 300;
        struct packed packed = { UNPACK_LZ4_LEGACY, malloc(64), 0, false };

        append_size(&packed, 0x184c2102);
        append_size(&packed, block);
        for (size_t i = 0; i < block; i++)
            packed.bytes[packed.size++] = (uint8_t)(random_next(&seed) % 3 == 0 ? random_next(&seed) % 4 * 85
                                                                               : random_next(&seed) % 8);
        run_for_error(&packed, packed.size, capacity, 0);
        free(packed.bytes);
    }
}

/* Letters of a small alphabet in stretches of different makes: all kinds of literals, tables and offsets come up. */
static uint8_t *make_mixture(size_t size, uint64_t *seed)
{
    uint8_t *data = malloc(size);

    for (size_t at = 0; at < size;) {
        size_t end = at + 1 + random_next(seed) % 3000, back = 1 + random_next(seed) % (at + 1);
        unsigned make = random_next(seed) % 6, letters = 1 + random_next(seed) % 200;

        for (; at < end && at < size; at++) {
            uint64_t random = random_next(seed);

            data[at] = (uint8_t)(make == 0 ? random >> 20 : random % letters);
            if (make == 1)
                data[at] = 0;
            else if (make > 2 && at >= back && random % (2u << make) != 0)
                data[at] = data[at - back];
            if (random % 97 == 0)
                back = 1 + random_next(seed) % (at + 1);
        }
    }
    return data;
}

/* Every strategy of the library's packer, from the fastest on, and frames in many small blocks. */
static void every_level_of_zstd_gives_the_data_back(void **state)
{
    static const int levels[] = { -50, -1, 1, 2, 3, 5, 7, 9, 12, 15, 17, 19, 22 };
    uint64_t seed = 12;

    (void)state;
    for (unsigned round = 0; round < 10 * ARRAY_SIZE(levels); round++) {
        size_t size = 1 + random_next(&seed) % DATA_SIZE;
        uint8_t *data = make_mixture(size, &seed);
        struct packed packed = pack_zstd_level(data, size, round % 2, levels[round % ARRAY_SIZE(levels)], round % 3);

        expect_data(&packed, data, size, size);
        free(packed.bytes);
        free(data);
    }
}

static void zstd_in_small_blocks_gives_the_data_back(void **state)
{
    uint64_t seed = 13;

    (void)state;
    for (unsigned round = 0; round < 30; round++) {
        uint8_t *data = make_mixture(SMALL_SIZE, &seed);
        struct packed packed = { UNPACK_ZSTD, malloc(PACKED_MAX), 0, true };
        ZSTD_CCtx *context = ZSTD_createCCtx();
        ZSTD_outBuffer out = { packed.bytes, PACKED_MAX, 0 };

        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1 + (int)(round % 19));
        for (size_t at = 0; at < SMALL_SIZE;) {
            size_t part = 1 + random_next(&seed) % 900;
            ZSTD_inBuffer in = { data + at, part < SMALL_SIZE - at ? part : SMALL_SIZE - at, 0 };
            bool last = in.size == SMALL_SIZE - at;

            while (ZSTD_compressStream2(context, &out, &in, last ? ZSTD_e_end : ZSTD_e_flush) != 0)
                ;
            at += in.size;
        }
        packed.size = out.pos;
        expect_data(&packed, data, SMALL_SIZE, SMALL_SIZE);
        ZSTD_freeCCtx(context);
        free(packed.bytes);
        free(data);
    }
}

/* Whatever is done to a frame without a checksum: when both read it, they read the same; what is wrong to ours may be nothing
 * to the library (a window too small), but never the other way round. */
static void bent_zstd_frames_are_read_as_libzstd_reads_them(void **state)
{
    uint8_t *data = NULL, *theirs = malloc(SMALL_SIZE);
    struct packed packed = { .bytes = NULL };
    uint64_t seed = 14;
    int both = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct result result;
        uint8_t *bent;
        size_t expected;

        if (round % 500 == 0) {
            free(data);
            free(packed.bytes);
            data = make_mixture(SMALL_SIZE, &seed);
            packed = pack_zstd_level(data, SMALL_SIZE, true, 1 + round / 500 % 19, false);
        }
        bent = copy_exact(packed.bytes, packed.size);
        bent[8 + random_next(&seed) % (random_next(&seed) % 2 ? packed.size - 8 : 200)] = (uint8_t)random_next(&seed);
        expected = ZSTD_decompress(theirs, SMALL_SIZE, bent, packed.size);
        result = run(UNPACK_ZSTD, bent, packed.size, SMALL_SIZE, arena_for(&packed));
        if (result.error == 0) {
            assert_false(ZSTD_isError(expected));
            assert_int_equal(result.size, expected);
            assert_memory_equal(result.out, theirs, expected);
            both++;
        }
        free(result.out);
        free(bent);
    }
    assert_true(both > 100);
    free(packed.bytes);
    free(theirs);
    free(data);
}

static size_t lz4_length(const uint8_t **next, size_t nibble)
{
    if (nibble == 15) {
        do
            nibble += **next;
        while (*(*next)++ == 255);
    }
    return nibble;
}

/* Is there a distance of 0 in a block that is otherwise sound? The format forbids it, liblz4 lets it pass. */
static bool has_zero_distance(const uint8_t *next, const uint8_t *end)
{
    for (;;) {
        uint8_t token = *next++;
        size_t literals = lz4_length(&next, token >> 4);

        next += literals;
        if (next == end)
            return false;
        if (next[0] == 0 && next[1] == 0)
            return true;
        next += 2;
        lz4_length(&next, token & 15);
    }
}

/* Whatever block liblz4 accepts, ours does too, with the same result. */
static void bent_lz4_blocks_are_read_as_liblz4_reads_them(void **state)
{
    uint8_t *data = make_data(SMALL_SIZE), *theirs = malloc(SMALL_SIZE);
    struct packed packed = pack_lz4_legacy(data, SMALL_SIZE);
    uint64_t seed = 11;
    int accepted = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint8_t *bent = copy_exact(packed.bytes, packed.size);
        int expected;

        bent[8 + random_next(&seed) % (packed.size - 8)] = (uint8_t)random_next(&seed);
        expected = LZ4_decompress_safe((char *)bent + 8, (char *)theirs, (int)packed.size - 8, SMALL_SIZE);
        if (expected > 0 && !has_zero_distance(bent + 8, bent + packed.size)) {
            struct packed copy = { UNPACK_LZ4_LEGACY, bent, packed.size, false };

            expect_data(&copy, theirs, (size_t)expected, SMALL_SIZE);
            accepted++;
        }
        free(bent);
    }
    assert_true(accepted > 1000);
    free(packed.bytes);
    free(theirs);
    free(data);
}

static void put_32(uint8_t *to, uint32_t value)
{
    memcpy(to, &value, 4);
}

/* A bzImage of two setup sectors around a payload. The caller frees it. */
static uint8_t *make_bzimage(const struct packed *packed, size_t *size)
{
    uint8_t *image = calloc(1, 3 * 512 + 100 + packed->size + 10);

    image[0x1f1] = 2;
    image[0x1fe] = 0x55;
    image[0x1ff] = 0xaa;
    memcpy(image + 0x202, "HdrS\x0f\x02", 6);
    put_32(image + 0x248, 100);
    put_32(image + 0x24c, (uint32_t)packed->size);
    memcpy(image + 3 * 512 + 100, packed->bytes, packed->size);
    *size = 3 * 512 + 100 + packed->size + 10;
    return image;
}

static int open_copy(const uint8_t *image, size_t size, struct bzimage *result)
{
    uint8_t *copy = copy_exact(image, size);
    const char *reason = NULL;
    int error = bzimage_open(result, copy, size, &reason);

    assert_int_equal(error == 0, reason == NULL);
    free(copy);
    return error;
}

static void a_bzimage_gives_its_payload(void **state)
{
    uint8_t *data = make_data(5000);

    (void)state;
    for (int variant = 0; variant < VARIANTS; variant++) {
        struct packed packed = pack_variant(variant, data, 5000);
        const char *reason = NULL;
        struct bzimage result;
        uint8_t *image;
        size_t size;

        if (packed.kind != UNPACK_GZIP)
            append_size(&packed, 5000);
        image = make_bzimage(&packed, &size);
        assert_int_equal(bzimage_open(&result, image, size, &reason), 0);
        assert_true(result.is_bzimage);
        assert_int_equal(result.protocol, 0x20f);
        assert_int_equal(result.kind, packed.kind);
        assert_int_equal(result.unpacked_size, 5000);
        assert_int_equal(result.payload_size, packed.size);
        assert_memory_equal(result.payload, packed.bytes, packed.size);
        free(image);
        free(packed.bytes);
    }
    free(data);
}

static void bare_kernels_pass_and_others_are_named(void **state)
{
    static const struct { const char *bytes; size_t size; int error; enum unpack_kind kind; } cases[] = {
        { "\177ELF", 4, 0, UNPACK_NONE },
        { "\x1f\x8b\x08", 3, 0, UNPACK_GZIP },
        { "\xfd" "7zXZ\0", 6, 0, UNPACK_XZ },
        { "\xfd" "7zXZ", 5, -XEN_ENOEXEC, UNPACK_UNKNOWN },
        { "BZh91AY", 7, -XEN_EOPNOTSUPP, UNPACK_BZIP2 },
        { "\x5d\0\0\0\x02", 5, -XEN_EOPNOTSUPP, UNPACK_LZMA },
        { "\x89LZO", 4, -XEN_EOPNOTSUPP, UNPACK_LZO },
        { "", 0, -XEN_ENOEXEC, UNPACK_UNKNOWN },
        { "MZ", 2, -XEN_ENOEXEC, UNPACK_UNKNOWN },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bzimage result;

        assert_int_equal(open_copy((const uint8_t *)cases[i].bytes, cases[i].size, &result), cases[i].error);
        assert_int_equal(result.kind, cases[i].kind);
        assert_false(result.is_bzimage);
    }
    assert_string_equal(unpack_name(UNPACK_XZ), "xz");
}

static void bad_bzimages_are_refused(void **state)
{
    uint8_t *data = make_data(5000), *image;
    struct packed packed = pack_variant(1, data, 5000);
    struct bzimage result;
    uint64_t seed = 10;
    size_t size;

    (void)state;
    image = make_bzimage(&packed, &size);
    for (size_t cut = 0; cut < size - 10; cut++)
        assert_int_not_equal(open_copy(image, cut, &result), 0);
    put_32(image + 0x24c, UINT32_MAX);
    assert_int_equal(open_copy(image, size, &result), -XEN_ENOEXEC);
    put_32(image + 0x24c, 0);
    assert_int_equal(open_copy(image, size, &result), -XEN_ENOEXEC);
    put_32(image + 0x248, UINT32_MAX);
    assert_int_equal(open_copy(image, size, &result), -XEN_ENOEXEC);
    image[0x206] = 7;
    assert_int_equal(open_copy(image, size, &result), -XEN_EOPNOTSUPP);
    for (int round = 0; round < 20000; round++) {
        scramble(image + 0x1f1, 0x250 - 0x1f1, &seed);
        memcpy(image + 0x202, "HdrS\x0f\x02", 6);
        open_copy(image, size, &result);
    }
    free(image);
    free(packed.bytes);
    free(data);
}

static uint8_t *read_file(const char *pattern, size_t *size)
{
    uint8_t *bytes = NULL;
    glob_t names;
    FILE *file;

    if (glob(pattern, 0, NULL, &names) != 0)
        return NULL;
    file = fopen(names.gl_pathv[0], "rb");
    globfree(&names);
    if (file == NULL)
        return NULL;
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(*size);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static void expect_debian_notes(const uint8_t *data, size_t size)
{
    const char *reason = "";
    struct elf_image image;
    struct elf_xen xen;

    if (elf_open(&image, data, size, &reason) != 0 || elf_xen_read(&image, &xen, &reason) != 0)
        fail_msg("%s", reason);
    assert_int_equal(image.machine, ELF_MACHINE_X86_64);
    assert_string_equal(xen.guest_os, "linux");
    assert_string_equal(xen.guest_version, "2.6");
    assert_int_equal(xen.virt_base, 0xffffffff80000000);
    assert_int_equal(xen.paddr_offset, 0);
    assert_int_equal(xen.virt_start, 0xffffffff81000000);
    assert_int_equal(xen.init_p2m, 0x8000000000);
    assert_int_equal(xen.mod_start_pfn, 1);
}

static void the_kernel_of_this_machine_unpacks(void **state)
{
    size_t size, out_size;
    uint8_t *file = read_file("/boot/vmlinuz-6.1*", &size), *out;
    struct unpack_needs needs;
    struct bzimage image;
    const char *reason = "";
    void *arena;

    (void)state;
    if (file == NULL)
        skip();
    if (bzimage_open(&image, file, size, &reason) != 0)
        fail_msg("%s", reason);
    assert_int_equal(image.kind, UNPACK_XZ);
    needs = unpack_measure(image.kind, image.payload, image.payload_size);
    assert_int_equal(needs.out_size, image.unpacked_size);
    out = malloc(image.unpacked_size);
    arena = malloc(needs.arena_size);
    if (unpack(image.kind, image.payload, image.payload_size, out, image.unpacked_size, &out_size, arena,
               needs.arena_size, &reason) != 0)
        fail_msg("%s", reason);
    assert_int_equal(out_size, image.unpacked_size);
    expect_debian_notes(out, out_size);
    free(arena);
    free(out);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_packing_gives_the_data_back),
        cmocka_unit_test(blocks_of_8_mib_follow_one_another),
        cmocka_unit_test(several_members_are_one_file),
        cmocka_unit_test(needs_are_measured),
        cmocka_unit_test(measuring_never_leaves_the_input),
        cmocka_unit_test(data_cut_off_is_an_error),
        cmocka_unit_test(scrambled_data_is_an_error_or_harmless),
        cmocka_unit_test(every_level_of_zstd_gives_the_data_back),
        cmocka_unit_test(zstd_in_small_blocks_gives_the_data_back),
        cmocka_unit_test(bent_zstd_frames_are_read_as_libzstd_reads_them),
        cmocka_unit_test(random_lz4_blocks_never_fault),
        cmocka_unit_test(bent_lz4_blocks_are_read_as_liblz4_reads_them),
        cmocka_unit_test(a_bzimage_gives_its_payload),
        cmocka_unit_test(bare_kernels_pass_and_others_are_named),
        cmocka_unit_test(bad_bzimages_are_refused),
        cmocka_unit_test(the_kernel_of_this_machine_unpacks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
