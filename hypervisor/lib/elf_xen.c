// SPDX-License-Identifier: BSD-2-Clause
/*
 * Xen notes of an ELF kernel: finding them, reading each, and checking that together they describe an image
 * that can be placed. Format and meaning: <xen/elfnote.h>; names of features: <xen/features.h>.
 */
#include <xen/elfnote.h>
#include <xen/errno.h>

#include "lib/checked.h"
#include "lib/elf.h"
#include "lib/elf_format.h"
#include "lib/string.h"

enum { NOTE_ALIGN = 4, NAME_SIZE = sizeof("Xen") };

BUILD_ASSERT(XEN_ELFNOTE_MAX < 32); /* struct elf_xen.present */

struct note {
    uint32_t type;
    const uint8_t *description;
    size_t size;
};

struct feature_name {
    const char *name;
    unsigned bit;
};

#define FEATURE(name) { #name, XENFEAT_##name }

static const struct feature_name feature_names[] = {
    FEATURE(writable_page_tables),
    FEATURE(writable_descriptor_tables),
    FEATURE(auto_translated_physmap),
    FEATURE(supervisor_mode_kernel),
    FEATURE(pae_pgdir_above_4gb),
    FEATURE(mmu_pt_update_preserve_ad),
    FEATURE(highmem_assist),
    FEATURE(gnttab_map_avail_bits),
    FEATURE(hvm_callback_vector),
    FEATURE(hvm_safe_pvclock),
    FEATURE(hvm_pirqs),
    FEATURE(dom0),
    FEATURE(memory_op_vnode_supported),
    FEATURE(ARM_SMCCC_supported),
    FEATURE(linux_rsdp_unrestricted),
    FEATURE(not_direct_mapped),
    FEATURE(direct_mapped),
};

static int fail(const char **reason, int error, const char *text)
{
    *reason = text;
    return error;
}

/* The feature's number, or -1. */
static int feature_find(const char *name, size_t length)
{
    for (size_t i = 0; i < ARRAY_SIZE(feature_names); i++) {
        if (strlen(feature_names[i].name) == length && memcmp(feature_names[i].name, name, length) == 0)
            return (int)feature_names[i].bit;
    }
    return -1;
}

static int feature_add(const char *name, size_t length, uint32_t *supported, uint32_t *required,
                       const char **reason)
{
    bool must = length > 0 && name[0] == '!';
    int bit = feature_find(name + must, length - must);

    if (bit < 0)
        return must ? fail(reason, -XEN_EOPNOTSUPP, "it requires a feature that is not known") : 0;
    supported[bit / 32] |= (uint32_t)BIT(bit % 32);
    if (must)
        required[bit / 32] |= (uint32_t)BIT(bit % 32);
    return 0;
}

int elf_xen_parse_features(const char *text, size_t length, uint32_t supported[XENFEAT_NR_SUBMAPS],
                           uint32_t required[XENFEAT_NR_SUBMAPS], const char **reason)
{
    size_t start = 0;

    for (size_t i = 0; i <= length; i++) {
        bool end = i == length || text[i] == '\0';
        int error;

        if (!end && text[i] != '|')
            continue;
        error = feature_add(text + start, i - start, supported, required, reason);
        if (error != 0 || end)
            return error;
        start = i + 1;
    }
    return 0;
}

/* A number is as wide as its description says. */
static int note_number(const struct note *note, uint64_t *value, const char **reason)
{
    if (note->size != 1 && note->size != 2 && note->size != 4 && note->size != 8)
        return fail(reason, -XEN_EINVAL, "a numeric Xen note has an odd size");
    *value = 0;
    memcpy(value, note->description, note->size); /* little-endian, as elf_open checked */
    return 0;
}

static int note_flag(const struct note *note, bool *value, const char **reason)
{
    uint64_t number;
    int error = note_number(note, &number, reason);

    if (error == 0)
        *value = number != 0;
    return error;
}

/* The text's length, which ends at a NUL or with the note. */
static size_t note_text_length(const struct note *note)
{
    return strnlen((const char *)note->description, note->size);
}

static int note_text(const struct note *note, char *text, size_t size)
{
    size_t length = min(note_text_length(note), size - 1);

    memcpy(text, note->description, length);
    text[length] = '\0';
    return 0;
}

static bool note_text_is(const struct note *note, const char *text)
{
    return note_text_length(note) == strlen(text) && memcmp(note->description, text, strlen(text)) == 0;
}

static int note_pae(const struct note *note, enum elf_xen_pae *pae)
{
    bool bimodal = note_text_is(note, "bimodal") || note_text_is(note, "yes,bimodal");

    *pae = bimodal ? ELF_XEN_PAE_BIMODAL : note_text_is(note, "yes") ? ELF_XEN_PAE_YES : ELF_XEN_PAE_NO;
    return 0;
}

static int note_l1_mfn_valid(const struct note *note, struct elf_xen *xen, const char **reason)
{
    if (note->size < 2 * sizeof(uint64_t))
        return fail(reason, -XEN_EINVAL, "its Xen note L1_MFN_VALID is too short");
    memcpy(&xen->l1_mfn_mask, note->description, sizeof(uint64_t));
    memcpy(&xen->l1_mfn_value, note->description + sizeof(uint64_t), sizeof(uint64_t));
    return 0;
}

static int note_supported_features(const struct note *note, struct elf_xen *xen, const char **reason)
{
    uint64_t bits;
    int error = note_number(note, &bits, reason);

    for (unsigned i = 0; error == 0 && i < XENFEAT_NR_SUBMAPS && i < 2; i++)
        xen->supported[i] |= (uint32_t)(bits >> (32 * i));
    return error;
}

