// SPDX-License-Identifier: BSD-2-Clause
/*
 * Counters that tick at a known rate, against which the TSC is measured, and the clock with a battery.
 * Sources: IA-PC HPET specification 1.0a; ACPI 6.5, 4.8.3.3 (PM timer); Intel 8254; Motorola MC146818A.
 *
 * Choice: HPET, PM timer, PIT, or as clocksource=hpet|acpi|pit says.  All reads are free of side effects but
 * the PIT's, whose channel 2 is used and which is only read at start of day.
 */
#include "arch/devices.h"
#include "arch/x86/acpi.h"
#include "arch/x86/ports.h"
#include "lib/calendar.h"
#include "lib/string.h"
#include "mm/heap.h"
#include "options.h"

static char clock_name[16];
OPTION_TEXT(clocksource, "clocksource", clock_name);

/* ---- HPET ---- */

static volatile uint8_t *hpet;

static uint64_t hpet_read(void)
{
    return mmio_read32(hpet + 0xf0);
}

static struct platform_timer hpet_timer = {.name = "HPET", .width = 32, .read = hpet_read};

static bool hpet_start(void)
{
    uint32_t period;

    if (acpi.hpet_address == 0)
        return false;
    if (hpet == NULL)
        hpet = vmap_device(MADDR(acpi.hpet_address), 0x400);
    if (hpet == NULL)
        return false;
    period = mmio_read32(hpet + 4); /* femtoseconds; the specification allows at most 100 ns */
    if (period < 100000 || period > 100000000)
        return false;
    mmio_write32(hpet + 0x10, (mmio_read32(hpet + 0x10) & ~2u) | 1); /* count, without legacy routing */
    hpet_timer.frequency = 1000000000000000UL / period;
    return true;
}

/* ---- ACPI PM timer ---- */

static volatile uint8_t *pm_memory;

static uint64_t pm_read(void)
{
    return pm_memory != NULL ? mmio_read32(pm_memory) : port_in32((uint16_t)acpi.pm_timer.address);
}

static struct platform_timer pm_timer = {.name = "ACPI PM timer", .frequency = 3579545, .read = pm_read};

static bool pm_start(void)
{
    if (acpi.pm_timer_width == 0)
        return false;
    if (acpi.pm_timer.space == ACPI_SPACE_MEMORY)
        pm_memory = vmap_device(MADDR(acpi.pm_timer.address), 4);
    if (pm_memory == NULL && (acpi.pm_timer.space != ACPI_SPACE_PORT || acpi.pm_timer.address > 0xfffc))
        return false;
    pm_timer.width = acpi.pm_timer_width;
    return true;
}

/* ---- PIT ---- */

/* Channel 2 counts 16 bits down; the result counts up. */
static uint64_t pit_read(void)
{
    uint8_t low;

    port_out8(0x43, 0x80); /* latch channel 2 */
    low = port_in8(0x42);
    return 0xffff - (((uint32_t)port_in8(0x42) << 8) | low);
}

static const struct platform_timer pit_timer = {
    .name = "PIT", .frequency = 1193182, .width = 16, .read = pit_read};

static void pit_start(void)
{
    port_out8(0x61, (port_in8(0x61) & ~2) | 1); /* gate on, speaker off */
    port_out8(0x43, 0xb4);                      /* channel 2, both bytes, rate generator */
    port_out8(0x42, 0xff);
    port_out8(0x42, 0xff);
}

const struct platform_timer *platform_timer_start(void)
{
    bool any = clock_name[0] == 0 || strcmp(clock_name, "tsc") == 0;

    if ((any || strcmp(clock_name, "hpet") == 0) && hpet_start())
        return &hpet_timer;
    if ((any || strcmp(clock_name, "acpi") == 0 || strcmp(clock_name, "hpet") == 0) && pm_start())
        return &pm_timer;
    pit_start();
    return &pit_timer;
}

/* ---- real-time clock ---- */

static uint8_t cmos_read(uint8_t index)
{
    port_out8(0x70, index);
    return port_in8(0x71);
}

struct rtc_time {
    uint8_t second, minute, hour, day, month, year;
};

static struct rtc_time rtc_sample(void)
{
    for (unsigned i = 0; i < 100000 && (cmos_read(0x0a) & 0x80); i++)
        ; /* being updated: at most 2 ms */
    return (struct rtc_time){cmos_read(0), cmos_read(2), cmos_read(4),
                             cmos_read(7), cmos_read(8), cmos_read(9)};
}

static uint8_t from_bcd(uint8_t value)
{
    return (uint8_t)((value >> 4) * 10 + (value & 0xf));
}

static void rtc_decode(struct rtc_time *t)
{
    uint8_t mode = cmos_read(0x0b);
    bool afternoon = !(mode & 2) && (t->hour & 0x80);

    t->hour &= 0x7f;
    if (!(mode & 4)) {
        uint8_t *fields[] = {&t->second, &t->minute, &t->hour, &t->day, &t->month, &t->year};

        for (unsigned i = 0; i < ARRAY_SIZE(fields); i++)
            *fields[i] = from_bcd(*fields[i]);
    }
    if (!(mode & 2))
        t->hour = (uint8_t)(t->hour % 12 + (afternoon ? 12 : 0));
}

uint64_t rtc_read(void)
{
    struct rtc_time t = rtc_sample(), again = rtc_sample();
    struct calendar date;

    for (unsigned i = 0; i < 10 && memcmp(&t, &again, sizeof(t)) != 0; i++) {
        t = again;
        again = rtc_sample();
    }
    rtc_decode(&t);
    if (t.second > 59 || t.minute > 59 || t.hour > 23 || t.day < 1 || t.day > 31 || t.month < 1 || t.month > 12)
        return 0;
    date = (struct calendar){t.year + (t.year < 70 ? 2000u : 1900u), t.month, t.day, t.hour, t.minute, t.second};
    return calendar_to_seconds(&date);
}
