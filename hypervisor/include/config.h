/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits of the house, each named once. */
#pragma once

#define MAX_CPUS 128         /* physical CPUs */
#define MAX_NUMA_NODES 16    /* memory of further ones counts as the first one's */
#define MAX_VCPUS_PV 512     /* of one PV domain: bounded by the per-domain mapping slot */
#define MAX_IRQS 1024        /* machine interrupt sources with a descriptor */
#define MAX_PIRQS 1024       /* physical interrupts a domain can name */

/* domids: DOMID_FIRST_RESERVED (0x7ff0) and up are reserved by the ABI */
