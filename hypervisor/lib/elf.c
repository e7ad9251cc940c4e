// SPDX-License-Identifier: BSD-2-Clause
/*
 * ELF images: header, program headers, loading; and their Xen notes: finding them, reading each, and checking that together
 * they describe an image that can be placed. See the header for the rules.
 *
 * Records are copied out of the image before use, since nothing promises their alignment. Format: System V
 * gABI, chapter 4 (ELF header, sections) and chapter 5 (program header); <xen/elfnote.h>; <xen/features.h>.
 */
#include "lib/elf.h"

#include <xen/elfnote.h>
#include <xen/errno.h>

#include "lib/checked.h"
#include "lib/string.h"

#define HYPERCALL_PAGE_SIZE 4096

enum {
    CLASS_32 = 1,
    CLASS_64 = 2,
    DATA_LITTLE_ENDIAN = 1,
    TYPE_EXECUTABLE = 2,
    TYPE_SHARED = 3,

    SEGMENTS_MAX = 128, /* more is refused */

    NOTE_ALIGN = 4,
    NAME_SIZE = sizeof("Xen"),
};

BUILD_ASSERT(XEN_ELFNOTE_MAX < 32); /* struct elf_xen.present */

static int fail(const char **reason, int error, const char *text)
{
    *reason = text;
    return error;
}

struct elf_segment elf_segment_get(const struct elf_image *image, unsigned index)
{
    struct elf_segment segment;

    memcpy(&segment, image->data + image->segment_table + (uint64_t)index * sizeof(segment), sizeof(segment));
    return segment;
}

static bool segment_is_loaded(const struct elf_segment *segment)
{
    return segment->type == ELF_SEGMENT_LOAD && segment->memory_size > 0;
}

static int check_header(const struct elf_header *header, size_t size, const char **reason)
{
    uint8_t class = header->identity[ELF_IDENTITY_CLASS];

    if (memcmp(header->identity, "\177ELF", 4) != 0 || (class != CLASS_32 && class != CLASS_64))
        return fail(reason, -XEN_ENOEXEC, "it is not an ELF file");
    if (class == CLASS_32)
        return fail(reason, -XEN_EOPNOTSUPP, "it is a 32-bit ELF file, and only 64-bit ones are supported");
    if (size < sizeof(*header))
        return fail(reason, -XEN_ENOEXEC, "its ELF header is cut off");
    if (header->identity[ELF_IDENTITY_DATA] != DATA_LITTLE_ENDIAN)
        return fail(reason, -XEN_EOPNOTSUPP, "it is not little-endian");
    if (header->identity[ELF_IDENTITY_VERSION] != 1 || header->version != 1)
        return fail(reason, -XEN_ENOEXEC, "its ELF version is not 1");
    if (header->type != TYPE_EXECUTABLE && header->type != TYPE_SHARED)
        return fail(reason, -XEN_ENOEXEC, "it is an ELF file, but not a program");
    if (header->segments == 0 || header->segment_size != sizeof(struct elf_segment))
        return fail(reason, -XEN_ENOEXEC, "it has no ELF program headers, or of an unknown size");
    if (header->segments > SEGMENTS_MAX)
        return fail(reason, -XEN_EOPNOTSUPP, "it has too many ELF program headers");
    if (!checked_range(header->segment_table, header->segments * sizeof(struct elf_segment), size))
        return fail(reason, -XEN_ENOEXEC, "its ELF program headers lie outside the file (is it cut off?)");
    return 0;
}

static int check_segment(const struct elf_image *image, const struct elf_segment *segment, const char **reason)
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
    struct elf_header header = { 0 };
    int error;

    memcpy(&header, data, min(size, sizeof(header)));
    error = check_header(&header, size, reason);
    if (error != 0)
        return error;
    *image = (struct elf_image){
        .data = data,
        .size = size,
        .machine = header.machine,
        .entry = header.entry,
        .segments = header.segments,
        .segment_table = header.segment_table,
        .section_table = header.section_table,
    };
    /* Sections are a help, not a need: a table that is cut off counts as none. */
    if (header.section_size == sizeof(struct elf_section) &&
        checked_range(header.section_table, header.sections * sizeof(struct elf_section), size))
        image->sections = header.sections;
    return check_segments(image, reason);
}

