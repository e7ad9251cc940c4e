// SPDX-License-Identifier: BSD-2-Clause
/*
 * CPU policies: what CPUID tells a guest, made in steps.  raw is what the CPU says; host what the hypervisor lets be used; pv_max and
 * hvm_max what a guest of that kind could have; pv_default and hvm_default what it gets unless the toolstack asks.  A
 * domain starts with its kind's default; the toolstack may set another within the maximum.  Interfaces:
 * XEN_SYSCTL_get_cpu_policy, XEN_DOMCTL_get/set_cpu_policy, XEN_SYSCTL_get_cpu_featureset, xen/arch-x86/cpuid.h.
 */
#include "guest/policy.h"
#include "arch/x86/apic.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "errno.h"
#include "guest/hvm.h"
#include "mm/heap.h"
#include <xen/arch-x86/cpuid.h>

#define XEN_VERSION_MAJOR 4u
#define XEN_VERSION_MINOR 17u
#define XEN_LEAF_BASE XEN_CPUID_FIRST_LEAF
#define XEN_MSR_BASE 0x40000000u
#define NR_SYSTEM_POLICIES 6
#define NR_MSRS 2

static struct cpu_policy *system_policies[NR_SYSTEM_POLICIES];
bool cpu_policy_hvm_without_xsave;
static spinlock_t init_lock = SPINLOCK_INIT(RANK_NONE);

static void feature_put(uint32_t words[POLICY_WORDS], unsigned feature, bool set)
{
    if (set)
        words[feature / 32] |= 1u << (feature % 32);
    else
        words[feature / 32] &= ~(1u << (feature % 32));
}

/* ---- making the system's ---- */

static void leaf_limit(struct cpu_policy *p, uint32_t leaf, uint32_t highest)
{
    xen_cpuid_leaf_t *l = policy_leaf(p, leaf, XEN_CPUID_NO_SUBLEAF);

    if (l && l->a > highest)
        l->a = highest;
}

/* Each list: a feature and what depends on it. */
#define F(name) XEN_X86_FEATURE_##name
static const uint16_t of_xsave[] = {F(XSAVE), F(AVX), F(XSAVEOPT), F(XSAVEC), F(XGETBV1), F(XSAVES), F(PKU), F(MPX)};
static const uint16_t of_avx[] = {
    F(AVX), F(FMA), F(F16C), F(FMA4), F(XOP), F(AVX2), F(VAES), F(VPCLMULQDQ), F(AVX_VNNI),
};
static const uint16_t of_avx2[] = {F(AVX2), F(AVX512F)};
static const uint16_t of_avx512f[] = {
    F(AVX512F), F(AVX512DQ), F(AVX512_IFMA), F(AVX512PF), F(AVX512ER), F(AVX512CD), F(AVX512BW), F(AVX512VL),
    F(AVX512_VBMI), F(AVX512_VBMI2), F(AVX512_VNNI), F(AVX512_BITALG), F(AVX512_VPOPCNTDQ), F(AVX512_4VNNIW),
    F(AVX512_4FMAPS), F(AVX512_BF16), F(AVX512_VP2INTERSECT),
};

static void dependents_drop(uint32_t words[POLICY_WORDS], const uint16_t *list, unsigned count)
{
    if (!(words[list[0] / 32] >> (list[0] % 32) & 1))
        for (unsigned i = 1; i < count; i++)
            feature_put(words, list[i], false);
}

/* What depends on a feature goes with it. */
static void features_consistent(uint32_t words[POLICY_WORDS])
{
    dependents_drop(words, of_xsave, ARRAY_SIZE(of_xsave));
    dependents_drop(words, of_avx, ARRAY_SIZE(of_avx));
    dependents_drop(words, of_avx2, ARRAY_SIZE(of_avx2));
    dependents_drop(words, of_avx512f, ARRAY_SIZE(of_avx512f));
}

