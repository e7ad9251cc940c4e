// SPDX-License-Identifier: BSD-2-Clause
/*
 * Domain 0's kernel: from the boot module to an ELF image with the notes of a 64-bit PV kernel.
 *
 * Unpacking runs the distribution's own decoders; what they may assume about the CPU is told in
 * lib/unpack/unpack.h and provided by fpu_kernel_begin().
 */
#include "boot/dom0.h"

#include "arch/x86/fpu.h"
#include "lib/unpack/unpack.h"
#include "log.h"
#include "mm/heap.h"
#include <xen/elfnote.h>

#define KERNEL_MAX_SIZE (1UL << 30)

static void *work_area(uint64_t bytes, unsigned *order, const char *what)
{
    void *area;

    *order = heap_order(bytes);
    area = heap_alloc(*order, 0);
    if (!area)
        panic("Domain 0: no %lu KiB of contiguous memory for %s: give the machine more memory\n", bytes >> 10, what);
    return area;
}

static void kernel_unpack(struct dom0_build *b, const struct bzimage *packed)
{
    struct unpack_needs needs = unpack_measure(packed->kind, packed->payload, packed->payload_size);
    uint64_t size = packed->unpacked_size ? packed->unpacked_size : needs.out_size;
    const char *reason = "";
    size_t unpacked = 0;
    unsigned arena_order;
    void *arena;
    int rc;

    if (!size || size > KERNEL_MAX_SIZE)
        panic("Domain 0: the %s kernel says that it has %lu bytes unpacked: expected up to %lu\n",
              unpack_name(packed->kind), size, KERNEL_MAX_SIZE);
    b->kernel.image = work_area(size, &b->kernel.image_order, "the unpacked kernel");
    arena = work_area(needs.arena_size + PAGE_SIZE, &arena_order, "unpacking the kernel");
    fpu_kernel_begin();
    rc = unpack(packed->kind, packed->payload, packed->payload_size, b->kernel.image,
                PAGE_SIZE << b->kernel.image_order, &unpacked, arena, PAGE_SIZE << arena_order, &reason);
    fpu_kernel_end();
    heap_free(arena, arena_order);
    if (rc)
        panic("Domain 0: the kernel cannot be unpacked (%s): %s\n", unpack_name(packed->kind), reason);
    if (elf_open(&b->kernel.elf, b->kernel.image, unpacked, &reason))
        panic("Domain 0: the kernel cannot be used: %s\n", reason);
}

static void kernel_open(struct dom0_build *b)
{
    const struct boot_module *module = b->kernel_module;
    void *image = maddr_to_virt(MADDR(module->start));
    const char *reason = "";
    struct bzimage packed;

    if (bzimage_open(&packed, image, module->end - module->start, &reason))
        panic("Domain 0: the kernel (first boot module) cannot be used: %s\n", reason);
    if (packed.kind != UNPACK_NONE) {
        kernel_unpack(b, &packed);
        return;
    }
    if (elf_open(&b->kernel.elf, packed.payload, packed.payload_size, &reason))
        panic("Domain 0: the kernel cannot be used: %s\n", reason);
}

void dom0_kernel_load(struct dom0_build *b)
{
    const struct elf_xen *xen = &b->kernel.xen;
    const char *reason = "";

    kernel_open(b);
    if (elf_xen_read(&b->kernel.elf, &b->kernel.xen, &reason))
        panic("Domain 0: the kernel cannot be used: %s\n", reason);
    if (!xen->present)
        panic("Domain 0: the kernel has no Xen notes: use one built with CONFIG_XEN_PV and CONFIG_XEN_DOM0\n");
    if (b->kernel.elf.machine != ELF_MACHINE_X86_64 || !elf_xen_has(xen, XEN_ELFNOTE_ENTRY) ||
        !elf_xen_has(xen, XEN_ELFNOTE_VIRT_BASE))
        panic("Domain 0: expected a 64-bit x86 PV kernel (notes ENTRY and VIRT_BASE), found %s %s without\n",
              xen->guest_os, xen->guest_version);
    log_info("Domain 0 kernel: %s %s, entry %#lx, %#lx-%#lx\n", xen->guest_os, xen->guest_version, xen->entry,
             xen->virt_start, xen->virt_end);
}

void dom0_kernel_release(struct dom0_build *b)
{
    if (b->kernel.image)
        heap_free(b->kernel.image, b->kernel.image_order);
}
