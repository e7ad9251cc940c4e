/* SPDX-License-Identifier: BSD-2-Clause */
/* Machine-check telemetry for domain 0 (guest/machine_check.c). */
#pragma once

#include <stdint.h>

/* Start of day, all CPUs running: looks for corrected errors from now on, and tells domain 0 of all. */
void machine_check_init(void);
/* HYPERVISOR_mca (xen/arch-x86/xen-mca.h), of the control domain. */
long machine_check_op(uint64_t arg, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);
