// SPDX-License-Identifier: BSD-2-Clause
/*
 * A kernel image as a boot loader could hand it over: bzImage header, ELF, Xen notes, loading.  Whatever it
 * holds, nothing outside is read or written, and what is accepted keeps what the headers promise.
 */
#include "tests/fuzz/fuzz.h"

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

/* Writes to all of what it is given, in memory that just holds what the image promises. */
struct memory {
    uint8_t *bytes;
    uint64_t base, size;
};

static int memory_copy(void *context, uint64_t phys, const void *from, uint64_t size)
{
    struct memory *memory = context;

    REQUIRE(phys >= memory->base && phys - memory->base <= memory->size && size <= memory->size - (phys - memory->base));
    memcpy(memory->bytes + (phys - memory->base), from, size);
    return 0;
}

static int memory_zero(void *context, uint64_t phys, uint64_t size)
{
    struct memory *memory = context;

    REQUIRE(phys >= memory->base && phys - memory->base <= memory->size && size <= memory->size - (phys - memory->base));
    memset(memory->bytes + (phys - memory->base), 0, size);
    return 0;
}

static void load(const struct elf_image *image, uint64_t paddr_offset)
{
    struct memory memory = {NULL, image->phys_start - paddr_offset, image->phys_end - image->phys_start};
    const struct elf_load_target target = {&memory, memory_copy, memory_zero};
    const char *reason = NULL;

    REQUIRE(image->phys_start < image->phys_end && paddr_offset <= image->phys_start);
    if (memory.size > LOAD_MAX)
        return;
    memory.bytes = malloc(memory.size);
    REQUIRE(elf_load(image, paddr_offset, &target, &reason) == 0);
    free(memory.bytes);
}

static void open_elf(const void *data, size_t size)
{
    const char *reason = NULL;
    struct elf_image image;
    struct elf_xen xen;

    if (elf_open(&image, data, size, &reason)) {
        REQUIRE(reason);
        return;
    }
    check_segments(&image);
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
