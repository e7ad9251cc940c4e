// SPDX-License-Identifier: BSD-2-Clause
/*
 * physdev_op (xen/physdev.h): interrupts, I/O privilege, and what domain 0 tells about PCI devices.
 *
 * Any PV guest may ask about and acknowledge its own interrupts and set its own I/O privilege level (what a
 * port access then does is still decided by its permissions); everything about the machine needs privilege.
 */
#include "arch/devices.h"
#include "door/handlers.h"
#include "door/operation.h"
#include "guest/pv.h"
#include "irq/irq.h"
#include "mm/physmap.h"
#include <xen/physdev.h>

/* ---- interrupts ---- */

static long op_eoi(struct call *c)
{
    const struct physdev_eoi *eoi = c->arg;

    if (eoi->irq >= MAX_PIRQS)
        return -EINVAL;
    irq_guest_eoi(c->d, eoi->irq);
    return 0;
}

static long op_eoi_page(struct call *c)
{
    const struct physdev_pirq_eoi_gmfn *info = c->arg;
    struct frame *frame;
    int error;

    if (physmap_get_writable(c->d, GFN(info->gmfn), &frame) != 0)
        return -EINVAL;
    error = irq_set_eoi_page(c->d, frame);
    if (error != 0)
        frame_put_both(frame);
    return error;
}

