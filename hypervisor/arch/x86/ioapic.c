// SPDX-License-Identifier: BSD-2-Clause
/*
 * I/O APICs (Intel 82093AA data sheet) and the old pair of 8259 controllers they replace.  A global system
 * interrupt (GSI) is an input pin, numbered over all I/O APICs by the MADT.  Destinations are single CPUs, in
 * physical mode.
 */
#include "arch/devices.h"
#include "arch/x86/acpi.h"
#include "arch/x86/ports.h"
#include "errno.h"
#include "log.h"
#include "mm/heap.h"
#include "sync/spinlock.h"

#define REG_VERSION 0x01
#define REG_ENTRY(pin) (0x10 + 2 * (pin))
#define ENTRY_NMI (4u << 8) /* delivery mode; the vector means nothing */
#define ENTRY_LOW_ACTIVE BIT(13)
#define ENTRY_LEVEL BIT(15)
#define ENTRY_MASKED BIT(16)
#define MAX_PINS 240

struct ioapic {
    volatile uint8_t *registers;
    uint64_t address;
    unsigned first, pins;
};
static struct ioapic ioapics[ACPI_MAX_IOAPICS];
static unsigned ioapic_count, gsi_count;
static unsigned nmi_gsi = ~0u; /* the watchdog's */
static spinlock_t ioapic_lock = SPINLOCK_INIT(RANK_INTERRUPT_CONTROLLER);

/* ioapic_lock held. */
static uint32_t reg_read(const struct ioapic *io, unsigned reg)
{
    mmio_write32(io->registers, reg);
    return mmio_read32(io->registers + 0x10);
}

static void reg_write(const struct ioapic *io, unsigned reg, uint32_t value)
{
    mmio_write32(io->registers, reg);
    mmio_write32(io->registers + 0x10, value);
}

static struct ioapic *ioapic_of(unsigned gsi)
{
    for (unsigned i = 0; i < ioapic_count; i++)
        if (gsi >= ioapics[i].first && gsi - ioapics[i].first < ioapics[i].pins)
            return &ioapics[i];
    return NULL;
}

bool ioapic_gsi_valid(unsigned gsi)
{
    return ioapic_of(gsi) != NULL;
}

/* The high half first when unmasking and last when masking: an unmasked entry is always whole. */
static void entry_write(unsigned gsi, uint32_t entry, uint32_t apic_id, bool masked)
{
    struct ioapic *io = ioapic_of(gsi);
    uint64_t flags;
    unsigned pin;

    if (io == NULL || gsi == nmi_gsi)
        return;
    pin = gsi - io->first;
    flags = spin_lock_irqsave(&ioapic_lock);
    reg_write(io, REG_ENTRY(pin), entry | ENTRY_MASKED);
    reg_write(io, REG_ENTRY(pin) + 1, apic_id << 24);
    if (!masked)
        reg_write(io, REG_ENTRY(pin), entry);
    spin_unlock_irqrestore(&ioapic_lock, flags);
}

void ioapic_program(unsigned gsi, uint8_t vector, uint32_t apic_id, bool level, bool low, bool masked)
{
    entry_write(gsi, vector | (low ? ENTRY_LOW_ACTIVE : 0) | (level ? ENTRY_LEVEL : 0), apic_id, masked);
}

void ioapic_route_nmi(unsigned gsi, uint32_t apic_id)
{
    entry_write(gsi, ENTRY_NMI, apic_id, false);
    nmi_gsi = gsi;
}

void ioapic_mask(unsigned gsi, bool masked)
{
    struct ioapic *io = ioapic_of(gsi);
    uint64_t flags;
    uint32_t entry;

    if (io == NULL || gsi == nmi_gsi)
        return;
    flags = spin_lock_irqsave(&ioapic_lock);
    entry = reg_read(io, REG_ENTRY(gsi - io->first));
    reg_write(io, REG_ENTRY(gsi - io->first), masked ? entry | ENTRY_MASKED : entry & ~ENTRY_MASKED);
    if (masked) /* read back: masked before the caller tells the local APIC it is done */
        reg_read(io, REG_ENTRY(gsi - io->first));
    spin_unlock_irqrestore(&ioapic_lock, flags);
}

int ioapic_read_register(uint64_t base, unsigned reg, uint32_t *value)
{
    for (unsigned i = 0; i < ioapic_count; i++) {
        uint64_t flags;

        if (ioapics[i].address != base)
            continue;
        if (reg >= REG_ENTRY(ioapics[i].pins))
            return -EINVAL;
        flags = spin_lock_irqsave(&ioapic_lock);
        *value = reg_read(&ioapics[i], reg);
        spin_unlock_irqrestore(&ioapic_lock, flags);
        return 0;
    }
    return -EINVAL;
}

static void ioapic_add(const struct acpi_ioapic *found)
{
    struct ioapic *io = &ioapics[ioapic_count];
    uint32_t version;

    io->registers = vmap_device(MADDR(found->address), 0x20);
    if (io->registers == NULL)
        return;
    version = reg_read(io, REG_VERSION);
    io->address = found->address;
    io->first = found->gsi_base;
    io->pins = (version >> 16 & 0xff) + 1;
    if (version == 0xffffffff || io->pins > MAX_PINS || io->first > MAX_IRQS - io->pins) {
        log_warning("I/O APIC at %#lx does not answer sensibly (version %#x): not used\n", found->address, version);
        return;
    }
    ioapic_count++;
    gsi_count = max(gsi_count, io->first + io->pins);
    for (unsigned pin = 0; pin < io->pins; pin++)
        ioapic_program(io->first + pin, 0, 0, false, false, true);
    log_info("I/O APIC %u: version %u, GSI %u-%u\n", found->id, version & 0xff, io->first, io->first + io->pins - 1);
}

unsigned ioapic_init(void)
{
    for (unsigned i = 0; i < acpi.ioapic_count; i++)
        ioapic_add(&acpi.ioapics[i]);
    return max(gsi_count, 16u);
}

unsigned isa_irq_to_gsi(unsigned irq)
{
    for (unsigned i = 0; i < acpi.override_count; i++)
        if (acpi.overrides[i].irq == irq)
            return acpi.overrides[i].gsi;
    return irq;
}

void isa_irq_defaults(unsigned gsi, bool *level, bool *low)
{
    *level = *low = gsi >= 16; /* PCI's way above the ISA range */
    for (unsigned i = 0; i < acpi.override_count; i++)
        if (acpi.overrides[i].gsi == gsi) {
            *low = (acpi.overrides[i].flags & 3) == 3;
            *level = (acpi.overrides[i].flags >> 2 & 3) == 3;
        }
}

void pic_init(void)
{
    static const struct { uint8_t port, value; } writes[] = {
        {0x21, 0xff}, {0xa1, 0xff},
        {0x20, 0x11}, {0xa0, 0x11}, /* initialise: cascaded, four command words */
        {0x21, 0x20}, {0xa1, 0x28}, /* a spurious one arrives at 0x27 or 0x2f, which nobody else uses */
        {0x21, 0x04}, {0xa1, 0x02}, {0x21, 0x01}, {0xa1, 0x01},
        {0x21, 0xff}, {0xa1, 0xff},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(writes); i++)
        port_out8(writes[i].port, writes[i].value);
}
