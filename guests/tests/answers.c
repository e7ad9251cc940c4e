// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: an operation that is not offered, or not to this guest, says so with the interface's error and does nothing. It
// matters because kernels try what they know and go by the answer.

#include <stddef.h>
#include <stdint.h>

#include <xen/errno.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/platform.h>

#include "event.h"
#include "grant.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "start.h"
#include "trap.h"

const char test_title[] = "operations that are refused or not there, and the rarer ones that are";

#define HYPERVISOR_ADDRESS 0xffff830000000000ul

static void hypercalls_check(void)
{
    static const struct {
        unsigned int number;
        long answer;
    } list[] = {
        { __HYPERVISOR_physdev_op_compat, -XEN_ENOSYS },
        { __HYPERVISOR_xsm_op, -XEN_ENOSYS },
        { __HYPERVISOR_xenoprof_op, -XEN_ENOSYS },
        { __HYPERVISOR_tmem_op, -XEN_ENOSYS },
        { 43, -XEN_ENOSYS },
        { 47, -XEN_ENOSYS },
        { 63, -XEN_ENOSYS },
        { 64, -XEN_ENOSYS },
        { 127, -XEN_ENOSYS }, /* the last that a page of them has room for */
    };

    for (unsigned int i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        long got = hypercall2(list[i].number, 0, 0);

        if (got != list[i].answer)
            test_failure("hypercall %u: expected %ld, got %ld", list[i].number, list[i].answer, got);
    }
    CHECK(hypercall1(__HYPERVISOR_arch_0, 0) < 0);
    CHECK(hypercall2(__HYPERVISOR_kexec_op, 0, 0) < 0);
    CHECK(hypercall2(__HYPERVISOR_hypfs_op, 0, 0) < 0);
    CHECK(hypercall2(__HYPERVISOR_hvm_op, 99, 0) < 0);
    CHECK(hypercall3(__HYPERVISOR_dm_op, DOMID_SELF, 0, 0) < 0);
    CHECK(hypercall2(__HYPERVISOR_xenpmu_op, 0, 0) < 0);
    CHECK(hypercall2(__HYPERVISOR_argo_op, 0, 0) < 0);
}

static void platform_check(void)
{
    struct xen_platform_op op = { .cmd = XENPF_settime64, .interface_version = XENPF_INTERFACE_VERSION };

    CHECK_EQUAL(hypercall1(__HYPERVISOR_platform_op, &op), -XEN_EPERM);
    op.cmd = XENPF_enter_acpi_sleep;
    CHECK_EQUAL(hypercall1(__HYPERVISOR_platform_op, &op), -XEN_EPERM);
}

static long physdev(unsigned int command, const void *argument)
{
    return hypercall2(__HYPERVISOR_physdev_op, command, argument);
}

static void physdev_check(void)
{
    struct physdev_map_pirq map = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 4, .pirq = 4 };
    struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF, .pirq = 4 };
    struct physdev_setup_gsi setup = { .gsi = 4 };
    struct physdev_apic apic = { .apic_physbase = 0xfec00000 };
    struct physdev_eoi eoi = { .irq = 4 };
    struct physdev_irq_status_query status = { .irq = 4 };
    struct physdev_set_iopl iopl = { .iopl = 4 };
    struct physdev_set_iobitmap bitmap = { .nr_ports = 65537 };
    struct physdev_pci_device_add add = { .bus = 0 };

    CHECK_EQUAL(physdev(PHYSDEVOP_map_pirq, &map), -XEN_EPERM);
    CHECK_EQUAL(physdev(PHYSDEVOP_setup_gsi, &setup), -XEN_EPERM);
    CHECK_EQUAL(physdev(PHYSDEVOP_apic_read, &apic), -XEN_EPERM);
    CHECK_EQUAL(physdev(PHYSDEVOP_apic_write, &apic), -XEN_EPERM);
    CHECK_EQUAL(physdev(PHYSDEVOP_pci_device_add, &add), -XEN_EPERM);
    CHECK(physdev(PHYSDEVOP_unmap_pirq, &unmap) < 0);
    CHECK_EQUAL(physdev(PHYSDEVOP_set_iopl, &iopl), -XEN_EINVAL);
    iopl.iopl = 1;
    CHECK_EQUAL(physdev(PHYSDEVOP_set_iopl, &iopl), 0);
    iopl.iopl = 0;
    CHECK_EQUAL(physdev(PHYSDEVOP_set_iopl, &iopl), 0);
    CHECK_EQUAL(physdev(PHYSDEVOP_set_iobitmap, &bitmap), -XEN_EINVAL);
    bitmap.nr_ports = 0;
    CHECK_EQUAL(physdev(PHYSDEVOP_set_iobitmap, &bitmap), 0);
    CHECK_EQUAL(physdev(PHYSDEVOP_eoi, &eoi), 0);       /* of what is not ours: nothing happens */
    eoi.irq = ~0u;
    CHECK_EQUAL(physdev(PHYSDEVOP_eoi, &eoi), -XEN_EINVAL);
    status.irq = ~0u;
    CHECK_EQUAL(physdev(PHYSDEVOP_irq_status_query, &status), -XEN_EINVAL);
    CHECK(physdev(99, 0) < 0);
    CHECK_EQUAL(physdev(PHYSDEVOP_eoi, (void *)HYPERVISOR_ADDRESS), -XEN_EFAULT);
}

