// SPDX-License-Identifier: BSD-2-Clause
/*
 * ELF images: header, program headers, sections, loading. See the header for the rules.
 *
 * Records are copied out of the image before use, since nothing promises their alignment. Format: System V
 * gABI, chapter 4 (ELF header, sections) and chapter 5 (program header).
 */
#include "lib/elf.h"

#include <xen/errno.h>

#include "lib/checked.h"
#include "lib/elf_format.h"
#include "lib/string.h"

static int fail(const char **reason, int error, const char *text)
{
    *reason = text;
    return error;
}

enum elf_class elf_detect(const void *data, size_t size)
{
    const uint8_t *identity = data;

    if (size < ELF_IDENTITY_SIZE || memcmp(identity, ELF_MAGIC, ELF_MAGIC_SIZE) != 0)
        return ELF_CLASS_NONE;
    if (identity[ELF_IDENTITY_CLASS] == ELF_CLASS_BYTE_32)
        return ELF_CLASS_32;
    return identity[ELF_IDENTITY_CLASS] == ELF_CLASS_BYTE_64 ? ELF_CLASS_64 : ELF_CLASS_NONE;
}

static struct elf_file_segment read_segment(const struct elf_image *image, unsigned index)
{
    struct elf_file_segment raw;

    memcpy(&raw, image->data + image->segment_table + (uint64_t)index * sizeof(raw), sizeof(raw));
    return raw;
}

struct elf_segment elf_segment_get(const struct elf_image *image, unsigned index)
{
    struct elf_file_segment raw = read_segment(image, index);

    return (struct elf_segment){
        .type = raw.type,
        .flags = raw.flags,
        .offset = raw.offset,
        .file_size = raw.file_size,
        .virt = raw.virt,
        .phys = raw.phys,
        .memory_size = raw.memory_size,
        .align = raw.align,
    };
}

static bool segment_is_loaded(const struct elf_segment *segment)
{
    return segment->type == ELF_SEGMENT_LOAD && segment->memory_size > 0;
}

static int check_header(const struct elf_file_header *header, const char **reason)
{
    if (header->identity[ELF_IDENTITY_DATA] != ELF_DATA_LITTLE_ENDIAN)
        return fail(reason, -XEN_EOPNOTSUPP, "it is not little-endian");
    if (header->identity[ELF_IDENTITY_VERSION] != 1 || header->version != 1)
        return fail(reason, -XEN_ENOEXEC, "its ELF version is not 1");
    if (header->type != ELF_TYPE_EXECUTABLE && header->type != ELF_TYPE_SHARED)
        return fail(reason, -XEN_ENOEXEC, "it is an ELF file, but not a program");
    if (header->segments == 0 || header->segment_size != sizeof(struct elf_file_segment))
        return fail(reason, -XEN_ENOEXEC, "it has no ELF program headers, or of an unknown size");
    if (header->segments > ELF_SEGMENTS_MAX)
        return fail(reason, -XEN_EOPNOTSUPP, "it has too many ELF program headers");
    return 0;
}

/* Sections are a help, not a need: a table that is cut off counts as none. */
static unsigned usable_sections(const struct elf_file_header *header, size_t size)
{
    uint64_t bytes = (uint64_t)header->sections * sizeof(struct elf_file_section);

    if (header->section_size != sizeof(struct elf_file_section))
        return 0;
    return checked_range(header->section_table, bytes, size) ? header->sections : 0;
}

static int check_segment(const struct elf_image *image, const struct elf_segment *segment,
                         const char **reason)
{
    uint64_t end;

    if (!checked_range(segment->offset, segment->file_size, image->size) && segment->file_size > 0)
        return fail(reason, -XEN_ENOEXEC, "an ELF segment lies outside the file (is it cut off?)");
    if (segment->type != ELF_SEGMENT_LOAD)
        return 0;
    if (segment->file_size > segment->memory_size)
        return fail(reason, -XEN_EINVAL, "an ELF segment is larger in the file than in memory");
    if (!checked_add(segment->phys, segment->memory_size, &end) ||
        !checked_add(segment->virt, segment->memory_size, &end))
        return fail(reason, -XEN_EINVAL, "an ELF segment ends beyond the address space");
    return 0;
}

static int check_overlap(const struct elf_image *image, const struct elf_segment *segment, unsigned index,
                         const char **reason)
{
    for (unsigned i = 0; i < index; i++) {
        struct elf_segment other = elf_segment_get(image, i);

        if (segment_is_loaded(&other) && checked_ranges_overlap(segment->phys, segment->memory_size,
                                                                other.phys, other.memory_size))
            return fail(reason, -XEN_EINVAL, "two ELF segments overlap in memory");
    }
    return 0;
}

static int check_segments(struct elf_image *image, const char **reason)
{
    image->phys_start = UINT64_MAX;
    image->phys_end = 0;
    for (unsigned i = 0; i < image->segments; i++) {
        struct elf_segment segment = elf_segment_get(image, i);
        int error = check_segment(image, &segment, reason);

        if (error == 0 && segment_is_loaded(&segment)) {
            error = check_overlap(image, &segment, i, reason);
            image->phys_start = min(image->phys_start, segment.phys);
            image->phys_end = max(image->phys_end, segment.phys + segment.memory_size);
        }
        if (error != 0)
            return error;
    }
    return image->phys_end > 0 ? 0 : fail(reason, -XEN_ENOEXEC, "it has no loadable ELF segment");
}

