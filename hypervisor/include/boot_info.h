/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every boot path (Multiboot 1 and 2, later UEFI and PVH) hands to the rest: one struct, physical
 * addresses.
 */
#pragma once

#include "types.h"

#define BOOT_MAX_RANGES 256
#define BOOT_MAX_MODULES 16
#define BOOT_CMDLINE_SIZE 4096

/* E820 types */
enum boot_memory_type {
    BOOT_MEMORY_RAM = 1,
    BOOT_MEMORY_RESERVED = 2,
    BOOT_MEMORY_ACPI = 3,
    BOOT_MEMORY_NVS = 4,
    BOOT_MEMORY_UNUSABLE = 5
};

struct boot_range {
    uint64_t start, end; /* bytes, end exclusive */
    uint32_t type;
};

struct boot_module {
    uint64_t start, end;
    const char *cmdline; /* points into boot_info's text copy; "" when none */
};

struct boot_video {
    uint8_t kind; /* 0 none, 1 VGA text, 2 linear frame buffer */
    uint16_t columns, rows;
    uint64_t base;
    uint32_t pitch, width, height;
    uint8_t bits, red_position, red_size, green_position, green_size, blue_position, blue_size;
};

struct boot_info {
    char loader[64];
    char cmdline[BOOT_CMDLINE_SIZE];
    char text[BOOT_CMDLINE_SIZE * 2]; /* module command lines */
    unsigned memory_count;
    struct boot_range memory[BOOT_MAX_RANGES]; /* as the firmware said: sorted, not overlapping */
    unsigned module_count;
    struct boot_module modules[BOOT_MAX_MODULES];
    uint64_t rsdp; /* 0: search for it */
    struct boot_video video;
};

extern struct boot_info boot_info;

/* The options of a command line: some loaders put the name of the file before them. */
const char *boot_skip_name(const char *line);

/* Memory that can be read and written, whoever has it. */
static inline bool boot_range_is_memory(const struct boot_range *r)
{
    return r->type == BOOT_MEMORY_RAM || r->type == BOOT_MEMORY_ACPI || r->type == BOOT_MEMORY_NVS;
}

/* All memory of the machine, with what the hypervisor itself takes. */
static inline uint64_t boot_ram_bytes(void)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < boot_info.memory_count; i++)
        if (boot_info.memory[i].type == BOOT_MEMORY_RAM)
            bytes += boot_info.memory[i].end - boot_info.memory[i].start;
    return bytes;
}
