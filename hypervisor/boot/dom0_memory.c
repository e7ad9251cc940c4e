// SPDX-License-Identifier: BSD-2-Clause
/*
 * Domain 0's memory: how much, where everything goes, and what is in it at start.
 */
#include "boot/dom0.h"

#include "errno.h"
#include "guest/pv.h"
#include "lib/string.h"
#include "log.h"
#include "mm/heap.h"
#include "options.h"

#define RESERVE_DIVISOR 16             /* of free memory kept for the hypervisor when dom0_mem does not say */
#define RESERVE_MAX (128UL << 20)
#define BOOT_SLACK (512UL << 10)       /* mapped and free behind the stack, at least */
#define BOOT_ALIGN (4UL << 20)
#define CHUNK_MAX_ORDER 18

/* What dom0_mem= said.  The heap is not there yet when options are read, so "all but this much" is kept as such. */
struct amount {
    uint64_t bytes; /* 0 not given */
    bool all_but;
};
static struct amount option_min, option_size, option_max;

/* dom0_mem=<size>,min:<size>,max:<size>; a negative size is what to leave of the machine's memory. */
static int option_dom0_mem(const char *value)
{
    const char *next;

    for (; *value; value = *next == ',' ? next + 1 : next) {
        struct amount *target = &option_size;

        if (!strncmp(value, "min:", 4))
            target = &option_min;
        else if (!strncmp(value, "max:", 4))
            target = &option_max;
        if (target != &option_size)
            value += 4;
        target->all_but = *value == '-';
        if (option_parse_size(value + target->all_but, &next, &target->bytes) || (*next && *next != ','))
            return -EINVAL;
    }
    return 0;
}
OPTION_FUNCTION(dom0_mem, "dom0_mem", option_dom0_mem);

/* 0 when it was not given. */
static uint64_t amount_pages(const struct amount *amount)
{
    uint64_t pages = amount->bytes >> PAGE_SHIFT, total = heap_total_pages();

    if (!amount->all_but)
        return pages;
    return pages < total ? total - pages : 1;
}

static uint64_t pages_wanted(void)
{
    uint64_t available = heap_free_pages();
    uint64_t reserve = min(available / RESERVE_DIVISOR, RESERVE_MAX >> PAGE_SHIFT);
    uint64_t pages = option_size.bytes ? amount_pages(&option_size) : available - reserve;

    if (option_min.bytes)
        pages = max(pages, amount_pages(&option_min));
    if (option_max.bytes)
        pages = min(pages, amount_pages(&option_max));
    /* The frame list below and page tables of guests come on top. */
    available -= min(available, available / 512 + 1024);
    if (pages > available) {
        log_warning("Domain 0: %lu MiB asked for, %lu MiB are free: using those\n", pages >> 8, available >> 8);
        pages = available;
    }
    return pages;
}

/* ---- layout ---- */

static uint64_t place(struct dom0_region *region, uint64_t next, uint64_t count, uint64_t virt_base)
{
    *region = (struct dom0_region){next, count, virt_base + (next << PAGE_SHIFT)};
    return next + count;
}

/* Everything mapped from virt_base, with room for this many page tables; returns the frame after it. */
static uint64_t layout_mapped(struct dom0_build *b, uint64_t tables)
{
    const struct elf_xen *xen = &b->kernel.xen;
    uint64_t base = xen->virt_base, next = (ROUND_UP(xen->virt_end, PAGE_SIZE) - base) >> PAGE_SHIFT;
    uint64_t ramdisk_pages = b->ramdisk ? DIV_ROUND_UP(b->ramdisk->end - b->ramdisk->start, PAGE_SIZE) : 0;
    uint64_t end;

    if (!xen->mod_start_pfn)
        next = place(&b->ramdisk_region, next, ramdisk_pages, base);
    if (xen->init_p2m == ELF_XEN_UNSET)
        next = place(&b->p2m, next, DIV_ROUND_UP(b->pages * sizeof(uint64_t), PAGE_SIZE), base);
    next = place(&b->start_info, next, 1, base);
    next = place(&b->tables, next, tables, base);
    next = place(&b->stack, next, 1, base);
    end = ROUND_UP(base + (next << PAGE_SHIFT) + BOOT_SLACK, BOOT_ALIGN);
    b->virt_start = base;
    b->virt_end = end;
    next = (end - base) >> PAGE_SHIFT;
    if (xen->init_p2m != ELF_XEN_UNSET) {
        next = place(&b->p2m, next, DIV_ROUND_UP(b->pages * sizeof(uint64_t), PAGE_SIZE), base);
        b->p2m.virt = xen->init_p2m;
        next = place(&b->p2m_tables, next, b->p2m_tables.count, base);
    }
    if (xen->mod_start_pfn)
        next = place(&b->ramdisk_region, next, ramdisk_pages, base);
    return next;
}

void dom0_layout(struct dom0_build *b)
{
    uint64_t tables, needed;

    b->pages = pages_wanted();
    /* More page tables move the end, which may ask for more page tables. */
    b->tables.count = 1;
    do {
        tables = b->tables.count;
        layout_mapped(b, tables);
        dom0_tables_count(b);
    } while (b->tables.count > tables);
    needed = layout_mapped(b, tables);
    if (needed + (16UL << 20 >> PAGE_SHIFT) > b->pages)
        panic("Domain 0: %lu MiB is too little, its kernel and ramdisk alone take %lu MiB: raise dom0_mem or the "
              "machine's memory\n", b->pages >> 8, needed >> 8);
}

/* ---- frames ---- */

