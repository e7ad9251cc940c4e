/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the firmware's static ACPI tables say about the machine.  Source: ACPI Specification 6.5, chapter 5.2
 * (RSDP, XSDT, MADT, FADT) with the HPET and MCFG tables' own specifications.  AML is domain 0's business.
 */
#pragma once

#include "config.h"
#include "types.h"

#define ACPI_MAX_IOAPICS 16
#define ACPI_MAX_OVERRIDES 32
#define ACPI_MAX_MCFG 16
#define ACPI_MAX_NODE_RANGES 64
#define ACPI_MAX_DISTANCES 64

struct acpi_cpu {
    uint32_t apic_id, acpi_id;
    bool enabled; /* usable now; otherwise may be plugged in later */
};
extern unsigned acpi_cpu_count;
extern struct acpi_cpu acpi_cpus[MAX_CPUS];

struct acpi_ioapic {
    uint64_t address;
    uint32_t gsi_base;
    uint8_t id;
};

/* An ISA interrupt that arrives at another GSI or in another form. */
struct acpi_override {
    uint32_t gsi;
    uint16_t flags; /* bits 1-0 polarity, 3-2 trigger: 0 as the bus, 1 high or edge, 3 low or level */
    uint8_t irq;
};

/* A register as the FADT names it; width 0: absent. */
struct acpi_register {
    uint64_t address;
    uint8_t space; /* 0 memory, 1 port, 2 PCI configuration space */
    uint8_t width; /* bits */
};
#define ACPI_SPACE_MEMORY 0
#define ACPI_SPACE_PORT 1
#define ACPI_SPACE_PCI 2

struct acpi_mcfg {
    uint64_t address; /* of bus 0 of the segment */
    uint16_t segment;
    uint8_t start_bus, end_bus;
};

/* Nodes, which ACPI calls proximity domains. */
struct acpi_node_range { uint64_t start, end; uint32_t domain; };
struct acpi_node_cpu { uint32_t apic_id, domain; };

/* Of the MADT. */
struct acpi_cpu_list {
    unsigned count;
    unsigned dropped; /* beyond MAX_CPUS */
    struct acpi_cpu cpus[MAX_CPUS];
};

/* Everything read from the tables; zero where a table is missing. */
struct acpi_facts {
    uint64_t lapic_address;
    struct acpi_cpu_list cpus;
    unsigned ioapic_count, override_count, mcfg_count;
    struct acpi_ioapic ioapics[ACPI_MAX_IOAPICS];
    struct acpi_override overrides[ACPI_MAX_OVERRIDES];
    struct acpi_mcfg mcfg[ACPI_MAX_MCFG];
    /* SRAT, SLIT */
    unsigned node_range_count, node_cpu_count, distance_count;
    struct acpi_node_range node_ranges[ACPI_MAX_NODE_RANGES];
    struct acpi_node_cpu node_cpus[MAX_CPUS];
    uint8_t distances[ACPI_MAX_DISTANCES][ACPI_MAX_DISTANCES]; /* by proximity domain, below distance_count */
    /* HPET */
    uint64_t hpet_address;
    /* FADT */
    uint16_t sci_irq;
    uint32_t fadt_flags;
    struct acpi_register pm_timer, pm1a_control, pm1b_control, reset;
    uint8_t reset_value;
    uint32_t pm_timer_width; /* bits: 24 or 32, 0 none */
    uint64_t dsdt;
    uint8_t sleep_type_a, sleep_type_b; /* of S5, as far as the DSDT shows it without an interpreter */
};
extern struct acpi_facts acpi;

/*
 * Finds and reads the tables, once, at start of day: after the direct map and vmap_device work, before SMP
 * bring-up.  Never fails: what does not check out is reported and left absent.  The calling CPU's entry is
 * made element 0 of acpi_cpus.
 */
void acpi_init(void);

/* ---- parsing core: pure functions over bytes, for host tests too (arch/x86/acpi_parse.c) ---- */

/*
 * bytes must lie within size; true when checksum and signature hold and *length (header's) is within limits.
 */
bool acpi_header_ok(const void *table, size_t size, const char signature[4]);
/* RSDP at p with size bytes left: root table's address; *is_xsdt.  0 when it is not one. */
uint64_t acpi_rsdp_parse(const void *p, size_t size, bool *is_xsdt);
/* Number of table addresses in a root table of length bytes, and address number n. */
size_t acpi_root_count(size_t length, bool is_xsdt);
uint64_t acpi_root_entry(const void *root, size_t n, bool is_xsdt);
/* Each: 0, or -EINVAL when an entry does not fit its table (what came before it was taken). */
int acpi_madt_parse(const void *table, size_t length, struct acpi_facts *facts);
int acpi_fadt_parse(const void *table, size_t length, struct acpi_facts *facts);
/* Looks for a literal \_S5 package in AML. */
void acpi_dsdt_parse(const void *table, size_t length, struct acpi_facts *facts);
int acpi_hpet_parse(const void *table, size_t length, struct acpi_facts *facts);
int acpi_mcfg_parse(const void *table, size_t length, struct acpi_facts *facts);
int acpi_srat_parse(const void *table, size_t length, struct acpi_facts *facts);
int acpi_slit_parse(const void *table, size_t length, struct acpi_facts *facts);
