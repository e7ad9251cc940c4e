/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC of a vcpu: xAPIC registers in memory and x2APIC registers as MSRs, its timer, and interrupts between vcpus.
 * Intel SDM volume 3 chapter 11; AMD APM volume 2 chapter 16.  Interrupts are edge-triggered: nothing outside
 * of the vcpus is wired to it.
 */
#pragma once

#include "arch/x86/apic.h"
#include "guest/hvm.h"

struct lapic {
    struct vcpu *vcpu;
    uint32_t urgent;              /* a bit for each word of IRR that may have something; atomic */
    uint8_t registers[LAPIC_REGISTERS] __attribute__((aligned(16))); /* as in the public record; IRR is atomic */
    struct timer timer;
    uint64_t deadline;            /* IA32_TSC_DEADLINE, 0 none */
    nanoseconds_t period, armed_at; /* of the timer in counting modes; period 0: it stands still */
};

int lapic_init(struct vcpu *v); /* 0, -ENOMEM */
void lapic_free(struct vcpu *v);
void lapic_reset(struct vcpu *v);

static inline uint32_t *lapic_register(struct lapic *l, unsigned offset) { return (uint32_t *)(l->registers + offset); }
static inline bool lapic_enabled(const struct vcpu *v)
{
    return (v->hvm->apic_base & APIC_BASE_ENABLED) &&
           (*lapic_register(v->hvm->lapic, LAPIC_SPURIOUS) & 0x100);
}
static inline bool lapic_x2apic(const struct vcpu *v) { return v->hvm->apic_base & APIC_BASE_X2APIC; }
uint32_t lapic_id(const struct vcpu *v);

/*
 * Makes an interrupt pending; any CPU, any context.  lapic_post: also while the APIC is switched off, for when it is
 * on again; the vector is valid.
 */
void lapic_post(struct vcpu *v, uint8_t vector);
void lapic_interrupt(struct vcpu *v, uint8_t vector);
/* The vector that is to be delivered now, by priority; -1 none.  v is current or does not run. */
int lapic_next(struct vcpu *v);
/* False: the task priority holds it back. */
bool lapic_above_task_priority(struct vcpu *v, uint8_t vector);
void lapic_accept(struct vcpu *v, uint8_t vector);

/* Registers by their xAPIC offset, multiples of 16.  -EPERM: there is none such, or the value is none. */
int lapic_read(struct vcpu *v, unsigned offset, uint32_t *value);
int lapic_write(struct vcpu *v, unsigned offset, uint32_t value);
/* x2APIC MSRs, and IA32_APIC_BASE. */
int lapic_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value);
int lapic_msr_write(struct vcpu *v, uint32_t msr, uint64_t value);
int lapic_base_write(struct vcpu *v, uint64_t value);

/* ---- lapic_ipi.c ---- */
void lapic_send(struct vcpu *v, uint32_t destination, uint32_t command);

/* ---- lapic_timer.c ---- */
void lapic_timer_init(struct lapic *l, unsigned cpu);
void lapic_timer_changed(struct lapic *l); /* its initial count was written, or divider or mode changed */
unsigned lapic_timer_divider(struct lapic *l); /* 1 to 128 */
uint32_t lapic_timer_current(struct lapic *l);
void lapic_deadline_set(struct lapic *l, uint64_t deadline);