/* A machine whose XSAVE the hypervisor does not use has none for its guests. */
static void policy_make_host(struct cpu_policy *host, const struct cpu_policy *raw)
{
    uint32_t words[POLICY_WORDS];

    *host = *raw;
    leaf_limit(host, 0, POLICY_BASIC_MAX);
    leaf_limit(host, POLICY_EXTENDED_BASE, POLICY_EXTENDED_MAX);
    policy_features_get(host, words);
    for (unsigned i = 0; i < POLICY_WORDS; i++)
        words[i] &= ~cpu_hidden[i];
    if (!xsave_features)
        feature_put(words, XEN_X86_FEATURE_XSAVE, false);
    if (!(xsave_features & XCR0_AVX))
        feature_put(words, XEN_X86_FEATURE_AVX, false);
    if ((xsave_features & XCR0_AVX512) != XCR0_AVX512)
        feature_put(words, XEN_X86_FEATURE_AVX512F, false);
    features_consistent(words);
    policy_features_set(host, words);
}

/* from, without what the allow lists do not have. */
static void policy_restrict(struct cpu_policy *p, struct cpu_policy *from, bool hvm, bool optional,
                            uint32_t words[POLICY_WORDS])
{
    uint32_t mask[POLICY_WORDS];

    *p = *from;
    policy_features_get(from, words);
    policy_feature_mask(mask, hvm, optional);
    for (unsigned i = 0; i < POLICY_WORDS; i++)
        words[i] &= mask[i];
}

static void policy_finish(struct cpu_policy *p, uint32_t words[POLICY_WORDS], struct cpu_policy *host)
{
    features_consistent(words);
    policy_features_set(p, words);
    policy_derive(p, host);
}

/*
 * What a kind of guest may have, and what it has unless asked.  Bits that describe the guest rather than the CPU are always
 * possible.
 */
static void policies_make(struct cpu_policy *max, struct cpu_policy *usual, struct cpu_policy *host, bool hvm)
{
    static const uint16_t of_guest[] = {XEN_X86_FEATURE_HTT, XEN_X86_FEATURE_CMP_LEGACY};
    uint32_t words[POLICY_WORDS];

    policy_restrict(max, host, hvm, true, words);
    feature_put(words, XEN_X86_FEATURE_HYPERVISOR, true);
    feature_put(words, XEN_X86_FEATURE_X2APIC, hvm);
    for (unsigned i = 0; i < ARRAY_SIZE(of_guest); i++)
        feature_put(words, of_guest[i], true);
    if (hvm && cpu_policy_hvm_without_xsave)
        feature_put(words, XEN_X86_FEATURE_XSAVE, false);
    policy_finish(max, words, host);
    policy_restrict(usual, max, hvm, false, words);
    for (unsigned i = 0; i < ARRAY_SIZE(of_guest); i++)
        feature_put(words, of_guest[i], policy_has(host, of_guest[i]));
    policy_finish(usual, words, host);
}

static int policies_init(void)
{
    struct cpu_policy **s = system_policies, *host;

    for (unsigned i = 0; i < NR_SYSTEM_POLICIES; i++) {
        s[i] = mem_new(struct cpu_policy);
        if (!s[i])
            return -ENOMEM;
    }
    host = s[XEN_SYSCTL_cpu_policy_host];
    policy_read_cpu(s[XEN_SYSCTL_cpu_policy_raw]);
    policy_make_host(host, s[XEN_SYSCTL_cpu_policy_raw]);
    policies_make(s[XEN_SYSCTL_cpu_policy_pv_max], s[XEN_SYSCTL_cpu_policy_pv_default], host, false);
    policies_make(s[XEN_SYSCTL_cpu_policy_hvm_max], s[XEN_SYSCTL_cpu_policy_hvm_default], host, true);
    return 0;
}

/* NULL when memory was short at the first use. */
static struct cpu_policy *policy_system(unsigned which)
{
    static bool ready;

    if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) {
        spin_lock(&init_lock);
        if (!ready && policies_init() == 0)
            __atomic_store_n(&ready, true, __ATOMIC_RELEASE);
        spin_unlock(&init_lock);
    }
    return __atomic_load_n(&ready, __ATOMIC_ACQUIRE) && which < NR_SYSTEM_POLICIES ? system_policies[which] : NULL;
}

/* ---- a domain's ---- */

int cpu_policy_init_domain(struct domain *d)
{
    struct cpu_policy *from =
        policy_system(d->is_hvm ? XEN_SYSCTL_cpu_policy_hvm_default : XEN_SYSCTL_cpu_policy_pv_default);

    if (!from)
        return -ENOMEM;
    d->policy = mem_new(struct cpu_policy);
    if (!d->policy)
        return -ENOMEM;
    *d->policy = *from;
    if (d->is_privileged && policy_has(policy_system(XEN_SYSCTL_cpu_policy_host), XEN_X86_FEATURE_ITSC))
        *policy_word(d->policy, XEN_X86_FEATURE_ITSC / 32) |= 1u << (XEN_X86_FEATURE_ITSC % 32);
    return 0;
}

