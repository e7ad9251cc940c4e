/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Safe reading of 64-bit little-endian ELF kernels held in memory, and of the Xen notes in them.
 *
 * The image is untrusted: whatever it holds, the answer is a result or an error with a reason, never an
 * access outside [data, data + size). Nothing is modified, nothing allocated; the image must stay in place as long as a
 * struct elf_image of it is used.
 *
 * Every function that can fail returns 0 or a negative XEN_E number (-XEN_ENOEXEC: the image is not what it
 * should be; -XEN_EINVAL: it contradicts itself; -XEN_EOPNOTSUPP: sound, but not supported) and on failure
 * points *reason at a static text that completes "the kernel cannot be used: ...".
 *
 * Format: System V gABI chapters 4 and 5; the notes: <xen/elfnote.h>; feature names: <xen/features.h>.
 */
#pragma once

#include "lib/base.h"

/* ---- the records of a file, as the gABI lays them out ---- */

enum {
    ELF_IDENTITY_CLASS = 4, /* indices into elf_header.identity */
    ELF_IDENTITY_DATA = 5,
    ELF_IDENTITY_VERSION = 6,
    ELF_IDENTITY_SIZE = 16,

    ELF_MACHINE_X86_64 = 62,

    ELF_SEGMENT_LOAD = 1, /* values of elf_segment.type */
    ELF_SEGMENT_NOTE = 4,

    ELF_SECTION_NOTE = 7, /* of elf_section.type */
};

struct elf_header {
    uint8_t identity[ELF_IDENTITY_SIZE];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, segment_table, section_table;
    uint32_t flags;
    uint16_t header_size;
    uint16_t segment_size, segments;
    uint16_t section_size, sections, section_names;
};
BUILD_ASSERT(sizeof(struct elf_header) == 64);

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, virt, phys, file_size, memory_size, align;
};
BUILD_ASSERT(sizeof(struct elf_segment) == 56);

struct elf_section {
    uint32_t name, type;
    uint64_t flags, address, offset, size;
    uint32_t link, info;
    uint64_t align, entry_size;
};
BUILD_ASSERT(sizeof(struct elf_section) == 64);

/* Name and description follow, each padded to 4 bytes. */
struct elf_note {
    uint32_t name_size, description_size, type;
};
BUILD_ASSERT(sizeof(struct elf_note) == 12);

/* ---- an image ---- */

struct elf_image {
    const uint8_t *data;
    size_t size;
    uint16_t machine;
    uint64_t entry; /* virtual, from the ELF header */
    unsigned segments;
    unsigned sections; /* 0 also when the section table does not lie in the image */
    uint64_t segment_table, section_table; /* offsets in the image */

    uint64_t phys_start, phys_end; /* p_paddr range of the loadable segments: start <= address < end */
};

/*
 * Checks the header and every program header: table and file ranges in the image, file size <= memory size,
 * no wrap-around, at least one loadable segment, no two of those sharing a physical byte.
 */
int elf_open(struct elf_image *image, const void *data, size_t size, const char **reason);

/* Reads segment `index` < image->segments of an opened image. */
struct elf_segment elf_segment_get(const struct elf_image *image, unsigned index);

/* Receives the loaded image. `phys` is pseudo-physical: a p_paddr less the kernel's paddr_offset. */
struct elf_load_target {
    void *context;
    /* Each returns 0, or a negative error number, which stops the loading and is passed up unchanged. */
    int (*copy)(void *context, uint64_t phys, const void *from, uint64_t size);
    int (*zero)(void *context, uint64_t phys, uint64_t size);
};

/* Hands every loadable segment to `target`, in the order of the table; sizes are never 0. paddr_offset <= phys_start. */
int elf_load(const struct elf_image *image, uint64_t paddr_offset, const struct elf_load_target *target,
             const char **reason);

#define ELF_XEN_UNSET (~UINT64_C(0))

/* What of a kernel's Xen notes is used. */
struct elf_xen {
    uint32_t present; /* bit n: note XEN_ELFNOTE_ n was given; 0 when there are no Xen notes */

    uint64_t entry;         /* virtual; the ELF header's where the note is missing */
    uint64_t virt_base;     /* 0 when not given */
    uint64_t paddr_offset;  /* 0 when not given; at most image->phys_start */
    uint64_t init_p2m;      /* virtual; ELF_XEN_UNSET when not given */
    uint64_t mod_start_pfn; /* a flag: not 0 */
    uint64_t hypercall_page; /* virtual, a page of the segments; ELF_XEN_UNSET when not given */

    /* Texts, "" when not given, cut to fit. */
    char guest_os[32], guest_version[32];

    /* Where the kernel's segments belong: phys - paddr_offset + virt_base. */
    uint64_t virt_start, virt_end; /* start <= address < end */
};

/*
 * Reads the Xen notes from the note segments or, when those hold none, from the note sections; a note given
 * twice counts as last given. A kernel without Xen notes is no error: `present` says so.
 * Checks that the kernel fits above virt_base, that the entry and the hypercall page lie in it, that init_p2m does not, and
 * that every feature marked as required is one that <xen/features.h> knows.
 */
int elf_xen_read(const struct elf_image *image, struct elf_xen *xen, const char **reason);

/* A list of features "name|!name|...": -XEN_EOPNOTSUPP when one marked as required (!) is not known. */
int elf_xen_check_features(const char *text, size_t length, const char **reason);

static inline bool elf_xen_has(const struct elf_xen *xen, unsigned note)
{
    return note < 32 && (xen->present >> note & 1) != 0;
}
