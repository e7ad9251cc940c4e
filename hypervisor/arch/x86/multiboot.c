// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a Multiboot 1 or 2 loader left in memory, copied into boot_info before that memory is used for
 * anything else. Formats: Multiboot Specification 0.6.96 section 3.3, Multiboot2 Specification 2.0 section
 * 3.6.  All of it lies below 4 GiB, which the boot page tables map at the start of the direct map.
 */
#include "arch/layout.h"
#include "arch/x86/start.h"
#include "boot_info.h"
#include "lib/base.h"
#include "lib/string.h"

#define MB1_LOADED 0x2badb002
#define MB2_LOADED 0x36d76289

struct boot_info boot_info;
static size_t text_used;

/* ---- shared by both ---- */

static const void *low_memory(uint64_t address) { return maddr_to_virt(MADDR(address)); }

/* A command line without the program's own name, which loaders put first; GRUB 2 does not. */
static const char *skip_name(const char *line)
{
    if (string_starts_with(boot_info.loader, "GRUB 2"))
        return line;
    while (*line == ' ')
        line++;
    while (*line != '\0' && *line != ' ')
        line++;
    while (*line == ' ')
        line++;
    return line;
}

static void add_memory(uint64_t start, uint64_t size, uint32_t type)
{
    struct boot_range *r = &boot_info.memory[boot_info.memory_count];

    if (boot_info.memory_count == BOOT_MAX_RANGES || size == 0 || start + size < start)
        return;
    *r = (struct boot_range){start, start + size, type < 1 || type > 5 ? BOOT_MEMORY_RESERVED : type};
    boot_info.memory_count++;
}

/* A module's words stay as they are: whoever uses it knows the loaders' habits. */
static void add_module(uint64_t start, uint64_t end, const char *cmdline)
{
    struct boot_module *m = &boot_info.modules[boot_info.module_count];
    size_t room = sizeof(boot_info.text) - text_used, length;

    if (boot_info.module_count == BOOT_MAX_MODULES || end < start)
        return;
    *m = (struct boot_module){start, end, ""};
    boot_info.module_count++;
    if (room < 2)
        return;
    m->cmdline = boot_info.text + text_used;
    length = strlcpy(boot_info.text + text_used, cmdline, room);
    text_used += min(length, room - 1) + 1;
}

/*
 * Ascending, and without overlaps: where two ranges cover the same bytes the higher type (less usable) wins.
 */
static void sort_memory(void)
{
    struct boot_range *m = boot_info.memory;

    for (unsigned i = 1; i < boot_info.memory_count; i++) {
        struct boot_range r = m[i];
        unsigned j = i;

        for (; j > 0 && m[j - 1].start > r.start; j--)
            m[j] = m[j - 1];
        m[j] = r;
    }
    for (unsigned i = 1; i < boot_info.memory_count; i++) {
        if (m[i - 1].end <= m[i].start)
            continue;
        if (m[i].type == BOOT_MEMORY_RAM && m[i - 1].type != BOOT_MEMORY_RAM)
            m[i].start = min(m[i - 1].end, m[i].end);
        else
            m[i - 1].end = m[i].start;
    }
}

/* ---- Multiboot 1 ---- */

struct mb1_information {
    uint32_t flags, memory_lower, memory_upper, boot_device, cmdline, module_count, modules, symbols[4],
        map_length, map, drives_length, drives, config_table, loader_name, apm, vbe[4];
    uint64_t framebuffer;
    uint32_t pitch, width, height;
    uint8_t bits, kind, colors[6];
};
struct mb1_module { uint32_t start, end, cmdline, reserved; };
struct mb1_range {
    uint32_t size; /* of the rest */
    uint64_t start, length;
    uint32_t type;
} __attribute__((packed));

#define MB1_HAS_MEMORY (1u << 0)
#define MB1_HAS_CMDLINE (1u << 2)
#define MB1_HAS_MODULES (1u << 3)
#define MB1_HAS_MAP (1u << 6)
#define MB1_HAS_LOADER (1u << 9)
#define MB1_HAS_FRAMEBUFFER (1u << 12)

static void mb1_memory(const struct mb1_information *mb)
{
    if (!(mb->flags & MB1_HAS_MAP)) {
        if (mb->flags & MB1_HAS_MEMORY) {
            add_memory(0, KIB(mb->memory_lower), BOOT_MEMORY_RAM);
            add_memory(MIB(1), KIB(mb->memory_upper), BOOT_MEMORY_RAM);
        }
        return;
    }
    for (uint64_t at = mb->map, end = at + mb->map_length; at + sizeof(struct mb1_range) <= end;) {
        const struct mb1_range *r = low_memory(at);

        add_memory(r->start, r->length, r->type);
        at += r->size + sizeof(r->size);
    }
}

