/* SPDX-License-Identifier: BSD-2-Clause */
/* CPU policies inside guest/: what they are made of, and the lists they are made from. */
#pragma once

#include "arch/x86/cpufeature.h"
#include "guest/pv.h"
#include <xen/arch-x86/cpufeatureset.h>

/* Leaves as they are serialized: one element for each leaf, or sub-leaf of those that have some (4, 7, 0xb, 0xd). */
#define POLICY_BASIC_MAX 0xdu /* highest leaves that are understood */
#define POLICY_EXTENDED_BASE 0x80000000u
#define POLICY_EXTENDED_MAX 0x80000021u
#define POLICY_MAX_LEAVES 160
_Static_assert(POLICY_MAX_LEAVES < 255, "indices are bytes");
#define POLICY_WORDS CPU_HIDDEN_WORDS /* of a feature set: cpufeatureset.h */

struct cpu_policy {
    unsigned count;
    xen_cpuid_leaf_t leaves[POLICY_MAX_LEAVES]; /* ascending by leaf and subleaf */
    uint8_t basic[POLICY_BASIC_MAX + 1];        /* by leaf: one more than the index of its first element, 0 none */
    uint8_t extended[POLICY_EXTENDED_MAX - POLICY_EXTENDED_BASE + 1];
};

/* Where the first element of a leaf is remembered; NULL for leaves no policy has. */
static inline uint8_t *policy_leaf_index(struct cpu_policy *p, uint32_t leaf)
{
    if (leaf <= POLICY_BASIC_MAX)
        return &p->basic[leaf];
    leaf -= POLICY_EXTENDED_BASE;
    return leaf <= POLICY_EXTENDED_MAX - POLICY_EXTENDED_BASE ? &p->extended[leaf] : NULL;
}

/* NULL: none.  In line: every CPUID of a guest asks. */
static inline xen_cpuid_leaf_t *policy_leaf(struct cpu_policy *p, uint32_t leaf, uint32_t subleaf)
{
    const uint8_t *index = policy_leaf_index(p, leaf);

    if (!index || !*index)
        return NULL;
    for (unsigned i = *index - 1u; i < p->count && p->leaves[i].leaf == leaf; i++)
        if (p->leaves[i].subleaf == subleaf)
            return &p->leaves[i];
    return NULL;
}

/*
 * Hardware-assisted guests get no XSAVE, and so cannot set CR4.OSXSAVE: on a machine that has no intercept of XSETBV, where a
 * guest's value would be in the CPU and nobody knew.  Set before the first policy is made.
 */
extern bool cpu_policy_hvm_without_xsave;

/* Allow lists: words are overwritten.  optional: what has to be asked for too. */
void policy_feature_mask(uint32_t words[POLICY_WORDS], bool hvm, bool optional);

/* policy_leaves.c */
/* The place of a feature word; NULL when the policy lacks the leaf, or the word is an MSR's. */
uint32_t *policy_word(struct cpu_policy *p, unsigned word);
void policy_features_get(struct cpu_policy *p, uint32_t words[POLICY_WORDS]);
void policy_features_set(struct cpu_policy *p, const uint32_t words[POLICY_WORDS]);
bool policy_has(struct cpu_policy *p, unsigned feature);
/* What the CPU says, every leaf. */
void policy_read_cpu(struct cpu_policy *p);
/* Follows from the features: XSAVE's sizes, and what stays hidden. host: the machine's. */
void policy_derive(struct cpu_policy *p, struct cpu_policy *host);
#define POLICY_SUBLEAVES (1u << 4 | 1u << 7 | 1u << 0xb | 1u << 0xd)
#define POLICY_HAS_SUBLEAVES(leaf) ((leaf) < 32 && (POLICY_SUBLEAVES >> (leaf) & 1))