static long op_status(struct call *c)
{
    struct physdev_irq_status_query *query = c->arg;

    if (query->irq >= MAX_PIRQS)
        return -EINVAL;
    /* as documented for guests without the EOI page: always acknowledge */
    query->flags = XENIRQSTAT_needs_eoi | (irq_guest_shared(c->d, query->irq) ? XENIRQSTAT_shared : 0);
    return 0;
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
        .device = pci_name(map->type == MAP_PIRQ_TYPE_MSI ? 0 : (uint16_t)((uint32_t)map->bus >> 16), (uint8_t)map->bus,
                           (uint8_t)map->devfn),
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

static long op_map(struct call *c)
{
    physdev_map_pirq_t *map = c->arg;

    if (permission_privileged())
        return -EPERM;
    switch (map->type) {
    case MAP_PIRQ_TYPE_GSI:
        return map_line(c->d, map);
    case MAP_PIRQ_TYPE_MSI:
    case MAP_PIRQ_TYPE_MSI_SEG:
    case MAP_PIRQ_TYPE_MULTI_MSI:
        return map_message(c->d, map);
    default:
        return -EINVAL;
    }
}

static long op_unmap(struct call *c)
{
    const struct physdev_unmap_pirq *unmap = c->arg;

    return permission_privileged() ? -EPERM : irq_unmap(c->d, (unsigned)unmap->pirq);
}

static long op_setup_gsi(struct call *c)
{
    const struct physdev_setup_gsi *setup = c->arg;

    return setup->gsi < 0 ? -EINVAL : irq_gsi_setup((unsigned)setup->gsi, setup->triggering != 0, setup->polarity != 0);
}

static long op_free_pirq(struct call *c)
{
    struct physdev_get_free_pirq *out = c->arg;
    int number = irq_reserve(c->d);

    out->pirq = (uint32_t)number;
    return number < 0 ? number : 0;
}

static long op_apic_read(struct call *c)
{
    struct physdev_apic *apic = c->arg;

    return ioapic_read_register(apic->apic_physbase, apic->reg, &apic->value);
}

/* The answer is the number itself: what vector an interrupt has is nobody's business but ours. */
static long op_vector(struct call *c)
{
    struct physdev_irq *irq = c->arg;

    irq->vector = irq->irq;
    return ioapic_gsi_valid(irq->irq) ? 0 : -EINVAL;
}

/* ---- I/O privilege of the calling vcpu ---- */

static long op_iopl(struct call *c)
{
    const struct physdev_set_iopl *set = c->arg;

    if (set->iopl > 3)
        return -EINVAL;
    current->pv->iopl = (uint8_t)set->iopl;
    return 0;
}

static long op_iobitmap(struct call *c)
{
    const struct physdev_set_iobitmap *set = c->arg;

    if (set->nr_ports > 65536)
        return -EINVAL;
    current->pv->io_bitmap = GUEST_HANDLE(set->bitmap);
    current->pv->io_bitmap_ports = set->nr_ports;
    return 0;
}

/* ---- PCI ---- */

/* The older commands know no segments: their arguments begin with bus and devfn, the newer ones' with the segment. */
static long op_device(struct call *c)
{
    const struct physdev_manage_pci_ext *manage = c->arg;
    const struct physdev_pci_device_add *add = c->arg;
    const uint32_t old = pci_name(0, manage->bus, manage->devfn), device = pci_name(add->seg, add->bus, add->devfn);
    uint32_t node;

    switch (c->command) {
    case PHYSDEVOP_manage_pci_add:
        return pci_device_add(old, false);
    case PHYSDEVOP_manage_pci_add_ext:
        return manage->is_extfn > 1 || manage->is_virtfn > 1 ? -EINVAL : pci_device_add(old, manage->is_virtfn);
    case PHYSDEVOP_manage_pci_remove:
        return pci_device_remove(old);
    case PHYSDEVOP_restore_msi:
        return irq_restore_device(old);
    case PHYSDEVOP_pci_device_add:
        if ((add->flags & XEN_PCI_DEV_PXM) && guest_read(&node, guest_element(c->at, c->size, 1), sizeof(node)))
            return -EFAULT;
        return pci_device_add(device, add->flags & XEN_PCI_DEV_VIRTFN);
    case PHYSDEVOP_pci_device_remove:
        return pci_device_remove(device);
    case PHYSDEVOP_restore_msi_ext:
        return irq_restore_device(device);
    default: /* prepare_msix, release_msix: tables are mapped entry by entry when they are used */
        return pci_find_capability(device, 0x11) != 0 ? 0 : -ENODEV;
    }
}

static long op_mmcfg(struct call *c)
{
    const struct physdev_pci_mmcfg_reserved *info = c->arg;

    return pci_mmcfg_reserved(info->address, info->segment, info->start_bus, info->end_bus,
                              info->flags & XEN_PCI_MMCFG_RESERVED);
}

/* A debug port resets with its controller; we use none. */
static long op_debug_port(struct call *c)
{
    const struct physdev_dbgp_op *op = c->arg;

    return op->op == PHYSDEVOP_DBGP_RESET_PREPARE || op->op == PHYSDEVOP_DBGP_RESET_DONE ? 0 : -ENOSYS;
}

static const struct operation operations[] = {
    [PHYSDEVOP_irq_status_query] = OPERATION(op_status, physdev_irq_status_query, OP_ANSWER),
    [PHYSDEVOP_set_iopl] = OPERATION(op_iopl, physdev_set_iopl, 0),
    [PHYSDEVOP_set_iobitmap] = OPERATION(op_iobitmap, physdev_set_iobitmap, 0),
    [PHYSDEVOP_apic_read] = OPERATION(op_apic_read, physdev_apic, OP_PRIVILEGED | OP_ANSWER),
    /* the I/O APICs are programmed by setup_gsi and binding alone */
    [PHYSDEVOP_apic_write] = {.flags = OP_PRIVILEGED, .answer = -ENOSYS},
    [PHYSDEVOP_alloc_irq_vector] = OPERATION(op_vector, physdev_irq, OP_PRIVILEGED | OP_ANSWER),
    [PHYSDEVOP_eoi] = OPERATION(op_eoi, physdev_eoi, 0),
    [PHYSDEVOP_map_pirq] = OPERATION(op_map, physdev_map_pirq, OP_ANSWER | OP_DOMAIN),
    [PHYSDEVOP_unmap_pirq] = OPERATION(op_unmap, physdev_unmap_pirq, OP_DOMAIN),
    [PHYSDEVOP_manage_pci_add] = OPERATION(op_device, physdev_manage_pci, OP_PRIVILEGED),
    [PHYSDEVOP_manage_pci_remove] = OPERATION(op_device, physdev_manage_pci, OP_PRIVILEGED),
    [PHYSDEVOP_restore_msi] = OPERATION(op_device, physdev_restore_msi, OP_PRIVILEGED),
    [PHYSDEVOP_manage_pci_add_ext] = OPERATION(op_device, physdev_manage_pci_ext, OP_PRIVILEGED),
    [PHYSDEVOP_setup_gsi] = OPERATION(op_setup_gsi, physdev_setup_gsi, OP_PRIVILEGED),
    [PHYSDEVOP_get_free_pirq] = OPERATION(op_free_pirq, physdev_get_free_pirq, OP_ANSWER),
    [PHYSDEVOP_pci_mmcfg_reserved] = OPERATION(op_mmcfg, physdev_pci_mmcfg_reserved, OP_PRIVILEGED),
    [PHYSDEVOP_pci_device_add] = {
        .run = op_device, .size = offsetof(struct physdev_pci_device_add, optarr), .flags = OP_PRIVILEGED},
    [PHYSDEVOP_pci_device_remove] = OPERATION(op_device, physdev_pci_device, OP_PRIVILEGED),
    [PHYSDEVOP_restore_msi_ext] = OPERATION(op_device, physdev_pci_device, OP_PRIVILEGED),
    [PHYSDEVOP_pirq_eoi_gmfn_v2] = OPERATION(op_eoi_page, physdev_pirq_eoi_gmfn, 0),
    [PHYSDEVOP_dbgp_op] = OPERATION(op_debug_port, physdev_dbgp_op, OP_PRIVILEGED),
    [PHYSDEVOP_prepare_msix] = OPERATION(op_device, physdev_pci_device, OP_PRIVILEGED),
    [PHYSDEVOP_release_msix] = OPERATION(op_device, physdev_pci_device, OP_PRIVILEGED),
};

long physdev_op(uint64_t command, uint64_t arg, uint64_t, uint64_t, uint64_t)
{
    struct call c = {.command = (unsigned)command, .at = GUEST_ADDR(arg)};

    return operation_run(operations, ARRAY_SIZE(operations), &c);
}