static void mb1_parse(const struct mb1_information *mb)
{
    const struct mb1_module *modules = low_memory(mb->modules);

    if (mb->flags & MB1_HAS_LOADER)
        strlcpy(boot_info.loader, low_memory(mb->loader_name), sizeof(boot_info.loader));
    if (mb->flags & MB1_HAS_CMDLINE)
        strlcpy(boot_info.cmdline, skip_name(low_memory(mb->cmdline)), sizeof(boot_info.cmdline));
    mb1_memory(mb);
    if (mb->flags & MB1_HAS_MODULES)
        for (unsigned i = 0; i < mb->module_count; i++)
            add_module(modules[i].start, modules[i].end,
                       modules[i].cmdline ? low_memory(modules[i].cmdline) : "");
    boot_info.video = (struct boot_video){.kind = 1, .columns = 80, .rows = 25};
    if (!(mb->flags & MB1_HAS_FRAMEBUFFER) || mb->kind != 1)
        return;
    boot_info.video = (struct boot_video){.kind = 2,
                                          .base = mb->framebuffer,
                                          .pitch = mb->pitch,
                                          .width = mb->width,
                                          .height = mb->height,
                                          .bits = mb->bits,
                                          .red_position = mb->colors[0],
                                          .red_size = mb->colors[1],
                                          .green_position = mb->colors[2],
                                          .green_size = mb->colors[3],
                                          .blue_position = mb->colors[4],
                                          .blue_size = mb->colors[5]};
}

/* ---- Multiboot 2 ---- */

struct mb2_tag { uint32_t type, size; };
struct mb2_module { struct mb2_tag tag; uint32_t start, end; char cmdline[]; };
struct mb2_map { struct mb2_tag tag; uint32_t entry_size, entry_version; };
struct mb2_range { uint64_t start, length; uint32_t type, zero; };
struct mb2_framebuffer {
    struct mb2_tag tag;
    uint64_t base;
    uint32_t pitch, width, height;
    uint8_t bits, kind;
    uint16_t reserved;
    uint8_t colors[6];
} __attribute__((packed));

enum {
    MB2_END,
    MB2_CMDLINE,
    MB2_LOADER,
    MB2_MODULE,
    MB2_MAP = 6,
    MB2_FRAMEBUFFER = 8,
    MB2_ACPI_OLD = 14,
    MB2_ACPI_NEW
};

static void mb2_memory(const struct mb2_map *map)
{
    const char *entry = (const char *)(map + 1), *end = (const char *)map + map->tag.size;

    for (; map->entry_size >= sizeof(struct mb2_range) && entry + map->entry_size <= end;
         entry += map->entry_size) {
        const struct mb2_range *r = (const struct mb2_range *)entry;

        add_memory(r->start, r->length, r->type);
    }
}

static void mb2_video(const struct mb2_framebuffer *f)
{
    if (f->kind == 1)
        boot_info.video = (struct boot_video){.kind = 2,
                                              .base = f->base,
                                              .pitch = f->pitch,
                                              .width = f->width,
                                              .height = f->height,
                                              .bits = f->bits,
                                              .red_position = f->colors[0],
                                              .red_size = f->colors[1],
                                              .green_position = f->colors[2],
                                              .green_size = f->colors[3],
                                              .blue_position = f->colors[4],
                                              .blue_size = f->colors[5]};
    else if (f->kind == 2)
        boot_info.video =
            (struct boot_video){.kind = 1, .columns = (uint16_t)f->width, .rows = (uint16_t)f->height};
}

static void mb2_parse_tag(const struct mb2_tag *tag, uint64_t address)
{
    const struct mb2_module *module = (const struct mb2_module *)tag;
    const char *text = (const char *)(tag + 1);

    switch (tag->type) {
    case MB2_CMDLINE:
        strlcpy(boot_info.cmdline, text, sizeof(boot_info.cmdline)); /* GRUB passes no name here */
        break;
    case MB2_LOADER:
        strlcpy(boot_info.loader, text, sizeof(boot_info.loader));
        break;
    case MB2_MODULE:
        add_module(module->start, module->end, module->cmdline);
        break;
    case MB2_MAP:
        mb2_memory((const struct mb2_map *)tag);
        break;
    case MB2_FRAMEBUFFER:
        mb2_video((const struct mb2_framebuffer *)tag);
        break;
    case MB2_ACPI_OLD:
        if (boot_info.rsdp == 0)
            boot_info.rsdp = address + sizeof(*tag);
        break;
    case MB2_ACPI_NEW:
        boot_info.rsdp = address + sizeof(*tag);
        break;
    }
}

/* The root pointer in the tags is a copy the loader made: it moves to memory that stays. */
static void mb2_keep_rsdp(void)
{
    static uint8_t copy[36] __attribute__((aligned(16)));
    const uint8_t *rsdp = low_memory(boot_info.rsdp);

    if (boot_info.rsdp == 0)
        return;
    memcpy(copy, rsdp, rsdp[15] == 0 ? 20 : sizeof(copy));
    boot_info.rsdp = (uint64_t)copy - IMAGE_START + IMAGE_PHYSICAL;
}

static void mb2_parse(uint64_t information)
{
    uint64_t end = information + *(const uint32_t *)low_memory(information);

    boot_info.video = (struct boot_video){.kind = 1, .columns = 80, .rows = 25};
    for (uint64_t at = information + 8; at + sizeof(struct mb2_tag) <= end;) {
        const struct mb2_tag *tag = low_memory(at);

        if (tag->type == MB2_END || tag->size < sizeof(*tag))
            break;
        mb2_parse_tag(tag, at);
        at += ROUND_UP(tag->size, 8);
    }
    mb2_keep_rsdp();
}

void multiboot_parse(uint32_t magic, uint64_t information)
{
    if (magic == MB1_LOADED)
        mb1_parse(low_memory(information));
    else if (magic == MB2_LOADED)
        mb2_parse(information);
    sort_memory();
}
