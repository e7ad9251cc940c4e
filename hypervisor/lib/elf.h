/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Safe reading of 64-bit little-endian ELF kernels held in memory, and of the Xen notes in them.
 *
 * The image is untrusted: whatever it holds, the answer is a result or an error with a reason, never an
 * access outside [data, data + size). Nothing is modified, nothing allocated; results point into the image
 * where they say so, and the image must stay in place as long as they are used.
 *
 * Every function that can fail returns 0 or a negative XEN_E number (-XEN_ENOEXEC: the image is not what it
 * should be; -XEN_EINVAL: it contradicts itself; -XEN_EOPNOTSUPP: sound, but not supported) and on failure
 * points *reason at a static text that completes "the kernel cannot be used: ...".
 *
 * Format: System V gABI chapters 4 and 5; the notes: <xen/elfnote.h>; feature names: <xen/features.h>.
 */
#ifndef LIB_ELF_H
#define LIB_ELF_H

#include <xen/features.h>

#include "lib/base.h"

enum {
    ELF_MACHINE_X86_64 = 62,
    ELF_MACHINE_AARCH64 = 183,

    ELF_SEGMENT_LOAD = 1, /* values of struct elf_segment.type */
    ELF_SEGMENT_NOTE = 4,

    ELF_SEGMENT_EXECUTABLE = 1, /* bits of struct elf_segment.flags */
    ELF_SEGMENT_WRITABLE = 2,
    ELF_SEGMENT_READABLE = 4,

    ELF_SEGMENTS_MAX = 128, /* more is refused */
};

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

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, file_size; /* in the image; inside it for every type but an empty one */
    uint64_t virt, phys, memory_size;
    uint64_t align;
};

/* Where the symbol table and its strings lie, as offsets in the image. */
struct elf_symbols {
    uint64_t table, table_size;
    uint64_t strings, strings_size;
};

enum elf_class { ELF_CLASS_NONE, ELF_CLASS_32, ELF_CLASS_64 };

/* What the first bytes claim to be: the one question that can be asked of 32-bit images too. */
enum elf_class elf_detect(const void *data, size_t size);

/*
 * Checks the header and every program header: table and file ranges in the image, file size <= memory size,
 * no wrap-around, at least one loadable segment, no two of those sharing a physical byte.
 */
int elf_open(struct elf_image *image, const void *data, size_t size, const char **reason);

/* Reads segment `index` < image->segments of an opened image. */
struct elf_segment elf_segment_get(const struct elf_image *image, unsigned index);

/* Finds the symbol table and its strings; -XEN_ENOENT when there is none. */
int elf_symbols_find(const struct elf_image *image, struct elf_symbols *symbols, const char **reason);

/* Receives the loaded image. `phys` is pseudo-physical: a p_paddr less the kernel's paddr_offset. */
struct elf_load_target {
    void *context;
    /* Each returns 0, or a negative error number, which stops the loading and is passed up unchanged. */
    int (*copy)(void *context, uint64_t phys, const void *from, uint64_t size);
    int (*zero)(void *context, uint64_t phys, uint64_t size);
};

/* Hands every loadable segment to `target`, in the order of the table; sizes are never 0. */
int elf_load(const struct elf_image *image, uint64_t paddr_offset, const struct elf_load_target *target,
             const char **reason);

/*
 * Loads into buffer[size], which stands for the pseudo-physical range from `phys_base` on; bytes between
 * segments keep their values.
 */
int elf_load_to_memory(const struct elf_image *image, uint64_t paddr_offset, uint64_t phys_base, void *buffer,
                       size_t size, const char **reason);

#define ELF_XEN_UNSET (~UINT64_C(0))

enum elf_xen_pae { ELF_XEN_PAE_NO, ELF_XEN_PAE_YES, ELF_XEN_PAE_BIMODAL };

/* What a kernel says about itself in its Xen notes. Numbers not given hold ELF_XEN_UNSET unless noted. */
struct elf_xen {
    uint32_t present; /* bit n: note XEN_ELFNOTE_ n was given; 0 when there are no Xen notes */

    uint64_t entry;          /* virtual; the ELF header's where the note is missing */
    uint64_t virt_base;      /* 0 when not given */
    uint64_t paddr_offset;   /* 0 when not given */
    uint64_t hypercall_page; /* virtual */
    uint64_t init_p2m;       /* virtual */
    uint64_t hv_start_low;
    uint64_t phys32_entry; /* physical; what a PVH start needs */
    uint64_t l1_mfn_mask, l1_mfn_value; /* the first pair */
    bool suspend_cancel, mod_start_pfn, bsd_symtab; /* false when not given */
    enum elf_xen_pae pae;

    /* Bit XENFEAT_ n. What is required is also supported. */
    uint32_t supported[XENFEAT_NR_SUBMAPS], required[XENFEAT_NR_SUBMAPS];

    /* Texts, "" when not given, cut to fit. */
    char guest_os[32], guest_version[32], xen_version[32], loader[32];

    /* Where the kernel's segments belong: phys - paddr_offset + virt_base. */
    uint64_t virt_offset; /* virt_base - paddr_offset: add to a p_paddr, modulo 2^64 */
    uint64_t virt_start, virt_end; /* start <= address < end */
};

/*
 * Reads the Xen notes from the note segments or, when those hold none, from the note sections; a note given
 * twice counts as last given. A kernel without Xen notes is no error: `present` says so.
 * Checks that the kernel fits above virt_base, that the entry lies in it, that init_p2m does not, and
 * that every feature marked as required is one that <xen/features.h> knows.
 */
int elf_xen_read(const struct elf_image *image, struct elf_xen *xen, const char **reason);

/* Adds a list of features "name|!name|..." to both maps. Unknown names fail only when required. */
int elf_xen_parse_features(const char *text, size_t length, uint32_t supported[XENFEAT_NR_SUBMAPS],
                           uint32_t required[XENFEAT_NR_SUBMAPS], const char **reason);

static inline bool elf_xen_has(const struct elf_xen *xen, unsigned note)
{
    return note < 32 && (xen->present >> note & 1) != 0;
}

#endif
