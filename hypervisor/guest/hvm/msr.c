// SPDX-License-Identifier: BSD-2-Clause
/*
 * Model-specific registers of hardware-assisted guests: an allow list, #GP for the rest.  Those that switch with the guest are its own and do not come
 * here (svm/svm.c, permission maps).  Memory types by MTRR are stored and of no effect: a guest without devices has
 * nothing but write-back memory.  Numbers: arch/x86/msr.h, Intel SDM volume 4, AMD APM volume 2 appendix A.
 */
#include "guest/hvm/internal.h"
#include "guest/hvm/lapic.h"
#include "guest/policy.h"
#include "guest/pv/traps.h"
#include "lib/string.h"
#include "mm/physmap.h"

#define MSR_TSC_ADJUST 0x3b
#define MSR_MTRR_VARIABLE 0x200
#define MSR_MTRR_VARIABLE_LAST 0x20f
#define MSR_MTRR_FIXED_64K 0x250
#define MSR_MTRR_FIXED_16K 0x258
#define MSR_MTRR_FIXED_4K 0x268
#define MSR_AMD_SYSCFG 0xc0010010
#define MSR_XEN 0x40000000 /* what CPUID 0x40000002 says: the hypercall page */
#define MTRR_CAP 0x508     /* eight variable ranges, fixed ranges, write-combining */
#define MTRR_DEF_TYPE_VALID 0xcffUL
#define MISC_ENABLE_SHOWN (1UL | 1UL << 11 | 1UL << 12) /* fast strings; no branch trace store, no PEBS */

static int hypercall_page_write(struct vcpu *v, uint64_t value)
{
    struct frame *frame;

    if (value & ~PAGE_MASK) /* an index: there is one page */
        return -EPERM;
    if (physmap_get_writable(v->domain, GFN(value >> PAGE_SHIFT), &frame))
        return -EPERM;
    hvm_shared_form_latch(v);
    hypercall_page_fill(v->domain, frame_to_virt(frame));
    frame_put_both(frame);
    return 0;
}

/* ---- registers that are a value and a rule ---- */

enum write_rule { REFUSED, SAME /* as it is, */, IGNORED, MEMORY_TYPES /* are checked and stored */ };

/* A guest needs the feature, on a CPU of AMD's where it says so. */
static const struct msr_rule {
    uint32_t first, last;
    uint16_t feature;
    enum write_rule write;
    bool amd;
    uint16_t at;    /* of the first one's value in struct hvm_vcpu; 0: all have */
    uint64_t value;
} msr_rules[] = {
#define ALWAYS 0xffff /* no feature */
#define ONE(msr) (msr), (msr)
#define AT(field) .at = offsetof(struct hvm_vcpu, field)
    {ONE(MSR_EFER), ALWAYS, REFUSED, false, AT(efer)}, /* these four are written by functions */
    {ONE(MSR_PAT), ALWAYS, REFUSED, false, AT(pat)},
    {ONE(MSR_TSC_ADJUST), XEN_X86_FEATURE_TSC_ADJUST, REFUSED, false, AT(tsc_adjust)},
    {ONE(MSR_XEN), ALWAYS, REFUSED, false, .value = 0},
    {ONE(MSR_MISC_ENABLE), ALWAYS, SAME, false, .value = MISC_ENABLE_SHOWN},
    {ONE(MSR_XSS), XEN_X86_FEATURE_XSAVES, SAME, false, .value = 0},
    {ONE(MSR_DEBUGCTL), ALWAYS, SAME, false, .value = 0},
    {ONE(MSR_PLATFORM_INFO), ALWAYS, REFUSED, false, .value = 0},
    {ONE(MSR_PERF_CAPABILITIES), ALWAYS, REFUSED, false, .value = 0},
    {ONE(MSR_MISC_FEATURES_ENABLES), ALWAYS, SAME, false, .value = 0},
    {ONE(MSR_MCG_CAP), ALWAYS, REFUSED, false, .value = 0},
    {ONE(MSR_MCG_STATUS), ALWAYS, SAME, false, .value = 0},
    {ONE(MSR_AMD_PATCHLEVEL), ALWAYS, IGNORED, false, .value = 0}, /* cleared before the microcode version is read */
    {ONE(MSR_MTRR_CAP), XEN_X86_FEATURE_MTRR, REFUSED, false, .value = MTRR_CAP},
    {ONE(MSR_MTRR_DEF_TYPE), XEN_X86_FEATURE_MTRR, MEMORY_TYPES, false, AT(mtrr_def_type)},
    {MSR_MTRR_VARIABLE, MSR_MTRR_VARIABLE_LAST, XEN_X86_FEATURE_MTRR, MEMORY_TYPES, false, AT(mtrr_variable)},
    {ONE(MSR_MTRR_FIXED_64K), XEN_X86_FEATURE_MTRR, MEMORY_TYPES, false, AT(mtrr_fixed[0])},
    {MSR_MTRR_FIXED_16K, MSR_MTRR_FIXED_16K + 1, XEN_X86_FEATURE_MTRR, MEMORY_TYPES, false, AT(mtrr_fixed[1])},
    {MSR_MTRR_FIXED_4K, MSR_MTRR_FIXED_4K + 7, XEN_X86_FEATURE_MTRR, MEMORY_TYPES, false, AT(mtrr_fixed[3])},
    {ONE(MSR_AMD_SYSCFG), ALWAYS, REFUSED, true, .value = 0},
    {ONE(MSR_AMD_NB_CFG), ALWAYS, IGNORED, true, .value = 0},
    {ONE(MSR_K8_HWCR), ALWAYS, IGNORED, true, .value = 0},
    {ONE(MSR_AMD_DE_CFG), ALWAYS, IGNORED, true, .value = DE_CFG_LFENCE_SERIALIZE},
    {MSR_AMD_PERF_FIRST, MSR_AMD_PERF_LAST, ALWAYS, REFUSED, true, .value = 0},
    {MSR_AMD_PSTATE_FIRST, MSR_AMD_PSTATE_LAST, ALWAYS, REFUSED, true, .value = 0},
};

