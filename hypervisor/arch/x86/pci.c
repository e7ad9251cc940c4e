// SPDX-License-Identifier: BSD-2-Clause
/*
 * PCI configuration space (PCI Local Bus 3.0, 3.2.2.3.2: ports 0xcf8 and 0xcfc; PCI Express, 7.2.2: in
 * memory, as the MCFG table says) and the list of devices domain 0 told about.
 *
 * Segment 0 below offset 256 goes through the ports, the rest through memory.  Memory is mapped bus by bus at
 * first use. Everyone who uses the ports takes port_lock: the address port is shared by the machine.
 */
#include "arch/devices.h"
#include "arch/x86/acpi.h"
#include "arch/x86/ports.h"
#include "errno.h"
#include "lib/base.h"
#include "log.h"
#include "mm/heap.h"
#include "sync/spinlock.h"

#define BUS_SIZE MIB(1)
#define CAPABILITY_LIMIT 48 /* of a sound list in 192 bytes */

/* devices, configuration in memory */
static spinlock_t pci_lock = SPINLOCK_INIT(RANK_PCI);
/* ports: used with descriptors locked */
static spinlock_t port_lock = SPINLOCK_INIT(RANK_INTERRUPT_CONTROLLER);
static volatile uint8_t *bus_map[ACPI_MAX_MCFG][256]; /* pci_lock */
static bool mmcfg_disabled[ACPI_MAX_MCFG];
static struct pci_device *devices; /* pci_lock */

/* pci_lock held.  NULL: not reachable in memory. */
static volatile uint8_t *config_memory(uint16_t segment, uint8_t bus, uint8_t devfn)
{
    for (unsigned i = 0; i < acpi.mcfg_count; i++) {
        const struct acpi_mcfg *m = &acpi.mcfg[i];

        if (m->segment != segment || bus < m->start_bus || bus > m->end_bus || mmcfg_disabled[i])
            continue;
        if (bus_map[i][bus] == NULL)
            bus_map[i][bus] = vmap_device(MADDR(m->address + bus * BUS_SIZE), BUS_SIZE);
        return bus_map[i][bus] == NULL ? NULL : bus_map[i][bus] + ((uint64_t)devfn << 12);
    }
    return NULL;
}

static bool access_ok(unsigned reg, unsigned size)
{
    return (size == 1 || size == 2 || size == 4) && reg < 4096 && (reg & (size - 1)) == 0;
}

static uint32_t memory_read(volatile uint8_t *p, unsigned size)
{
    switch (size) {
    case 1:
        return *p;
    case 2:
        return *(volatile uint16_t *)p;
    default:
        return *(volatile uint32_t *)p;
    }
}

static void memory_write(volatile uint8_t *p, unsigned size, uint32_t value)
{
    switch (size) {
    case 1:
        *p = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)p = (uint16_t)value;
        break;
    default:
        *(volatile uint32_t *)p = value;
        break;
    }
}

/* port_lock held. */
static uint16_t ports_select(uint8_t bus, uint8_t devfn, unsigned reg)
{
    port_out32(0xcf8, 0x80000000u | (uint32_t)bus << 16 | (uint32_t)devfn << 8 | (reg & 0xfc));
    return (uint16_t)(0xcfc + (reg & 3));
}

static uint32_t ports_read(uint8_t bus, uint8_t devfn, unsigned reg, unsigned size)
{
    uint64_t flags = spin_lock_irqsave(&port_lock);
    uint16_t port = ports_select(bus, devfn, reg);
    uint32_t value = size == 1 ? port_in8(port) : size == 2 ? port_in16(port) : port_in32(port);

    spin_unlock_irqrestore(&port_lock, flags);
    return value;
}

static void ports_write(uint8_t bus, uint8_t devfn, unsigned reg, unsigned size, uint32_t value)
{
    uint64_t flags = spin_lock_irqsave(&port_lock);
    uint16_t port = ports_select(bus, devfn, reg);

    if (size == 1)
        port_out8(port, (uint8_t)value);
    else if (size == 2)
        port_out16(port, (uint16_t)value);
    else
        port_out32(port, value);
    spin_unlock_irqrestore(&port_lock, flags);
}