static void memory_check(void)
{
    struct xen_machphys_mapping mapping;
    struct xen_machphys_mfn_list list = { .max_extents = 1 };
    struct xen_add_to_physmap add = { .domid = DOMID_SELF, .space = XENMAPSPACE_shared_info };
    struct xen_remove_from_physmap remove = { .domid = DOMID_SELF };
    struct xen_memory_map map = { .nr_entries = 0 };
    struct xen_pod_target pod = { .domid = DOMID_SELF };
    domid_t self = DOMID_SELF;
    long highest = memory_op(XENMEM_maximum_gpfn, &self);

    if (highest < 0)
        test_failure("maximum_gpfn: expected a frame number, got %ld", highest);
    CHECK_EQUAL(memory_op(XENMEM_machphys_mapping, &mapping), 0);
    CHECK_EQUAL(mapping.v_start, MACH2PHYS_VIRT_START);
    CHECK(mapping.max_mfn > machine_of(page_alloc()));
    CHECK_EQUAL(memory_op(XENMEM_machphys_mfn_list, &list), -XEN_EPERM);
    CHECK(memory_op(XENMEM_machphys_compat_mfn_list, &list) < 0);
    CHECK_EQUAL(memory_op(XENMEM_machine_memory_map, &map), -XEN_EPERM);
    CHECK(memory_op(XENMEM_add_to_physmap, &add) < 0);
    CHECK(memory_op(XENMEM_remove_from_physmap, &remove) < 0);
    CHECK(memory_op(XENMEM_set_memory_map, &map) < 0);
    CHECK(memory_op(XENMEM_get_pod_target, &pod) < 0);
    CHECK(memory_op(XENMEM_set_pod_target, &pod) < 0);
    CHECK(memory_op(XENMEM_get_vnumainfo, 0) < 0);
    CHECK_EQUAL(memory_op(63, 0), -XEN_ENOSYS);
}

static void tables_check(void)
{
    char *page = page_alloc(), *other = page_alloc();
    struct mmu_update update;

    *page = 1;
    *other = 2;
    CHECK_EQUAL(mmuext(MMUEXT_TLB_FLUSH_ALL, 0), 0);
    CHECK_EQUAL(mmuext(MMUEXT_INVLPG_ALL, (uint64_t)page), 0);
    CHECK_EQUAL(mmuext(MMUEXT_FLUSH_CACHE, 0), -XEN_EACCES);
    CHECK_EQUAL(mmuext(MMUEXT_FLUSH_CACHE_GLOBAL, 0), -XEN_EACCES);
    CHECK_EQUAL(mmuext(MMUEXT_MARK_SUPER, machine_of(page)), -XEN_EOPNOTSUPP);
    CHECK_EQUAL(mmuext(MMUEXT_UNMARK_SUPER, machine_of(page)), -XEN_EOPNOTSUPP);
    update.ptr = entry_machine(entry_find(page, 1)) | MMU_PT_UPDATE_NO_TRANSLATE;
    update.val = machine_of(other) << PAGE_SHIFT | ENTRY_READ_WRITE;
    CHECK_EQUAL(mmu_update(&update, 1, 0, DOMID_SELF), 0);
    CHECK_EQUAL(mmuext(MMUEXT_INVLPG_ALL, (uint64_t)page), 0);
    CHECK_EQUAL(*(volatile char *)page, 2);
    update.ptr = entry_machine(entry_find(page, 1)) | 3 | 4;
    CHECK(mmu_update(&update, 1, 0, DOMID_SELF) < 0);
}

// A granted page of our own at one address, replaced by what another address maps.
static void grants_check(void)
{
    char *page = page_alloc(), *at = range_alloc(2), *spare = at + PAGE_SIZE;
    struct gnttab_unmap_and_replace replace = { .host_addr = (uint64_t)at, .new_addr = (uint64_t)spare };
    struct gnttab_cache_flush flush = { .op = GNTTAB_CACHE_CLEAN, .length = 64 };
    struct gnttab_dump_table dump = { .dom = DOMID_SELF };
    char *other = page_alloc();

    NEED(grant_init());
    *page = 5;
    *other = 6;
    grant_give(GRANT_FIRST, domain_self(), page, false);
    page_map(spare, machine_of(other), ENTRY_READ_WRITE);
    CHECK_EQUAL(grant_map(at, GNTMAP_host_map, GRANT_FIRST, domain_self(), &replace.handle), GNTST_okay);
    CHECK_EQUAL(*(volatile char *)at, 5);
    CHECK_EQUAL(grant_op(GNTTABOP_unmap_and_replace, &replace, 1), 0);
    CHECK_EQUAL(replace.status, GNTST_okay);
    CHECK_EQUAL(*(volatile char *)at, 6);
    CHECK_EQUAL(trap_probe_read(spare), TRAP_PAGE_FAULT);
    CHECK(grant_take(GRANT_FIRST));
    CHECK_EQUAL(grant_op(GNTTABOP_unmap_and_replace, &replace, 1), 0);
    CHECK_EQUAL(replace.status, GNTST_bad_handle);
    flush.a.dev_bus_addr = machine_of(page) << PAGE_SHIFT;
    CHECK_EQUAL(grant_op(GNTTABOP_cache_flush, &flush, 1), 0);
    CHECK_EQUAL(grant_op(GNTTABOP_dump_table, &dump, 1), -XEN_ENOSYS);
    CHECK(grant_op(99, &dump, 1) < 0);
}

void test_main(void)
{
    hypercalls_check();
    platform_check();
    physdev_check();
    memory_check();
    tables_check();
    grants_check();
}
