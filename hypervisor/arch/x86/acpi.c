// SPDX-License-Identifier: BSD-2-Clause
/*
 * Finds the firmware's ACPI tables and keeps what they say (arch/x86/acpi.h).  Tables in the direct map are
 * read in place, others through a temporary mapping.  Reading of bytes is in acpi_parse.c.
 */
#include "arch/x86/acpi.h"
#include "arch/x86/cpufeature.h"
#include "boot_info.h"
#include "lib/string.h"
#include "log.h"
#include "mm/heap.h"

struct acpi_facts acpi;
unsigned acpi_cpu_count;
struct acpi_cpu acpi_cpus[MAX_CPUS];

struct mapping {
    const uint8_t *bytes;
    size_t size;
    bool temporary;
};

/* The direct map holds the first MiB and what the memory map calls RAM or ACPI data (arch/x86/paging.c). */
static bool in_direct_map(uint64_t start, uint64_t size)
{
    uint64_t end = start + size;

    for (unsigned i = 0; i < boot_info.memory_count; i++) {
        const struct boot_range *r = &boot_info.memory[i];

        if (boot_range_is_memory(r) && start >= r->start && end <= r->end)
            return true;
    }
    return end <= MIB(1);
}

static bool map_bytes(struct mapping *m, uint64_t start, size_t size)
{
    uint64_t end;

    if (__builtin_add_overflow(start, size, &end) || end > BIT(52) || size == 0)
        return false;
    m->size = size;
    m->temporary = !in_direct_map(start, size);
    m->bytes = m->temporary ? vmap_device(MADDR(start), size) : maddr_to_virt(MADDR(start));
    return m->bytes != NULL;
}

static void unmap_bytes(struct mapping *m)
{
    uint64_t first = (uint64_t)m->bytes & PAGE_MASK;

    if (m->temporary)
        vunmap((void *)first, ROUND_UP((uint64_t)m->bytes + m->size - first, PAGE_SIZE) >> PAGE_SHIFT);
    m->bytes = NULL;
}

/* Maps a whole table by its header's length, checked; false (nothing mapped) when it is not sound. */
static bool map_table(struct mapping *m, uint64_t address, const char signature[4])
{
    uint32_t length;

    if (address == 0 || !map_bytes(m, address, 36))
        return false;
    memcpy(&length, m->bytes + 4, sizeof(length));
    if (memcmp(m->bytes, signature, 4) != 0) {
        unmap_bytes(m);
        return false;
    }
    unmap_bytes(m);
    if (length < 36 || length > MIB(1) || !map_bytes(m, address, length)) {
        log_warning("ACPI: table %.4s at %#lx has an impossible length %u: ignored\n", signature, address, length);
        return false;
    }
    if (acpi_header_ok(m->bytes, length, signature))
        return true;
    log_warning("ACPI: table %.4s at %#lx: wrong checksum: ignored\n", signature, address);
    unmap_bytes(m);
    return false;
}

/* Looks for the RSDP on 16-byte boundaries of [start, start + size). */
static uint64_t rsdp_search(uint64_t start, size_t size, bool *is_xsdt)
{
    struct mapping m;
    uint64_t root = 0;

    if (!map_bytes(&m, start, size))
        return 0;
    for (size_t at = 0; at + 20 <= size && root == 0; at += 16)
        root = acpi_rsdp_parse(m.bytes + at, size - at, is_xsdt);
    unmap_bytes(&m);
    return root;
}

static uint64_t root_find(bool *is_xsdt)
{
    uint64_t root = 0;
    uint16_t segment = 0;
    struct mapping m;

    if (boot_info.rsdp != 0)
        root = rsdp_search(boot_info.rsdp, 36, is_xsdt);
    if (root == 0 && map_bytes(&m, 0x40e, 2)) { /* BIOS data area: segment of the extended one */
        memcpy(&segment, m.bytes, sizeof(segment));
        unmap_bytes(&m);
        if (segment >= 0x8000 && segment < 0xa000)
            root = rsdp_search((uint64_t)segment << 4, 1024, is_xsdt);
    }
    if (root == 0)
        root = rsdp_search(0xe0000, 0x20000, is_xsdt);
    return root;
}

