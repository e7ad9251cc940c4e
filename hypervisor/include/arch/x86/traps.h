/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions and interrupts: tables, dispatch, and how the hypervisor shows its own failures. */
#pragma once

#include "public.h"
#include <stdbool.h>

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, io_bitmap;
} __attribute__((packed));

void traps_init(void); /* fills the IDT, sorts the exception table */
/* Loads GDT, TSS, IDT and system-call MSRs of the calling CPU, whose stack block rsp is in. */
void traps_cpu_init(void);

/* An NMI of this CPU (nmi.c).  Does not return when it is told to stop, or when nmi=fatal. */
void nmi_arrived(struct cpu_user_regs *regs);

/* panic(), for a trap in the hypervisor: with its registers and the stack it came from. */
_Noreturn void panic_registers(const struct cpu_user_regs *regs, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Nearest symbol at or below address in the image: its name into buffer, *offset and *size; false when there
 * is none.
 */
bool symbol_lookup(uint64_t address, char *buffer, unsigned buffer_size, uint64_t *offset, uint64_t *size);
