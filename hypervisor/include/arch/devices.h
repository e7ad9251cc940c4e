/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices of a PC the hypervisor drives itself: serial ports, text screen, platform timers, I/O APICs, PCI
 * configuration space and message-signalled interrupts.
 */
#pragma once

#include "types.h"

/* ---- serial.c ---- */
#define SERIAL_PORTS 2
void serial_init_early(void);   /* finds and programs com1, com2 as the options say; polling */
void serial_init_irq(void);     /* receive and transmit by interrupt, or by timer */
bool serial_register(const char *name); /* "com1", "com2": as a console; false when it is not there */
void serial_set_sync(bool sync);

/* ---- vga.c ---- */
bool vga_register(void);
void vga_release(void);         /* domain 0 takes the screen, unless vga=keep */

/* ---- what a domain must not touch, since the hypervisor uses it: I/O ports [first, last] ---- */
void devices_reserved_ports(void (*deny)(unsigned first, unsigned last, void *data), void *data);

/* ---- platform timers (platform_timer.c) ---- */
struct platform_timer {
    const char *name;
    uint64_t frequency;          /* Hz */
    unsigned width;              /* bits of the counter */
    uint64_t (*read)(void);
};
/*
 * The best counter the machine has (HPET, ACPI PM timer, PIT), started; clocksource= overrides. Never NULL.
 */
const struct platform_timer *platform_timer_start(void);
/* Seconds since 1970 by the battery-backed clock, UTC; 0 when it is broken. */
uint64_t rtc_read(void);

/* ---- ioapic.c: descriptor's lock held ---- */
unsigned ioapic_init(void);      /* maps and masks all; returns the number of GSIs */
bool ioapic_gsi_valid(unsigned gsi);
void ioapic_program(unsigned gsi, uint8_t vector, uint32_t apic_id, bool level, bool low, bool masked);
void ioapic_mask(unsigned gsi, bool masked);
void ioapic_route_nmi(unsigned gsi, uint32_t apic_id); /* for good: nothing programs it otherwise afterwards */
int ioapic_read_register(uint64_t base, unsigned reg, uint32_t *value); /* -EINVAL no such */
unsigned isa_irq_to_gsi(unsigned irq);
void isa_irq_defaults(unsigned gsi, bool *level, bool *low);
void pic_init(void);             /* the 8259 pair: moved away and masked */

/* ---- pci.c ---- */
/* A device, as these name it. */
static inline uint32_t pci_name(uint16_t segment, uint8_t bus, uint8_t devfn)
{
    return (uint32_t)segment << 16 | (uint32_t)bus << 8 | devfn;
}
uint32_t pci_read(uint32_t device, unsigned reg, unsigned size);
void pci_write(uint32_t device, unsigned reg, unsigned size, uint32_t value);
unsigned pci_find_capability(uint32_t device, uint8_t id); /* 0: none */
/* Domain 0 tells of a device; one that is virtual need not answer.  0, -ENOMEM, -ENODEV. */
int pci_device_add(uint32_t device, bool is_virtual);
int pci_device_remove(uint32_t device);                    /* 0, -ENOMEM, -ENODEV not told of */
/* Domain 0 says where a segment's memory-mapped configuration space is, and whether firmware reserved it. */
int pci_mmcfg_reserved(uint64_t address, uint16_t segment, uint8_t start_bus, uint8_t end_bus, bool reserved);

/* ---- msi.c: descriptor's lock held unless said ---- */
struct msi_request {
    uint32_t device;
    bool msix;
    unsigned entry;       /* MSI-X table entry */
    uint64_t table_base;  /* as domain 0 found the BAR; 0 unknown */
};
struct msi {
    struct msi_request at;
    unsigned capability;      /* offset in configuration space */
    bool wide, maskable;      /* MSI: 64-bit address, per-vector mask */
    /* place in, and size of, a multi-vector block; structs of a block are one array */
    unsigned index, count;
    unsigned live;            /* of index 0: how many of the block are not freed yet */
    volatile uint32_t *entry; /* MSI-X: its four words */
    uint32_t address, data;   /* last written */
    bool masked;
};
/*
 * No lock held.  0 with an array of count; -ENODEV no such device, -ENXIO no such capability or entry,
 * -ENOMEM.
 */
int msi_prepare(const struct msi_request *request, unsigned count, struct msi **msi);
void msi_free(struct msi *msi);          /* masks and, for the last vector, disables; no lock held */
void msi_program(struct msi *msi, uint8_t vector, uint32_t apic_id);
void msi_mask(struct msi *msi, bool masked);
void msi_restore(struct msi *msi);       /* writes everything again after the device lost it */
