// SPDX-License-Identifier: BSD-2-Clause
/*
 * I/O ports of PV guests.  Two questions for each access: does the guest's kernel let this code do it (its
 * IOPL, or the bitmap it set by physdev_op), and may the domain have the port.  Ports a domain may not have
 * read as all ones and ignore writes, but for the clock and the PCI mechanism that domain 0 is expected to
 * share.
 */
#include "arch/devices.h"
#include "arch/x86/ports.h"
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
    unsigned level =
        v->pv->kernel_mode ? (v->domain->vm_assist & 1u << VMASST_TYPE_architectural_iopl ? 0 : 1) : 3;

    if (level <= v->pv->iopl)
        return true;
    return port_bitmap_clear(v, port, size);
}

static bool port_owned(struct vcpu *v, unsigned port, unsigned size)
{
    return rangeset_contains(&v->domain->io_ports, port, port + size - 1);
}

static uint32_t port_in(unsigned port, unsigned size)
{
    switch (size) {
    case 1: return port_in8((uint16_t)port);
    case 2: return port_in16((uint16_t)port);
    default: return port_in32((uint16_t)port);
    }
}

static void port_out(unsigned port, unsigned size, uint32_t value)
{
    switch (size) {
    case 1: port_out8((uint16_t)port, (uint8_t)value); break;
    case 2: port_out16((uint16_t)port, (uint16_t)value); break;
    default: port_out32((uint16_t)port, value); break;
    }
}

static bool port_is_pci_data(unsigned port, unsigned size)
{
    return port >= PORT_PCI_DATA && port + size <= PORT_PCI_DATA + 4;
}

static uint32_t all_ones(unsigned size)
{
    return size == 4 ? ~0u : (1u << size * 8) - 1;
}

static uint32_t pci_data_read(unsigned port, unsigned size)
{
    if (!(pci_address & PCI_ADDRESS_ENABLE))
        return all_ones(size);
    return pci_read(0, (uint8_t)(pci_address >> 16), (uint8_t)(pci_address >> 8),
                    (pci_address & 0xfc) | (port & 3) | ((pci_address >> 16) & 0xf00), size);
}

static void pci_data_write(unsigned port, unsigned size, uint32_t value)
{
    if (pci_address & PCI_ADDRESS_ENABLE)
        pci_write(0, (uint8_t)(pci_address >> 16), (uint8_t)(pci_address >> 8),
                  (pci_address & 0xfc) | (port & 3) | ((pci_address >> 16) & 0xf00), size, value);
}

uint32_t pv_port_read(struct vcpu *v, unsigned port, unsigned size)
{
    if (v->domain->is_privileged) {
        if (port == PORT_PCI_ADDRESS && size == 4)
            return pci_address;
        if (port_is_pci_data(port, size))
            return pci_data_read(port, size);
        if ((port == PORT_RTC_INDEX || port == PORT_RTC_DATA || port == PORT_SPEAKER) && size == 1)
            return port_in8((uint16_t)port);
    }
    return port_owned(v, port, size) ? port_in(port, size) : all_ones(size);
}

void pv_port_write(struct vcpu *v, unsigned port, unsigned size, uint32_t value)
{
    if (v->domain->is_privileged) {
        if (port == PORT_PCI_ADDRESS && size == 4) {
            pci_address = value;
            return;
        }
        if (port_is_pci_data(port, size)) {
            pci_data_write(port, size, value);
            return;
        }
        if ((port == PORT_RTC_INDEX || port == PORT_RTC_DATA) && size == 1) {
            port_out8((uint16_t)port, (uint8_t)value);
            return;
        }
    }
    if (port_owned(v, port, size))
        port_out(port, size, value);
}
