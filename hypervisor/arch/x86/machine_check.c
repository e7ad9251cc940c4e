// SPDX-License-Identifier: BSD-2-Clause
/*
 * The handler of #MC.  It may have interrupted anything, locks held: unless a guest was running it prints
 * nothing but a panic.  What it finds is logged for domain 0.  Pages with bad memory are not taken out of
 * use: a guest that used one is stopped, the next one may meet it again.
 */
#include "arch/x86/machine_check.h"

#include "arch/x86/cpufeature.h"
#include "arch/x86/ports.h"
#include "arch/x86/msr.h"
#include "arch/x86/traps.h"
#include "domain/state.h"
#include "log.h"
#include <xen/arch-x86/xen-mca.h>

#define MSR_BANK_CONTROL(bank)   (0x400 + 4 * (bank))
#define MSR_BANK_STATUS(bank)    (0x401 + 4 * (bank))
#define MSR_BANK_ADDRESS(bank)   (0x402 + 4 * (bank))
#define MSR_BANK_MISC(bank)      (0x403 + 4 * (bank))
#define MCI_STATUS_MISC_VALID    (1UL << 59)
#define MCG_CAP_BANKS            0xffu
#define MCG_CAP_CONTROL          (1u << 8)
#define MODEL_NEHALEM            0x1a /* before it bank 0 is the firmware's to control: Intel SDM 3, 16.3.2.1 */
#define MCI_STATUS_ADDRESS_VALID (1UL << 58)
#define BANKS_MOST               64u

unsigned machine_check_banks(void)
{
    uint64_t cap = 0;

    return rdmsr_safe(MSR_MCG_CAP, &cap) ? min((unsigned)cap & MCG_CAP_BANKS, BANKS_MOST) : 0;
}

static void bank_print(unsigned bank, uint64_t status)
{
    uint64_t address = 0;

    if (status & MCI_STATUS_ADDRESS_VALID)
        (void)rdmsr_safe(MSR_BANK_ADDRESS(bank), &address);
    log_error("machine check on CPU %u: bank %u status %016lx address %016lx\n", cpu_id(), bank, status, address);
}

static void bank_log(unsigned bank, uint64_t global_status, uint64_t status, bool polled)
{
    const struct vcpu *v = current;
    struct machine_check_record r = {.cpu = cpu_id(),
                                     .bank = bank,
                                     .polled = polled,
                                     .global_status = global_status,
                                     .status = status,
                                     .tsc = rdtsc(),
                                     .domain = DOMID_IDLE,
                                     .vcpu = XEN_MC_VCPUID_INVALID};

    if (v && !v->is_idle) {
        r.domain = v->domain->id;
        r.vcpu = (uint16_t)v->id;
    }
    if (status & MCI_STATUS_ADDRESS_VALID)
        (void)rdmsr_safe(MSR_BANK_ADDRESS(bank), &r.address);
    if (status & MCI_STATUS_MISC_VALID)
        (void)rdmsr_safe(MSR_BANK_MISC(bank), &r.misc);
    machine_check_log_add(&r);
    softirq_raise(SOFTIRQ_MACHINE_CHECK);
}

void machine_check_cpu_start(void *)
{
    bool keep_first =
        cpu_model.vendor == CPU_VENDOR_INTEL && cpu_model.family == 6 && cpu_model.model < MODEL_NEHALEM;
    uint64_t cap = 0, status;

    (void)rdmsr_safe(MSR_MCG_CAP, &cap);
    if (cap & MCG_CAP_CONTROL)
        (void)wrmsr_safe(MSR_MCG_CTL, UINT64_MAX);
    for (unsigned bank = 0, count = machine_check_banks(); bank < count; bank++) {
        if (rdmsr_safe(MSR_BANK_STATUS(bank), &status) && (status & MCI_STATUS_VALID))
            bank_log(bank, 0, status, true);
        (void)wrmsr_safe(MSR_BANK_STATUS(bank), 0);
        if (bank || !keep_first)
            (void)wrmsr_safe(MSR_BANK_CONTROL(bank), UINT64_MAX);
    }
}

/* An error that was not corrected stays for #MC, which is on its way. */
void machine_check_poll(void *)
{
    uint64_t status;

    for (unsigned bank = 0, count = machine_check_banks(); bank < count; bank++) {
        if (!rdmsr_safe(MSR_BANK_STATUS(bank), &status) || !(status & MCI_STATUS_VALID) ||
            (status & MCI_STATUS_UNCORRECTED))
            continue;
        bank_log(bank, 0, status, true);
        (void)wrmsr_safe(MSR_BANK_STATUS(bank), 0);
    }
}

void machine_check(struct cpu_user_regs *regs)
{
    bool in_guest = regs->cs & 3;
    uint64_t mcg_status = 0, status = 0;
    enum machine_check_verdict worst;

    (void)rdmsr_safe(MSR_MCG_STATUS, &mcg_status);
    worst = machine_check_global(mcg_status, in_guest);
    for (unsigned bank = 0, count = machine_check_banks(); bank < count; bank++) {
        if (!rdmsr_safe(MSR_BANK_STATUS(bank), &status) || !(status & MCI_STATUS_VALID))
            continue;
        worst = max(worst, machine_check_bank(mcg_status, status, in_guest, cpu_is_amd()));
        if (worst == MACHINE_CHECK_FATAL)
            break;
        if (in_guest)
            bank_print(bank, status);
        bank_log(bank, mcg_status, status, false);
        (void)wrmsr_safe(MSR_BANK_STATUS(bank), 0);
    }
    if (worst == MACHINE_CHECK_FATAL)
        panic_registers(regs,
                        "Machine check: the hardware is broken (global status %lx, bank status %016lx)\n",
                        mcg_status, status);
    if (worst == MACHINE_CHECK_GUEST)
        domain_crash(current->domain, "machine check: it used memory or a cache that is broken\n");
    (void)wrmsr_safe(MSR_MCG_STATUS, 0);
}
