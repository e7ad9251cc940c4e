// SPDX-License-Identifier: BSD-2-Clause
/*
 * Model-specific registers of PV guests: a list of what they may read and write.  Everything else is #GP,
 * which Linux expects and handles.  Numbers: arch/x86/msr.h, Intel SDM volume 4, AMD APM volume 2 appendix A.
 */
#include "arch/x86/apic.h"
#include "arch/x86/cpufeature.h"
#include "guest/pv/traps.h"

#define MSR_AMD_FIDVID_CTL 0xc0010041
#define MSR_AMD_FIDVID_STATUS 0xc0010042
#define MSR_MISC_PERF_AVAILABLE (1UL << 7)
#define MSR_MISC_MONITOR (1UL << 18)
#define MSR_MISC_BTS_PEBS_XTPR (1UL << 11 | 1UL << 12 | 1UL << 23)
#define HWCR_TSC_FREQ_SEL (1UL << 24)

static uint64_t efer_shown(void)
{
    return rdmsr(MSR_EFER) & (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_FFXSE);
}

static int msr_read_amd(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    *value = 0;
    if (!cpu_is_amd())
        return -EPERM;
    switch (msr) {
    case MSR_AMD_FIDVID_CTL:
    case MSR_AMD_FIDVID_STATUS:
    case MSR_AMD_PSTATE_FIRST ... MSR_AMD_PSTATE_LAST:
    case MSR_AMD_NB_CFG:
    case MSR_AMD_PERF_FIRST ... MSR_AMD_PERF_LAST:
        return 0;
    case MSR_K8_HWCR:
        *value = v->domain->is_privileged && rdmsr_safe(msr, value) ? *value & HWCR_TSC_FREQ_SEL : 0;
        return 0;
    case MSR_AMD_DE_CFG:
        *value = DE_CFG_LFENCE_SERIALIZE;
        return 0;
    default:
        return -EPERM;
    }
}

int pv_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    switch (msr) {
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_KERNEL_GS_BASE:
    case MSR_PAT:
        *value = rdmsr(msr);
        return 0;
    case MSR_TSC:
        *value = pv_tsc(v);
        return 0;
    case MSR_EFER:
        *value = efer_shown();
        return 0;
    case MSR_APIC_BASE:
        *value = APIC_BASE_ADDRESS | APIC_BASE_ENABLED | (v->id ? 0 : APIC_BASE_BSP);
        return 0;
    case MSR_MISC_ENABLE:
        if (!rdmsr_safe(msr, value))
            return -EPERM;
        *value = (*value & ~(MSR_MISC_PERF_AVAILABLE | MSR_MISC_MONITOR)) | MSR_MISC_BTS_PEBS_XTPR;
        return 0;
    case MSR_PERF_CAPABILITIES:
    case MSR_MISC_FEATURES_ENABLES:
    case MSR_MCG_CAP:
    case MSR_MCG_STATUS:
        *value = 0;
        return 0;
    case MSR_AMD_PATCHLEVEL:
        return rdmsr_safe(msr, value) ? 0 : -EPERM;
    case MSR_TSC_AUX:
        if (!cpu_has(FEATURE_RDTSCP))
            return -EPERM;
        *value = v->arch.tsc_aux;
        return 0;
    case MSR_PRED_CMD: /* cannot be read */
        return -EPERM;
    }
    if (!msr_read_amd(v, msr, value))
        return 0;
    /* A kernel too young to have a #GP handler would die: it reads zero from a register the machine has. */
    if (!v->pv->traps[VECTOR_GP].address && msr >> 16 != 0x4000 && rdmsr_safe(msr, value)) {
        *value = 0;
        return 0;
    }
    return -EPERM;
}

static int msr_write_base(struct vcpu *v, uint32_t msr, uint64_t value)
{
    if (!address_canonical(value))
        return -EPERM;
    wrmsr(msr, value);
    if (msr == MSR_FS_BASE)
        v->arch.fs_base = value;
    else if (msr == MSR_GS_BASE)
        v->arch.gs_base = value;
    else
        v->arch.gs_base_other = value;
    return 0;
}

static PER_CPU_DEFINE(uint32_t, tsc_aux_loaded);

void pv_tsc_aux_load(const struct vcpu *v)
{
    if (v->arch.tsc_aux == this_cpu(tsc_aux_loaded))
        return;
    this_cpu(tsc_aux_loaded) = v->arch.tsc_aux;
    wrmsr(MSR_TSC_AUX, v->arch.tsc_aux);
}

unsigned pv_saved_msrs_get(const struct vcpu *v, struct xen_domctl_vcpu_msr list[PV_SAVED_MSRS])
{
    if (!cpu_has(FEATURE_RDTSCP) || !v->arch.tsc_aux)
        return 0; /* as it is at first */
    list[0] = (struct xen_domctl_vcpu_msr){.index = MSR_TSC_AUX, .value = v->arch.tsc_aux};
    return 1;
}

int pv_saved_msr_set(struct vcpu *v, uint32_t index, uint64_t value)
{
    if (index != MSR_TSC_AUX || !cpu_has(FEATURE_RDTSCP) || value >> 32)
        return -EINVAL;
    v->arch.tsc_aux = (uint32_t)value;
    return 0;
}

int pv_msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
    uint64_t now;

    switch (msr) {
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_KERNEL_GS_BASE:
        return msr_write_base(v, msr, value);
    case MSR_TSC_AUX:
        if (pv_saved_msr_set(v, msr, value))
            return -EPERM;
        pv_tsc_aux_load(v);
        return 0;
    case MSR_PRED_CMD:
        return cpu_policy_barrier(v->domain, value);
    case MSR_AMD_PATCHLEVEL:
        return 0; /* cleared before the microcode version is read */
    case MSR_EFER:
    case MSR_PAT:
    case MSR_MISC_ENABLE:
    case MSR_MISC_FEATURES_ENABLES:
    case MSR_MCG_STATUS: /* what is there already */
        return !pv_msr_read(v, msr, &now) && now == value ? 0 : -EPERM;
    case MSR_AMD_FIDVID_CTL:
    case MSR_AMD_FIDVID_STATUS:
    case MSR_AMD_PSTATE_FIRST ... MSR_AMD_PSTATE_LAST:
    case MSR_K8_HWCR:
    case MSR_AMD_NB_CFG:
    case MSR_AMD_DE_CFG:
        return cpu_is_amd() ? 0 : -EPERM; /* accepted and ignored */
    default:
        return -EPERM;
    }
}