int cpu_policy_barrier(struct domain *d, uint64_t value)
{
    if (!d->policy || !policy_has(d->policy, XEN_X86_FEATURE_IBPB) || value > 1)
        return -EPERM;
    return !value || wrmsr_safe(MSR_PRED_CMD, value) ? 0 : -EPERM;
}

/* ---- CPUID of a vcpu ---- */

static __attribute__((noinline)) void cpuid_xen(struct vcpu *v, uint32_t number, uint32_t subleaf, uint32_t out[4])
{
    struct domain *d = v->domain;

    switch (number) {
    case 0:
        out[0] = XEN_LEAF_BASE + XEN_CPUID_MAX_NUM_LEAVES;
        out[1] = XEN_CPUID_SIGNATURE_EBX;
        out[2] = XEN_CPUID_SIGNATURE_ECX;
        out[3] = XEN_CPUID_SIGNATURE_EDX;
        break;
    case 1:
        out[0] = XEN_VERSION_MAJOR << 16 | XEN_VERSION_MINOR;
        break;
    case 2:
        out[0] = 1;
        out[1] = XEN_MSR_BASE;
        out[2] = d->is_hvm ? 0 : XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD;
        break;
    case 3:
        if (subleaf == 0) {
            out[0] = (d->tsc.emulated ? 1u : 0) | (cpu_has(FEATURE_INVARIANT_TSC) ? 2u : 0) |
                     (cpu_has(FEATURE_RDTSCP) ? 4u : 0);
            out[1] = d->tsc.mode;
            out[2] = time_tsc_guest_khz(d);
            out[3] = d->tsc.incarnation;
        } else if (subleaf == 2) {
            out[0] = (uint32_t)time_tsc_khz();
        }
        break;
    case 4:
        if (d->is_hvm && subleaf == 0) {
            out[0] = XEN_HVM_CPUID_VCPU_ID_PRESENT | XEN_HVM_CPUID_DOMID_PRESENT | XEN_HVM_CPUID_UPCALL_VECTOR;
            out[1] = v->id;
            out[2] = d->id;
        }
        break;
    case 5:
        if (!d->is_hvm && subleaf == 0)
            out[1] = (uint32_t)(64 - __builtin_clzl(max_frame | 1)) + PAGE_SHIFT;
        break;
    }
}

/*
 * What changes while a guest runs.  The kernel of domain 0 has come to rely on a few bits of the machine that
 * other guests do not see.
 */
static void cpuid_features(struct vcpu *v, uint32_t out[4])
{
    struct domain *d = v->domain;

    if (d->is_hvm) {
        out[1] |= v->id * 2 << 24;
        if (v->hvm->cr4 & CR4_OSXSAVE)
            out[2] |= 1u << (XEN_X86_FEATURE_OSXSAVE % 32);
        if (!(v->hvm->apic_base & APIC_BASE_ENABLED))
            out[3] &= ~(1u << (XEN_X86_FEATURE_APIC % 32));
        return;
    }
    out[2] &= ~(1u << (XEN_X86_FEATURE_OSXSAVE % 32));
    /* PV kernels look for it before they touch CR4, and use XSAVE only when they find it set. */
    if (read_cr4() & CR4_OSXSAVE)
        out[2] |= out[2] >> (XEN_X86_FEATURE_XSAVE % 32) & 1 ? 1u << (XEN_X86_FEATURE_OSXSAVE % 32) : 0;
    if (d->is_privileged && v->pv->kernel_mode)
        out[3] |= cpu_model.words[CPUID_1_EDX] & (1u << (XEN_X86_FEATURE_MTRR % 32));
}

static __attribute__((noinline)) void cpuid_adjust(struct vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    switch (leaf) {
    case 1:
        cpuid_features(v, out);
        break;
    case 0xb:
        out[2] = (out[2] & ~0xffu) | (subleaf & 0xff);
        out[3] = v->id * 2;
        break;
    case 0xd:
        if (subleaf <= 1 && out[0])
            out[1] = xsave_size_of(v->arch.xcr0);
        break;
    }
}