static int load_segment(const struct elf_segment *segment, const uint8_t *data, uint64_t phys,
                        const struct elf_load_target *target)
{
    uint64_t zeros = segment->memory_size - segment->file_size;
    int error = 0;

    if (segment->file_size > 0)
        error = target->copy(target->context, phys, data + segment->offset, segment->file_size);
    return error == 0 && zeros > 0 ? target->zero(target->context, phys + segment->file_size, zeros) : error;
}

int elf_load(const struct elf_image *image, uint64_t paddr_offset, const struct elf_load_target *target,
             const char **reason)
{
    for (unsigned i = 0; i < image->segments; i++) {
        struct elf_segment segment = elf_segment_get(image, i);
        int error = 0;

        if (segment_is_loaded(&segment))
            error = load_segment(&segment, image->data, segment.phys - paddr_offset, target);
        if (error != 0)
            return fail(reason, error, "an ELF segment could not be loaded where it belongs");
    }
    return 0;
}

/* ---- Xen notes ---- */

static bool feature_is_known(const char *name, size_t length)
{
    /* <xen/features.h> */
    static const char *const names[] = {
        "writable_page_tables", "writable_descriptor_tables", "auto_translated_physmap",
        "supervisor_mode_kernel", "pae_pgdir_above_4gb", "mmu_pt_update_preserve_ad",
        "highmem_assist", "gnttab_map_avail_bits", "hvm_callback_vector",
        "hvm_safe_pvclock", "hvm_pirqs", "dom0", "memory_op_vnode_supported",
        "ARM_SMCCC_supported", "linux_rsdp_unrestricted", "not_direct_mapped",
        "direct_mapped",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
            return true;
    return false;
}

int elf_xen_check_features(const char *text, size_t length, const char **reason)
{
    size_t start = 0;

    length = strnlen(text, length);
    for (size_t i = 0; i <= length; i++) {
        if (i < length && text[i] != '|')
            continue;
        if (i > start && text[start] == '!' && !feature_is_known(text + start + 1, i - start - 1))
            return fail(reason, -XEN_EOPNOTSUPP, "it requires a feature that is not known");
        start = i + 1;
    }
    return 0;
}

struct note {
    uint32_t type;
    const uint8_t *description;
    size_t size;
};

/* A number is as wide as its description says. */
static int note_number(const struct note *note, uint64_t *value, const char **reason)
{
    if (note->size != 1 && note->size != 2 && note->size != 4 && note->size != 8)
        return fail(reason, -XEN_EINVAL, "a numeric Xen note has an odd size");
    *value = 0;
    memcpy(value, note->description, note->size); /* little-endian, as elf_open checked */
    return 0;
}

/* A text ends at a NUL or with the note. */
static int note_text(const struct note *note, char *text, size_t size)
{
    size_t length = strnlen((const char *)note->description, min(note->size, size - 1));

    memcpy(text, note->description, length);
    text[length] = '\0';
    return 0;
}

/* Takes one note in; types that are of no use here are passed over, as newer kernels may have more. */
static int note_read(const struct note *note, struct elf_xen *xen, const char **reason)
{
    if (note->type > XEN_ELFNOTE_MAX)
        return 0;
    xen->present |= (uint32_t)BIT(note->type);
    switch (note->type) {
    case XEN_ELFNOTE_ENTRY: return note_number(note, &xen->entry, reason);
    case XEN_ELFNOTE_VIRT_BASE: return note_number(note, &xen->virt_base, reason);
    case XEN_ELFNOTE_PADDR_OFFSET: return note_number(note, &xen->paddr_offset, reason);
    case XEN_ELFNOTE_INIT_P2M: return note_number(note, &xen->init_p2m, reason);
    case XEN_ELFNOTE_HYPERCALL_PAGE: return note_number(note, &xen->hypercall_page, reason);
    case XEN_ELFNOTE_MOD_START_PFN: return note_number(note, &xen->mod_start_pfn, reason);
    case XEN_ELFNOTE_FEATURES: return elf_xen_check_features((const char *)note->description, note->size, reason);
    case XEN_ELFNOTE_GUEST_OS: return note_text(note, xen->guest_os, sizeof(xen->guest_os));
    case XEN_ELFNOTE_GUEST_VERSION: return note_text(note, xen->guest_version, sizeof(xen->guest_version));
    default: return 0;
    }
}

/* Reads the notes in data[size]; each header and both padded parts must fit (the last padding may lack). */
static int notes_read(const uint8_t *data, uint64_t size, struct elf_xen *xen, const char **reason)
{
    while (size >= sizeof(struct elf_note)) {
        struct elf_note header;
        uint64_t description, total;
        struct note note;
        int error = 0;

        memcpy(&header, data, sizeof(header));
        description = sizeof(header) + ROUND_UP((uint64_t)header.name_size, NOTE_ALIGN);
        total = description + ROUND_UP((uint64_t)header.description_size, NOTE_ALIGN);
        if (!checked_range(description, header.description_size, size))
            return fail(reason, -XEN_EINVAL, "an ELF note is longer than the segment it is in");
        note = (struct note){ header.type, data + description, header.description_size };
        if (header.name_size == NAME_SIZE && memcmp(data + sizeof(header), "Xen", NAME_SIZE) == 0)
            error = note_read(&note, xen, reason);
        if (error != 0)
            return error;
        data += min(total, size);
        size -= min(total, size);
    }
    return 0;
}

static int notes_read_segments(const struct elf_image *image, struct elf_xen *xen, const char **reason)
{
    int error = 0;

    for (unsigned i = 0; error == 0 && i < image->segments; i++) {
        struct elf_segment segment = elf_segment_get(image, i);

        if (segment.type == ELF_SEGMENT_NOTE && segment.file_size > 0)
            error = notes_read(image->data + segment.offset, segment.file_size, xen, reason);
    }
    return error;
}

static int notes_read_sections(const struct elf_image *image, struct elf_xen *xen, const char **reason)
{
    int error = 0;

    for (unsigned i = 0; error == 0 && i < image->sections; i++) {
        struct elf_section section;

        memcpy(&section, image->data + image->section_table + i * sizeof(section), sizeof(section));
        if (section.type != ELF_SECTION_NOTE)
            continue;
        if (!checked_range(section.offset, section.size, image->size))
            return fail(reason, -XEN_EINVAL, "an ELF note section lies outside the file");
        error = notes_read(image->data + section.offset, section.size, xen, reason);
    }
    return error;
}

/* Fills in what follows from the notes, and checks that it makes sense. */
static int place_image(const struct elf_image *image, struct elf_xen *xen, const char **reason)
{
    if (image->phys_start < xen->paddr_offset)
        return fail(reason, -XEN_EINVAL, "an ELF segment lies below the start of physical memory");
    if (!checked_add(image->phys_end - xen->paddr_offset, xen->virt_base, &xen->virt_end))
        return fail(reason, -XEN_EINVAL, "its segments do not fit above the virtual base it names");
    xen->virt_start = image->phys_start - xen->paddr_offset + xen->virt_base;
    if (xen->entry < xen->virt_start || xen->entry >= xen->virt_end)
        return fail(reason, -XEN_EINVAL, "its entry point lies outside its segments");
    if (xen->init_p2m != ELF_XEN_UNSET && xen->init_p2m >= xen->virt_start && xen->init_p2m < xen->virt_end)
        return fail(reason, -XEN_EINVAL, "the place it wants its P2M table at is in its own segments");
    if (xen->hypercall_page != ELF_XEN_UNSET &&
        (xen->hypercall_page % HYPERCALL_PAGE_SIZE || xen->hypercall_page < xen->virt_start ||
         xen->hypercall_page >= xen->virt_end || xen->virt_end - xen->hypercall_page < HYPERCALL_PAGE_SIZE))
        return fail(reason, -XEN_EINVAL, "its hypercall page is no page of its segments");
    return 0;
}

int elf_xen_read(const struct elf_image *image, struct elf_xen *xen, const char **reason)
{
    int error;

    *xen = (struct elf_xen){ .entry = image->entry, .init_p2m = ELF_XEN_UNSET, .hypercall_page = ELF_XEN_UNSET };
    error = notes_read_segments(image, xen, reason);
    if (error == 0 && xen->present == 0)
        error = notes_read_sections(image, xen, reason);
    return error != 0 || xen->present == 0 ? error : place_image(image, xen, reason);
}
