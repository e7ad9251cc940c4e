// SPDX-License-Identifier: BSD-2-Clause
/*
 * physdev_op (xen/physdev.h): interrupts, I/O privilege, and what domain 0 tells about PCI devices.
 *
 * Any PV guest may ask about and acknowledge its own interrupts and set its own I/O privilege level (what a
 * port access then does is still decided by its permissions); everything about the machine needs privilege.
 */
#include "arch/devices.h"
#include "door/handlers.h"
#include "door/hypercall.h"
#include "errno.h"
#include "guest/pv.h"
#include "irq/irq.h"
#include "lib/base.h"
#include "mm/guest_copy.h"
#include "mm/physmap.h"
#include <xen/physdev.h>

/* ---- interrupts ---- */

static long op_eoi(guest_addr_t arg)
{
    struct physdev_eoi eoi;

    if (guest_read(&eoi, arg, sizeof(eoi)) != 0)
        return -EFAULT;
    if (eoi.irq >= MAX_PIRQS)
        return -EINVAL;
    irq_guest_eoi(current->domain, eoi.irq);
    return 0;
}

static long op_eoi_page(guest_addr_t arg)
{
    struct physdev_pirq_eoi_gmfn info;
    struct frame *frame;
    int error;

    if (guest_read(&info, arg, sizeof(info)) != 0)
        return -EFAULT;
    if (physmap_get_writable(current->domain, GFN(info.gmfn), &frame) != 0)
        return -EINVAL;
    error = irq_set_eoi_page(current->domain, frame);
    if (error != 0)
        frame_put_both(frame);
    return error;
}

static long op_status(guest_addr_t arg)
{
    struct physdev_irq_status_query query;

    if (guest_read(&query, arg, sizeof(query)) != 0)
        return -EFAULT;
    if (query.irq >= MAX_PIRQS)
        return -EINVAL;
    /* as documented for guests without the EOI page: always acknowledge */
    query.flags =
        XENIRQSTAT_needs_eoi | (irq_guest_shared(current->domain, query.irq) ? XENIRQSTAT_shared : 0);
    return guest_write(arg, &query, sizeof(query));
}

/* A domain can pass on the lines it may use itself. */
static int map_line(struct domain *d, physdev_map_pirq_t *map)
{
    unsigned gsi = (unsigned)map->index;

    if (map->index < 0 || !ioapic_gsi_valid(gsi))
        return -EINVAL;
    if (!rangeset_contains(&current->domain->irqs, gsi, gsi))
        return -EPERM;
    return irq_map_gsi(d, gsi, &map->pirq);
}

static int map_message(struct domain *d, physdev_map_pirq_t *map)
{
    struct msi_request request = {
        .bus = (uint8_t)map->bus,
        .devfn = (uint8_t)map->devfn,
        .segment = map->type == MAP_PIRQ_TYPE_MSI ? 0 : (uint16_t)((uint32_t)map->bus >> 16),
    };
    int count = 1;

    if (map->type == MAP_PIRQ_TYPE_MULTI_MSI) {
        if (map->table_base != 0 || map->entry_nr <= 0 || map->entry_nr > 32)
            return -EINVAL;
        count = map->entry_nr;
    } else if (map->table_base != 0) {
        if (map->entry_nr < 0)
            return -EINVAL;
        request.msix = true;
        request.entry = (unsigned)map->entry_nr;
        request.table_base = map->table_base;
    }
    return irq_map_msi(d, &request, (unsigned)count, &map->pirq);
}

static int map_one(struct domain *d, physdev_map_pirq_t *map)
{
    int error = permission_control(d);

    if (error == 0)
        error = permission_privileged();
    if (error != 0)
        return error;
    switch (map->type) {
    case MAP_PIRQ_TYPE_GSI:
        return map_line(d, map);
    case MAP_PIRQ_TYPE_MSI:
    case MAP_PIRQ_TYPE_MSI_SEG:
    case MAP_PIRQ_TYPE_MULTI_MSI:
        return map_message(d, map);
    default:
        return -EINVAL;
    }
}

static long op_map(guest_addr_t arg)
{
    physdev_map_pirq_t map;
    struct domain *d;
    int error;

    if (guest_read(&map, arg, sizeof(map)) != 0)
        return -EFAULT;
    d = domain_get_or_self(map.domid);
    if (d == NULL)
        return -ESRCH;
    error = d->irq == NULL ? -EINVAL : map_one(d, &map);
    if (error == 0 && guest_write(arg, &map, sizeof(map)) != 0)
        error = -EFAULT;
    domain_put(d);
    return error;
}

