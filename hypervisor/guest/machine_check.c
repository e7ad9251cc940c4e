// SPDX-License-Identifier: BSD-2-Clause
/*
 * Machine-check telemetry for domain 0 (xen/arch-x86/xen-mca.h): it is told by VIRQ_MCA, fetches one record
 * at a time, and acknowledges it. Errors are not injected here.
 */
#include "arch/x86/machine_check.h"
#include "arch/machine.h"
#include "arch/x86/cpufeature.h"
#include "arch/x86/msr.h"
#include "domain/state.h"
#include "errno.h"
#include "guest/machine_check.h"
#include "lib/bitmap.h"
#include "lib/string.h"
#include "mm/guest_copy.h"
#include "mm/heap.h"
#include <xen/arch-x86/xen-mca.h>

#define POLL_NS (15 * 1000000000UL)

static PER_CPU_DEFINE(struct timer, poll_timer);
static spinlock_t fetch_lock = SPINLOCK_INIT(RANK_NONE); /* readers of the logs */

/* ---- fetch ---- */

struct bank_record {
    struct mcinfo_global global;
    struct mcinfo_bank bank;
};
BUILD_ASSERT(sizeof(struct bank_record) <= sizeof(((struct mc_info *)0)->mi_data));

static void record_tell(const struct machine_check_record *r, struct mc_info *info)
{
    struct bank_record b = {
        .global = {.common = {MC_TYPE_GLOBAL, sizeof(b.global)},
                   .mc_domid = r->domain,
                   .mc_vcpuid = r->vcpu,
                   .mc_socketid = machine_socket(r->cpu),
                   .mc_coreid = (uint16_t)machine_core(r->cpu),
                   .mc_apicid = machine_apic_id(r->cpu),
                   .mc_gstatus = r->global_status,
                   .mc_flags = r->polled ? MC_FLAG_POLLED | MC_FLAG_CORRECTABLE : MC_FLAG_MCE},
        .bank = {.common = {MC_TYPE_BANK, sizeof(b.bank)},
                 .mc_bank = (uint16_t)r->bank,
                 .mc_domid = r->domain,
                 .mc_status = r->status,
                 .mc_addr = r->address,
                 .mc_misc = r->misc,
                 .mc_tsc = r->tsc},
    };

    memset(info, 0, sizeof(*info));
    info->mi_nentries = 2;
    memcpy(info->mi_data, &b, sizeof(b));
}

static long fetch_one(struct xen_mc_fetch *fetch, bool polled)
{
    struct machine_check_record record;
    struct mc_info *info = mem_new(struct mc_info);
    unsigned number;
    long result = 0;

    if (!info)
        return -ENOMEM;
    spin_lock(&fetch_lock);
    number = machine_check_log_take(polled, &record);
    spin_unlock(&fetch_lock);
    fetch->flags = number ? XEN_MC_OK : XEN_MC_OK | XEN_MC_NODATA;
    fetch->fetch_id = number;
    if (number) {
        record_tell(&record, info);
        if (guest_write(GUEST_HANDLE(fetch->data), info, sizeof(*info))) {
            machine_check_log_done(polled, number); /* where it was to go was wrong: it is lost */
            fetch->flags |= XEN_MC_FETCHFAILED;
            fetch->fetch_id = 0;
            result = -EFAULT;
        }
    }
    mem_free(info);
    return result;
}

static long mca_fetch(guest_addr_t arg, struct xen_mc *op)
{
    struct xen_mc_fetch *fetch = &op->u.mc_fetch;
    uint32_t which = fetch->flags & (XEN_MC_URGENT | XEN_MC_NONURGENT);
    long result;

    if (which != XEN_MC_URGENT && which != XEN_MC_NONURGENT)
        return -EINVAL;
    if (fetch->flags & XEN_MC_ACK) {
        machine_check_log_done(which == XEN_MC_NONURGENT, fetch->fetch_id);
        return 0;
    }
    if (guest_addr_null(GUEST_HANDLE(fetch->data)))
        return -EINVAL;
    result = fetch_one(fetch, which == XEN_MC_NONURGENT);
    return guest_write(arg, op, sizeof(*op)) ? -EFAULT : result;
}

/* ---- the CPUs ---- */