/* The element that answers, within the limits the policy's own first leaves tell; NULL: zeros. */
static inline const xen_cpuid_leaf_t *cpuid_find(struct cpu_policy *p, uint32_t leaf, uint32_t subleaf)
{
    uint8_t first = leaf & POLICY_EXTENDED_BASE ? p->extended[0] : p->basic[0];

    if (!first || leaf > p->leaves[first - 1].a)
        return NULL;
    return policy_leaf(p, leaf, POLICY_HAS_SUBLEAVES(leaf) ? subleaf : XEN_CPUID_NO_SUBLEAF);
}

void cpu_policy_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    struct cpu_policy *p = v->domain->policy;
    const xen_cpuid_leaf_t *l = likely(p) ? cpuid_find(p, leaf, subleaf) : NULL;

    if (likely(l)) {
        __builtin_memcpy(out, &l->a, 4 * sizeof(out[0])); /* a to d */
        if (leaf == 1 || leaf == 0xb || leaf == 0xd)
            cpuid_adjust(v, leaf, subleaf, out);
        return;
    }
    out[0] = out[1] = out[2] = out[3] = 0;
    if (leaf - XEN_LEAF_BASE <= XEN_CPUID_MAX_NUM_LEAVES)
        cpuid_xen(v, leaf - XEN_LEAF_BASE, subleaf, out);
}

/* ---- policy hypercalls ---- */

static struct cpu_policy *policy_of(struct domain *d, unsigned which)
{
    return d ? d->policy : policy_system(which);
}

/* The hypervisor's own two leaves tell how far its ranges go: 0 is "as it likes". */
static const xen_cpuid_leaf_t limit_leaves[] = {
    {.leaf = 0x40000000, .subleaf = XEN_CPUID_NO_SUBLEAF},
    {.leaf = 0x40000100, .subleaf = XEN_CPUID_NO_SUBLEAF},
};
#define NR_LIMIT_LEAVES ((uint32_t)ARRAY_SIZE(limit_leaves))

int cpu_policy_get(struct domain *d, unsigned which, xen_cpuid_leaf_t *leaves, uint32_t *nr_leaves,
                   xen_msr_entry_t *msrs, uint32_t *nr_msrs)
{
    struct cpu_policy *p = policy_of(d, which);
    uint32_t room_leaves = *nr_leaves, room_msrs = *nr_msrs;
    unsigned n = 0;

    if (!d && which >= NR_SYSTEM_POLICIES)
        return -EINVAL;
    if (!p)
        return -ENOMEM;
    *nr_leaves = p->count + NR_LIMIT_LEAVES;
    *nr_msrs = NR_MSRS;
    if ((leaves && room_leaves < *nr_leaves) || (msrs && room_msrs < NR_MSRS))
        return -ENOBUFS;
    if (leaves) {
        for (unsigned i = 0; i < p->count; i++) {
            if (n == i && p->leaves[i].leaf >= 0x80000000u)
                for (unsigned j = 0; j < NR_LIMIT_LEAVES; j++)
                    leaves[n++] = limit_leaves[j];
            leaves[n++] = p->leaves[i];
        }
        *nr_leaves = n;
    }
    if (msrs) {
        msrs[0] = (xen_msr_entry_t){.idx = MSR_PLATFORM_INFO}; /* nothing of either is offered */
        msrs[1] = (xen_msr_entry_t){.idx = MSR_ARCH_CAPS};
    }
    return 0;
}

/* Features outside the maximum are dropped in silence, as the toolstack expects. */
static void policy_clamp(struct cpu_policy *p, struct cpu_policy *max)
{
    uint32_t words[POLICY_WORDS], limit[POLICY_WORDS];

    policy_features_get(p, words);
    policy_features_get(max, limit);
    for (unsigned i = 0; i < POLICY_WORDS; i++)
        words[i] &= limit[i];
    policy_finish(p, words, policy_system(XEN_SYSCTL_cpu_policy_host));
}

