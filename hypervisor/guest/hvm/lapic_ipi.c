// SPDX-License-Identifier: BSD-2-Clause
/*
 * Interrupts between vcpus: what the interrupt command register says, and to whom.  Intel SDM volume 3, 11.6.  A broadcast is
 * one look at each of the domain's vcpus, of which there are at most 512.
 */
#include "guest/hvm/internal.h"
#include "guest/hvm/lapic.h"

#define ICR_MODE(command) ((command) >> 8 & 7)
#define ICR_LOGICAL (1u << 11)
#define ICR_ASSERT (1u << 14)
#define ICR_LEVEL (1u << 15)
#define ICR_SHORTHAND(command) ((command) >> 18 & 3)

enum { MODE_FIXED, MODE_LOWEST, MODE_SMI, MODE_RESERVED, MODE_NMI, MODE_INIT, MODE_STARTUP };
enum { TO_DESTINATION, TO_SELF, TO_ALL, TO_OTHERS };

static bool logical_match(struct vcpu *v, uint32_t destination, bool x2apic)
{
    uint32_t ldr = *lapic_register(v->hvm->lapic, LAPIC_LDR);

    if (x2apic || lapic_x2apic(v))
        return destination >> 16 == ldr >> 16 && (destination & ldr & 0xffff);
    ldr >>= 24;
    if (*lapic_register(v->hvm->lapic, LAPIC_DFR) >> 28 == 0xf)
        return destination & ldr;
    return destination >> 4 == ldr >> 4 && (destination & ldr & 0xf);
}

static bool is_for(struct vcpu *v, struct vcpu *from, uint32_t destination, uint32_t command)
{
    bool x2apic = lapic_x2apic(from);
    uint32_t broadcast = x2apic ? 0xffffffff : 0xff, shorthand = ICR_SHORTHAND(command);

    if (shorthand != TO_DESTINATION)
        return shorthand == TO_ALL || (v == from) == (shorthand == TO_SELF);
    if (destination == broadcast)
        return true;
    if (command & ICR_LOGICAL)
        return logical_match(v, destination, x2apic);
    return lapic_id(v) == destination;
}

static void deliver(struct vcpu *v, struct vcpu *from, uint32_t command)
{
    switch (ICR_MODE(command)) {
    case MODE_FIXED:
    case MODE_LOWEST:
        lapic_interrupt(v, (uint8_t)command);
        break;
    case MODE_NMI:
        if (!__atomic_exchange_n(&v->nmi_pending, 1, __ATOMIC_SEQ_CST))
            vcpu_kick(v);
        break;
    case MODE_INIT:
        if (v != from && !((command & ICR_LEVEL) && !(command & ICR_ASSERT)))
            hvm_boot_init(v);
        break;
    case MODE_STARTUP:
        if (v != from)
            hvm_boot_startup(v, (uint8_t)command);
        break;
    }
}

void lapic_send(struct vcpu *v, uint32_t destination, uint32_t command)
{
    struct vcpu *to;

    if (!ICR_SHORTHAND(command) && !(command & ICR_LOGICAL) && destination < 0xff) { /* physical: one, at once */
        to = destination & 1 ? NULL : domain_vcpu(v->domain, destination / 2);
        if (to)
            deliver(to, v, command);
        return;
    }
    for_each_vcpu(v->domain, to) {
        if (!is_for(to, v, destination, command))
            continue;
        deliver(to, v, command);
        if (ICR_MODE(command) == MODE_LOWEST)
            return;
    }
}
