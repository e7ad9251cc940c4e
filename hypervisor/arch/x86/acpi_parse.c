// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading ACPI tables from bytes: no mapping, no state, so that it runs on the host under tests and fuzzers.
 * Formats: ACPI Specification 6.5, 5.2.5 (RSDP), 5.2.6 (header), 5.2.9 (FADT), 5.2.12 (MADT); the IA-PC HPET
 * specification 1.0a, 3.2.4; the PCI Firmware Specification, 4.1.2 (MCFG).
 *
 * Every field is read through field(), which knows where the table ends: a short or hostile table gives
 * zeros.
 */
#include "arch/x86/acpi.h"
#include "errno.h"
#include "lib/base.h"
#include "lib/string.h"

#define HEADER_SIZE 36
#define TABLE_MAX MIB(1) /* no table we read is larger on a real machine */

/* Little-endian unsigned field of 1 to 8 bytes; 0 when it does not lie within the table. */
static uint64_t field(const void *table, size_t length, size_t offset, size_t size)
{
    uint64_t value = 0;

    if (offset > length || size > length - offset)
        return 0;
    memcpy(&value, (const uint8_t *)table + offset, size);
    return value;
}

static bool sum_is_zero(const uint8_t *bytes, size_t length)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum == 0;
}

bool acpi_header_ok(const void *table, size_t size, const char signature[4])
{
    size_t length = field(table, size, 4, 4);

    return size >= HEADER_SIZE && memcmp(table, signature, 4) == 0 && length >= HEADER_SIZE &&
           length <= size && length <= TABLE_MAX && sum_is_zero(table, length);
}

uint64_t acpi_rsdp_parse(const void *p, size_t size, bool *is_xsdt)
{
    uint64_t xsdt;
    size_t length;

    if (size < 20 || memcmp(p, "RSD PTR ", 8) != 0 || !sum_is_zero(p, 20))
        return 0;
    length = field(p, size, 20, 4);
    xsdt = field(p, size, 24, 8);
    *is_xsdt = field(p, size, 15, 1) >= 2 && xsdt != 0 && length >= 36 && length <= size && sum_is_zero(p, length);
    return *is_xsdt ? xsdt : field(p, size, 16, 4);
}

size_t acpi_root_count(size_t length, bool is_xsdt)
{
    return length < HEADER_SIZE ? 0 : (length - HEADER_SIZE) / (is_xsdt ? 8 : 4);
}

uint64_t acpi_root_entry(const void *root, size_t n, bool is_xsdt)
{
    size_t width = is_xsdt ? 8 : 4;

    return field(root, HEADER_SIZE + (n + 1) * width, HEADER_SIZE + n * width, width);
}

static void madt_cpu(struct acpi_cpu_list *cpus, uint32_t apic_id, uint32_t acpi_id, uint32_t flags)
{
    if (!(flags & 3)) /* neither enabled nor able to be: firmware's filler */
        return;
    for (unsigned i = 0; i < cpus->count; i++)
        if (cpus->cpus[i].apic_id == apic_id)
            return;
    if (cpus->count == MAX_CPUS) {
        cpus->dropped++;
        return;
    }
    cpus->cpus[cpus->count++] = (struct acpi_cpu){apic_id, acpi_id, flags & 1};
}

static void madt_ioapic(struct acpi_facts *facts, const uint8_t *e, size_t size)
{
    if (facts->ioapic_count == ACPI_MAX_IOAPICS || size < 12)
        return;
    facts->ioapics[facts->ioapic_count++] = (struct acpi_ioapic){.id = (uint8_t)field(e, size, 2, 1),
                                                                 .address = field(e, size, 4, 4),
                                                                 .gsi_base = (uint32_t)field(e, size, 8, 4)};
}

static void madt_override(struct acpi_facts *facts, const uint8_t *e, size_t size)
{
    if (facts->override_count == ACPI_MAX_OVERRIDES || size < 10)
        return;
    facts->overrides[facts->override_count++] =
        (struct acpi_override){.irq = (uint8_t)field(e, size, 3, 1),
                               .gsi = (uint32_t)field(e, size, 4, 4),
                               .flags = (uint16_t)field(e, size, 8, 2)};
}