uint32_t pci_read(uint16_t segment, uint8_t bus, uint8_t devfn, unsigned reg, unsigned size)
{
    volatile uint8_t *memory;
    uint32_t value;
    uint64_t flags;

    if (!access_ok(reg, size))
        return ~0u;
    if (segment == 0 && reg < 256)
        return ports_read(bus, devfn, reg, size);
    flags = spin_lock_irqsave(&pci_lock);
    memory = config_memory(segment, bus, devfn);
    value = memory != NULL ? memory_read(memory + reg, size) : ~0u >> (32 - 8 * size);
    spin_unlock_irqrestore(&pci_lock, flags);
    return value;
}

void pci_write(uint16_t segment, uint8_t bus, uint8_t devfn, unsigned reg, unsigned size, uint32_t value)
{
    volatile uint8_t *memory;
    uint64_t flags;

    if (!access_ok(reg, size))
        return;
    if (segment == 0 && reg < 256) {
        ports_write(bus, devfn, reg, size, value);
        return;
    }
    flags = spin_lock_irqsave(&pci_lock);
    memory = config_memory(segment, bus, devfn);
    if (memory != NULL)
        memory_write(memory + reg, size, value);
    spin_unlock_irqrestore(&pci_lock, flags);
}

unsigned pci_find_capability(uint16_t segment, uint8_t bus, uint8_t devfn, uint8_t id)
{
    unsigned at;

    if (!(pci_read(segment, bus, devfn, 0x06, 2) & 0x10)) /* status: has a list */
        return 0;
    at = pci_read(segment, bus, devfn, 0x34, 1) & 0xfc;
    for (unsigned n = 0; at >= 0x40 && n < CAPABILITY_LIMIT; n++) {
        uint32_t header = pci_read(segment, bus, devfn, at, 2);

        if ((header & 0xff) == id)
            return at;
        at = header >> 8 & 0xfc;
    }
    return 0;
}

/* ---- devices ---- */

/* pci_lock held. */
static struct pci_device **device_find(uint16_t segment, uint8_t bus, uint8_t devfn)
{
    struct pci_device **at = &devices;

    while (*at != NULL && ((*at)->segment != segment || (*at)->bus != bus || (*at)->devfn != devfn))
        at = &(*at)->next;
    return at;
}

int pci_device_add(const struct pci_device *details)
{
    struct pci_device *fresh, **at;
    uint64_t flags;

    if (pci_read(details->segment, details->bus, details->devfn, 0, 2) == 0xffff && !details->is_virtual)
        return -ENODEV;
    fresh = mem_new(struct pci_device);
    if (fresh == NULL)
        return -ENOMEM;
    flags = spin_lock_irqsave(&pci_lock);
    at = device_find(details->segment, details->bus, details->devfn);
    if (*at == NULL) {
        *fresh = *details;
        fresh->next = NULL;
        *at = fresh;
        fresh = NULL;
    }
    spin_unlock_irqrestore(&pci_lock, flags);
    mem_free(fresh);
    return 0;
}

int pci_device_remove(uint16_t segment, uint8_t bus, uint8_t devfn)
{
    uint64_t flags = spin_lock_irqsave(&pci_lock);
    struct pci_device **at = device_find(segment, bus, devfn), *gone = *at;

    if (gone != NULL)
        *at = gone->next;
    spin_unlock_irqrestore(&pci_lock, flags);
    mem_free(gone);
    return gone != NULL ? 0 : -ENODEV;
}

int pci_mmcfg_reserved(uint64_t address, uint16_t segment, uint8_t start_bus, uint8_t end_bus, bool reserved)
{
    for (unsigned i = 0; i < acpi.mcfg_count; i++) {
        const struct acpi_mcfg *m = &acpi.mcfg[i];
        uint64_t flags;

        if (m->address != address || m->segment != segment || m->start_bus != start_bus ||
            m->end_bus != end_bus)
            continue;
        flags = spin_lock_irqsave(&pci_lock);
        mmcfg_disabled[i] = !reserved;
        spin_unlock_irqrestore(&pci_lock, flags);
        return 0;
    }
    return -ENODEV;
}
