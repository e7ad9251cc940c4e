// SPDX-License-Identifier: BSD-2-Clause
/*
 * I/O ports of PV guests.  Two questions for each access: does the guest's kernel let this code do it (its
 * IOPL, or the bitmap it set by physdev_op), and may the domain have the port.  Ports a domain may not have
 * read as all ones and ignore writes, but for the clock and the PCI mechanism that domain 0 is expected to
 * share.
 */
#include "arch/devices.h"
#include "guest/pv/traps.h"

#define PORT_PCI_ADDRESS 0xcf8
#define PORT_PCI_DATA 0xcfc
#define PCI_ADDRESS_ENABLE 0x80000000u
#define PORT_RTC_INDEX 0x70
#define PORT_RTC_DATA 0x71
#define PORT_SPEAKER 0x61

static uint32_t pci_address; /* configuration mechanism 1 as domain 0 last set it */

static bool port_bitmap_clear(struct vcpu *v, unsigned port, unsigned size)
{
    uint8_t bits[2] = {0xff, 0xff};
    unsigned last = port + size - 1;

    if (guest_addr_null(v->pv->io_bitmap) || last >= v->pv->io_bitmap_ports)
        return false;
    if (guest_read(bits, guest_element(v->pv->io_bitmap, port / 8, 1), last / 8 == port / 8 ? 1 : 2))
        return false;
    return !(((bits[0] | bits[1] << 8) >> (port & 7)) & ((1u << size) - 1));
}

bool pv_port_allowed(struct vcpu *v, unsigned port, unsigned size)
{
    return pv_iopl_allows(v) || port_bitmap_clear(v, port, size);
}

static void pci_data_access(unsigned port, unsigned size, uint32_t *value, bool write)
{
    const uint32_t device = pci_address >> 8 & 0xffff;
    unsigned reg = (pci_address & 0xfc) | (port & 3) | ((pci_address >> 16) & 0xf00);

    if (!(pci_address & PCI_ADDRESS_ENABLE))
        return;
    if (write)
        pci_write(device, reg, size, *value);
    else
        *value = pci_read(device, reg, size);
}

static bool port_shared(unsigned port, unsigned size, bool write)
{
    return size == 1 && (port == PORT_RTC_INDEX || port == PORT_RTC_DATA || (port == PORT_SPEAKER && !write));
}

void pv_port_access(struct vcpu *v, unsigned port, unsigned size, uint32_t *value, bool write)
{
    bool privileged = v->domain->is_privileged;

    if (!write)
        *value = ~0u >> (32 - size * 8);
    if (privileged && port >= PORT_PCI_DATA && port + size <= PORT_PCI_DATA + 4)
        pci_data_access(port, size, value, write);
    else if (privileged && port == PORT_PCI_ADDRESS && size == 4 && write)
        pci_address = *value;
    else if (privileged && port == PORT_PCI_ADDRESS && size == 4)
        *value = pci_address;
    else if (!(privileged && port_shared(port, size, write)) &&
             !rangeset_contains(&v->domain->io_ports, port, port + size - 1))
        return;
    else if (write)
        port_out((uint16_t)port, size, *value);
    else
        *value = port_in((uint16_t)port, size);
}
