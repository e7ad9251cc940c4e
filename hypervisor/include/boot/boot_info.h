/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every boot path (Multiboot 1 and 2, later UEFI and PVH) hands to the rest: one struct, physical addresses.
 */
#ifndef XYLEM_BOOT_BOOT_INFO_H
#define XYLEM_BOOT_BOOT_INFO_H

#include "types.h"

#define BOOT_MAX_RANGES 256
#define BOOT_MAX_MODULES 16
#define BOOT_CMDLINE_SIZE 4096

/* E820 types */
enum boot_memory_type { BOOT_MEMORY_RAM = 1, BOOT_MEMORY_RESERVED = 2, BOOT_MEMORY_ACPI = 3, BOOT_MEMORY_NVS = 4,
                        BOOT_MEMORY_UNUSABLE = 5 };

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

/* Domain 0 from module 0 (kernel) and module 1 (ramdisk).  Panics with what to do when it cannot be built. */
void dom0_construct(void);

/* ---- command line (boot/options.c) ---- */
/*
 * An option is declared where it is used: OPTION_xxx(name, variable).  Unknown options are reported once.
 */
enum option_kind { OPTION_BOOL, OPTION_UNSIGNED, OPTION_SIZE, OPTION_STRING, OPTION_CALL };
struct option {
    const char *name;
    enum option_kind kind;
    void *target;                        /* bool, unsigned, uint64_t (bytes), char[size], or the function */
    unsigned size;
};
#define OPTION_DEFINE(id, option_name, option_kind, option_target, option_size)                                   \
    static const struct option option_entry_##id                                                                      \
        __attribute__((used, section(".options"), aligned(8))) = {option_name, option_kind, option_target, option_size}
#define OPTION_BOOLEAN(id, option_name, variable) OPTION_DEFINE(id, option_name, OPTION_BOOL, &(variable), 0)
#define OPTION_UINT(id, option_name, variable) OPTION_DEFINE(id, option_name, OPTION_UNSIGNED, &(variable), 0)
#define OPTION_BYTES(id, option_name, variable) OPTION_DEFINE(id, option_name, OPTION_SIZE, &(variable), 0)
#define OPTION_TEXT(id, option_name, array) OPTION_DEFINE(id, option_name, OPTION_STRING, array, sizeof(array))
/* int fn(const char *value): 0, or -EINVAL when it makes no sense */
#define OPTION_FUNCTION(id, option_name, fn) OPTION_DEFINE(id, option_name, OPTION_CALL, (void *)(fn), 0)
void options_parse(const char *cmdline);

#endif
