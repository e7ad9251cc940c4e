/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ends of the machine's life, and facts about it that hypercalls report.
 */
#pragma once

#include "types.h"

_Noreturn void machine_reboot(void);
_Noreturn void machine_power_off(void);
_Noreturn void machine_halt(void);
/* Switches off with domain 0's values for the two sleep control registers (XENPF_enter_acpi_sleep, S5). */
_Noreturn void machine_sleep_off(uint16_t a, uint16_t b);
extern bool opt_noreboot;

unsigned machine_threads_per_core(void);
unsigned machine_cores_per_socket(void);
unsigned machine_socket(unsigned cpu);
unsigned machine_core(unsigned cpu);
uint32_t machine_apic_id(unsigned cpu);
uint32_t machine_acpi_id(unsigned cpu);
/* NUMA: nodes are numbered from 0; one without memory or without CPUs is possible. */
unsigned machine_nodes(void);
unsigned machine_node(unsigned cpu);
uint64_t machine_node_bytes(unsigned node);             /* of memory */
unsigned machine_node_distance(unsigned a, unsigned b); /* 10: itself */
void machine_hw_caps(uint32_t caps[8]);
