/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the room: domain 0 on its way to life.  dom0.c tells the order, dom0_kernel.c reads the kernel,
 * dom0_memory.c lays out and fills its memory, dom0_tables.c builds its first page tables.
 *
 * Where a PV kernel expects things (xen/xen.h, "Start-of-day memory layout"):
 *
 *   virtual, from virt_base                       pseudo-physical frames, from 0
 *     kernel                                        the same frames in the same order
 *     ramdisk, unless the kernel takes it unmapped
 *     frame list (p2m), unless at init_p2m
 *     start info
 *     page tables, the top level first
 *     boot stack
 *     at least 512 KiB more, up to 4 MiB alignment
 *                                                   frame list and its page tables (kernels with init_p2m)
 *                                                   ramdisk (kernels that take it unmapped)
 *                                                   all other memory
 */
#pragma once

#include "boot_info.h"
#include "domain/domain.h"
#include "lib/elf.h"

struct dom0_kernel {
    void *image;          /* unpacked ELF image; NULL when it was not packed */
    unsigned image_order; /* of the heap pages that hold it */
    struct elf_image elf;
    struct elf_xen xen;
};

/*
 * Frames [first, first + count) of the pseudo-physical space and where they appear; virt 0: not mapped at
 * start.
 */
struct dom0_region {
    uint64_t first, count;
    uint64_t virt;
};

struct dom0_build {
    struct domain *d;
    struct dom0_kernel kernel;
    const struct boot_module *kernel_module, *ramdisk; /* ramdisk NULL when there is none */
    const char *cmdline;

    uint64_t pages;       /* domain 0's memory */
    uint64_t *frames;     /* pages entries: machine frame of each of its frames */
    unsigned frames_order;

    uint64_t virt_start, virt_end; /* what is mapped from virt_base */
    struct dom0_region ramdisk_region, p2m, start_info, tables, stack;
    struct dom0_region p2m_tables; /* page tables of the frame list at init_p2m */
    uint64_t tables_used;          /* of tables, then of p2m_tables */
};

/* Domain 0 from module 0 (kernel) and module 1 (ramdisk).  Panics with what to do when it cannot be built. */
void dom0_construct(void);

/* Every function panics with what to do when domain 0 cannot be built: there is nothing to go on with. */
void dom0_kernel_load(struct dom0_build *b);    /* unpacks and reads the kernel */
void dom0_kernel_release(struct dom0_build *b); /* frees the unpacked image */
void dom0_layout(struct dom0_build *b);         /* decides the regions */
void dom0_populate(struct dom0_build *b);       /* allocates its frames */
void dom0_fill(struct dom0_build *b);           /* kernel, ramdisk, frame list, start info */
void dom0_tables_count(struct dom0_build *b);   /* how many page tables the layout needs */
void dom0_tables_build(struct dom0_build *b);   /* writes them; the first is the top level */

/* Direct-map address of one of domain 0's frames. */
static inline void *dom0_frame(const struct dom0_build *b, uint64_t number)
{
    return mfn_to_virt(MFN(b->frames[number]));
}
