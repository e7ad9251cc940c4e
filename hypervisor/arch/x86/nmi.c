// SPDX-License-Identifier: BSD-2-Clause
/*
 * Non-maskable interrupts.  They may interrupt anything, locks held, so nothing is done here that takes one: what came is
 * noted, and a softirq passes it on (door/nmi.c).
 *
 * The causes a PC can tell are in the control port of the system board: an error a PCI device signalled, and one of an
 * ISA card or the memory.
 */

#include "arch/interrupts.h"
#include "arch/x86/ports.h"
#include "arch/x86/traps.h"
#include "arch/x86/smp.h"
#include "lib/string.h"
#include "options.h"
#include "sync/softirq.h"
#include <xen/nmi.h>

#define PORT_CONTROL 0x61
#define CONTROL_PCI_ERROR 0x80
#define CONTROL_CHANNEL_ERROR 0x40
#define CONTROL_PCI_ERROR_OFF 0x04
#define CONTROL_CHANNEL_ERROR_OFF 0x08
#define CONTROL_KEPT 0x0f

static char opt_nmi[8] = "dom0"; /* ignore, dom0, fatal */
OPTION_TEXT(nmi, "nmi", opt_nmi);
static uint32_t reasons;

/* Which cause the machine names; the error's latch is cleared, so that the next one is seen. */
static uint32_t reason_read(void)
{
    uint8_t control = port_in8(PORT_CONTROL);
    uint8_t off = (control & CONTROL_PCI_ERROR ? CONTROL_PCI_ERROR_OFF : 0) |
                  (control & CONTROL_CHANNEL_ERROR ? CONTROL_CHANNEL_ERROR_OFF : 0);

    if (!off || control == 0xff) /* nothing, or no such port */
        return XEN_NMIREASON_unknown;
    port_out8(PORT_CONTROL, (control & CONTROL_KEPT) | off);
    port_out8(PORT_CONTROL, control & CONTROL_KEPT & ~off);
    return (control & CONTROL_PCI_ERROR ? XEN_NMIREASON_pci_serr : 0) |
           (control & CONTROL_CHANNEL_ERROR ? XEN_NMIREASON_io_error : 0);
}

uint32_t nmi_reasons_take(void) { return __atomic_exchange_n(&reasons, 0, __ATOMIC_SEQ_CST); }

void nmi_arrived(struct cpu_user_regs *regs)
{
    uint32_t reason;

    if (smp_stop_wanted()) {
        irq_disable();
        for (;;)
            __asm__ volatile("hlt");
    }
    reason = reason_read();
    if (reason == XEN_NMIREASON_unknown && watchdog_nmi(regs))
        return;
    if (strcmp(opt_nmi, "fatal") == 0)
        panic_registers(regs, "NMI: %s\n", reason == XEN_NMIREASON_pci_serr    ? "a PCI device signals an error"
                                           : reason == XEN_NMIREASON_unknown ? "the machine names no cause"
                                                                             : "a memory or I/O channel error");
    if (strcmp(opt_nmi, "ignore") == 0)
        return;
    __atomic_fetch_or(&reasons, reason, __ATOMIC_SEQ_CST);
    softirq_raise(SOFTIRQ_NMI);
}
