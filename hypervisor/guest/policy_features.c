// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which CPU features a guest may be shown: allow lists, so that what a future CPU brings stays hidden until
 * it is known to be safe.  Names and numbers: xen/arch-x86/cpufeatureset.h.
 *
 * Left out although the ABI knows them: everything that stands for MSR_SPEC_CTRL and MSR_ARCH_CAPABILITIES,
 * which are not switched between guests yet.
 */
#include "guest/policy.h"

#define F(name) XEN_X86_FEATURE_##name

/* Every kind of guest, shown by default. */
static const uint16_t features_all[] = {
    F(FPU), F(DE), F(TSC), F(MSR), F(PAE), F(MCE), F(CX8), F(APIC), F(SEP), F(MCA), F(CMOV), F(PAT),
    F(CLFLUSH), F(ACPI), F(MMX), F(FXSR), F(SSE), F(SSE2), F(SS), F(HTT), F(SSE3), F(PCLMULQDQ), F(SSSE3),
    F(FMA), F(CX16), F(SSE4_1), F(SSE4_2), F(MOVBE), F(POPCNT), F(AESNI), F(XSAVE), F(AVX), F(F16C),
    F(RDRAND), F(HYPERVISOR), F(SYSCALL), F(NX), F(MMXEXT), F(FFXSR), F(RDTSCP), F(LM), F(3DNOWEXT),
    F(3DNOW), F(LAHF_LM), F(CMP_LEGACY), F(ABM), F(SSE4A), F(MISALIGNSSE), F(3DNOWPREFETCH), F(XOP),
    F(FMA4), F(TBM), F(DBEXT), F(XSAVEOPT), F(XSAVEC), F(XGETBV1), F(FSGSBASE), F(BMI1), F(AVX2), F(BMI2),
    F(ERMS), F(RTM), F(AVX512F), F(AVX512DQ), F(RDSEED), F(ADX), F(AVX512_IFMA), F(CLFLUSHOPT), F(CLWB),
    F(AVX512PF), F(AVX512ER), F(AVX512CD), F(SHA), F(AVX512BW), F(AVX512VL), F(PREFETCHWT1), F(AVX512_VBMI),
    F(AVX512_VBMI2), F(GFNI), F(VAES), F(VPCLMULQDQ), F(AVX512_VNNI), F(AVX512_BITALG), F(AVX512_VPOPCNTDQ),
    F(RDPID), F(CLDEMOTE), F(CLZERO), F(RSTR_FP_ERR_PTRS), F(IBPB), F(SSB_NO), F(BTC_NO), F(IBPB_RET),
    F(AVX512_4VNNIW), F(AVX512_4FMAPS), F(FSRM), F(MD_CLEAR), F(SERIALIZE), F(AVX_VNNI), F(AVX512_BF16),
    F(FZRM), F(FSRS), F(FSRCS), F(LFENCE_DISPATCH), F(VERW_CLEAR), F(NSCB), F(SBPB), F(IBPB_BRTYPE),
    F(SRSO_NO), F(SRSO_US_NO), F(MCDT_NO), F(TSA_SQ_NO), F(TSA_L1_NO),
};
/* Every kind of guest, when asked for. */
static const uint16_t features_all_optional[] = {
    F(HLE), F(MOVDIRI), F(MOVDIR64B), F(ITSC), F(AVX512_VP2INTERSECT), F(TSXLDTRK),
};
/* Hardware-assisted guests: they run their own (nested) page tables and privileged instructions. */
static const uint16_t features_hvm[] = {
    F(VME), F(PSE), F(MTRR), F(PGE), F(PSE36), F(X2APIC), F(TSC_DEADLINE), F(CR8_LEGACY), F(XSAVES),
    F(TSC_ADJUST), F(SMEP), F(SMAP), F(UMIP), F(NO_LMSL), F(PCID), F(PAGE1GB), F(INVPCID),
};

static void features_add(uint32_t *words, const uint16_t *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        words[list[i] / 32] |= 1u << (list[i] % 32);
}

#define FEATURES_ADD(words, list) features_add(words, list, ARRAY_SIZE(list))

void policy_feature_mask(uint32_t words[POLICY_WORDS], bool hvm, bool optional)
{
    for (unsigned i = 0; i < POLICY_WORDS; i++)
        words[i] = 0;
    FEATURES_ADD(words, features_all);
    if (optional)
        FEATURES_ADD(words, features_all_optional);
    if (hvm)
        FEATURES_ADD(words, features_hvm);
}