/* Takes one note in; types that are not known are passed over, as newer kernels may have more. */
static int note_read(const struct note *note, struct elf_xen *xen, const char **reason)
{
    if (note->type > XEN_ELFNOTE_MAX)
        return 0;
    xen->present |= (uint32_t)BIT(note->type);
    switch (note->type) {
    case XEN_ELFNOTE_ENTRY: return note_number(note, &xen->entry, reason);
    case XEN_ELFNOTE_HYPERCALL_PAGE: return note_number(note, &xen->hypercall_page, reason);
    case XEN_ELFNOTE_VIRT_BASE: return note_number(note, &xen->virt_base, reason);
    case XEN_ELFNOTE_PADDR_OFFSET: return note_number(note, &xen->paddr_offset, reason);
    case XEN_ELFNOTE_INIT_P2M: return note_number(note, &xen->init_p2m, reason);
    case XEN_ELFNOTE_HV_START_LOW: return note_number(note, &xen->hv_start_low, reason);
    case XEN_ELFNOTE_PHYS32_ENTRY: return note_number(note, &xen->phys32_entry, reason);
    case XEN_ELFNOTE_SUSPEND_CANCEL: return note_flag(note, &xen->suspend_cancel, reason);
    case XEN_ELFNOTE_MOD_START_PFN: return note_flag(note, &xen->mod_start_pfn, reason);
    case XEN_ELFNOTE_L1_MFN_VALID: return note_l1_mfn_valid(note, xen, reason);
    case XEN_ELFNOTE_SUPPORTED_FEATURES: return note_supported_features(note, xen, reason);
    case XEN_ELFNOTE_FEATURES:
        return elf_xen_parse_features((const char *)note->description, note->size, xen->supported,
                                      xen->required, reason);
    case XEN_ELFNOTE_PAE_MODE: return note_pae(note, &xen->pae);
    case XEN_ELFNOTE_BSD_SYMTAB: xen->bsd_symtab = note_text_is(note, "yes"); return 0;
    case XEN_ELFNOTE_XEN_VERSION: return note_text(note, xen->xen_version, sizeof(xen->xen_version));
    case XEN_ELFNOTE_GUEST_OS: return note_text(note, xen->guest_os, sizeof(xen->guest_os));
    case XEN_ELFNOTE_GUEST_VERSION: return note_text(note, xen->guest_version, sizeof(xen->guest_version));
    case XEN_ELFNOTE_LOADER: return note_text(note, xen->loader, sizeof(xen->loader));
    default: return 0;
    }
}

/* Reads the notes in data[size]; each header and both padded parts must fit (the last padding may lack). */
static int notes_read(const uint8_t *data, uint64_t size, struct elf_xen *xen, const char **reason)
{
    while (size >= sizeof(struct elf_file_note)) {
        struct elf_file_note header;
        uint64_t name, description, total;
        struct note note;
        int error = 0;

        memcpy(&header, data, sizeof(header));
        name = ROUND_UP((uint64_t)header.name_size, NOTE_ALIGN);
        description = sizeof(header) + name;
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
    for (unsigned i = 0; i < image->segments; i++) {
        struct elf_segment segment = elf_segment_get(image, i);
        int error;

        if (segment.type != ELF_SEGMENT_NOTE || segment.file_size == 0)
            continue;
        error = notes_read(image->data + segment.offset, segment.file_size, xen, reason);
        if (error != 0)
            return error;
    }
    return 0;
}

static int notes_read_sections(const struct elf_image *image, struct elf_xen *xen, const char **reason)
{
    for (unsigned i = 0; i < image->sections; i++) {
        struct elf_file_section section = elf_section_read(image, i);
        int error;

        if (section.type != ELF_SECTION_NOTE)
            continue;
        if (!checked_range(section.offset, section.size, image->size))
            return fail(reason, -XEN_EINVAL, "an ELF note section lies outside the file");
        error = notes_read(image->data + section.offset, section.size, xen, reason);
        if (error != 0)
            return error;
    }
    return 0;
}

/* Fills in what follows from the notes, and checks that it makes sense. */
static int place_image(const struct elf_image *image, struct elf_xen *xen, const char **reason)
{
    if (image->phys_start < xen->paddr_offset)
        return fail(reason, -XEN_EINVAL, "an ELF segment lies below the start of physical memory");
    if (!checked_add(image->phys_end - xen->paddr_offset, xen->virt_base, &xen->virt_end))
        return fail(reason, -XEN_EINVAL, "its segments do not fit above the virtual base it names");
    xen->virt_offset = xen->virt_base - xen->paddr_offset;
    xen->virt_start = image->phys_start + xen->virt_offset;
    if (xen->entry < xen->virt_start || xen->entry >= xen->virt_end)
        return fail(reason, -XEN_EINVAL, "its entry point lies outside its segments");
    if (xen->init_p2m != ELF_XEN_UNSET && xen->init_p2m >= xen->virt_start && xen->init_p2m < xen->virt_end)
        return fail(reason, -XEN_EINVAL, "the place it wants its P2M table at is in its own segments");
    return 0;
}

int elf_xen_read(const struct elf_image *image, struct elf_xen *xen, const char **reason)
{
    int error;

    *xen = (struct elf_xen){
        .entry = image->entry,
        .hypercall_page = ELF_XEN_UNSET,
        .init_p2m = ELF_XEN_UNSET,
        .hv_start_low = ELF_XEN_UNSET,
        .phys32_entry = ELF_XEN_UNSET,
        .l1_mfn_mask = ELF_XEN_UNSET,
        .l1_mfn_value = ELF_XEN_UNSET,
    };
    error = notes_read_segments(image, xen, reason);
    if (error == 0 && xen->present == 0)
        error = notes_read_sections(image, xen, reason);
    if (error != 0 || xen->present == 0)
        return error;
    return place_image(image, xen, reason);
}
