// SPDX-License-Identifier: BSD-2-Clause
/*
 * The handler of #MC.  It may have interrupted anything, locks held: unless a guest was running it prints nothing
 * but a panic.  Pages with bad memory are not taken out of use: a guest that used one is stopped, the next one may
 * meet it again.
 */
#include "arch/x86/machine_check.h"

#include "arch/x86/cpufeature.h"
#include "arch/x86/msr.h"
#include "arch/x86/traps.h"
#include "domain/state.h"
#include "lib/base.h"
#include "log.h"

#define MSR_BANK_STATUS(bank) (0x401 + 4 * (bank))
#define MSR_BANK_ADDRESS(bank) (0x402 + 4 * (bank))
#define MCG_CAP_BANKS 0xffu
#define MCI_STATUS_ADDRESS_VALID (1UL << 58)
#define BANKS_MOST 64u

static unsigned bank_count(void)
{
    uint64_t cap = 0;

    return rdmsr_safe(MSR_MCG_CAP, &cap) ? min((unsigned)cap & MCG_CAP_BANKS, BANKS_MOST) : 0;
}

static void bank_print(unsigned bank, uint64_t status)
{
    uint64_t address = 0;

    if (status & MCI_STATUS_ADDRESS_VALID)
        (void)rdmsr_safe(MSR_BANK_ADDRESS(bank), &address);
    log_error("machine check on CPU %u: bank %u status %016lx address %016lx\n", cpu_id(), bank, status,
              address);
}

void machine_check(struct cpu_user_regs *regs)
{
    bool amd = cpu_model.vendor == CPU_VENDOR_AMD || cpu_model.vendor == CPU_VENDOR_HYGON;
    bool in_guest = regs->cs & 3;
    uint64_t mcg_status = 0, status = 0;
    enum machine_check_verdict worst;

    (void)rdmsr_safe(MSR_MCG_STATUS, &mcg_status);
    worst = machine_check_global(mcg_status, in_guest);
    for (unsigned bank = 0, count = bank_count(); bank < count; bank++) {
        if (!rdmsr_safe(MSR_BANK_STATUS(bank), &status) || !(status & MCI_STATUS_VALID))
            continue;
        worst = max(worst, machine_check_bank(mcg_status, status, in_guest, amd));
        if (worst == MACHINE_CHECK_FATAL)
            break;
        if (in_guest)
            bank_print(bank, status);
        (void)wrmsr_safe(MSR_BANK_STATUS(bank), 0);
    }
    if (worst == MACHINE_CHECK_FATAL)
        panic_registers(regs, "Machine check: the hardware is broken (global status %lx, bank status %016lx)\n",
                        mcg_status, status);
    if (worst == MACHINE_CHECK_GUEST)
        domain_crash(current->domain, "machine check: it used memory or a cache that is broken\n");
    (void)wrmsr_safe(MSR_MCG_STATUS, 0);
}
