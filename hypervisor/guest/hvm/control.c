// SPDX-License-Identifier: BSD-2-Clause
/*
 * Control registers and EFER of a guest: which values a CPU of its kind takes.  AMD64 APM volume 2, 3.1.
 */
#include "arch/x86/ports.h"
#include "guest/hvm/internal.h"
#include "guest/policy.h"

#define CR0_KNOWN                                                                                                \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)
#define CR0_RESERVED_LOW 0x1ffaffc0UL /* ignored when written */

/* Bits of CR4 and the feature each belongs to. */
static const struct { uint32_t bits; uint16_t feature; } cr4_features[] = {
    {CR4_VME | CR4_PVI, XEN_X86_FEATURE_VME},
    {CR4_TSD, XEN_X86_FEATURE_TSC},
    {CR4_DE, XEN_X86_FEATURE_DE},
    {CR4_PSE, XEN_X86_FEATURE_PSE},
    {CR4_PAE, XEN_X86_FEATURE_PAE},
    {CR4_MCE, XEN_X86_FEATURE_MCE},
    {CR4_PGE, XEN_X86_FEATURE_PGE},
    {CR4_OSFXSR, XEN_X86_FEATURE_FXSR},
    {CR4_OSXMMEXCPT, XEN_X86_FEATURE_SSE},
    {CR4_UMIP, XEN_X86_FEATURE_UMIP},
    {CR4_FSGSBASE, XEN_X86_FEATURE_FSGSBASE},
    {CR4_PCIDE, XEN_X86_FEATURE_PCID},
    {CR4_OSXSAVE, XEN_X86_FEATURE_XSAVE},
    {CR4_SMEP, XEN_X86_FEATURE_SMEP},
    {CR4_SMAP, XEN_X86_FEATURE_SMAP},
};

static uint64_t cr4_allowed(struct vcpu *v)
{
    uint64_t allowed = CR4_PCE;

    for (unsigned i = 0; i < ARRAY_SIZE(cr4_features); i++)
        if (policy_has(v->domain->policy, cr4_features[i].feature))
            allowed |= cr4_features[i].bits;
    return allowed;
}

static uint64_t efer_allowed(struct vcpu *v)
{
    struct cpu_policy *p = v->domain->policy;

    return (policy_has(p, XEN_X86_FEATURE_SYSCALL) ? EFER_SCE : 0) |
           (policy_has(p, XEN_X86_FEATURE_LM) ? EFER_LME | EFER_LMA : 0) |
           (policy_has(p, XEN_X86_FEATURE_NX) ? EFER_NXE : 0) |
           (policy_has(p, XEN_X86_FEATURE_FFXSR) ? EFER_FFXSE : 0);
}

bool hvm_controls_valid(struct vcpu *v, uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    bool paging = cr0 & CR0_PG, wants_long = efer & EFER_LME;

    if ((cr0 & ~(uint64_t)CR0_KNOWN) || (paging && !(cr0 & CR0_PE)) || ((cr0 & CR0_NW) && !(cr0 & CR0_CD)))
        return false;
    if ((cr4 & ~cr4_allowed(v)) || (efer & ~efer_allowed(v)))
        return false;
    if (!!(efer & EFER_LMA) != (paging && wants_long) || (paging && wants_long && !(cr4 & CR4_PAE)))
        return false;
    return !(cr4 & CR4_PCIDE) || (efer & EFER_LMA);
}

/* 0, or -EPERM: no CPU of v's kind has these. */
static int controls_change(struct vcpu *v, uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    const uint64_t cr4_paging = CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP;
    struct hvm_vcpu *h = v->hvm;

    if (!hvm_controls_valid(v, cr0, cr4, efer))
        return -EPERM;
    if (((cr0 ^ h->cr0) & (CR0_PG | CR0_WP)) || ((cr4 ^ h->cr4) & cr4_paging) || ((efer ^ h->efer) & EFER_NXE))
        h->flush_nested = true; /* translations of its own go with its paging mode */
    h->cr0 = cr0;
    h->cr4 = cr4;
    h->efer = efer;
    hvm_vendor->controls_set(v);
    return 0;
}

int hvm_cr0_write(struct vcpu *v, uint64_t value)
{
    struct hvm_vcpu *h = v->hvm;
    uint64_t efer = h->efer & ~(uint64_t)EFER_LMA;
    bool was_paging = h->cr0 & CR0_PG, code64 = hvm_vendor->code(v).bits == 64;

    if (value >> 32)
        return -EPERM;
    value = (value & ~CR0_RESERVED_LOW) | CR0_ET;
    if ((value & CR0_PG) && (efer & EFER_LME)) {
        if (!was_paging && code64)
            return -EPERM;
        efer |= EFER_LMA;
    }
    if (!(value & CR0_PG) && was_paging && ((h->cr4 & CR4_PCIDE) || code64))
        return -EPERM;
    return controls_change(v, value, h->cr4, efer);
}

int hvm_cr4_write(struct vcpu *v, uint64_t value)
{
    struct hvm_vcpu *h = v->hvm;

    if ((value & CR4_PCIDE) && !(h->cr4 & CR4_PCIDE) && (h->cr3 & 0xfff))
        return -EPERM;
    return controls_change(v, h->cr0, value, h->efer);
}

int hvm_efer_write(struct vcpu *v, uint64_t value)
{
    struct hvm_vcpu *h = v->hvm;

    value = (value & ~(uint64_t)EFER_LMA) | (h->efer & EFER_LMA);
    if ((h->cr0 & CR0_PG) && ((value ^ h->efer) & EFER_LME))
        return -EPERM;
    return controls_change(v, h->cr0, h->cr4, value);
}

uint64_t hvm_tsc_base(const struct vcpu *v)
{
    return unlikely(v->domain->tsc.emulated) ? time_tsc_emulated(v->domain) : rdtsc();
}

void hvm_tsc_offset_set(struct vcpu *v, uint64_t offset)
{
    v->arch.tsc_offset = offset;
    hvm_vendor->controls_set(v);
}