void dom0_populate(struct dom0_build *b)
{
    uint64_t done = 0;

    b->frames_order = heap_order(b->pages * sizeof(uint64_t));
    b->frames = heap_alloc(b->frames_order, 0);
    if (!b->frames)
        panic("Domain 0: no memory for its frame list: lower dom0_mem\n");
    b->d->max_pages = max(b->pages, option_max.bytes ? amount_pages(&option_max) : (uint64_t)UINT32_MAX);
    for (unsigned order = CHUNK_MAX_ORDER; done < b->pages;) {
        struct frame *f = NULL;

        /* Whatever machine memory held before is nobody's secret at boot: the kernel gets it as it is. */
        if (1UL << order <= b->pages - done)
            f = heap_alloc_domain(b->d, order, HEAP_ANY_WIDTH, HEAP_NO_SCRUB);
        if (!f) {
            if (order-- == 0)
                panic("Domain 0: memory ended after %lu of %lu MiB: lower dom0_mem\n", done >> 8, b->pages >> 8);
            continue;
        }
        for (uint64_t i = 0; i < 1UL << order; i++, done++) {
            b->frames[done] = frame_to_mfn(f + i).value;
            m2p_set(frame_to_mfn(f + i), done);
        }
    }
}

/* Copies size bytes to pseudo-physical byte address; from NULL clears. */
static int fill_bytes(void *build, uint64_t phys, const void *from, uint64_t size)
{
    const struct dom0_build *b = build;

    while (size) {
        uint64_t offset = phys & (PAGE_SIZE - 1), part = min(size, PAGE_SIZE - offset);
        char *to;

        if (phys >> PAGE_SHIFT >= b->pages)
            return -EINVAL;
        to = (char *)dom0_frame(b, phys >> PAGE_SHIFT) + offset;
        if (from) {
            memcpy(to, from, part);
            from = (const char *)from + part;
        } else {
            memset(to, 0, part);
        }
        phys += part;
        size -= part;
    }
    return 0;
}

static int fill_zero(void *context, uint64_t phys, uint64_t size)
{
    return fill_bytes(context, phys, NULL, size);
}

static void fill_console(struct start_info *info)
{
    dom0_vga_console_info_t *vga = (dom0_vga_console_info_t *)(info + 1);
    const struct boot_video *video = &boot_info.video;

    if (video->kind == 1) {
        *vga = (dom0_vga_console_info_t){
            .video_type = XEN_VGATYPE_TEXT_MODE_3,
            .u.text_mode_3 = {.rows = video->rows, .columns = video->columns, .font_height = 16},
        };
    } else if (video->kind == 2) {
        *vga = (dom0_vga_console_info_t){
            .video_type = XEN_VGATYPE_VESA_LFB,
            .u.vesa_lfb = {
                .width = (uint16_t)video->width, .height = (uint16_t)video->height,
                .bytes_per_line = (uint16_t)video->pitch, .bits_per_pixel = video->bits,
                .lfb_base = (uint32_t)video->base, .ext_lfb_base = (uint32_t)(video->base >> 32),
                .lfb_size = (uint32_t)DIV_ROUND_UP((uint64_t)video->pitch * video->height, 65536UL),
                .red_pos = video->red_position, .red_size = video->red_size,
                .green_pos = video->green_position, .green_size = video->green_size,
                .blue_pos = video->blue_position, .blue_size = video->blue_size,
            },
        };
    } else {
        return;
    }
    info->console.dom0.info_off = sizeof(*info);
    info->console.dom0.info_size = sizeof(*vga);
}

static void fill_start_info(struct dom0_build *b)
{
    struct start_info *info = dom0_frame(b, b->start_info.first);

    memset(info, 0, PAGE_SIZE);
    strlcpy(info->magic, "xen-3.0-x86_64", sizeof(info->magic));
    info->nr_pages = b->pages;
    info->shared_info = virt_to_maddr(b->d->shared_info).value;
    info->flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
    info->pt_base = b->tables.virt;
    info->nr_pt_frames = b->tables.count;
    info->mfn_list = b->p2m.virt;
    if (b->kernel.xen.init_p2m != ELF_XEN_UNSET) {
        info->first_p2m_pfn = b->p2m.first;
        info->nr_p2m_frames = b->p2m.count + b->p2m_tables.count;
    }
    if (b->ramdisk) {
        info->mod_start = b->ramdisk_region.virt;
        info->mod_len = b->ramdisk->end - b->ramdisk->start;
        if (b->kernel.xen.mod_start_pfn) {
            info->mod_start = b->ramdisk_region.first;
            info->flags |= SIF_MOD_START_PFN;
        }
    }
    strlcpy((char *)info->cmd_line, b->cmdline, sizeof(info->cmd_line));
    fill_console(info);
}

void dom0_fill(struct dom0_build *b)
{
    const struct elf_load_target target = {b, fill_bytes, fill_zero};
    const struct elf_xen *xen = &b->kernel.xen;
    const char *reason = "a segment lies outside domain 0's memory";

    if (elf_load(&b->kernel.elf, xen->paddr_offset, &target, &reason))
        panic("Domain 0: the kernel cannot be loaded: %s\n", reason);
    if (b->ramdisk &&
        fill_bytes(b, b->ramdisk_region.first << PAGE_SHIFT, maddr_to_virt(MADDR(b->ramdisk->start)),
                   b->ramdisk->end - b->ramdisk->start))
        panic("Domain 0: the ramdisk does not fit: raise dom0_mem\n");
    if (xen->hypercall_page != ELF_XEN_UNSET)
        hypercall_page_fill(b->d, dom0_frame(b, (xen->hypercall_page - xen->virt_base) >> PAGE_SHIFT));
    BUG_ON(fill_bytes(b, b->p2m.first << PAGE_SHIFT, b->frames, b->pages * sizeof(uint64_t)));
    fill_start_info(b);
}
