// SPDX-License-Identifier: BSD-2-Clause
/*
 * cpuid=: features the machine has and nobody is to use, by the names of xen/arch-x86/cpufeatureset.h
 * ("no-avx2", "xsave=0"; '-' and '_', small and capital letters are the same).  The hypervisor goes without
 * them, and the policies of guests never offer them.  As in Xen the positive form changes nothing: what a CPU
 * does not have cannot be given to it.
 */
#include "arch/x86/cpufeature.h"
#include "errno.h"
#include "lib/base.h"
#include "lib/string.h"
#include "log.h"
#include "options.h"
#include <xen/arch-x86/cpufeatureset.h>

#define NAME_SIZE        32
#define WORD_OF(feature) ((feature) / 32)

#define XEN_CPUFEATURE(name, value) {#name, value},
static const struct {
    const char *name;
    uint16_t number;
} names[] = {
#include <xen/arch-x86/cpufeatureset.h>
};
#undef XEN_CPUFEATURE

/* What arch/x86/head.S insists on, and the guests' own entry. */
static const uint16_t indispensable[] = {
    XEN_X86_FEATURE_FPU,  XEN_X86_FEATURE_TSC,     XEN_X86_FEATURE_MSR,  XEN_X86_FEATURE_PAE,
    XEN_X86_FEATURE_CX8,  XEN_X86_FEATURE_APIC,    XEN_X86_FEATURE_PGE,  XEN_X86_FEATURE_CMOV,
    XEN_X86_FEATURE_FXSR, XEN_X86_FEATURE_SSE,     XEN_X86_FEATURE_SSE2, XEN_X86_FEATURE_NX,
    XEN_X86_FEATURE_LM,   XEN_X86_FEATURE_SYSCALL,
};

uint32_t cpu_hidden[CPU_HIDDEN_WORDS];

/* Hides a feature, or only says whether there is one of that name. */
static int feature_set(const char *name, bool show)
{
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (!string_equal_ignoring_case(name, names[i].name))
            continue;
        for (unsigned j = 0; j < ARRAY_SIZE(indispensable) && !show; j++)
            if (names[i].number == indispensable[j]) {
                log_warning("cpuid=no-%s: nothing runs without it, kept\n", name);
                show = true;
            }
        if (!show && WORD_OF(names[i].number) < CPU_HIDDEN_WORDS)
            cpu_hidden[WORD_OF(names[i].number)] |= 1u << (names[i].number % 32);
        return 0;
    }
    return -EINVAL;
}

/* One of name, no-name, name=yes and name=no. */
static int feature_word(char *word)
{
    char *value = strchr(word, '=');
    bool show;

    if (value)
        *value++ = '\0';
    if (!value && string_starts_with(word, "no-"))
        return feature_set(word + 3, false);
    return option_parse_bool(value ? value : "", &show) ? -EINVAL : feature_set(word, show);
}

static int cpuid_option(const char *value)
{
    int result = 0;

    while (*value) {
        const char *comma = strchr(value, ',');
        size_t length = comma ? (size_t)(comma - value) : strlen(value);
        char word[NAME_SIZE];

        if (length < sizeof(word)) {
            memcpy(word, value, length);
            word[length] = '\0';
            if (length && feature_word(word))
                log_warning("cpuid=: no such feature: %s\n", word);
        } else {
            result = -EINVAL;
        }
        value += length + (comma != NULL);
    }
    return result;
}
OPTION_FUNCTION(cpuid, "cpuid", cpuid_option);
