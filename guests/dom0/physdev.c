// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: what domain 0 asks about the machine's interrupts and PCI devices is answered as the interface says, and what
// cannot be is refused. It matters because its kernel drives every device by these. A program in domain 0, not a guest.

#include "dom0.h"

#include <xen/physdev.h>

const char test_title[] = "physdev_op as domain 0: interrupts, I/O APICs, PCI devices";

#define FREE_GSI 21
#define IOAPIC 0xfec00000u
#define IOAPIC_VERSION 1
#define NO_DEVFN 0xf8 /* 00:1f.0: nothing there in QEMU's "pc" */

static long physdev(unsigned int command, void *argument)
{
    return hypercall(__HYPERVISOR_physdev_op, command, (uint64_t)argument, 0, 0, 0);
}

static long map(domid_t domain, int type, int index, int *pirq)
{
    static struct physdev_map_pirq request;
    long result;

    request = (struct physdev_map_pirq){.domid = domain, .type = type, .index = index, .pirq = *pirq};
    result = physdev(PHYSDEVOP_map_pirq, &request);
    *pirq = request.pirq;
    return result;
}

static long unmap(domid_t domain, int pirq)
{
    static struct physdev_unmap_pirq request;

    request = (struct physdev_unmap_pirq){.domid = domain, .pirq = pirq};
    return physdev(PHYSDEVOP_unmap_pirq, &request);
}

static void map_check(void)
{
    int pirq = -1, again = FREE_GSI, wrong = -1;

    CHECK_EQUAL(map(DOMID_SELF, MAP_PIRQ_TYPE_GSI, FREE_GSI, &pirq), 0);
    CHECK(pirq >= 0);
    again = pirq;
    CHECK_EQUAL(map(DOMID_SELF, MAP_PIRQ_TYPE_GSI, FREE_GSI, &again), 0); /* once more: the same */
    CHECK_EQUAL(again, pirq);
    CHECK_EQUAL(unmap(DOMID_SELF, pirq), 0);
    CHECK_EQUAL(unmap(DOMID_SELF, pirq), -EINVAL);
    CHECK_EQUAL(map(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 5000, &wrong), -EINVAL);
    CHECK_EQUAL(map(DOMID_SELF, MAP_PIRQ_TYPE_GSI, -1, &wrong), -EINVAL);
    CHECK_EQUAL(map(DOMID_SELF, 99, 1, &wrong), -EINVAL);
    CHECK_EQUAL(map(0x7fee, MAP_PIRQ_TYPE_GSI, FREE_GSI, &wrong), -ESRCH);
    CHECK_EQUAL(unmap(0x7fee, 1), -ESRCH);
    CHECK_EQUAL(unmap(DOMID_SELF, -1), -EINVAL);
    wrong = -1;
    CHECK_EQUAL(map(DOMID_SELF, MAP_PIRQ_TYPE_GSI, 0, &wrong), -EPERM); /* the hypervisor's timer */
}

static void acknowledge_check(void)
{
    static struct physdev_eoi eoi = {.irq = FREE_GSI};
    static struct physdev_irq_status_query status = {.irq = FREE_GSI};
    static struct physdev_get_free_pirq free_pirq = {.type = MAP_PIRQ_TYPE_MSI};
    static struct physdev_pirq_eoi_gmfn page = {.gmfn = 1};

    eoi.irq = ~0u;
    CHECK_EQUAL(physdev(PHYSDEVOP_eoi, &eoi), -EINVAL);
    CHECK_EQUAL(physdev(PHYSDEVOP_irq_status_query, &status), 0);
    CHECK(status.flags & XENIRQSTAT_needs_eoi);
    CHECK_EQUAL(physdev(PHYSDEVOP_get_free_pirq, &free_pirq), 0);
    CHECK(free_pirq.pirq > 15);
    CHECK(physdev(PHYSDEVOP_pirq_eoi_gmfn_v2, &page) < 0); /* the kernel has one */
    CHECK_EQUAL(physdev(PHYSDEVOP_eoi, (void *)0xffff830000000000), -EFAULT);
    CHECK_EQUAL(physdev(98, &eoi), -ENOSYS);
}

