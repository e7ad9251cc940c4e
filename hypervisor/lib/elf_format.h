/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The records of a 64-bit ELF file, as the System V gABI (chapters 4 and 5) lays them out. For the files of
 * this room that read ELF; others use lib/elf.h.
 */
#ifndef LIB_ELF_FORMAT_H
#define LIB_ELF_FORMAT_H

#include "lib/elf.h"

#define ELF_MAGIC "\177ELF"

enum {
    ELF_MAGIC_SIZE = 4,
    ELF_IDENTITY_CLASS = 4, /* indices into elf_file_header.identity */
    ELF_IDENTITY_DATA = 5,
    ELF_IDENTITY_VERSION = 6,
    ELF_IDENTITY_SIZE = 16,

    ELF_CLASS_BYTE_32 = 1,
    ELF_CLASS_BYTE_64 = 2,
    ELF_DATA_LITTLE_ENDIAN = 1,
    ELF_TYPE_EXECUTABLE = 2,
    ELF_TYPE_SHARED = 3,

    ELF_SECTION_SYMBOLS = 2, /* SHT_SYMTAB */
    ELF_SECTION_STRINGS = 3, /* SHT_STRTAB */
    ELF_SECTION_NOTE = 7,    /* SHT_NOTE */
};

struct elf_file_header {
    uint8_t identity[ELF_IDENTITY_SIZE];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, segment_table, section_table;
    uint32_t flags;
    uint16_t header_size;
    uint16_t segment_size, segments;
    uint16_t section_size, sections, section_names;
};
BUILD_ASSERT(sizeof(struct elf_file_header) == 64);

struct elf_file_segment {
    uint32_t type, flags;
    uint64_t offset, virt, phys, file_size, memory_size, align;
};
BUILD_ASSERT(sizeof(struct elf_file_segment) == 56);

struct elf_file_section {
    uint32_t name, type;
    uint64_t flags, address, offset, size;
    uint32_t link, info;
    uint64_t align, entry_size;
};
BUILD_ASSERT(sizeof(struct elf_file_section) == 64);

/* Name and description follow, each padded to 4 bytes. */
struct elf_file_note {
    uint32_t name_size, description_size, type;
};
BUILD_ASSERT(sizeof(struct elf_file_note) == 12);

/* Section `index` < image->sections; its contents are not checked to lie in the image. */
struct elf_file_section elf_section_read(const struct elf_image *image, unsigned index);

#endif
