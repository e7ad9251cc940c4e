// SPDX-License-Identifier: BSD-2-Clause
/*
 * A packed payload: the first byte says which packing it is taken for, the second how much room there is.  The result is
 * an error, or exactly as many bytes as it says.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/unpack/unpack.h"

#define ARENA_MAX (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum unpack_kind kinds[] = {UNPACK_NONE, UNPACK_GZIP, UNPACK_XZ,   UNPACK_ZSTD,
                                             UNPACK_LZ4,  UNPACK_LZ4_LEGACY, UNPACK_BZIP2};
    enum unpack_kind kind;
    struct unpack_needs needs;
    size_t room, arena_size, out_size = 0;
    const char *reason = NULL;
    uint8_t *out, *arena;
    void *in;

    if (size < 2)
        return 0;
    kind = kinds[data[0] % (sizeof(kinds) / sizeof(kinds[0]))];
    room = (size_t)data[1] * 256;
    in = malloc(size - 2 ? size - 2 : 1);
    memcpy(in, data + 2, size - 2);
    needs = unpack_measure(kind, in, size - 2);
    arena_size = needs.arena_size < ARENA_MAX ? needs.arena_size : ARENA_MAX;
    out = malloc(room ? room : 1);
    arena = aligned_alloc(16, (arena_size + 31) & ~15ul);
    if (unpack(kind, in, size - 2, out, room, &out_size, arena, arena_size, &reason) == 0)
        REQUIRE(out_size <= room);
    else
        REQUIRE(reason);
    free(arena);
    free(out);
    free(in);
    return 0;
}
