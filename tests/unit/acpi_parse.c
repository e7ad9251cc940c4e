// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading ACPI tables from bytes: sound tables give their facts, short and hostile ones neither read outside
 * nor loop. Formats: ACPI Specification 6.5, chapter 5.2.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/acpi.h"
#include "errno.h"

static void checksum_fix(uint8_t *bytes, size_t length, size_t at)
{
    uint8_t sum = 0;

    bytes[at] = 0;
    for (size_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + bytes[i]);
    bytes[at] = (uint8_t)-sum;
}

static void put32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
}

/* A heap copy of exactly length bytes: the sanitizer sees every step outside. */
static uint8_t *exact(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length ? length : 1);

    assert_non_null(copy);
    memcpy(copy, bytes, length);
    return copy;
}

static size_t madt_make(uint8_t *t)
{
    static const uint8_t entries[] = {
        0, 8, 0, 0, 1, 0, 0, 0,                               /* local APIC: ACPI id 0, APIC id 0, enabled */
        0, 8, 1, 1, 1, 0, 0, 0,                               /* the second */
        0, 8, 2, 2, 0, 0, 0, 0,                               /* not usable at all */
        0, 8, 3, 3, 2, 0, 0, 0,                               /* may be enabled later */
        1, 12, 5, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0,            /* I/O APIC 5 at 0xfec00000 */
        2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0,                     /* IRQ 9: GSI 9, high, level */
        9, 16, 0, 0, 0x00, 1, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0,   /* x2APIC id 256, ACPI id 7 */
        5, 12, 0, 0, 0, 0, 0xe0, 0xfe, 1, 0, 0, 0,            /* local APIC at 0x1fee00000 */
    };

    memset(t, 0, 44);
    memcpy(t, "APIC", 4);
    put32(t + 36, 0xfee00000);
    t[40] = 1;
    memcpy(t + 44, entries, sizeof(entries));
    put32(t + 4, 44 + sizeof(entries));
    checksum_fix(t, 44 + sizeof(entries), 9);
    return 44 + sizeof(entries);
}

static void madt_gives_cpus_controllers_and_overrides(void **state)
{
    static struct acpi_facts facts;
    uint8_t t[512];
    size_t length = madt_make(t);

    (void)state;
    assert_true(acpi_header_ok(t, length, "APIC"));
    assert_int_equal(acpi_madt_parse(t, length, &facts), 0);
    assert_int_equal(facts.cpus.count, 4);
    assert_true(facts.cpus.cpus[1].enabled);
    assert_int_equal(facts.cpus.cpus[2].apic_id, 3);
    assert_false(facts.cpus.cpus[2].enabled);
    assert_int_equal(facts.cpus.cpus[3].apic_id, 256);
    assert_int_equal(facts.cpus.cpus[3].acpi_id, 7);
    assert_int_equal(facts.ioapic_count, 1);
    assert_int_equal(facts.ioapics[0].address, 0xfec00000);
    assert_int_equal(facts.override_count, 1);
    assert_int_equal(facts.overrides[0].flags, 0x0d);
    assert_int_equal(facts.lapic_address, 0x1fee00000);
}

static void madt_cut_anywhere_stays_inside(void **state)
{
    uint8_t t[512];
    size_t length = madt_make(t);

    (void)state;
    for (size_t cut = 0; cut <= length; cut++) {
        struct acpi_facts facts = {0};
        uint8_t *copy = exact(t, cut);

        acpi_madt_parse(copy, cut, &facts);
        assert_true(facts.cpus.count <= 4);
        free(copy);
    }
}

static void madt_entry_of_length_zero_ends_it(void **state)
{
    struct acpi_facts facts = {0};
    uint8_t t[512];
    size_t length = madt_make(t);

    (void)state;
    t[45] = 0;
    assert_int_equal(acpi_madt_parse(t, length, &facts), -EINVAL);
    assert_int_equal(facts.cpus.count, 0);
}