static long op_unmap(guest_addr_t arg)
{
    struct physdev_unmap_pirq unmap;
    struct domain *d;
    int error;

    if (guest_read(&unmap, arg, sizeof(unmap)) != 0)
        return -EFAULT;
    d = domain_get_or_self(unmap.domid);
    if (d == NULL)
        return -ESRCH;
    error = permission_control(d);
    if (error == 0)
        error = permission_privileged();
    if (error == 0)
        error = unmap.pirq < 0 || d->irq == NULL ? -EINVAL : irq_unmap(d, (unsigned)unmap.pirq);
    domain_put(d);
    return error;
}

static long op_setup_gsi(guest_addr_t arg)
{
    struct physdev_setup_gsi setup;

    if (guest_read(&setup, arg, sizeof(setup)) != 0)
        return -EFAULT;
    return setup.gsi < 0 ? -EINVAL
                         : irq_gsi_setup((unsigned)setup.gsi, setup.triggering != 0, setup.polarity != 0);
}

static long op_free_pirq(guest_addr_t arg)
{
    struct physdev_get_free_pirq out;
    int number;

    if (guest_read(&out, arg, sizeof(out)) != 0)
        return -EFAULT;
    number = current->domain->irq != NULL ? irq_reserve(current->domain) : -EINVAL;
    if (number < 0)
        return number;
    out.pirq = (uint32_t)number;
    return guest_write(arg, &out, sizeof(out));
}

static long op_apic_read(guest_addr_t arg)
{
    struct physdev_apic apic;
    int error;

    if (guest_read(&apic, arg, sizeof(apic)) != 0)
        return -EFAULT;
    error = ioapic_read_register(apic.apic_physbase, apic.reg, &apic.value);
    return error != 0 ? error : guest_write(arg, &apic, sizeof(apic));
}

/* The answer is the number itself: what vector an interrupt has is nobody's business but ours. */
static long op_vector(guest_addr_t arg)
{
    struct physdev_irq irq;

    if (guest_read(&irq, arg, sizeof(irq)) != 0)
        return -EFAULT;
    if (!ioapic_gsi_valid(irq.irq))
        return -EINVAL;
    irq.vector = irq.irq;
    return guest_write(arg, &irq, sizeof(irq));
}

/* ---- I/O privilege of the calling vcpu ---- */

static long op_iopl(guest_addr_t arg)
{
    struct physdev_set_iopl set;

    if (guest_read(&set, arg, sizeof(set)) != 0)
        return -EFAULT;
    if (set.iopl > 3 || current->pv == NULL)
        return -EINVAL;
    current->pv->iopl = (uint8_t)set.iopl;
    return 0;
}

static long op_iobitmap(guest_addr_t arg)
{
    struct physdev_set_iobitmap set;

    if (guest_read(&set, arg, sizeof(set)) != 0)
        return -EFAULT;
    if (set.nr_ports > 65536 || current->pv == NULL)
        return -EINVAL;
    current->pv->io_bitmap = GUEST_HANDLE(set.bitmap);
    current->pv->io_bitmap_ports = set.nr_ports;
    return 0;
}

/* ---- PCI ---- */

static long op_manage(guest_addr_t arg, bool add)
{
    struct physdev_manage_pci manage;
    struct pci_device device = {.node = ~0u};

    if (guest_read(&manage, arg, sizeof(manage)) != 0)
        return -EFAULT;
    device.bus = manage.bus;
    device.devfn = manage.devfn;
    return add ? pci_device_add(&device) : pci_device_remove(0, manage.bus, manage.devfn);
}

static long op_manage_ext(guest_addr_t arg)
{
    struct physdev_manage_pci_ext manage;
    struct pci_device device = {.node = ~0u};

    if (guest_read(&manage, arg, sizeof(manage)) != 0)
        return -EFAULT;
    if (manage.is_extfn > 1 || manage.is_virtfn > 1)
        return -EINVAL;
    device.bus = manage.bus;
    device.devfn = manage.devfn;
    device.is_extended = manage.is_extfn;
    device.is_virtual = manage.is_virtfn;
    device.physical_bus = manage.physfn.bus;
    device.physical_devfn = manage.physfn.devfn;
    return pci_device_add(&device);
}

static long op_device_add(guest_addr_t arg)
{
    struct physdev_pci_device_add add;
    struct pci_device device = {.node = ~0u};
    size_t fixed = offsetof(struct physdev_pci_device_add, optarr);

    if (guest_read(&add, arg, fixed) != 0)
        return -EFAULT;
    if ((add.flags & XEN_PCI_DEV_PXM) &&
        guest_read(&device.node, GUEST_ADDR(arg.value + fixed), sizeof(device.node)) != 0)
        return -EFAULT;
    device.segment = add.seg;
    device.bus = add.bus;
    device.devfn = add.devfn;
    device.is_extended = add.flags & XEN_PCI_DEV_EXTFN;
    device.is_virtual = add.flags & XEN_PCI_DEV_VIRTFN;
    device.physical_bus = add.physfn.bus;
    device.physical_devfn = add.physfn.devfn;
    return pci_device_add(&device);
}

