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
#define MSR_PRED_CMD 0x49
#define MSR_PLATFORM_INFO 0xce
#define MSR_MTRR_VARIABLE 0x200
#define MSR_MTRR_VARIABLE_LAST 0x20f
#define MSR_MTRR_FIXED_64K 0x250
#define MSR_MTRR_FIXED_16K 0x258
#define MSR_MTRR_FIXED_4K 0x268
#define MSR_PERF_CAPABILITIES 0x345
#define MSR_MISC_FEATURES_ENABLES 0x140
#define MSR_AMD_SYSCFG 0xc0010010
#define MSR_AMD_NB_CFG 0xc001001f
#define MSR_AMD_PERF_FIRST 0xc0010000
#define MSR_AMD_PERF_LAST 0xc0010007
#define MSR_AMD_PSTATE_FIRST 0xc0010061
#define MSR_AMD_PSTATE_LAST 0xc001006b
#define MSR_AMD_DE_CFG 0xc0011029
#define MSR_XEN 0x40000000 /* what CPUID 0x40000002 says: the hypercall page */
#define MTRR_CAP 0x508     /* eight variable ranges, fixed ranges, write-combining */
#define MTRR_DEF_TYPE_VALID 0xcffUL
#define PRED_CMD_IBPB 1u
#define DE_CFG_LFENCE_SERIALIZE 2UL
#define STUB_SIZE 32
#define MISC_ENABLE_SHOWN (1UL | 1UL << 11 | 1UL << 12) /* fast strings; no branch trace store, no PEBS */

static bool is_amd(void) { return cpu_model.vendor == CPU_VENDOR_AMD || cpu_model.vendor == CPU_VENDOR_HYGON; }

/* ---- the hypercall page ---- */

/* In every mode of the CPU the same bytes; iret is nothing for these guests. */
void hvm_hypercall_page_fill(void *page)
{
    uint8_t *stubs = page;

    memset(stubs, 0xcc, PAGE_SIZE);
    for (unsigned n = 0; n < PAGE_SIZE / STUB_SIZE; n++) {
        const uint8_t call[] = {0xb8, (uint8_t)n, 0, 0, 0, /* mov $n, %eax */
            0x0f, 0x01, 0xd9,                              /* vmmcall */
            0xc3};                                         /* ret */
        static const uint8_t undefined[] = {0x0f, 0x0b};

        if (n == __HYPERVISOR_iret)
            memcpy(stubs + n * STUB_SIZE, undefined, sizeof(undefined));
        else
            memcpy(stubs + n * STUB_SIZE, call, sizeof(call));
    }
}

static int hypercall_page_write(struct vcpu *v, uint64_t value)
{
    struct frame *frame;

    if (value & ~PAGE_MASK) /* an index: there is one page */
        return -EPERM;
    if (physmap_get_writable(v->domain, GFN(value >> PAGE_SHIFT), &frame))
        return -EPERM;
    hvm_shared_form_latch(v);
    hvm_hypercall_page_fill(frame_to_virt(frame));
    frame_put_both(frame);
    return 0;
}

/* ---- memory types ---- */

static uint64_t *mtrr_place(struct hvm_vcpu *h, uint32_t msr)
{
    switch (msr) {
    case MSR_MTRR_VARIABLE ... MSR_MTRR_VARIABLE_LAST:
        return &h->mtrr_variable[msr - MSR_MTRR_VARIABLE];
    case MSR_MTRR_FIXED_64K:
        return &h->mtrr_fixed[0];
    case MSR_MTRR_FIXED_16K ... MSR_MTRR_FIXED_16K + 1:
        return &h->mtrr_fixed[1 + msr - MSR_MTRR_FIXED_16K];
    case MSR_MTRR_FIXED_4K ... MSR_MTRR_FIXED_4K + 7:
        return &h->mtrr_fixed[3 + msr - MSR_MTRR_FIXED_4K];
    default:
        return NULL;
    }
}

static bool memory_type_ok(uint8_t type) { return type == 0 || type == 1 || (type >= 4 && type <= 6); }

static bool pat_ok(uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        uint8_t type = (uint8_t)(value >> i * 8);

        if (!memory_type_ok(type) && type != 7)
            return false;
    }
    return true;
}

static int mtrr_write(struct vcpu *v, uint32_t msr, uint64_t value, uint64_t *place)
{
    uint64_t address = (1UL << cpu_model.physical_bits) - PAGE_SIZE;

    if (msr >= MSR_MTRR_FIXED_64K) {
        for (unsigned i = 0; i < 8; i++)
            if (!memory_type_ok((uint8_t)(value >> i * 8)))
                return -EPERM;
    } else if (msr & 1) {
        if (value & ~(address | 0x800))
            return -EPERM;
    } else if ((value & ~(address | 0xff)) || !memory_type_ok((uint8_t)value)) {
        return -EPERM;
    }
    (void)v;
    *place = value;
    return 0;
}

/* ---- reading ---- */

static int msr_read_amd(uint32_t msr, uint64_t *value)
{
    *value = 0;
    if (!is_amd())
        return -EPERM;
    switch (msr) {
    case MSR_AMD_SYSCFG:
    case MSR_AMD_NB_CFG:
    case MSR_AMD_PERF_FIRST ... MSR_AMD_PERF_LAST:
    case MSR_AMD_PSTATE_FIRST ... MSR_AMD_PSTATE_LAST:
    case MSR_K8_HWCR:
        return 0;
    case MSR_AMD_DE_CFG:
        *value = DE_CFG_LFENCE_SERIALIZE;
        return 0;
    default:
        return -EPERM;
    }
}

