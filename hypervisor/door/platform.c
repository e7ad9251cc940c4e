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
#include "door/hypercall.h"
#include "errno.h"
#include "lib/base.h"
#include "lib/string.h"
#include "log.h"
#include "mm/guest_copy.h"
#include "mm/heap.h"
#include "sched/sched.h"

#define RESOURCE_MAX_ENTRIES 3 /* as many as the tools send: one event select, one counter, one time */
#define MSR_QM_EVTSEL 0xc8d
#define MSR_QM_CTR 0xc8e
#define MSR_MTRR_PHYSBASE(n) (0x200 + 2 * (n))

/*
 * What a handler wants back in the guest's struct is copied whole: its fields are the caller's own otherwise.
 */
struct request {
    guest_addr_t address;
    struct xen_platform_op op;
};

static long answer(struct request *r)
{
    return guest_write(r->address, &r->op, sizeof(r->op));
}

/* ---- clock ---- */

static long settime(uint64_t seconds, uint32_t nanoseconds, uint64_t system_time)
{
    if (nanoseconds >= 1000000000)
        return -EINVAL;
    time_set_wallclock(seconds, nanoseconds, system_time);
    return 0;
}

/* ---- memory types ---- */

static long read_memtype(struct request *r)
{
    struct xenpf_read_memtype *m = &r->op.u.read_memtype;
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
    return answer(r);
}

/* ---- firmware ---- */

/* Boot services of a BIOS are gone when we start: nothing was collected. */
static long firmware_info(const struct xenpf_firmware_info *info)
{
    switch (info->type) {
    case XEN_FW_DISK_INFO:
    case XEN_FW_DISK_MBR_SIGNATURE:
    case XEN_FW_VBEDDC_INFO:
    case XEN_FW_KBD_SHIFT_FLAGS:
        return -ESRCH;
    case XEN_FW_EFI_INFO:
        return -ENOSYS;
    default:
        return -EINVAL;
    }
}

/* ---- power ---- */

