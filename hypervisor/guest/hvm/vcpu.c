// SPDX-License-Identifier: BSD-2-Clause
/*
 * A vcpu of a hardware-assisted guest: its parts, and its way on and off the CPU.  What the vendor's hardware does not switch by itself
 * is switched here: DR0 to DR3 (loaded at the first use after the vcpu came), TSC_AUX; vector state is arch/x86's.
 */
#include "guest/hvm/internal.h"
#include "guest/hvm/lapic.h"
#include "guest/pv/traps.h"
#include "mm/heap.h"

#define PAT_RESET 0x0007040600070406UL

static void vcpu_reset_values(struct vcpu *v)
{
    struct hvm_vcpu *h = v->hvm;

    h->cr0 = CR0_ET;
    h->pat = PAT_RESET;
    h->boot = HVM_BOOT_WAIT;
    h->apic_base = APIC_BASE_ADDRESS | APIC_BASE_ENABLED | (v->id ? 0 : APIC_BASE_BSP);
    if (xsave_features)
        v->arch.xcr0 = v->arch.xcr0_accum = XCR0_X87;
}

int hvm_vcpu_init(struct vcpu *v)
{
    struct hvm_vcpu *h;
    int rc;

    if (!hvm_vendor)
        return -EOPNOTSUPP;
    h = mem_new(struct hvm_vcpu);
    if (!h)
        return -ENOMEM;
    v->hvm = h;
    vcpu_reset_values(v);
    rc = lapic_init(v);
    if (!rc)
        rc = hvm_vendor->vcpu_init(v);
    if (rc) {
        hvm_vcpu_free(v);
        return rc;
    }
    hvm_vendor->controls_set(v);
    return 0;
}

void hvm_vcpu_free(struct vcpu *v)
{
    if (!v->hvm)
        return;
    if (v->hvm->vendor)
        hvm_vendor->vcpu_free(v);
    lapic_free(v);
    mem_free(v->hvm);
    v->hvm = NULL;
}

/* ---- debug registers ---- */

void hvm_exit_debug(struct vcpu *v)
{
    const uint64_t *d = v->hvm->debug;

    __asm__ volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3" ::"r"(d[0]), "r"(d[1]),
                     "r"(d[2]), "r"(d[3]));
    v->hvm->debug_loaded = true;
}

static void debug_save(struct vcpu *v)
{
    uint64_t *d = v->hvm->debug;

    if (!v->hvm->debug_loaded)
        return;
    __asm__ volatile("mov %%dr0, %0; mov %%dr1, %1; mov %%dr2, %2; mov %%dr3, %3"
                     : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3]));
    write_dr7(DR7_DEFAULT);
    v->hvm->debug_loaded = false;
}

/* ---- on and off the CPU ---- */

/* The selectors a PV guest left mean nothing here. */
static void segments_clear(void)
{
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" ::"r"(0));
}

void hvm_context_load(struct vcpu *v)
{
    segments_clear();
    pv_tsc_aux_load(v);
    hvm_vendor->context_load(v);
}

void hvm_context_save(struct vcpu *v)
{
    debug_save(v);
    hvm_vendor->context_save(v);
}
