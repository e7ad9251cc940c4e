// SPDX-License-Identifier: BSD-2-Clause
/*
 * Leaves of CPUID as data: finding them, reading the machine's, and what follows from the features.  Meaning of leaves: Intel SDM
 * volume 2 (CPUID), AMD APM volume 3 appendix E.
 */
#include "guest/policy.h"

#define CACHE_MAX_SUBLEAF 5
#define FEATURE_MAX_SUBLEAF 2
#define XSTATE_MAX 63
#define XSTATE_PKRU (1UL << 9)
#define XSAVE_LEGACY_SIZE 576u /* FXSAVE area and header */

/* Which register of which leaf holds a feature word. */
static const struct {
    uint32_t leaf, subleaf;
    uint8_t reg; /* 0 eax to 3 edx */
} word_places[POLICY_WORDS] = {
    {1, XEN_CPUID_NO_SUBLEAF, 3},
    {1, XEN_CPUID_NO_SUBLEAF, 2},
    {0x80000001, XEN_CPUID_NO_SUBLEAF, 3},
    {0x80000001, XEN_CPUID_NO_SUBLEAF, 2},
    {0xd, 1, 0},
    {7, 0, 1},
    {7, 0, 2},
    {0x80000007, XEN_CPUID_NO_SUBLEAF, 3},
    {0x80000008, XEN_CPUID_NO_SUBLEAF, 1},
    {7, 0, 3},
    {7, 1, 0},
    {0x80000021, XEN_CPUID_NO_SUBLEAF, 0},
    {7, 1, 1},
    {7, 2, 3},
    {7, 1, 2},
    {7, 1, 3},
    {0}, /* 16, 17: MSR_ARCH_CAPABILITIES, of which nothing is offered */
    {0},
    {0x80000021, XEN_CPUID_NO_SUBLEAF, 2},
};

uint32_t *policy_word(struct cpu_policy *p, unsigned word)
{
    xen_cpuid_leaf_t *l;

    if (word >= POLICY_WORDS || !word_places[word].leaf)
        return NULL;
    l = policy_leaf(p, word_places[word].leaf, word_places[word].subleaf);
    return l ? &l->a + word_places[word].reg : NULL;
}

void policy_features_get(struct cpu_policy *p, uint32_t words[POLICY_WORDS])
{
    for (unsigned i = 0; i < POLICY_WORDS; i++) {
        const uint32_t *w = policy_word(p, i);

        words[i] = w ? *w : 0;
    }
}

void policy_features_set(struct cpu_policy *p, const uint32_t words[POLICY_WORDS])
{
    for (unsigned i = 0; i < POLICY_WORDS; i++) {
        uint32_t *w = policy_word(p, i);

        if (w)
            *w = words[i];
    }
}

bool policy_has(struct cpu_policy *p, unsigned feature)
{
    const uint32_t *w = policy_word(p, feature / 32);

    return w && (*w >> (feature % 32) & 1);
}

/* ---- the machine's ---- */

static void leaf_add(struct cpu_policy *p, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r = cpuid(leaf, subleaf == XEN_CPUID_NO_SUBLEAF ? 0 : subleaf);

    uint8_t *index = policy_leaf_index(p, leaf);

    if (p->count >= POLICY_MAX_LEAVES)
        return;
    p->leaves[p->count++] =
        (xen_cpuid_leaf_t){.leaf = leaf, .subleaf = subleaf, .a = r.eax, .b = r.ebx, .c = r.ecx, .d = r.edx};
    if (index && !*index)
        *index = (uint8_t)p->count;
}

static void leaf_add_xstates(struct cpu_policy *p)
{
    struct cpuid_result main = cpuid(0xd, 0), extended = cpuid(0xd, 1);
    uint64_t states = ((uint64_t)main.edx << 32 | main.eax) | ((uint64_t)extended.edx << 32 | extended.ecx);

    leaf_add(p, 0xd, 0);
    leaf_add(p, 0xd, 1);
    for (unsigned i = 2; i < XSTATE_MAX; i++)
        if (states >> i & 1)
            leaf_add(p, 0xd, i);
}

static void leaf_add_basic(struct cpu_policy *p, uint32_t leaf)
{
    const unsigned subleaves[POLICY_BASIC_MAX + 1] = {
        [4] = CACHE_MAX_SUBLEAF + 1, [7] = min(cpuid(7, 0).eax, (uint32_t)FEATURE_MAX_SUBLEAF) + 1, [0xb] = 2,
    };

    if (leaf == 0xd)
        leaf_add_xstates(p);
    else if (!POLICY_HAS_SUBLEAVES(leaf))
        leaf_add(p, leaf, XEN_CPUID_NO_SUBLEAF);
    for (unsigned i = 0; i < subleaves[leaf]; i++)
        leaf_add(p, leaf, i);
}