static long enter_sleep(const struct xenpf_enter_acpi_sleep *sleep)
{
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
static long set_pminfo(const struct xenpf_set_processor_pminfo *info)
{
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

static unsigned max_present(void)
{
    return cpu_online_count - 1;
}

static long cpu_information(struct request *r)
{
    struct xenpf_pcpuinfo *info = &r->op.u.pcpu_info;

    info->max_present = max_present();
    if (info->xen_cpuid > info->max_present) {
        info->flags = XEN_PCPU_FLAGS_INVALID;
    } else {
        info->flags = cpu_online(info->xen_cpuid) ? XEN_PCPU_FLAGS_ONLINE : 0;
        info->apic_id = machine_apic_id(info->xen_cpuid);
        info->acpi_id = machine_acpi_id(info->xen_cpuid);
    }
    return answer(r);
}

static long cpu_version(struct request *r)
{
    struct xenpf_pcpu_version *v = &r->op.u.pcpu_version;
    bool online = cpu_online(v->xen_cpuid);

    memset(v->vendor_id, 0, sizeof(v->vendor_id));
    if (online)
        memcpy(v->vendor_id, cpu_model.vendor_name, sizeof(v->vendor_id));
    v->family = online ? cpu_model.family : 0;
    v->model = online ? cpu_model.model : 0;
    v->stepping = online ? cpu_model.stepping : 0;
    v->max_present = max_present();
    return answer(r);
}

/* All CPUs stay as they were started. */
static long cpu_state(uint32_t cpu, bool online)
{
    if (!online && cpu == 0)
        return -EOPNOTSUPP;
    if (cpu > max_present())
        return -EINVAL;
    return cpu_online(cpu) == online ? 0 : -EOPNOTSUPP;
}

static long core_parking(struct request *r)
{
    switch (r->op.u.core_parking.type) {
    case XEN_CORE_PARKING_SET:
        return r->op.u.core_parking.idle_nums == 0 ? 0 : -EOPNOTSUPP;
    case XEN_CORE_PARKING_GET:
        r->op.u.core_parking.idle_nums = 0;
        return answer(r);
    default:
        return -EINVAL;
    }
}

/* ---- resources: counters of the CPU's monitoring ---- */

struct resource_work {
    unsigned count, done;
    xenpf_resource_entry_t entries[RESOURCE_MAX_ENTRIES];
};

static bool resource_allowed(const xenpf_resource_entry_t *e)
{
    if (e->rsvd != 0)
        return false;
    switch (e->u.cmd) {
    case XEN_RESOURCE_OP_MSR_READ:
        return e->idx == MSR_QM_EVTSEL || e->idx == MSR_QM_CTR || e->idx == MSR_TSC;
    case XEN_RESOURCE_OP_MSR_WRITE:
        return e->idx == MSR_QM_EVTSEL;
    default:
        return false;
    }
}

static int resource_one(xenpf_resource_entry_t *e)
{
    if (!resource_allowed(e))
        return e->u.cmd > XEN_RESOURCE_OP_MSR_WRITE ? -EOPNOTSUPP : -EACCES;
    if (e->u.cmd == XEN_RESOURCE_OP_MSR_WRITE)
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

static long resource_op(const struct xenpf_resource_op *op)
{
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

static long cpu_group(struct request *r)
{
    switch (r->op.cmd) {
    case XENPF_get_cpuinfo:
        return cpu_information(r);
    case XENPF_get_cpu_version:
        return cpu_version(r);
    case XENPF_cpu_online:
        return cpu_state(r->op.u.cpu_ol.cpuid, true);
    case XENPF_cpu_offline:
        return cpu_state(r->op.u.cpu_ol.cpuid, false);
    case XENPF_cpu_hotadd:
    case XENPF_mem_hotadd:
        return -EOPNOTSUPP;
    case XENPF_core_parking:
        return core_parking(r);
    case XENPF_resource_op:
        return resource_op(&r->op.u.resource_op);
    default: /* get_symbol too: there is no list of symbols to read */
        return -ENOSYS;
    }
}

static long quirk(uint32_t id)
{
    return id >= QUIRK_NOIRQBALANCING && id <= QUIRK_IOAPIC_GOOD_REGSEL ? 0 : -EINVAL;
}

static long run(struct request *r)
{
    switch (r->op.cmd) {
    case XENPF_settime32:
        return settime(r->op.u.settime32.secs, r->op.u.settime32.nsecs, r->op.u.settime32.system_time);
    case XENPF_settime64:
        return r->op.u.settime64.mbz != 0 ? -EINVAL
                   : settime(r->op.u.settime64.secs, r->op.u.settime64.nsecs, r->op.u.settime64.system_time);
    case XENPF_read_memtype:
        return read_memtype(r);
    case XENPF_add_memtype: /* memory types are set per page */
    case XENPF_del_memtype:
        return -EOPNOTSUPP;
    case XENPF_microcode_update: /* firmware's and the boot loader's business */
        return -EOPNOTSUPP;
    case XENPF_platform_quirk:
        return quirk(r->op.u.platform_quirk.quirk_id);
    case XENPF_firmware_info:
        return firmware_info(&r->op.u.firmware_info);
    case XENPF_enter_acpi_sleep:
        return enter_sleep(&r->op.u.enter_acpi_sleep);
    case XENPF_set_processor_pminfo:
        return set_pminfo(&r->op.u.set_pminfo);
    case XENPF_efi_runtime_call: /* no UEFI; change_freq, getidletime: domain 0's kernel does not scale
                                    frequencies */
    case XENPF_change_freq:
    case XENPF_getidletime:
        return -ENOSYS;
    default:
        return cpu_group(r);
    }
}

long platform_op(uint64_t arg, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct request r = {.address = GUEST_ADDR(arg)};
    int error;

    (void)a2;
    (void)a3;
    (void)a4;
    (void)a5;
    if (guest_read(&r.op, r.address, sizeof(r.op)) != 0)
        return -EFAULT;
    if (r.op.interface_version != XENPF_INTERFACE_VERSION)
        return -EACCES;
    error = permission_privileged();
    return error != 0 ? error : run(&r);
}