int elf_open(struct elf_image *image, const void *data, size_t size, const char **reason)
{
    struct elf_file_header header;
    int error;

    if (elf_detect(data, size) == ELF_CLASS_NONE)
        return fail(reason, -XEN_ENOEXEC, "it is not an ELF file");
    if (elf_detect(data, size) == ELF_CLASS_32)
        return fail(reason, -XEN_EOPNOTSUPP, "it is a 32-bit ELF file, and only 64-bit ones are supported");
    if (size < sizeof(header))
        return fail(reason, -XEN_ENOEXEC, "its ELF header is cut off");
    memcpy(&header, data, sizeof(header));
    error = check_header(&header, reason);
    if (error != 0)
        return error;
    if (!checked_range(header.segment_table, (uint64_t)header.segments * sizeof(struct elf_file_segment),
                       size))
        return fail(reason, -XEN_ENOEXEC, "its ELF program headers lie outside the file (is it cut off?)");

    *image = (struct elf_image){
        .data = data,
        .size = size,
        .machine = header.machine,
        .entry = header.entry,
        .segments = header.segments,
        .sections = usable_sections(&header, size),
        .segment_table = header.segment_table,
        .section_table = header.section_table,
    };
    return check_segments(image, reason);
}

struct elf_file_section elf_section_read(const struct elf_image *image, unsigned index)
{
    struct elf_file_section section;

    memcpy(&section, image->data + image->section_table + (uint64_t)index * sizeof(section), sizeof(section));
    return section;
}

int elf_symbols_find(const struct elf_image *image, struct elf_symbols *symbols, const char **reason)
{
    for (unsigned i = 0; i < image->sections; i++) {
        struct elf_file_section table = elf_section_read(image, i), strings;

        if (table.type != ELF_SECTION_SYMBOLS)
            continue;
        if (table.link >= image->sections)
            return fail(reason, -XEN_EINVAL, "its symbol table names no string table");
        strings = elf_section_read(image, table.link);
        if (strings.type != ELF_SECTION_STRINGS || !checked_range(table.offset, table.size, image->size) ||
            !checked_range(strings.offset, strings.size, image->size))
            return fail(reason, -XEN_EINVAL, "its symbol table lies outside the file");
        *symbols = (struct elf_symbols){ table.offset, table.size, strings.offset, strings.size };
        return 0;
    }
    return fail(reason, -XEN_ENOENT, "it has no symbol table");
}

static int load_segment(const struct elf_image *image, const struct elf_segment *segment, uint64_t phys,
                        const struct elf_load_target *target, const char **reason)
{
    uint64_t zeros = segment->memory_size - segment->file_size;
    int error = 0;

    if (segment->file_size > 0)
        error = target->copy(target->context, phys, image->data + segment->offset, segment->file_size);
    if (error == 0 && zeros > 0)
        error = target->zero(target->context, phys + segment->file_size, zeros);
    return error == 0 ? 0 : fail(reason, error, "an ELF segment could not be loaded where it belongs");
}

int elf_load(const struct elf_image *image, uint64_t paddr_offset, const struct elf_load_target *target,
             const char **reason)
{
    if (image->phys_start < paddr_offset)
        return fail(reason, -XEN_EINVAL, "an ELF segment lies below the start of physical memory");
    for (unsigned i = 0; i < image->segments; i++) {
        struct elf_segment segment = elf_segment_get(image, i);
        int error;

        if (!segment_is_loaded(&segment))
            continue;
        error = load_segment(image, &segment, segment.phys - paddr_offset, target, reason);
        if (error != 0)
            return error;
    }
    return 0;
}

struct memory_target {
    uint8_t *buffer;
    uint64_t base;
    size_t size;
};

static int memory_check(const struct memory_target *memory, uint64_t phys, uint64_t size)
{
    return phys >= memory->base && checked_range(phys - memory->base, size, memory->size) ? 0 : -XEN_ENOSPC;
}

static int memory_copy(void *context, uint64_t phys, const void *from, uint64_t size)
{
    struct memory_target *memory = context;
    int error = memory_check(memory, phys, size);

    if (error == 0)
        memcpy(memory->buffer + (phys - memory->base), from, size);
    return error;
}

static int memory_zero(void *context, uint64_t phys, uint64_t size)
{
    struct memory_target *memory = context;
    int error = memory_check(memory, phys, size);

    if (error == 0)
        memset(memory->buffer + (phys - memory->base), 0, size);
    return error;
}

int elf_load_to_memory(const struct elf_image *image, uint64_t paddr_offset, uint64_t phys_base, void *buffer,
                       size_t size, const char **reason)
{
    struct memory_target memory = { buffer, phys_base, size };
    const struct elf_load_target target = { &memory, memory_copy, memory_zero };

    return elf_load(image, paddr_offset, &target, reason);
}