static void madt_with_too_many_cpus_counts_the_dropped(void **state)
{
    size_t length = 44 + 16 * (MAX_CPUS + 5);
    uint8_t *t = calloc(1, length);
    static struct acpi_facts facts;

    (void)state;
    assert_non_null(t);
    for (uint32_t i = 0; i < MAX_CPUS + 5; i++) {
        uint8_t *e = t + 44 + 16 * i;

        e[0] = 9;
        e[1] = 16;
        put32(e + 4, i);
        put32(e + 8, 1);
    }
    assert_int_equal(acpi_madt_parse(t, length, &facts), 0);
    assert_int_equal(facts.cpus.count, MAX_CPUS);
    assert_int_equal(facts.cpus.dropped, 5);
    free(t);
}

static void header_with_wrong_sum_or_length_is_refused(void **state)
{
    uint8_t t[512];
    size_t length = madt_make(t);

    (void)state;
    assert_false(acpi_header_ok(t, length - 1, "APIC"));
    assert_false(acpi_header_ok(t, length, "HPET"));
    t[20] ^= 1;
    assert_false(acpi_header_ok(t, length, "APIC"));
    put32(t + 4, 10);
    assert_false(acpi_header_ok(t, length, "APIC"));
}

static void rsdp_prefers_the_xsdt_when_its_sum_holds(void **state)
{
    uint8_t p[36] = "RSD PTR ";
    bool is_xsdt;

    (void)state;
    p[15] = 2;
    put32(p + 16, 0x1000);
    put32(p + 20, 36);
    put32(p + 24, 0x2000);
    checksum_fix(p, 20, 8);
    checksum_fix(p, 36, 32);
    assert_int_equal(acpi_rsdp_parse(p, 36, &is_xsdt), 0x2000);
    assert_true(is_xsdt);
    p[33] ^= 1;
    assert_int_equal(acpi_rsdp_parse(p, 36, &is_xsdt), 0x1000);
    assert_false(is_xsdt);
    p[9] ^= 1;
    assert_int_equal(acpi_rsdp_parse(p, 36, &is_xsdt), 0);
}

static void fadt_gives_registers_and_survives_cuts(void **state)
{
    uint8_t t[276] = {0};
    struct acpi_facts facts = {0};

    (void)state;
    put32(t + 64, 0x604);
    put32(t + 76, 0x608);
    t[46] = 9;
    put32(t + 112, 1 << 10);
    t[116] = 1;
    t[117] = 8;
    put32(t + 120, 0xcf9);
    t[128] = 15;
    assert_int_equal(acpi_fadt_parse(t, sizeof(t), &facts), 0);
    assert_int_equal(facts.pm1a_control.address, 0x604);
    assert_int_equal(facts.pm_timer_width, 24);
    assert_int_equal(facts.pm1b_control.width, 0);
    assert_int_equal(facts.reset.address, 0xcf9);
    assert_int_equal(facts.reset_value, 15);
    for (size_t cut = 0; cut <= sizeof(t); cut++) {
        uint8_t *copy = exact(t, cut);

        acpi_fadt_parse(copy, cut, &facts);
        free(copy);
    }
}

static void dsdt_shows_the_sleep_types(void **state)
{
    static const uint8_t package[] = {0x08, '_',  'S',  '5',  '_',  0x12, 0x06,
                                      0x04, 0x0a, 0x05, 0x01, 0x00, 0x00};
    uint8_t t[80] = {0};
    struct acpi_facts facts = {0};

    (void)state;
    memcpy(t + 50, package, sizeof(package));
    acpi_dsdt_parse(t, sizeof(t), &facts);
    assert_int_equal(facts.sleep_type_a, 5);
    assert_int_equal(facts.sleep_type_b, 1);
    for (size_t cut = 36; cut <= sizeof(t); cut++) {
        uint8_t *copy = exact(t, cut);

        acpi_dsdt_parse(copy, cut, &facts);
        free(copy);
    }
}

