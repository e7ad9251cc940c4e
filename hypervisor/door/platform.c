// SPDX-License-Identifier: BSD-2-Clause
/*
 * platform_op (xen/platform.h): domain 0 sets the clock, reports what AML says, and uses firmware and power
 * states.
 *
 * One operation at a time.  Operations whose subject does not exist here (microcode loading, hotplug of CPUs
 * and memory, core parking, UEFI) fail the way the ABI says they fail where the machine lacks them.
 */
#include "arch/machine.h"
#include "arch/x86/acpi.h"
#include "arch/x86/cpufeature.h"
#include "arch/x86/msr.h"
#include "door/handlers.h"
#include "door/operation.h"
#include "lib/string.h"
#include "log.h"
#include "sched/sched.h"

#define RESOURCE_MAX_ENTRIES 3 /* as many as the tools send: one event select, one counter, one time */
#define MSR_QM_EVTSEL 0xc8d
#define MSR_QM_CTR 0xc8e
#define MSR_MTRR_PHYSBASE(n) (0x200 + 2 * (n))

/* ---- clock ---- */

/* The older form has a shorter count of seconds. */
static long settime(struct call *c)
{
    const struct xenpf_settime32 *narrow = &c->platform->u.settime32;
    struct xenpf_settime64 time = c->platform->u.settime64;

    if (c->command == XENPF_settime32)
        time = (struct xenpf_settime64){narrow->secs, narrow->nsecs, 0, narrow->system_time};
    if (time.mbz != 0 || time.nsecs >= 1000000000)
        return -EINVAL;
    time_set_wallclock(time.secs, time.nsecs, time.system_time);
    return 0;
}

/* ---- memory types ---- */

static long read_memtype(struct call *c)
{
    struct xenpf_read_memtype *m = &c->platform->u.read_memtype;
    uint64_t cap, base, mask, address_bits = BITS(cpu_model.physical_bits - 1, 12);

    if (!rdmsr_safe(MSR_MTRR_CAP, &cap) || m->reg >= (cap & 0xff) ||
        !rdmsr_safe(MSR_MTRR_PHYSBASE(m->reg), &base) || !rdmsr_safe(MSR_MTRR_PHYSBASE(m->reg) + 1, &mask))
        return -EINVAL;
    m->mfn = m->nr_mfns = m->type = 0;
    if (mask & BIT(11)) {
        m->mfn = (base & address_bits) >> PAGE_SHIFT;
        m->nr_mfns = ((~mask & address_bits) >> PAGE_SHIFT) + 1;
        m->type = base & 0xff;
    }
    return 0;
}

/* ---- firmware ---- */

/* Boot services of a BIOS are gone when we start: nothing was collected. */
static long firmware_info(struct call *c)
{
    const uint32_t type = c->platform->u.firmware_info.type;

    if (type < XEN_FW_DISK_INFO || type > XEN_FW_KBD_SHIFT_FLAGS)
        return -EINVAL;
    return type == XEN_FW_EFI_INFO ? -ENOSYS : -ESRCH; /* no UEFI; a BIOS was not asked */
}

/* ---- power ---- */

static long enter_sleep(struct call *c)
{
    const struct xenpf_enter_acpi_sleep *sleep = &c->platform->u.enter_acpi_sleep;

    if (sleep->flags & ~XENPF_ACPI_SLEEP_EXTENDED || sleep->sleep_state < 1 || sleep->sleep_state > 5)
        return -EINVAL;
    if (sleep->flags & XENPF_ACPI_SLEEP_EXTENDED || acpi.pm1a_control.width == 0)
        return -EPERM;
    if (sleep->sleep_state != 5)
        return -EOPNOTSUPP;
    log_info("domain 0 powers the machine off\n");
    machine_sleep_off(sleep->val_a, sleep->val_b);
}

static bool pm_known_cpu(uint32_t acpi_id)
{
    for (unsigned i = 0; i < acpi_cpu_count; i++)
        if (acpi_cpus[i].acpi_id == acpi_id)
            return true;
    return false;
}

/* Accepted and not used: idle and frequency are the hardware's own choice so far. */
static long set_pminfo(struct call *c)
{
    const struct xenpf_set_processor_pminfo *info = &c->platform->u.set_pminfo;
    uint32_t pdc[3];

    switch (info->type) {
    case XEN_PM_PX:
        return !pm_known_cpu(info->id) || info->u.perf.state_count > 256 ? -EINVAL : 0;
    case XEN_PM_CX:
        return !pm_known_cpu(info->id) ? -EINVAL : 0;
    case XEN_PM_TX:
        return -ENOSYS;
    case XEN_PM_PDC: /* capability bits of this kernel; what we add: none */
        return guest_read(pdc, GUEST_HANDLE(info->u.pdc), sizeof(pdc));
    default:
        return -EINVAL;
    }
}

/* ---- CPUs ---- */

static long cpu_information(struct call *c)
{
    struct xenpf_pcpuinfo *info = &c->platform->u.pcpu_info;

    info->max_present = cpu_online_count - 1;
    if (info->xen_cpuid > info->max_present) {
        info->flags = XEN_PCPU_FLAGS_INVALID;
    } else {
        info->flags = cpu_online(info->xen_cpuid) ? XEN_PCPU_FLAGS_ONLINE : 0;
        info->apic_id = machine_apic_id(info->xen_cpuid);
        info->acpi_id = machine_acpi_id(info->xen_cpuid);
    }
    return 0;
}