void policy_read_cpu(struct cpu_policy *p)
{
    uint32_t basic = min(cpuid(0, 0).eax, POLICY_BASIC_MAX);
    uint32_t extended = cpuid(POLICY_EXTENDED_BASE, 0).eax;

    p->count = 0;
    for (uint32_t i = 0; i <= basic; i++)
        leaf_add_basic(p, i);
    if (extended >> 16 != POLICY_EXTENDED_BASE >> 16)
        return;
    for (uint32_t i = POLICY_EXTENDED_BASE; i <= min(extended, POLICY_EXTENDED_MAX); i++)
        leaf_add(p, i, XEN_CPUID_NO_SUBLEAF);
}

/* ---- what follows from the features ---- */

static uint64_t xstates_of(struct cpu_policy *p)
{
    if (!policy_has(p, XEN_X86_FEATURE_XSAVE))
        return 0;
    return XCR0_X87 | XCR0_SSE | (policy_has(p, XEN_X86_FEATURE_AVX) ? XCR0_AVX : 0) |
           (policy_has(p, XEN_X86_FEATURE_AVX512F) ? XCR0_AVX512 : 0) |
           (policy_has(p, XEN_X86_FEATURE_PKU) ? XSTATE_PKRU : 0);
}

/* Bytes of the standard format for these states; each sub-leaf says where its state lies. */
static uint32_t xstate_size(struct cpu_policy *host, uint64_t states)
{
    uint32_t size = XSAVE_LEGACY_SIZE;

    for (unsigned i = 2; i < XSTATE_MAX; i++) {
        const xen_cpuid_leaf_t *l = states >> i & 1 ? policy_leaf(host, 0xd, i) : NULL;

        if (l && l->a + l->b > size)
            size = l->a + l->b;
    }
    return size;
}

static void derive_xsave(struct cpu_policy *p, struct cpu_policy *host)
{
    const xen_cpuid_leaf_t *h = policy_leaf(host, 0xd, 0);
    uint64_t states = h ? xstates_of(p) & ((uint64_t)h->d << 32 | h->a) : 0;

    for (unsigned i = 0; i < p->count; i++) {
        xen_cpuid_leaf_t *l = &p->leaves[i];

        if (l->leaf != 0xd)
            continue;
        if (l->subleaf == 0) {
            l->a = (uint32_t)states;
            l->d = (uint32_t)(states >> 32);
            l->b = l->c = states ? xstate_size(host, states) : 0;
        } else if (l->subleaf == 1) {
            l->a &= states ? ~0u : 0;
            l->b = l->c = l->d = 0;
        } else if (!(states >> l->subleaf & 1)) {
            l->a = l->b = l->c = l->d = 0;
        }
    }
}

/* Power, monitoring, performance and topology of the machine's own are not a guest's. */
static const struct { uint32_t first, last; } leaves_hidden[] = {
    {3, 3}, {5, 6}, {8, 0xa}, {0xc, 0xc}, {0x8000000a, 0x80000018}, {0x8000001b, 0x80000020},
};

static void leaves_hide(struct cpu_policy *p)
{
    for (xen_cpuid_leaf_t *l = p->leaves; l < &p->leaves[p->count]; l++)
        for (unsigned i = 0; i < ARRAY_SIZE(leaves_hidden); i++)
            if (l->leaf >= leaves_hidden[i].first && l->leaf <= leaves_hidden[i].last)
                l->a = l->b = l->c = l->d = 0;
}

void policy_derive(struct cpu_policy *p, struct cpu_policy *host)
{
    xen_cpuid_leaf_t *l;

    leaves_hide(p);
    derive_xsave(p, host);
    l = policy_leaf(p, 1, XEN_CPUID_NO_SUBLEAF);
    if (l)
        l->b &= 0x00ffffffu; /* the APIC id is the vcpu's */
    l = policy_leaf(p, 0x80000007, XEN_CPUID_NO_SUBLEAF);
    if (l)
        l->a = l->b = l->c = 0;
    l = policy_leaf(p, 7, 0);
    if (l)
        l->a = policy_leaf(p, 7, 2) ? 2 : policy_leaf(p, 7, 1) ? 1 : 0;
}