static int msr_read_mtrr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    const uint64_t *place = mtrr_place(v->hvm, msr);

    if (!policy_has(v->domain->policy, XEN_X86_FEATURE_MTRR))
        return -EPERM;
    if (msr == MSR_MTRR_CAP)
        *value = MTRR_CAP;
    else if (msr == MSR_MTRR_DEF_TYPE)
        *value = v->hvm->mtrr_def_type;
    else if (place)
        *value = *place;
    else
        return -EPERM;
    return 0;
}

int hvm_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    struct hvm_vcpu *h = v->hvm;

    if (msr >= MSR_X2APIC_BASE && msr < MSR_X2APIC_BASE + 0x100)
        return lapic_msr_read(v, msr, value);
    *value = 0;
    switch (msr) {
    case MSR_TSC:
        *value = hvm_tsc(v);
        return 0;
    case MSR_TSC_ADJUST:
        *value = h->tsc_adjust;
        return policy_has(v->domain->policy, XEN_X86_FEATURE_TSC_ADJUST) ? 0 : -EPERM;
    case MSR_TSC_AUX:
        *value = v->arch.tsc_aux;
        return policy_has(v->domain->policy, XEN_X86_FEATURE_RDTSCP) ? 0 : -EPERM;
    case MSR_TSC_DEADLINE:
        *value = h->lapic->deadline;
        return policy_has(v->domain->policy, XEN_X86_FEATURE_TSC_DEADLINE) ? 0 : -EPERM;
    case MSR_APIC_BASE:
        *value = h->apic_base;
        return 0;
    case MSR_EFER:
        *value = h->efer;
        return 0;
    case MSR_PAT:
        *value = h->pat;
        return 0;
    case MSR_MISC_ENABLE:
        *value = MISC_ENABLE_SHOWN;
        return 0;
    case MSR_XSS:
        return policy_has(v->domain->policy, XEN_X86_FEATURE_XSAVES) ? 0 : -EPERM;
    case MSR_DEBUGCTL:
    case MSR_PLATFORM_INFO:
    case MSR_PERF_CAPABILITIES:
    case MSR_MISC_FEATURES_ENABLES:
    case MSR_MCG_CAP:
    case MSR_MCG_STATUS:
    case MSR_XEN:
        return 0;
    case MSR_AMD_PATCHLEVEL:
        return rdmsr_safe(msr, value) ? 0 : -EPERM;
    default:
        break;
    }
    return msr_read_mtrr(v, msr, value) ? msr_read_amd(msr, value) : 0;
}

/* ---- writing ---- */

static int msr_write_mtrr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    uint64_t *place = mtrr_place(v->hvm, msr);

    if (!policy_has(v->domain->policy, XEN_X86_FEATURE_MTRR))
        return -EPERM;
    if (place)
        return mtrr_write(v, msr, value, place);
    if (msr != MSR_MTRR_DEF_TYPE || (value & ~MTRR_DEF_TYPE_VALID) || !memory_type_ok((uint8_t)value))
        return -EPERM;
    v->hvm->mtrr_def_type = value;
    return 0;
}

static int msr_write_adjust(struct vcpu *v, uint64_t value)
{
    if (!policy_has(v->domain->policy, XEN_X86_FEATURE_TSC_ADJUST))
        return -EPERM;
    hvm_tsc_offset_set(v, v->arch.tsc_offset + value - v->hvm->tsc_adjust);
    v->hvm->tsc_adjust = value;
    return 0;
}

/* The barrier against branch predictions of others: for whoever is shown that there is one. */
static int msr_write_prediction(struct vcpu *v, uint64_t value)
{
    if (!cpu_policy_has_ibpb(v->domain) || (value & ~(uint64_t)PRED_CMD_IBPB))
        return -EPERM;
    return !value || wrmsr_safe(MSR_PRED_CMD, value) ? 0 : -EPERM;
}

int hvm_msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
    struct cpu_policy *p = v->domain->policy;
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
        if (!pat_ok(value))
            return -EPERM;
        v->hvm->pat = value;
        hvm_vendor->controls_set(v);
        return 0;
    case MSR_PRED_CMD:
        return msr_write_prediction(v, value);
    case MSR_XSS:
        return value || !policy_has(p, XEN_X86_FEATURE_XSAVES) ? -EPERM : 0;
    case MSR_DEBUGCTL:
    case MSR_MISC_FEATURES_ENABLES:
    case MSR_MCG_STATUS:
        return value ? -EPERM : 0;
    case MSR_MISC_ENABLE:
        return value == MISC_ENABLE_SHOWN ? 0 : -EPERM;
    case MSR_AMD_PATCHLEVEL:
        return 0; /* cleared before the microcode version is read */
    case MSR_AMD_NB_CFG:
    case MSR_AMD_DE_CFG:
    case MSR_K8_HWCR:
        return is_amd() ? 0 : -EPERM; /* accepted and ignored */
    default:
        return msr_write_mtrr(v, msr, value);
    }
}