static long cpu_version(struct call *c)
{
    struct xenpf_pcpu_version *v = &c->platform->u.pcpu_version;

    *v = (struct xenpf_pcpu_version){.xen_cpuid = v->xen_cpuid, .max_present = cpu_online_count - 1};
    if (cpu_online(v->xen_cpuid)) {
        memcpy(v->vendor_id, cpu_model.vendor_name, sizeof(v->vendor_id));
        v->family = cpu_model.family;
        v->model = cpu_model.model;
        v->stepping = cpu_model.stepping;
    }
    return 0;
}

/* All CPUs stay as they were started. */
static long cpu_state(struct call *c)
{
    const uint32_t cpu = c->platform->u.cpu_ol.cpuid;
    const bool online = c->command == XENPF_cpu_online;

    if (!online && cpu == 0)
        return -EOPNOTSUPP;
    if (cpu > cpu_online_count - 1)
        return -EINVAL;
    return cpu_online(cpu) == online ? 0 : -EOPNOTSUPP;
}

static long core_parking(struct call *c)
{
    struct xenpf_core_parking *parking = &c->platform->u.core_parking;

    if (parking->type == XEN_CORE_PARKING_SET)
        return parking->idle_nums == 0 ? 0 : -EOPNOTSUPP;
    parking->idle_nums = 0;
    return parking->type == XEN_CORE_PARKING_GET ? 0 : -EINVAL;
}

/* ---- resources: counters of the CPU's monitoring ---- */

struct resource_work {
    unsigned count, done;
    xenpf_resource_entry_t entries[RESOURCE_MAX_ENTRIES];
};

static int resource_one(xenpf_resource_entry_t *e)
{
    const bool is_write = e->u.cmd == XEN_RESOURCE_OP_MSR_WRITE;

    if (e->u.cmd > XEN_RESOURCE_OP_MSR_WRITE)
        return -EOPNOTSUPP;
    if (e->rsvd != 0 || (e->idx != MSR_QM_EVTSEL && (is_write || (e->idx != MSR_QM_CTR && e->idx != MSR_TSC))))
        return -EACCES;
    if (is_write)
        return wrmsr_safe((uint32_t)e->idx, e->val) ? 0 : -EIO;
    if (e->idx == MSR_TSC) {
        e->val = time_now();
        return 0;
    }
    return rdmsr_safe((uint32_t)e->idx, &e->val) ? 0 : -EIO;
}

static void resource_run(void *data)
{
    struct resource_work *work = data;

    for (work->done = 0; work->done < work->count; work->done++) {
        int error = resource_one(&work->entries[work->done]);

        if (error != 0) {
            work->entries[work->done].u.ret = error;
            return;
        }
    }
}

static long resource_op(struct call *c)
{
    const struct xenpf_resource_op *op = &c->platform->u.resource_op;
    struct resource_work work = {.count = op->nr_entries};
    guest_addr_t entries = GUEST_HANDLE(op->entries);
    cpu_mask_t mask = {{0}};

    if (work.count == 0)
        return 0;
    if (work.count > RESOURCE_MAX_ENTRIES)
        return -EINVAL;
    if (!cpu_online(op->cpu))
        return -ENODEV;
    if (guest_read(work.entries, entries, work.count * sizeof(work.entries[0])) != 0)
        return -EFAULT;
    mask.bits[op->cpu / 64] = BIT(op->cpu % 64);
    cpu_call(&mask, resource_run, &work);
    if (guest_write(entries, work.entries, min(work.done + 1, work.count) * sizeof(work.entries[0])) != 0)
        return -EFAULT;
    return (long)work.done;
}

/* ---- dispatch ---- */

static long quirk(struct call *c)
{
    const uint32_t id = c->platform->u.platform_quirk.quirk_id;

    return id >= QUIRK_NOIRQBALANCING && id <= QUIRK_IOAPIC_GOOD_REGSEL ? 0 : -EINVAL;
}

static const struct operation operations[] = {
    [XENPF_settime32] = {.run = settime},
    [XENPF_add_memtype] = {.answer = -EOPNOTSUPP}, /* memory types are set per page */
    [XENPF_del_memtype] = {.answer = -EOPNOTSUPP},
    [XENPF_read_memtype] = {.run = read_memtype, .flags = OP_ANSWER},
    [XENPF_microcode_update] = {.answer = -EOPNOTSUPP}, /* firmware's and the boot loader's business */
    [XENPF_platform_quirk] = {.run = quirk},
    [XENPF_get_cpu_version] = {.run = cpu_version, .flags = OP_ANSWER},
    [XENPF_firmware_info] = {.run = firmware_info},
    [XENPF_enter_acpi_sleep] = {.run = enter_sleep},
    [XENPF_set_processor_pminfo] = {.run = set_pminfo},
    [XENPF_get_cpuinfo] = {.run = cpu_information, .flags = OP_ANSWER},
    [XENPF_cpu_online] = {.run = cpu_state},
    [XENPF_cpu_offline] = {.run = cpu_state},
    [XENPF_cpu_hotadd] = {.answer = -EOPNOTSUPP},
    [XENPF_mem_hotadd] = {.answer = -EOPNOTSUPP},
    [XENPF_core_parking] = {.run = core_parking, .flags = OP_ANSWER},
    [XENPF_resource_op] = {.run = resource_op},
    [XENPF_settime64] = {.run = settime},
    /* efi_runtime_call: no UEFI; change_freq, getidletime: domain 0's kernel does not scale frequencies; get_symbol: there is no
     * list of symbols to read: -ENOSYS */
};

long platform_op(uint64_t arg, uint64_t, uint64_t, uint64_t, uint64_t)
{
    struct call c = {.size = sizeof(struct xen_platform_op), .at = GUEST_ADDR(arg)};

    return operation_run_versioned(operations, ARRAY_SIZE(operations), &c, XENPF_INTERFACE_VERSION);
}