static bool leaf_known(uint32_t leaf, uint32_t subleaf)
{
    if (leaf == 0x40000000u || leaf == 0x40000100u)
        return subleaf == XEN_CPUID_NO_SUBLEAF;
    if (leaf >= POLICY_EXTENDED_BASE)
        return leaf <= POLICY_EXTENDED_MAX && subleaf == XEN_CPUID_NO_SUBLEAF;
    if (leaf > POLICY_BASIC_MAX)
        return false;
    return POLICY_HAS_SUBLEAVES(leaf) ? subleaf < 64 : subleaf == XEN_CPUID_NO_SUBLEAF;
}

static int policy_merge_leaf(struct cpu_policy *p, const xen_cpuid_leaf_t *l)
{
    xen_cpuid_leaf_t *to = policy_leaf(p, l->leaf, l->subleaf);

    if (!leaf_known(l->leaf, l->subleaf))
        return -ERANGE;
    if (to)
        *to = *l;
    return 0; /* leaves the machine does not have stay absent: nothing in them could be granted */
}

static int policy_check_limits(struct cpu_policy *p, struct cpu_policy *max, uint32_t *err_leaf)
{
    static const uint32_t heads[] = {0, POLICY_EXTENDED_BASE};

    for (unsigned i = 0; i < 2; i++) {
        const xen_cpuid_leaf_t *a = policy_leaf(p, heads[i], XEN_CPUID_NO_SUBLEAF);
        const xen_cpuid_leaf_t *b = policy_leaf(max, heads[i], XEN_CPUID_NO_SUBLEAF);

        if (a && b && a->a > b->a) {
            *err_leaf = heads[i];
            return -EINVAL;
        }
    }
    return 0;
}

static int policy_merge_msrs(const xen_msr_entry_t *msrs, uint32_t nr, uint32_t *err_msr)
{
    for (uint32_t i = 0; i < nr; i++) {
        *err_msr = msrs[i].idx;
        if (msrs[i].flags)
            return -EINVAL;
        if (msrs[i].idx != MSR_PLATFORM_INFO && msrs[i].idx != MSR_ARCH_CAPS)
            return -ERANGE;
        if (msrs[i].val)
            return -EINVAL;
    }
    *err_msr = ~0u;
    return 0;
}

int cpu_policy_set(struct domain *d, const xen_cpuid_leaf_t *leaves, uint32_t nr_leaves, const xen_msr_entry_t *msrs,
                   uint32_t nr_msrs, uint32_t *err_leaf, uint32_t *err_subleaf, uint32_t *err_msr)
{
    struct cpu_policy *max = policy_system(d->is_hvm ? XEN_SYSCTL_cpu_policy_hvm_max : XEN_SYSCTL_cpu_policy_pv_max);
    struct cpu_policy *p;
    int rc = 0;

    *err_leaf = *err_subleaf = *err_msr = ~0u;
    if (!max || !d->policy)
        return -ENOMEM;
    p = mem_new(struct cpu_policy);
    if (!p)
        return -ENOMEM;
    *p = *d->policy;
    for (uint32_t i = 0; i < nr_leaves && !rc; i++) {
        rc = policy_merge_leaf(p, &leaves[i]);
        if (rc) {
            *err_leaf = leaves[i].leaf;
            *err_subleaf = leaves[i].subleaf;
        }
    }
    if (!rc)
        rc = policy_merge_msrs(msrs, nr_msrs, err_msr);
    if (!rc)
        rc = policy_check_limits(p, max, err_leaf);
    if (!rc) {
        policy_clamp(p, max);
        *d->policy = *p;
    }
    mem_free(p);
    return rc;
}

unsigned cpu_policy_featureset(unsigned which, uint32_t *words, unsigned max)
{
    /* XEN_SYSCTL_cpu_featureset_*: raw, host, pv, hvm (defaults), pv_max, hvm_max */
    static const uint8_t policies[] = {XEN_SYSCTL_cpu_policy_raw,        XEN_SYSCTL_cpu_policy_host,
                                       XEN_SYSCTL_cpu_policy_pv_default, XEN_SYSCTL_cpu_policy_hvm_default,
                                       XEN_SYSCTL_cpu_policy_pv_max,     XEN_SYSCTL_cpu_policy_hvm_max};
    struct cpu_policy *p = which < sizeof(policies) ? policy_system(policies[which]) : NULL;
    uint32_t all[POLICY_WORDS];

    if (!p)
        return 0;
    policy_features_get(p, all);
    for (unsigned i = 0; i < POLICY_WORDS && i < max; i++)
        words[i] = all[i];
    return POLICY_WORDS;
}
