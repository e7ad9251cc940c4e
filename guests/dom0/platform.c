// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: platform_op does what domain 0's kernel and tools ask of the machine, and refuses what there is not with the
// interface's error. It matters because the kernel decides by the answers whether to drive power, clocks and firmware
// itself. A program in domain 0, not a guest.

#include "dom0.h"

#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

const char test_title[] = "platform_op as domain 0: processors, memory types, firmware, power";

static struct xen_platform_op op;

static long platform(unsigned int command)
{
    op.cmd = command;
    op.interface_version = XENPF_INTERFACE_VERSION;
    return hypercall(__HYPERVISOR_platform_op, (uint64_t)&op, 0, 0, 0, 0);
}

#define FRESH() memset(&op, 0, sizeof(op))

static void processors_check(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    FRESH();
    CHECK_EQUAL(platform(XENPF_get_cpuinfo), 0);
    CHECK(op.u.pcpu_info.flags & XEN_PCPU_FLAGS_ONLINE);
    CHECK((long)op.u.pcpu_info.max_present + 1 >= cpus);
    op.u.pcpu_info.xen_cpuid = 10000;
    CHECK_EQUAL(platform(XENPF_get_cpuinfo), 0);
    CHECK_EQUAL(op.u.pcpu_info.flags, XEN_PCPU_FLAGS_INVALID);
    FRESH();
    CHECK_EQUAL(platform(XENPF_get_cpu_version), 0);
    CHECK(op.u.pcpu_version.family >= 6);
    CHECK(strlen(op.u.pcpu_version.vendor_id) > 0);
    FRESH();
    CHECK_EQUAL(platform(XENPF_cpu_online), 0);                 /* CPU 0 is */
    CHECK_EQUAL(platform(XENPF_cpu_offline), -EOPNOTSUPP);      /* and stays */
    op.u.cpu_ol.cpuid = 10000;
    CHECK_EQUAL(platform(XENPF_cpu_offline), -EINVAL);
    CHECK_EQUAL(platform(XENPF_cpu_online), -EINVAL);
    FRESH();
    op.u.core_parking.type = XEN_CORE_PARKING_GET;
    CHECK_EQUAL(platform(XENPF_core_parking), 0);
    CHECK_EQUAL(op.u.core_parking.idle_nums, 0);
    op.u.core_parking.type = 99;
    CHECK_EQUAL(platform(XENPF_core_parking), -EINVAL);
}

/* Which CPU a vcpu is on is told of one that stays there. */
static void identity_check(void)
{
    static struct vcpu_get_physid id;
    static struct sched_pin_override pin;

    if (system("xl vcpu-pin Domain-0 0 0"))
        test_error("xl vcpu-pin fails");
    id.phys_id = ~0ul;
    CHECK_EQUAL(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_get_physid, 0, (uint64_t)&id, 0, 0), 0);
    CHECK_EQUAL(id.phys_id & 0xffffffff, 0); /* the boot CPU's number */
    CHECK_EQUAL(hypercall(__HYPERVISOR_sched_op, SCHEDOP_pin_override, (uint64_t)&pin, 0, 0, 0), 0);
    pin.pcpu = -1;
    CHECK_EQUAL(hypercall(__HYPERVISOR_sched_op, SCHEDOP_pin_override, (uint64_t)&pin, 0, 0, 0), 0);
    pin.pcpu = 10000;
    CHECK(hypercall(__HYPERVISOR_sched_op, SCHEDOP_pin_override, (uint64_t)&pin, 0, 0, 0) < 0);
    if (system("xl vcpu-pin Domain-0 0 all"))
        test_error("xl vcpu-pin fails");
}

static void resource_check(void)
{
    static xenpf_resource_entry_t entries[4];

    FRESH();
    op.u.resource_op.nr_entries = 1;
    set_xen_guest_handle(op.u.resource_op.entries, entries);
    entries[0] = (xenpf_resource_entry_t){.u.cmd = XEN_RESOURCE_OP_MSR_READ, .idx = 0x10};
    CHECK_EQUAL(platform(XENPF_resource_op), 1);
    CHECK(entries[0].val > 0);
    entries[0] = (xenpf_resource_entry_t){.u.cmd = XEN_RESOURCE_OP_MSR_READ, .idx = 0xc0000080};
    CHECK_EQUAL(platform(XENPF_resource_op), 0);                /* none done: EFER is not for this */
    CHECK_EQUAL((int)entries[0].u.ret, -EACCES);
    op.u.resource_op.nr_entries = 4;
    CHECK_EQUAL(platform(XENPF_resource_op), -EINVAL);
    op.u.resource_op.nr_entries = 1;
    op.u.resource_op.cpu = 10000;
    CHECK_EQUAL(platform(XENPF_resource_op), -ENODEV);
}

static void firmware_check(void)
{
    FRESH();
    CHECK(platform(XENPF_read_memtype) == 0 || platform(XENPF_read_memtype) == -EINVAL);
    op.u.read_memtype.reg = 10000;
    CHECK_EQUAL(platform(XENPF_read_memtype), -EINVAL);
    FRESH();
    op.u.platform_quirk.quirk_id = QUIRK_IOAPIC_GOOD_REGSEL;
    CHECK_EQUAL(platform(XENPF_platform_quirk), 0);
    op.u.platform_quirk.quirk_id = 99;
    CHECK_EQUAL(platform(XENPF_platform_quirk), -EINVAL);
    FRESH();
    op.u.firmware_info.type = XEN_FW_DISK_INFO;
    op.u.firmware_info.index = 200;
    CHECK_EQUAL(platform(XENPF_firmware_info), -ESRCH);
    op.u.firmware_info.type = XEN_FW_DISK_MBR_SIGNATURE;
    CHECK_EQUAL(platform(XENPF_firmware_info), -ESRCH);
    op.u.firmware_info.type = 99;
    CHECK_EQUAL(platform(XENPF_firmware_info), -EINVAL);
    FRESH();
    CHECK_EQUAL(platform(XENPF_efi_runtime_call), -ENOSYS);
    CHECK(platform(XENPF_microcode_update) < 0);                /* nothing was given */
}

static void power_check(void)
{
    FRESH();
    op.u.enter_acpi_sleep.sleep_state = 0;
    CHECK_EQUAL(platform(XENPF_enter_acpi_sleep), -EINVAL);
    op.u.enter_acpi_sleep.sleep_state = 6;
    CHECK_EQUAL(platform(XENPF_enter_acpi_sleep), -EINVAL);
    FRESH();
    op.u.set_pminfo.type = 99;
    CHECK_EQUAL(platform(XENPF_set_processor_pminfo), -EINVAL);
    FRESH();
    CHECK(platform(XENPF_getidletime) < 0);
    CHECK(platform(XENPF_change_freq) < 0);
    CHECK_EQUAL(platform(9999), -ENOSYS);
    op.cmd = XENPF_get_cpuinfo;
    op.interface_version = XENPF_INTERFACE_VERSION + 1;
    CHECK_EQUAL(hypercall(__HYPERVISOR_platform_op, (uint64_t)&op, 0, 0, 0, 0), -EACCES);
    FRESH();
    op.u.settime64.nsecs = 1000000000;
    CHECK_EQUAL(platform(XENPF_settime64), -EINVAL);
    op.u.settime64.nsecs = 0;
    op.u.settime64.mbz = 1;
    CHECK_EQUAL(platform(XENPF_settime64), -EINVAL);
}

int main(void)
{
    dom0_start();
    processors_check();
    identity_check();
    resource_check();
    firmware_check();
    power_check();
    return dom0_end();
}