/* Random bytes behind a MADT's header, many times: nothing but the sanitizers' silence is expected. */
static void srat_gives_nodes_of_cpus_and_memory(void **state)
{
    static const uint8_t entries[] = {
        0, 16, 1, 3, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0,                  /* APIC id 3: domain 0x201 */
        0, 16, 9, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                  /* not enabled */
        2, 24, 0, 0, 5, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* x2APIC id 256: domain 5 */
        1, 40, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0,               /* domain 5: 1 GiB from 1 GiB */
        0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        1, 40, 6, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* beyond the end of everything */
        2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    };
    static struct acpi_facts facts;
    uint8_t t[48 + sizeof(entries)] = {0};

    (void)state;
    memcpy(t + 48, entries, sizeof(entries));
    assert_int_equal(acpi_srat_parse(t, sizeof(t), &facts), 0);
    assert_int_equal(facts.node_cpu_count, 2);
    assert_int_equal(facts.node_cpus[0].apic_id, 3);
    assert_int_equal(facts.node_cpus[0].domain, 0x201);
    assert_int_equal(facts.node_cpus[1].apic_id, 256);
    assert_int_equal(facts.node_cpus[1].domain, 5);
    assert_int_equal(facts.node_range_count, 1);
    assert_int_equal(facts.node_ranges[0].start, 1 << 30);
    assert_int_equal(facts.node_ranges[0].end, 2UL << 30);
    assert_int_equal(facts.node_ranges[0].domain, 5);
    for (size_t cut = 0; cut < sizeof(t); cut++) {
        uint8_t *copy = exact(t, cut);

        memset(&facts, 0, sizeof(facts));
        acpi_srat_parse(copy, cut, &facts);
        assert_true(facts.node_range_count <= 1 && facts.node_cpu_count <= 2);
        free(copy);
    }
}

static void slit_gives_distances(void **state)
{
    static struct acpi_facts facts;
    uint8_t t[44 + 4] = {[36] = 2, [44] = 10, [45] = 21, [46] = 31, [47] = 10};

    (void)state;
    assert_int_equal(acpi_slit_parse(t, sizeof(t) - 1, &facts), -EINVAL);
    assert_int_equal(facts.distance_count, 0);
    assert_int_equal(acpi_slit_parse(t, sizeof(t), &facts), 0);
    assert_int_equal(facts.distance_count, 2);
    assert_int_equal(facts.distances[0][1], 21);
    assert_int_equal(facts.distances[1][0], 31);
    t[36] = ACPI_MAX_DISTANCES + 1;
    assert_int_equal(acpi_slit_parse(t, sizeof(t), &facts), -EINVAL);
}

static void random_tables_stay_inside(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        static struct acpi_facts facts;
        size_t length = 44 + round % 200;
        uint8_t bytes[256], *copy;

        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16) % (i % 3 ? 20 : 256);
        copy = exact(bytes, length);
        memset(&facts, 0, sizeof(facts));
        facts.cpus.count = 0;
        acpi_madt_parse(copy, length, &facts);
        acpi_mcfg_parse(copy, length, &facts);
        acpi_hpet_parse(copy, length, &facts);
        acpi_srat_parse(copy, length, &facts);
        acpi_slit_parse(copy, length, &facts);
        acpi_dsdt_parse(copy, length, &facts);
        assert_true(facts.ioapic_count <= ACPI_MAX_IOAPICS && facts.mcfg_count <= ACPI_MAX_MCFG);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(madt_gives_cpus_controllers_and_overrides),
        cmocka_unit_test(madt_cut_anywhere_stays_inside),
        cmocka_unit_test(madt_entry_of_length_zero_ends_it),
        cmocka_unit_test(madt_with_too_many_cpus_counts_the_dropped),
        cmocka_unit_test(header_with_wrong_sum_or_length_is_refused),
        cmocka_unit_test(rsdp_prefers_the_xsdt_when_its_sum_holds),
        cmocka_unit_test(fadt_gives_registers_and_survives_cuts),
        cmocka_unit_test(dsdt_shows_the_sleep_types),
        cmocka_unit_test(srat_gives_nodes_of_cpus_and_memory),
        cmocka_unit_test(slit_gives_distances),
        cmocka_unit_test(random_tables_stay_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