static void ioapic_check(void)
{
    static struct physdev_apic apic = {.apic_physbase = IOAPIC, .reg = IOAPIC_VERSION};
    static struct physdev_irq vector = {.irq = FREE_GSI};
    static struct physdev_setup_gsi gsi = {.gsi = 5000};

    CHECK_EQUAL(physdev(PHYSDEVOP_apic_read, &apic), 0);
    CHECK((apic.value >> 16 & 0xff) >= 23); /* the last of its inputs */
    apic.apic_physbase = 0x12345000;
    CHECK_EQUAL(physdev(PHYSDEVOP_apic_read, &apic), -EINVAL);
    CHECK_EQUAL(physdev(PHYSDEVOP_apic_write, &apic), -ENOSYS);
    CHECK_EQUAL(physdev(PHYSDEVOP_alloc_irq_vector, &vector), 0);
    CHECK_EQUAL(vector.vector, FREE_GSI);
    vector.irq = 5000;
    CHECK_EQUAL(physdev(PHYSDEVOP_alloc_irq_vector, &vector), -EINVAL);
    CHECK_EQUAL(physdev(PHYSDEVOP_free_irq_vector, &vector), -ENOSYS);
    CHECK_EQUAL(physdev(PHYSDEVOP_setup_gsi, &gsi), -EINVAL);
    gsi = (struct physdev_setup_gsi){.gsi = FREE_GSI, .triggering = 1, .polarity = 1};
    CHECK_EQUAL(physdev(PHYSDEVOP_setup_gsi, &gsi), 0);
}

/* The first PCI function with an MSI-X capability, which a driver uses: its devfn on bus 0, or -1. */
static int msix_device(void)
{
    char line[256];
    FILE *list = popen("for d in /sys/bus/pci/devices/0000:00:*; do [ -e $d/driver ] && [ \"$(ls $d/msi_irqs 2>/dev/null)\" ] "
                       "&& basename $d; done", "r");
    int devfn = -1;

    if (list && fgets(line, sizeof(line), list)) {
        unsigned int slot, function;

        if (sscanf(line, "0000:00:%x.%x", &slot, &function) == 2)
            devfn = (int)(slot << 3 | function);
    }
    if (list)
        pclose(list);
    return devfn;
}

static void pci_check(void)
{
    static struct physdev_pci_device device, missing = {.devfn = NO_DEVFN};
    static struct physdev_restore_msi restore;
    static struct physdev_pci_device_add add;
    static struct physdev_manage_pci manage;
    static struct physdev_dbgp_op debug = {.op = PHYSDEVOP_DBGP_RESET_PREPARE, .bus = PHYSDEVOP_DBGP_BUS_UNKNOWN};
    int devfn = msix_device();

    if (devfn < 0)
        test_error("no PCI device with message-signalled interrupts");
    device.devfn = (uint8_t)devfn;
    restore.devfn = (uint8_t)devfn;
    add.devfn = (uint8_t)devfn;
    manage.devfn = (uint8_t)devfn;
    CHECK_EQUAL(physdev(PHYSDEVOP_restore_msi_ext, &device), 0);
    CHECK_EQUAL(physdev(PHYSDEVOP_restore_msi, &restore), 0);
    CHECK(physdev(PHYSDEVOP_restore_msi_ext, &missing) < 0);
    CHECK_EQUAL(physdev(PHYSDEVOP_pci_device_add, &add), 0); /* again: nothing new */
    CHECK_EQUAL(physdev(PHYSDEVOP_manage_pci_add, &manage), 0);
    CHECK(physdev(PHYSDEVOP_prepare_msix, &missing) < 0);
    CHECK(physdev(PHYSDEVOP_release_msix, &missing) < 0);
    CHECK(physdev(PHYSDEVOP_pci_device_remove, &missing) < 0);
    CHECK_EQUAL(physdev(PHYSDEVOP_dbgp_op, &debug), 0);
    debug.op = 99;
    CHECK_EQUAL(physdev(PHYSDEVOP_dbgp_op, &debug), -ENOSYS);
    CHECK_EQUAL(system("dd if=/dev/vda of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null"), 0); /* it still works */
}

int main(void)
{
    dom0_start();
    map_check();
    acknowledge_check();
    ioapic_check();
    pci_check();
    return dom0_end();
}