/* NULL: v has no such register. */
static const struct msr_rule *msr_rule(struct vcpu *v, uint32_t msr)
{
    for (const struct msr_rule *r = msr_rules; r < msr_rules + ARRAY_SIZE(msr_rules); r++)
        if (msr >= r->first && msr <= r->last)
            return (r->feature == ALWAYS || policy_has(v->domain->policy, r->feature)) && (!r->amd || cpu_is_amd())
                       ? r : NULL;
    return NULL;
}

static uint64_t *msr_place(struct vcpu *v, const struct msr_rule *rule, uint32_t msr)
{
    return (uint64_t *)((char *)v->hvm + rule->at) + (msr - rule->first);
}

/* The lowest count bytes are memory types; of the PAT more are. */
static bool types_ok(uint64_t value, unsigned count, bool pat)
{
    for (; count; count--, value >>= 8) {
        uint8_t type = (uint8_t)value;

        if (type > (pat ? 7 : 6) || type == 2 || type == 3)
            return false;
    }
    return true;
}

bool hvm_pat_valid(uint64_t pat) { return types_ok(pat, 8, true); }

static bool mtrr_ok(uint32_t msr, uint64_t value)
{
    uint64_t address = (1UL << cpu_model.physical_bits) - PAGE_SIZE;

    if (msr == MSR_MTRR_DEF_TYPE)
        return !(value & ~MTRR_DEF_TYPE_VALID) && types_ok(value, 1, false);
    if (msr >= MSR_MTRR_FIXED_64K)
        return types_ok(value, 8, false);
    return msr & 1 ? !(value & ~(address | 0x800)) : !(value & ~(address | 0xff)) && types_ok(value, 1, false);
}

/* ---- reading ---- */

int hvm_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    const struct msr_rule *rule;

    if (msr >= MSR_X2APIC_BASE && msr < MSR_X2APIC_BASE + 0x100)
        return lapic_msr_read(v, msr, value);
    switch (msr) {
    case MSR_TSC:
        *value = hvm_tsc(v);
        return 0;
    case MSR_TSC_AUX:
        *value = v->arch.tsc_aux;
        return policy_has(v->domain->policy, XEN_X86_FEATURE_RDTSCP) ? 0 : -EPERM;
    case MSR_TSC_DEADLINE:
        *value = v->hvm->lapic->deadline;
        return policy_has(v->domain->policy, XEN_X86_FEATURE_TSC_DEADLINE) ? 0 : -EPERM;
    case MSR_APIC_BASE:
        *value = v->hvm->apic_base;
        return 0;
    case MSR_AMD_PATCHLEVEL:
        return rdmsr_safe(msr, value) ? 0 : -EPERM;
    }
    rule = msr_rule(v, msr);
    if (!rule)
        return -EPERM;
    *value = rule->at ? *msr_place(v, rule, msr) : rule->value;
    return 0;
}

/* ---- writing ---- */

static int msr_write_adjust(struct vcpu *v, uint64_t value)
{
    if (!policy_has(v->domain->policy, XEN_X86_FEATURE_TSC_ADJUST))
        return -EPERM;
    hvm_tsc_offset_set(v, v->arch.tsc_offset + value - v->hvm->tsc_adjust);
    v->hvm->tsc_adjust = value;
    return 0;
}

int hvm_msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
    struct cpu_policy *p = v->domain->policy;
    const struct msr_rule *rule;
    uint64_t offset;

    if (msr >= MSR_X2APIC_BASE && msr < MSR_X2APIC_BASE + 0x100)
        return lapic_msr_write(v, msr, value);
    switch (msr) {
    case MSR_XEN:
        return hypercall_page_write(v, value);
    case MSR_TSC:
        offset = value - hvm_tsc_base(v);
        v->hvm->tsc_adjust += offset - v->arch.tsc_offset;
        hvm_tsc_offset_set(v, offset);
        return 0;
    case MSR_TSC_ADJUST:
        return msr_write_adjust(v, value);
    case MSR_TSC_AUX:
        if (!policy_has(p, XEN_X86_FEATURE_RDTSCP) || value >> 32)
            return -EPERM;
        v->arch.tsc_aux = (uint32_t)value;
        pv_tsc_aux_load(v);
        return 0;
    case MSR_TSC_DEADLINE:
        if (!policy_has(p, XEN_X86_FEATURE_TSC_DEADLINE))
            return -EPERM;
        lapic_deadline_set(v->hvm->lapic, value);
        return 0;
    case MSR_APIC_BASE:
        return lapic_base_write(v, value);
    case MSR_EFER:
        return hvm_efer_write(v, value);
    case MSR_PAT:
        if (!hvm_pat_valid(value))
            return -EPERM;
        v->hvm->pat = value;
        hvm_vendor->controls_set(v);
        return 0;
    case MSR_PRED_CMD:
        return cpu_policy_barrier(v->domain, value);
    }
    rule = msr_rule(v, msr);
    if (!rule || rule->write == REFUSED || (rule->write == SAME && value != rule->value) ||
        (rule->write == MEMORY_TYPES && !mtrr_ok(msr, value)))
        return -EPERM;
    if (rule->at)
        *msr_place(v, rule, msr) = value;
    return 0;
}
