// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a Multiboot 1 or 2 loader left in memory, copied into boot_info before that memory is used for
 * anything else. Formats: Multiboot Specification 0.6.96 section 3.3, Multiboot2 Specification 2.0 section
 * 3.6.  All of it lies below 4 GiB, which the boot page tables map at the start of the direct map: sizes that lead
 * beyond, or that cannot be, end the reading there.
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

#define LOW_MEMORY_END (1UL << 32)

static const void *low_memory(uint64_t address) { return maddr_to_virt(MADDR(address)); }

/* Where size bytes from address end, as far as they can be read. */
static uint64_t low_end(uint64_t address, uint64_t size) { return min(address + size, LOW_MEMORY_END); }

/* A text at address, ended at the latest by end: into to[size]. */
static void copy_text(char *to, size_t size, uint64_t address, uint64_t end)
{
    size_t room = address < end ? (size_t)min(end - address, (uint64_t)size - 1) : 0;
    const char *text = low_memory(address);
    size_t length = 0;

    while (length < room && text[length] != '\0')
        length++;
    memcpy(to, text, length);
    to[length] = '\0';
}

/* A command line without the program's own name, which loaders put first; GRUB 2 does not. */
const char *boot_skip_name(const char *line)
{
    while (*line == ' ')
        line++;
    if (string_starts_with(boot_info.loader, "GRUB 2"))
        return line;
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
static void add_module(uint64_t start, uint64_t end, uint64_t text, uint64_t text_end)
{
    struct boot_module *m = &boot_info.modules[boot_info.module_count];
    size_t room = sizeof(boot_info.text) - text_used;

    if (boot_info.module_count == BOOT_MAX_MODULES || end < start)
        return;
    *m = (struct boot_module){start, end, ""};
    boot_info.module_count++;
    if (room < 2 || !text)
        return;
    m->cmdline = boot_info.text + text_used;
    copy_text(boot_info.text + text_used, room, text, text_end);
    text_used += strlen(m->cmdline) + 1;
}

/* colors: position and size of red, green and blue. */
static void set_frame_buffer(uint64_t base, uint32_t pitch, uint32_t width, uint32_t height, uint8_t bits,
                             const uint8_t colors[6])
{
    boot_info.video = (struct boot_video){
        .kind = 2, .base = base, .pitch = pitch, .width = width, .height = height, .bits = bits,
        .red_position = colors[0], .red_size = colors[1], .green_position = colors[2], .green_size = colors[3],
        .blue_position = colors[4], .blue_size = colors[5],
    };
}

/* Into ascending order. */
static void sort_numbers(uint64_t *n, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        uint64_t number = n[i];
        unsigned j = i;

        for (; j > 0 && n[j - 1] > number; j--)
            n[j] = n[j - 1];
        n[j] = number;
    }
}

/* The highest type that covers the bytes from start to end, which no range begins or ends within; 0 none. */
static uint32_t type_between(const struct boot_range *ranges, unsigned count, uint64_t start, uint64_t end)
{
    uint32_t type = 0;

    for (unsigned i = 0; i < count; i++)
        if (ranges[i].start <= start && ranges[i].end >= end)
            type = max(type, ranges[i].type);
    return type;
}

/*
 * Ascending, and without overlaps: where ranges cover the same bytes the highest type (least usable) wins.  What has no
 * room is left out, as if the firmware had not named it.
 */
static void sort_memory(void)
{
    static struct boot_range given[BOOT_MAX_RANGES];
    static uint64_t bounds[2 * BOOT_MAX_RANGES];
    unsigned count = boot_info.memory_count, used = 0;
    struct boot_range *m = boot_info.memory;

    memcpy(given, m, count * sizeof(*m));
    for (unsigned i = 0; i < count; i++) {
        bounds[2 * i] = m[i].start;
        bounds[2 * i + 1] = m[i].end;
    }
    sort_numbers(bounds, 2 * count);
    for (unsigned i = 0; i + 1 < 2 * count; i++) {
        uint64_t start = bounds[i], end = bounds[i + 1];
        uint32_t type = start < end ? type_between(given, count, start, end) : 0;

        if (!type)
            continue;
        if (used > 0 && m[used - 1].end == start && m[used - 1].type == type)
            m[used - 1].end = end;
        else if (used < BOOT_MAX_RANGES)
            m[used++] = (struct boot_range){start, end, type};
    }
    boot_info.memory_count = used;
}

/* ---- Multiboot 1 ---- */

struct mb1_information {
    uint32_t flags, memory_lower, memory_upper, boot_device, cmdline, module_count, modules, symbols[4],
        map_length, map, drives_length, drives, config_table, loader_name, apm, vbe[4];
    uint64_t framebuffer;
    uint32_t pitch, width, height;
    uint8_t bits, kind, colors[6];
} __attribute__((packed));
struct mb1_module { uint32_t start, end, cmdline, reserved; } __attribute__((packed));
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
    for (uint64_t at = mb->map, end = low_end(at, mb->map_length); at + sizeof(struct mb1_range) <= end;) {
        const struct mb1_range *r = low_memory(at);

        if (r->size < sizeof(*r) - sizeof(r->size))
            return;
        add_memory(r->start, r->length, r->type);
        at += r->size + sizeof(r->size);
    }
}

static void mb1_modules(const struct mb1_information *mb)
{
    for (uint64_t i = 0; i < min(mb->module_count, (uint32_t)BOOT_MAX_MODULES); i++) {
        uint64_t at = mb->modules + i * sizeof(struct mb1_module);
        const struct mb1_module *m = low_memory(at);

        if (at + sizeof(*m) > LOW_MEMORY_END)
            return;
        add_module(m->start, m->end, m->cmdline, LOW_MEMORY_END);
    }
}