static const struct {
    char signature[5];
    int (*parse)(const void *table, size_t length, struct acpi_facts *facts);
} readers[] = {
    {"APIC", acpi_madt_parse},
    {"FACP", acpi_fadt_parse},
    {"HPET", acpi_hpet_parse},
    {"MCFG", acpi_mcfg_parse},
    {"SRAT", acpi_srat_parse},
    {"SLIT", acpi_slit_parse},
};

static void table_read(uint64_t address, unsigned *seen)
{
    for (unsigned i = 0; i < ARRAY_SIZE(readers); i++) {
        struct mapping m;

        if ((*seen >> i & 1) || !map_table(&m, address, readers[i].signature))
            continue;
        *seen |= 1u << i;
        if (readers[i].parse(m.bytes, m.size, &acpi) != 0)
            log_warning("ACPI: table %s has an entry that does not fit: the rest is ignored\n", readers[i].signature);
        unmap_bytes(&m);
        return;
    }
}

static void dsdt_read(void)
{
    struct mapping m;

    if (!map_table(&m, acpi.dsdt, "DSDT"))
        return;
    acpi_dsdt_parse(m.bytes, m.size, &acpi);
    unmap_bytes(&m);
}

static void root_read(uint64_t root, bool is_xsdt)
{
    struct mapping m;
    unsigned seen = 0;
    size_t count;

    if (!map_table(&m, root, is_xsdt ? "XSDT" : "RSDT")) {
        log_warning("ACPI: no sound root table at %#lx\n", root);
        return;
    }
    count = min_t(size_t, acpi_root_count(m.size, is_xsdt), 256);
    for (size_t n = 0; n < count; n++)
        table_read(acpi_root_entry(m.bytes, n, is_xsdt), &seen);
    unmap_bytes(&m);
    dsdt_read();
}

/* The CPU that runs this: its initial APIC number from CPUID. */
static uint32_t own_apic_id(void)
{
    struct cpuid_result topology = cpuid(0xb, 0);

    return cpuid(0, 0).eax >= 0xb && (topology.ebx & 0xffff) ? topology.edx : cpuid(1, 0).ebx >> 24;
}

/* Usable CPUs first, the running one at the front. */
static void cpus_publish(void)
{
    uint32_t self = own_apic_id();

    acpi_cpus[acpi_cpu_count++] = (struct acpi_cpu){self, 0, true};
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < acpi.cpus.count; i++) {
            if (acpi.cpus.cpus[i].apic_id == self)
                acpi_cpus[0].acpi_id = acpi.cpus.cpus[i].acpi_id;
            else if (acpi.cpus.cpus[i].enabled == (pass == 0) && acpi_cpu_count < MAX_CPUS)
                acpi_cpus[acpi_cpu_count++] = acpi.cpus.cpus[i];
        }
    if (acpi.cpus.dropped != 0)
        log_warning("ACPI: %u CPUs beyond the first %u are not used\n", acpi.cpus.dropped, MAX_CPUS);
}

void acpi_init(void)
{
    bool is_xsdt = false;
    uint64_t root = root_find(&is_xsdt);

    if (root != 0)
        root_read(root, is_xsdt);
    else
        log_warning("ACPI: no RSDP found: one CPU, no I/O APIC\n");
    cpus_publish();
    log_info(
        "ACPI: %u CPUs, %u I/O APICs, %u overrides, local APIC at %#lx, HPET %#lx, PM timer %#lx, SCI %u\n",
        acpi_cpu_count, acpi.ioapic_count, acpi.override_count, acpi.lapic_address, acpi.hpet_address,
        acpi.pm_timer.address, acpi.sci_irq);
    for (unsigned i = 0; i < acpi.ioapic_count; i++)
        log_debug("ACPI: I/O APIC %u at %#lx, first GSI %u\n", acpi.ioapics[i].id, acpi.ioapics[i].address,
                  acpi.ioapics[i].gsi_base);
    for (unsigned i = 0; i < acpi.mcfg_count; i++)
        log_debug("ACPI: PCI configuration of segment %u, buses %02x-%02x at %#lx\n", acpi.mcfg[i].segment,
                  acpi.mcfg[i].start_bus, acpi.mcfg[i].end_bus, acpi.mcfg[i].address);
}
