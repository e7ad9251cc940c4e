/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local interrupt controller of each CPU, in xAPIC or x2APIC form, and its timer.  Intel SDM volume 3
 * chapter 11.
 */
#pragma once

#include "types.h"

void apic_init(void);     /* boot CPU: finds and maps it, masks the old 8259; before time_init */
void apic_cpu_init(void); /* each CPU */
void apic_timer_init(void); /* after time_init: learns the timer's rate */
uint32_t apic_read(unsigned reg);             /* offsets of the xAPIC page */
void apic_write(unsigned reg, uint32_t value);
/* Nothing changes, but the local APIC looks again at what waits in it and tells the CPU. */
void apic_offer_again(void);
uint32_t apic_id(void);                       /* of this CPU */
void apic_send_ipi(unsigned cpu, unsigned vector);
void apic_send_nmi(unsigned cpu);
void apic_send_start(uint32_t id, uint32_t command); /* INIT, or startup at a page: to a CPU that does not run yet */
