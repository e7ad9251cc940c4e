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
#include "mm/heap.h"
#include "mm/rangeset.h"

#define BUS_SIZE MIB(1)
#define CAPABILITY_LIMIT 48 /* of a sound list in 192 bytes */

/* configuration in memory */
static spinlock_t pci_lock = SPINLOCK_INIT(RANK_PCI);
/* ports: used with descriptors locked */
static spinlock_t port_lock = SPINLOCK_INIT(RANK_INTERRUPT_CONTROLLER);
static volatile uint8_t *bus_map[ACPI_MAX_MCFG][256]; /* pci_lock */
static bool mmcfg_disabled[ACPI_MAX_MCFG];
static struct rangeset devices = {.lock = SPINLOCK_INIT(RANK_NONE)};

/* pci_lock held.  NULL: not reachable in memory. */
static volatile uint8_t *config_memory(uint32_t device)
{
    const uint8_t bus = (uint8_t)(device >> 8);

    for (unsigned i = 0; i < acpi.mcfg_count; i++) {
        const struct acpi_mcfg *m = &acpi.mcfg[i];

        if (m->segment != device >> 16 || bus < m->start_bus || bus > m->end_bus || mmcfg_disabled[i])
            continue;
        if (bus_map[i][bus] == NULL)
            bus_map[i][bus] = vmap_device(MADDR(m->address + bus * BUS_SIZE), BUS_SIZE);
        return bus_map[i][bus] == NULL ? NULL : bus_map[i][bus] + ((uint64_t)(device & 0xff) << 12);
    }
    return NULL;
}

static uint32_t memory_read(volatile uint8_t *p, unsigned size)
{
    return size == 1 ? *p : size == 2 ? *(volatile uint16_t *)p : *(volatile uint32_t *)p;
}

static void memory_write(volatile uint8_t *p, unsigned size, uint32_t value)
{
    switch (size) {
    case 1: *p = (uint8_t)value; break;
    case 2: *(volatile uint16_t *)p = (uint16_t)value; break;
    default: *(volatile uint32_t *)p = value; break;
    }
}

/* Writes *value where `write` says so, else reads it: all ones when there is nothing. */
static void config_access(uint32_t device, unsigned reg, unsigned size, bool write, uint32_t *value)
{
    bool by_ports = device >> 16 == 0 && reg < 256;
    spinlock_t *lock = by_ports ? &port_lock : &pci_lock;
    uint16_t port = (uint16_t)(0xcfc + (reg & 3));
    volatile uint8_t *memory;
    uint64_t flags;

    if ((size != 1 && size != 2 && size != 4) || reg >= 4096 || (reg & (size - 1)) != 0)
        return;
    flags = spin_lock_irqsave(lock);
    if (by_ports) {
        port_out32(0xcf8, 0x80000000u | device << 8 | (reg & 0xfc));
        if (write)
            port_out(port, size, *value);
        else
            *value = port_in(port, size);
    } else if ((memory = config_memory(device)) != NULL) {
        if (write)
            memory_write(memory + reg, size, *value);
        else
            *value = memory_read(memory + reg, size);
    }
    spin_unlock_irqrestore(lock, flags);
}

uint32_t pci_read(uint32_t device, unsigned reg, unsigned size)
{
    uint32_t value = size == 1 ? 0xff : size == 2 ? 0xffff : ~0u;

    config_access(device, reg, size, false, &value);
    return value;
}

void pci_write(uint32_t device, unsigned reg, unsigned size, uint32_t value)
{
    config_access(device, reg, size, true, &value);
}

unsigned pci_find_capability(uint32_t device, uint8_t id)
{
    unsigned at;

    if (!(pci_read(device, 0x06, 2) & 0x10)) /* status: has a list */
        return 0;
    at = pci_read(device, 0x34, 1) & 0xfc;
    for (unsigned n = 0; at >= 0x40 && n < CAPABILITY_LIMIT; n++) {
        uint32_t header = pci_read(device, at, 2);

        if ((header & 0xff) == id)
            return at;
        at = header >> 8 & 0xfc;
    }
    return 0;
}

/* ---- devices ---- */

int pci_device_add(uint32_t device, bool is_virtual)
{
    return pci_read(device, 0, 2) == 0xffff && !is_virtual ? -ENODEV : rangeset_add(&devices, device, device);
}

int pci_device_remove(uint32_t device)
{
    return rangeset_contains(&devices, device, device) ? rangeset_remove(&devices, device, device) : -ENODEV;
}

int pci_mmcfg_reserved(uint64_t address, uint16_t segment, uint8_t start_bus, uint8_t end_bus, bool reserved)
{
    for (unsigned i = 0; i < acpi.mcfg_count; i++) {
        const struct acpi_mcfg *m = &acpi.mcfg[i];
        uint64_t flags;

        if (m->address != address || m->segment != segment || m->start_bus != start_bus || m->end_bus != end_bus)
            continue;
        flags = spin_lock_irqsave(&pci_lock);
        mmcfg_disabled[i] = !reserved;
        spin_unlock_irqrestore(&pci_lock, flags);
        return 0;
    }
    return -ENODEV;
}
