/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How interrupts of devices reach a CPU: by vector, each to be ended once taken.  What masks and routes them
 * at their source is in arch/devices.h.
 */
#pragma once

#include "public.h"
#include <stdbool.h>

/* Vectors of irq/, except 0x80 and 0x82. */
#define VECTOR_FIRST_IRQ 0x20
#define VECTOR_LAST_IRQ  0xef

void interrupt_end(void);                   /* this CPU may take others of the same or lower priority again */
bool interrupt_in_service(unsigned vector); /* on this CPU, taken and not ended */
uint32_t interrupt_target(unsigned cpu);    /* how a source names an online CPU */

/*
 * Why NMIs came since the last call, XEN_NMIREASON_* of xen/nmi.h; 0: none. SOFTIRQ_NMI is raised when there is
 * something to take.
 */
uint32_t nmi_reasons_take(void);

/* Upward, implemented by irq/: vector in regs->entry_vector, interrupts off; ends the interrupt. */
void irq_dispatch(struct cpu_user_regs *regs);
