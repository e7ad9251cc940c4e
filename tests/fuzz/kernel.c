// SPDX-License-Identifier: BSD-2-Clause
/*
 * A kernel image as a boot loader could hand it over: bzImage header, ELF, Xen notes, symbols, loading.  Whatever it
 * holds, nothing outside is read or written, and what is accepted keeps what the headers promise.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/bzimage.h"
#include "lib/elf.h"
#include "lib/unpack/unpack.h"

#define LOAD_MAX (1u << 20)

static void check_segments(const struct elf_image *image)
{
    for (unsigned i = 0; i < image->segments; i++) {
        struct elf_segment s = elf_segment_get(image, i);

        if (s.file_size)
            REQUIRE(s.offset <= image->size && s.file_size <= image->size - s.offset);
    }
}

static void load(const struct elf_image *image, uint64_t paddr_offset)
{
    uint64_t base = image->phys_start - paddr_offset, bytes = image->phys_end - image->phys_start;
    const char *reason = NULL;
    uint8_t *memory;

    REQUIRE(image->phys_start < image->phys_end);
    if (bytes > LOAD_MAX)
        return;
    memory = malloc(bytes);
    REQUIRE(elf_load_to_memory(image, paddr_offset, base, memory, bytes, &reason) == 0 || reason);
    free(memory);
}

static void open_elf(const void *data, size_t size)
{
    const char *reason = NULL;
    struct elf_symbols symbols;
    struct elf_image image;
    struct elf_xen xen;

    (void)elf_detect(data, size);
    if (elf_open(&image, data, size, &reason)) {
        REQUIRE(reason);
        return;
    }
    check_segments(&image);
    if (elf_symbols_find(&image, &symbols, &reason) == 0)
        REQUIRE(symbols.table + symbols.table_size <= size && symbols.strings + symbols.strings_size <= size);
    if (elf_xen_read(&image, &xen, &reason) == 0) {
        REQUIRE(memchr(xen.guest_os, 0, sizeof(xen.guest_os)));
        load(&image, xen.paddr_offset);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *reason = NULL;
    struct bzimage found;

    open_elf(data, size);
    if (bzimage_open(&found, data, size, &reason)) {
        REQUIRE(reason);
        return 0;
    }
    REQUIRE(found.payload >= data && found.payload_size <= size && found.payload + found.payload_size <= data + size);
    (void)unpack_measure(found.kind, found.payload, found.payload_size);
    if (found.kind == UNPACK_NONE)
        open_elf(found.payload, found.payload_size);
    return 0;
}