/* One interrupt controller structure; size covers exactly it. */
static void madt_entry(struct acpi_facts *facts, const uint8_t *e, size_t size)
{
    switch (e[0]) {
    case 0: /* local APIC; id 255 means none */
        if (size >= 8 && e[3] != 0xff)
            madt_cpu(&facts->cpus, e[3], e[2], (uint32_t)field(e, size, 4, 4));
        break;
    case 1:
        madt_ioapic(facts, e, size);
        break;
    case 2:
        madt_override(facts, e, size);
        break;
    case 5: /* local APIC address override */
        if (size >= 12)
            facts->lapic_address = field(e, size, 4, 8);
        break;
    case 9: /* local x2APIC */
        if (size >= 16 && field(e, size, 4, 4) != 0xffffffff)
            madt_cpu(&facts->cpus, (uint32_t)field(e, size, 4, 4), (uint32_t)field(e, size, 12, 4),
                     (uint32_t)field(e, size, 8, 4));
        break;
    } /* NMI sources (3, 4, 10) need no setting up: LINT1 is left as the firmware programmed it */
}

/* Entries of a type and a size byte each, from offset `at` on. */
static int entries_parse(const void *table, size_t length, size_t at, struct acpi_facts *facts,
                         void (*entry)(struct acpi_facts *facts, const uint8_t *e, size_t size))
{
    size_t size;

    for (; at < length; at += size) {
        size = field(table, length, at + 1, 1);
        if (size < 2 || size > length - at)
            return -EINVAL;
        entry(facts, (const uint8_t *)table + at, size);
    }
    return 0;
}

int acpi_madt_parse(const void *table, size_t length, struct acpi_facts *facts)
{
    if (length < 44)
        return -EINVAL;
    facts->lapic_address = field(table, length, 36, 4);
    return entries_parse(table, length, 44, facts, madt_entry);
}

/* A generic address structure at offset. */
static struct acpi_register register_read(const void *table, size_t length, size_t offset)
{
    struct acpi_register r = {
        .space = (uint8_t)field(table, length, offset, 1),
        .width = (uint8_t)field(table, length, offset + 1, 1),
        .address = field(table, length, offset + 4, 8),
    };

    if (r.address == 0)
        r.width = 0;
    return r;
}

/* The extended field where the table has one, else the old port number of size bytes at legacy. */
static struct acpi_register register_choose(const void *table, size_t length, size_t extended, size_t legacy,
                                            uint8_t width)
{
    struct acpi_register r = register_read(table, length, extended);
    uint32_t port = (uint32_t)field(table, length, legacy, 4);

    if (r.width != 0 && r.space <= ACPI_SPACE_PORT) {
        r.width = width;
        return r;
    }
    return (struct acpi_register){.address = port, .space = ACPI_SPACE_PORT, .width = port != 0 ? width : 0};
}

int acpi_fadt_parse(const void *table, size_t length, struct acpi_facts *facts)
{
    if (length < 116)
        return -EINVAL;
    facts->dsdt = field(table, length, 140, 8) ?: field(table, length, 40, 4);
    facts->sci_irq = (uint16_t)field(table, length, 46, 2);
    facts->fadt_flags = (uint32_t)field(table, length, 112, 4);
    facts->pm1a_control = register_choose(table, length, 172, 64, 16);
    facts->pm1b_control = register_choose(table, length, 184, 68, 16);
    facts->pm_timer = register_choose(table, length, 208, 76, 32);
    facts->pm_timer_width = facts->pm_timer.width == 0 ? 0 : facts->fadt_flags & BIT(8) ? 32 : 24;
    if (facts->fadt_flags & BIT(10)) {
        facts->reset = register_read(table, length, 116);
        facts->reset_value = (uint8_t)field(table, length, 128, 1);
    }
    return 0;
}

/* A small integer constant at *at, which is moved behind it; -1 when it is something else. */
static int aml_integer(const uint8_t *aml, size_t length, size_t *at)
{
    uint8_t op = (uint8_t)field(aml, length, (*at)++, 1);

    if (op <= 1) /* ZeroOp, OneOp */
        return op;
    return op == 0x0a ? (int)field(aml, length, (*at)++, 1) : -1;
}

