// SPDX-License-Identifier: BSD-2-Clause
/*
 * One ACPI table of any kind, as the firmware or whoever can change its memory left it: the first byte says which
 * parser gets it.  Counts stay within their arrays.
 */
#include "tests/fuzz/fuzz.h"

#include "arch/x86/acpi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct acpi_facts facts;
    bool is_xsdt;

    if (size < 1)
        return 0;
    memset(&facts, 0, sizeof(facts));
    data++;
    size--;
    (void)acpi_header_ok(data, size, "APIC");
    (void)acpi_rsdp_parse(data, size, &is_xsdt);
    if (size < 44) /* shorter tables do not pass acpi_header_ok()'s callers */
        return 0;
    switch (data[-1] % 6) {
    case 0:
        (void)acpi_madt_parse(data, size, &facts);
        break;
    case 1:
        (void)acpi_fadt_parse(data, size, &facts);
        break;
    case 2:
        acpi_dsdt_parse(data, size, &facts);
        break;
    case 3:
        (void)acpi_hpet_parse(data, size, &facts);
        break;
    case 4:
        (void)acpi_mcfg_parse(data, size, &facts);
        break;
    case 5:
        for (size_t i = 0; i < acpi_root_count(size, data[0] & 1); i++)
            (void)acpi_root_entry(data, i, data[0] & 1);
        break;
    }
    REQUIRE(facts.ioapic_count <= ACPI_MAX_IOAPICS && facts.override_count <= ACPI_MAX_OVERRIDES);
    REQUIRE(facts.mcfg_count <= ACPI_MAX_MCFG && facts.cpus.count <= MAX_CPUS);
    return 0;
}