/* The commands whose argument is just a device. */
static long op_device(unsigned command, guest_addr_t arg)
{
    struct physdev_pci_device device;

    if (guest_read(&device, arg, sizeof(device)) != 0)
        return -EFAULT;
    switch (command) {
    case PHYSDEVOP_pci_device_remove:
        return pci_device_remove(device.seg, device.bus, device.devfn);
    case PHYSDEVOP_restore_msi_ext:
        return irq_restore_device(device.seg, device.bus, device.devfn);
    default: /* prepare_msix, release_msix: tables are mapped entry by entry when they are used */
        return pci_find_capability(device.seg, device.bus, device.devfn, 0x11) != 0 ? 0 : -ENODEV;
    }
}

static long op_restore(guest_addr_t arg)
{
    struct physdev_restore_msi restore;

    if (guest_read(&restore, arg, sizeof(restore)) != 0)
        return -EFAULT;
    return irq_restore_device(0, restore.bus, restore.devfn);
}

static long op_mmcfg(guest_addr_t arg)
{
    struct physdev_pci_mmcfg_reserved info;

    if (guest_read(&info, arg, sizeof(info)) != 0)
        return -EFAULT;
    return pci_mmcfg_reserved(info.address, info.segment, info.start_bus, info.end_bus,
                              info.flags & XEN_PCI_MMCFG_RESERVED);
}

/* A debug port resets with its controller; we use none. */
static long op_debug_port(guest_addr_t arg)
{
    struct physdev_dbgp_op op;

    if (guest_read(&op, arg, sizeof(op)) != 0)
        return -EFAULT;
    switch (op.op) {
    case PHYSDEVOP_DBGP_RESET_PREPARE:
    case PHYSDEVOP_DBGP_RESET_DONE:
        return 0;
    default:
        return -ENOSYS;
    }
}

static long privileged_op(unsigned command, guest_addr_t arg)
{
    int error = permission_privileged();

    if (error != 0)
        return error;
    switch (command) {
    case PHYSDEVOP_apic_read:
        return op_apic_read(arg);
    case PHYSDEVOP_alloc_irq_vector:
        return op_vector(arg);
    case PHYSDEVOP_setup_gsi:
        return op_setup_gsi(arg);
    case PHYSDEVOP_manage_pci_add:
        return op_manage(arg, true);
    case PHYSDEVOP_manage_pci_remove:
        return op_manage(arg, false);
    case PHYSDEVOP_manage_pci_add_ext:
        return op_manage_ext(arg);
    case PHYSDEVOP_pci_device_add:
        return op_device_add(arg);
    case PHYSDEVOP_pci_device_remove:
    case PHYSDEVOP_restore_msi_ext:
    case PHYSDEVOP_prepare_msix:
    case PHYSDEVOP_release_msix:
        return op_device(command, arg);
    case PHYSDEVOP_restore_msi:
        return op_restore(arg);
    case PHYSDEVOP_pci_mmcfg_reserved:
        return op_mmcfg(arg);
    case PHYSDEVOP_dbgp_op:
        return op_debug_port(arg);
    default: /* apic_write too: the I/O APICs are programmed by setup_gsi and binding alone */
        return -ENOSYS;
    }
}

long physdev_op(uint64_t command, uint64_t address, uint64_t a3, uint64_t a4, uint64_t a5)
{
    guest_addr_t arg = GUEST_ADDR(address);

    (void)a3;
    (void)a4;
    (void)a5;
    switch ((unsigned)command) {
    case PHYSDEVOP_eoi:
        return op_eoi(arg);
    case PHYSDEVOP_pirq_eoi_gmfn_v2:
        return op_eoi_page(arg);
    case PHYSDEVOP_irq_status_query:
        return op_status(arg);
    case PHYSDEVOP_map_pirq:
        return op_map(arg);
    case PHYSDEVOP_unmap_pirq:
        return op_unmap(arg);
    case PHYSDEVOP_get_free_pirq:
        return op_free_pirq(arg);
    case PHYSDEVOP_set_iopl:
        return op_iopl(arg);
    case PHYSDEVOP_set_iobitmap:
        return op_iobitmap(arg);
    default:
        return privileged_op((unsigned)command, arg);
    }
}