/* NameOp "_S5_" PackageOp length count first second ...: 20.2.5 of the specification. */
void acpi_dsdt_parse(const void *table, size_t length, struct acpi_facts *facts)
{
    const uint8_t *aml = table;

    for (size_t i = HEADER_SIZE; i + 9 < length; i++) {
        size_t at = i + 5;
        int a, b;

        if (memcmp(aml + i, "_S5_\x12", 5) != 0)
            continue;
        at += 1 + (aml[at] >> 6) + 1; /* package length, number of elements */
        a = aml_integer(aml, length, &at);
        b = aml_integer(aml, length, &at);
        if (a < 0 || a > 7)
            continue;
        facts->sleep_type_a = (uint8_t)a;
        facts->sleep_type_b = b < 0 || b > 7 ? 0 : (uint8_t)b;
        return;
    }
}

int acpi_hpet_parse(const void *table, size_t length, struct acpi_facts *facts)
{
    if (length < 56 || field(table, length, 40, 1) != ACPI_SPACE_MEMORY)
        return -EINVAL;
    facts->hpet_address = field(table, length, 44, 8);
    return 0;
}

int acpi_mcfg_parse(const void *table, size_t length, struct acpi_facts *facts)
{
    if (length < 44)
        return -EINVAL;
    for (size_t at = 44; length - at >= 16; at += 16) {
        struct acpi_mcfg m = {
            .address = field(table, length, at, 8),
            .segment = (uint16_t)field(table, length, at + 8, 2),
            .start_bus = (uint8_t)field(table, length, at + 10, 1),
            .end_bus = (uint8_t)field(table, length, at + 11, 1),
        };

        if (m.address == 0 || m.start_bus > m.end_bus)
            return -EINVAL;
        if (facts->mcfg_count < ACPI_MAX_MCFG)
            facts->mcfg[facts->mcfg_count++] = m;
    }
    return 0;
}

/* ---- nodes: 5.2.16 (SRAT), 5.2.17 (SLIT) ---- */

static void srat_cpu(struct acpi_facts *facts, uint64_t apic_id, uint64_t domain)
{
    if (facts->node_cpu_count < MAX_CPUS)
        facts->node_cpus[facts->node_cpu_count++] = (struct acpi_node_cpu){(uint32_t)apic_id, (uint32_t)domain};
}

static void srat_memory(struct acpi_facts *facts, const uint8_t *e, size_t size)
{
    uint64_t start = field(e, size, 8, 8), end;

    if (__builtin_add_overflow(start, field(e, size, 16, 8), &end) || start == end)
        return;
    if (facts->node_range_count < ACPI_MAX_NODE_RANGES)
        facts->node_ranges[facts->node_range_count++] =
            (struct acpi_node_range){start, end, (uint32_t)field(e, size, 2, 4)};
}

static void srat_entry(struct acpi_facts *facts, const uint8_t *e, size_t size)
{
    switch (e[0]) {
    case 0: /* local APIC: the domain's low byte at 2, the others at 9 */
        if (size >= 16 && (field(e, size, 4, 4) & 1))
            srat_cpu(facts, field(e, size, 3, 1), field(e, size, 2, 1) | field(e, size, 9, 3) << 8);
        break;
    case 1:
        if (size >= 40 && (field(e, size, 28, 4) & 1))
            srat_memory(facts, e, size);
        break;
    case 2: /* local x2APIC */
        if (size >= 24 && (field(e, size, 12, 4) & 1))
            srat_cpu(facts, field(e, size, 8, 4), field(e, size, 4, 4));
        break;
    }
}

int acpi_srat_parse(const void *table, size_t length, struct acpi_facts *facts)
{
    return length < 48 ? -EINVAL : entries_parse(table, length, 48, facts, srat_entry);
}

int acpi_slit_parse(const void *table, size_t length, struct acpi_facts *facts)
{
    uint64_t count = field(table, length, 36, 8);

    if (count == 0 || count > ACPI_MAX_DISTANCES || length < 44 + count * count)
        return -EINVAL;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++)
            facts->distances[i][k] = (uint8_t)field(table, length, 44 + i * count + k, 1);
    facts->distance_count = (unsigned)count;
    return 0;
}
