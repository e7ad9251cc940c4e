// SPDX-License-Identifier: BSD-2-Clause
/*
 * The end of the machine's run (ACPI 6.5, 4.8.3 and 16.1.1: sleep and reset registers; PC keyboard
 * controller).  What arch/machine.h says about topology is in cpu.c and smp.c.
 */
#include "arch/machine.h"
#include "arch/x86/acpi.h"
#include "arch/x86/ports.h"
#include "arch/x86/smp.h"
#include "console/console.h"
#include "log.h"
#include "options.h"
#include "time/time.h"

#define SLP_ENABLE 0x2000
#define SLP_TYPE(n) ((uint16_t)((n) << 10))

bool opt_noreboot;
OPTION_BOOLEAN(noreboot, "noreboot", opt_noreboot);

/* Alone from here on, everything said is out. */
static void machine_quiet(void)
{
    irq_disable();
    smp_stop_others();
    console_force_unlock();
    console_flush();
}

static _Noreturn void halt_forever(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

_Noreturn void machine_halt(void)
{
    machine_quiet();
    halt_forever();
}

/* ---- power off ---- */

static void control_write(const struct acpi_register *r, uint16_t value)
{
    if (r->width != 0 && r->space == ACPI_SPACE_PORT && r->address <= 0xfffe)
        port_out16((uint16_t)r->address, value);
}

_Noreturn void machine_sleep_off(uint16_t a, uint16_t b)
{
    uint16_t type_a = a & ~SLP_ENABLE, type_b = b & ~SLP_ENABLE;

    machine_quiet();
    control_write(&acpi.pm1a_control, type_a);
    control_write(&acpi.pm1b_control, type_b);
    control_write(&acpi.pm1a_control, type_a | SLP_ENABLE);
    control_write(&acpi.pm1b_control, type_b | SLP_ENABLE);
    time_delay_us(2000000);
    log_error("the machine does not switch itself off: do it by hand\n");
    console_flush();
    halt_forever();
}

/* Without domain 0's values (they are in AML): what was found in the DSDT, or the most common ones. */
_Noreturn void machine_power_off(void)
{
    if (acpi.pm1a_control.width != 0)
        machine_sleep_off(SLP_TYPE(acpi.sleep_type_a), SLP_TYPE(acpi.sleep_type_b));
    log_error("no ACPI registers to switch the machine off with: halted\n");
    machine_halt();
}

/* ---- reboot ---- */

static void reset_by_acpi(void)
{
    const struct acpi_register *r = &acpi.reset;

    if (r->width == 0)
        return;
    if (r->space == ACPI_SPACE_PORT && r->address <= 0xffff)
        port_out8((uint16_t)r->address, acpi.reset_value);
    else if (r->space == ACPI_SPACE_PCI) { /* bus 0: device in bits 47-32, function 31-16, offset 15-0 */
        uint32_t devfn = (uint32_t)(r->address >> 32 & 0x1f) << 3 | (uint32_t)(r->address >> 16 & 7);

        port_out32(0xcf8, 0x80000000u | devfn << 8 | (r->address & 0xfc));
        port_out8((uint16_t)(0xcfc + (r->address & 3)), acpi.reset_value);
    }
    time_delay_us(50000);
}

static void reset_by_keyboard_controller(void)
{
    for (unsigned i = 0; i < 10; i++) {
        for (unsigned n = 0; n < 10000 && (port_in8(0x64) & 2); n++)
            time_delay_us(2);
        port_out8(0x64, 0xfe);
        time_delay_us(10000);
    }
}

static void reset_by_chipset(void)
{
    port_out8(0xcf9, 0x02);
    time_delay_us(50);
    port_out8(0xcf9, 0x06);
    time_delay_us(50000);
}

_Noreturn void machine_reboot(void)
{
    const struct __attribute__((packed)) { uint16_t limit; uint64_t base; } no_idt = {0, 0};

    machine_quiet();
    reset_by_acpi();
    reset_by_keyboard_controller();
    reset_by_chipset();
    __asm__ volatile("lidt %0; int3" ::"m"(no_idt)); /* no handler for anything: the CPU shuts down */
    halt_forever();
}