/* All CPUs are taken to be alike, as everywhere. */
static void cpu_tell(unsigned cpu, struct mcinfo_logical_cpu *info)
{
    struct cpuid_result first = cpuid(1, 0), extended = cpuid(0x80000001, 0);

    *info = (struct mcinfo_logical_cpu){.mc_cpunr = cpu,
                                        .mc_chipid = machine_socket(cpu),
                                        .mc_coreid = (uint16_t)machine_core(cpu),
                                        .mc_apicid = machine_apic_id(cpu),
                                        .mc_ncores = machine_cores_per_socket(),
                                        .mc_ncores_active = machine_cores_per_socket(),
                                        .mc_nthreads = machine_threads_per_core(),
                                        .mc_threadid =
                                            (uint16_t)(machine_apic_id(cpu) % machine_threads_per_core()),
                                        .mc_clusterid = machine_apic_id(cpu) >> 4,
                                        .mc_cpuid_level = (int32_t)cpu_model.max_leaf,
                                        .mc_family = cpu_model.family,
                                        .mc_model = cpu_model.model,
                                        .mc_step = cpu_model.stepping,
                                        .mc_vendor = cpu_model.vendor,
                                        .mc_cache_alignment = (first.ebx >> 8 & 0xff) * 8,
                                        .mc_nmsrvals = 1};
    strlcpy(info->mc_vendorid, cpu_model.vendor_name, sizeof(info->mc_vendorid));
    strlcpy(info->mc_brandid, cpu_model.brand, sizeof(info->mc_brandid));
    info->mc_cpu_caps[MC_CAPS_STD_EDX] = first.edx;
    info->mc_cpu_caps[MC_CAPS_STD_ECX] = first.ecx;
    info->mc_cpu_caps[MC_CAPS_AMD_EDX] = extended.edx;
    info->mc_cpu_caps[MC_CAPS_AMD_ECX] = extended.ecx;
    info->mc_msrvalues[0].reg = MSR_MCG_CAP;
    (void)rdmsr_safe(MSR_MCG_CAP, &info->mc_msrvalues[0].value);
}

static long mca_cpus(guest_addr_t arg, struct xen_mc *op)
{
    struct xen_mc_physcpuinfo *request = &op->u.mc_physcpuinfo;
    unsigned count = cpu_online_count;
    struct mcinfo_logical_cpu info;

    if (!guest_addr_null(GUEST_HANDLE(request->info))) {
        if ((int32_t)request->ncpus <= 0)
            return -EINVAL;
        count = min(count, (unsigned)request->ncpus);
        for (unsigned cpu = 0; cpu < count; cpu++) {
            cpu_tell(cpu, &info);
            if (guest_write(guest_element(GUEST_HANDLE(request->info), cpu, sizeof(info)), &info, sizeof(info)))
                return -EFAULT;
        }
    }
    request->ncpus = count;
    return guest_write(arg, op, sizeof(*op));
}

long machine_check_op(uint64_t address, uint64_t, uint64_t, uint64_t, uint64_t)
{
    const guest_addr_t arg = GUEST_ADDR(address);
    struct xen_mc op;

    if (guest_read(&op, arg, sizeof(op)))
        return -EFAULT;
    if (op.interface_version != XEN_MCA_INTERFACE_VERSION)
        return -EACCES;
    switch (op.cmd) {
    case XEN_MC_fetch:
        return mca_fetch(arg, &op);
    case XEN_MC_physcpuinfo:
        return mca_cpus(arg, &op);
    case XEN_MC_msrinject:
    case XEN_MC_mceinject:
    case XEN_MC_inject_v2:
        return -EOPNOTSUPP;
    default: /* notifydomain too: Xen does not know it either */
        return -EINVAL;
    }
}

/* ---- what is new ---- */

static void mca_tell(void)
{
    event_upcalls.global_virq(VIRQ_MCA);
}

static void mca_poll(void *unused)
{
    machine_check_poll(unused);
    timer_set(&this_cpu(poll_timer), time_now() + POLL_NS);
}

void machine_check_init(void)
{
    size_t cpu;

    softirq_register(SOFTIRQ_MACHINE_CHECK, mca_tell);
    if (!machine_check_banks())
        return;
    cpu_call(&cpu_online_mask, machine_check_cpu_start, NULL);
    bitmap_for_each (cpu, cpu_online_mask.bits, MAX_CPUS) {
        timer_init(&per_cpu(poll_timer, cpu), mca_poll, NULL, (unsigned)cpu);
        timer_set(&per_cpu(poll_timer, cpu), time_now() + POLL_NS);
    }
}
