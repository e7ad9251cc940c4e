/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local interrupt controller of each CPU, in xAPIC or x2APIC form, and its timer.  Intel SDM volume 3
 * chapter 11.
 */
#pragma once

#include "types.h"

/* IA32_APIC_BASE */
#define APIC_BASE_ADDRESS 0xfee00000UL
#define APIC_BASE_BSP     (1UL << 8)
#define APIC_BASE_X2APIC  (1UL << 10)
#define APIC_BASE_ENABLED (1UL << 11)

/* offsets of the xAPIC page */
#define LAPIC_ID       0x020
#define LAPIC_VERSION  0x030
#define LAPIC_TPR      0x080
#define LAPIC_PPR      0x0a0
#define LAPIC_EOI      0x0b0
#define LAPIC_LDR      0x0d0
#define LAPIC_DFR      0x0e0
#define LAPIC_SPURIOUS 0x0f0
#define LAPIC_ISR      0x100
#define LAPIC_IRR      0x200
#define LAPIC_ESR      0x280
#define LAPIC_ICR      0x300
#define LAPIC_ICR_HIGH 0x310
#define LAPIC_LVT_TIMER 0x320
#define LAPIC_LVT_THERMAL 0x330
#define LAPIC_LVT_PERF 0x340
#define LAPIC_LVT_LINT0 0x350
#define LAPIC_LVT_LINT1 0x360
#define LAPIC_LVT_ERROR 0x370
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_CURRENT 0x390
#define LAPIC_TIMER_DIVIDE 0x3e0
#define LAPIC_SELF_IPI 0x3f0
#define LAPIC_REGISTERS 0x400

/* in the local vector table */
#define LAPIC_LVT_MASKED   (1u << 16)
#define LAPIC_LVT_PERIODIC (1u << 17)
#define LAPIC_LVT_DEADLINE (1u << 18)

void apic_init(void);     /* boot CPU: finds and maps it, masks the old 8259; before time_init */
void apic_cpu_init(void); /* each CPU */
void apic_timer_init(void); /* after time_init: learns the timer's rate */
uint32_t apic_read(unsigned reg);             /* LAPIC_ */
void apic_write(unsigned reg, uint32_t value);
/* Nothing changes, but the local APIC looks again at what waits in it and tells the CPU. */
void apic_offer_again(void);
uint32_t apic_id(void);                       /* of this CPU */
void apic_send_ipi(unsigned cpu, unsigned vector);
void apic_send_nmi(unsigned cpu);
void apic_send_start(uint32_t id, uint32_t command); /* INIT, or startup at a page: to a CPU that does not run yet */
