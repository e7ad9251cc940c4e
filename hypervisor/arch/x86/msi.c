// SPDX-License-Identifier: BSD-2-Clause
/*
 * Message-signalled interrupts: PCI Local Bus 3.0, 6.8 (MSI and MSI-X); message format: Intel SDM volume 3,
 * 11.11. A message names one CPU (physical mode, fixed delivery, edge).
 *
 * MSI-X entries lie in a device's memory: each is mapped on its own.  Entries are masked in the table, MSI by
 * its mask bits where the device has them; without them an MSI is only moved when nothing but its address
 * changes.
 */
#include "arch/devices.h"
#include "arch/x86/msix_table.h"
#include "errno.h"
#include "mm/heap.h"

#define CAP_MSI        0x05
#define CAP_MSIX       0x11
#define CONTROL        2
#define MSI_ENABLE     0x0001
#define MSI_WIDE       0x0080
#define MSI_MASKABLE   0x0100
#define MSIX_ENABLE    0x8000
#define COMMAND_MEMORY 0x0002
#define MESSAGE_BASE   0xfee00000u

/* Base address in memory of a BAR; 0 when it is not assigned or not memory. */
static uint64_t bar_address(const struct msi *m, unsigned bar)
{
    uint32_t low;
    uint64_t high = 0;

    if (bar > 5)
        return 0;
    low = pci_read(m->at.device, 0x10 + 4 * bar, 4);
    if (low & 1)
        return 0;
    if ((low & 6) == 4 && bar < 5)
        high = pci_read(m->at.device, 0x14 + 4 * bar, 4);
    return high << 32 | (low & ~0xfu);
}

/* The table of all entries is at base; its pending bits lie by another BAR, or not where anybody knows. */
static int msix_protect(const struct msi *m, uint64_t base, unsigned entries)
{
    uint32_t pending = pci_read(m->at.device, m->capability + 8, 4);
    uint64_t table = base + (pci_read(m->at.device, m->capability + 4, 4) & ~7u), bits = bar_address(m, pending & 7);
    struct msix_pages pages[2] = {{table >> PAGE_SHIFT, (table + entries * 16 - 1) >> PAGE_SHIFT}};

    pages[1] = pages[0];
    if (bits)
        pages[1] = (struct msix_pages){(bits + (pending & ~7u)) >> PAGE_SHIFT,
                                       (bits + (pending & ~7u) + (entries + 63) / 64 * 8 - 1) >> PAGE_SHIFT};
    return msix_table_protect(m->at.device, pages);
}

static int msix_prepare(struct msi *m)
{
    uint32_t control = pci_read(m->at.device, m->capability + CONTROL, 2);
    uint32_t table = pci_read(m->at.device, m->capability + 4, 4);
    uint64_t base;
    int error;

    if (m->at.entry > (control & 0x7ff))
        return -ENXIO;
    if (!(pci_read(m->at.device, 4, 2) & COMMAND_MEMORY))
        return -ENXIO;
    base = bar_address(m, table & 7);
    if (base == 0) /* a virtual function's BARs read as zero: domain 0 knows */
        base = m->at.table_base & ~0xfUL;
    if (base == 0)
        return -ENXIO;
    m->entry = vmap_device(MADDR(base + (table & ~7u) + m->at.entry * 16UL), 16);
    if (m->entry == NULL)
        return -ENOMEM;
    error = msix_protect(m, base, (control & 0x7ff) + 1);
    if (error != 0)
        vunmap((void *)((uint64_t)m->entry & PAGE_MASK), 1);
    m->maskable = true;
    return error;
}

static int msi_prepare_plain(struct msi *m, unsigned count)
{
    uint32_t control = pci_read(m->at.device, m->capability + CONTROL, 2);

    m->wide = control & MSI_WIDE;
    m->maskable = control & MSI_MASKABLE;
    return count > 1u << (control >> 1 & 7) ? -ENXIO : 0;
}

static void block_fill(struct msi *block, unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        block[i] = block[0];
    for (unsigned i = 0; i < count; i++) {
        block[i].index = i;
        block[i].count = count;
    }
    block[0].live = count;
}

int msi_prepare(const struct msi_request *request, unsigned count, struct msi **msi)
{
    struct msi *block;
    int error = -ENXIO;

    if (pci_read(request->device, 0, 2) == 0xffff)
        return -ENODEV;
    block = mem_new_array(struct msi, count);
    if (block == NULL)
        return -ENOMEM;
    block->at = *request;
    block->capability = pci_find_capability(request->device, request->msix ? CAP_MSIX : CAP_MSI);
    if (block->capability != 0)
        error = request->msix ? msix_prepare(block) : msi_prepare_plain(block, count);
    if (error != 0) {
        mem_free(block);
        return error;
    }
    block_fill(block, count);
    for (unsigned i = 0; i < count; i++)
        msi_mask(&block[i], true);
    *msi = block;
    return 0;
}

static void enable(struct msi *m, bool on)
{
    uint32_t bit = m->at.msix ? MSIX_ENABLE : MSI_ENABLE;
    uint32_t control = pci_read(m->at.device, m->capability + CONTROL, 2);

    if (!m->at.msix) {
        unsigned log2 = 0;

        while ((1u << log2) < m->count)
            log2++;
        control = (control & ~0x70u) | log2 << 4;
    }
    control = on ? control | bit : control & ~bit;
    pci_write(m->at.device, m->capability + CONTROL, 2, control);
}

static void message_write(struct msi *m)
{
    if (m->at.msix) {
        m->entry[0] = m->address;
        m->entry[1] = 0;
        m->entry[2] = m->data;
        return;
    }
    pci_write(m->at.device, m->capability + 4, 4, m->address);
    if (m->wide)
        pci_write(m->at.device, m->capability + 8, 4, 0);
    pci_write(m->at.device, m->capability + (m->wide ? 12 : 8), 2, m->data);
}

static void mask_write(struct msi *m)
{
    unsigned reg = m->capability + (m->wide ? 16 : 12);
    uint32_t bits;

    if (m->at.msix) {
        m->entry[3] = m->masked;
        (void)m->entry[3]; /* posted writes have arrived */
        return;
    }
    bits = pci_read(m->at.device, reg, 4);
    pci_write(m->at.device, reg, 4, m->masked ? bits | 1u << m->index : bits & ~(1u << m->index));
}

void msi_mask(struct msi *m, bool masked)
{
    m->masked = masked;
    if (m->maskable)
        mask_write(m);
}

void msi_program(struct msi *m, uint8_t vector, uint32_t apic_id)
{
    bool was_masked = m->masked;

    m->address = MESSAGE_BASE | (apic_id & 0xff) << 12;
    m->data = vector;
    if (m->index != 0) /* the block's first vector stands for all */
        return;
    if (m->maskable && !was_masked)
        msi_mask(m, true);
    message_write(m);
    enable(m, true);
    if (m->maskable && !was_masked)
        msi_mask(m, false);
}

void msi_restore(struct msi *m)
{
    if (m->address == 0)
        return;
    if (m->index == 0)
        message_write(m);
    if (m->maskable)
        mask_write(m);
    if (m->index == 0)
        enable(m, true);
}

static void msix_retire(struct msi *m)
{
    vunmap((void *)((uint64_t)m->entry & PAGE_MASK), 1);
    msix_table_release(m->at.device);
}

void msi_free(struct msi *m)
{
    struct msi *block = m - m->index;

    msi_mask(m, true);
    if (--block->live > 0)
        return;
    if (!m->at.msix)
        enable(block, false);
    else
        msix_retire(block);
    mem_free(block);
}