static void mb1_parse(const struct mb1_information *mb)
{
    const char *line = boot_info.cmdline;

    if (mb->flags & MB1_HAS_LOADER)
        copy_text(boot_info.loader, sizeof(boot_info.loader), mb->loader_name, LOW_MEMORY_END);
    if (mb->flags & MB1_HAS_CMDLINE) {
        copy_text(boot_info.cmdline, sizeof(boot_info.cmdline), mb->cmdline, LOW_MEMORY_END);
        line = boot_skip_name(boot_info.cmdline);
        memmove(boot_info.cmdline, line, strlen(line) + 1);
    }
    mb1_memory(mb);
    if (mb->flags & MB1_HAS_MODULES)
        mb1_modules(mb);
    if ((mb->flags & MB1_HAS_FRAMEBUFFER) && mb->kind == 1)
        set_frame_buffer(mb->framebuffer, mb->pitch, mb->width, mb->height, mb->bits, mb->colors);
}

/* ---- Multiboot 2 ---- */

/* Packed: a loader may put them anywhere. */
struct mb2_tag { uint32_t type, size; } __attribute__((packed));
struct mb2_module { struct mb2_tag tag; uint32_t start, end; char cmdline[]; } __attribute__((packed));
struct mb2_map { struct mb2_tag tag; uint32_t entry_size, entry_version; } __attribute__((packed));
struct mb2_range { uint64_t start, length; uint32_t type, zero; } __attribute__((packed));
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
/* ACPI's root pointer: bytes before revision 2, from then on, and where the revision stands */
#define RSDP_OLD_SIZE 20
#define RSDP_SIZE 36
#define RSDP_REVISION 15

static void mb2_memory(const struct mb2_map *map)
{
    const char *entry = (const char *)(map + 1), *end = (const char *)map + map->tag.size;
    size_t size = map->entry_size;

    for (; size >= sizeof(struct mb2_range) && entry < end && size <= (size_t)(end - entry); entry += size) {
        const struct mb2_range *r = (const struct mb2_range *)entry;

        add_memory(r->start, r->length, r->type);
    }
}

static void mb2_video(const struct mb2_framebuffer *f)
{
    if (f->kind == 1)
        set_frame_buffer(f->base, f->pitch, f->width, f->height, f->bits, f->colors);
    else if (f->kind == 2)
        boot_info.video =
            (struct boot_video){.kind = 1, .columns = (uint16_t)f->width, .rows = (uint16_t)f->height};
}

/* All of the tag can be read. */
static void mb2_parse_tag(const struct mb2_tag *tag, uint64_t address)
{
    const struct mb2_module *module = (const struct mb2_module *)tag;
    uint64_t text = address + sizeof(*tag), end = address + tag->size;

    switch (tag->type) {
    case MB2_CMDLINE:
        copy_text(boot_info.cmdline, sizeof(boot_info.cmdline), text, end); /* GRUB passes no name here */
        break;
    case MB2_LOADER:
        copy_text(boot_info.loader, sizeof(boot_info.loader), text, end);
        break;
    case MB2_MODULE:
        if (tag->size >= sizeof(*module))
            add_module(module->start, module->end, address + sizeof(*module), end);
        break;
    case MB2_MAP:
        if (tag->size >= sizeof(struct mb2_map))
            mb2_memory((const struct mb2_map *)tag);
        break;
    case MB2_FRAMEBUFFER:
        if (tag->size >= sizeof(struct mb2_framebuffer) - sizeof(((struct mb2_framebuffer *)0)->colors))
            mb2_video((const struct mb2_framebuffer *)tag);
        break;
    case MB2_ACPI_OLD:
        if (boot_info.rsdp == 0 && tag->size >= sizeof(*tag) + RSDP_OLD_SIZE)
            boot_info.rsdp = address + sizeof(*tag);
        break;
    case MB2_ACPI_NEW:
        if (tag->size >= sizeof(*tag) + RSDP_SIZE)
            boot_info.rsdp = address + sizeof(*tag);
        break;
    }
}

/* The root pointer in the tags is a copy the loader made: it moves to memory that stays. */
static void mb2_keep_rsdp(void)
{
    static uint8_t copy[RSDP_SIZE] __attribute__((aligned(16)));
    const uint8_t *rsdp = low_memory(boot_info.rsdp);

    if (boot_info.rsdp == 0)
        return;
    memcpy(copy, rsdp, rsdp[RSDP_REVISION] == 0 ? RSDP_OLD_SIZE : RSDP_SIZE);
    boot_info.rsdp = (uint64_t)copy - IMAGE_START + IMAGE_PHYSICAL;
}

static void mb2_parse(uint64_t information)
{
    uint64_t end = low_end(information, *(const uint32_t *)low_memory(information));

    for (uint64_t at = information + 8; at + sizeof(struct mb2_tag) <= end;) {
        const struct mb2_tag *tag = low_memory(at);

        if (tag->type == MB2_END || tag->size < sizeof(*tag) || tag->size > end - at)
            break;
        mb2_parse_tag(tag, at);
        at += ROUND_UP(tag->size, 8);
    }
    mb2_keep_rsdp();
}

void multiboot_parse(uint32_t magic, uint64_t information)
{
    boot_info.video = (struct boot_video){.kind = 1, .columns = 80, .rows = 25};
    if (magic == MB1_LOADED)
        mb1_parse(low_memory(information));
    else if (magic == MB2_LOADED)
        mb2_parse(information);
    sort_memory();
}
