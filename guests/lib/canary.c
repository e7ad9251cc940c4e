// SPDX-License-Identifier: BSD-2-Clause
//
// Canaries. See canary.h.

#include "canary.h"

#include "string.h"
#include "trap.h"

#define XCR0_AVX 7u
#define CR4_OSXSAVE (1ul << 18)

static void wide_enable(void *unused)
{
    unsigned long cr4;

    (void)unused;
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_OSXSAVE));
    __asm__ volatile("xsetbv" : : "a"(XCR0_AVX), "d"(0), "c"(0));
    __asm__ volatile("vzeroupper");
}

bool canary_wide_enable(void)
{
    struct trap_seen seen;

    return !trap_catch(wide_enable, NULL, &seen);
}

unsigned int canary_find(const void *memory, size_t bytes)
{
    const uint8_t *at = memory;
    unsigned int found = 0;
    uint32_t low = (uint32_t)canary_word, high = (uint32_t)(canary_word >> 32);

    for (size_t i = 0; i + sizeof(low) <= bytes; i += 2) {
        if (memcmp(at + i, &low, sizeof(low)) == 0 || memcmp(at + i, &high, sizeof(high)) == 0)
            found++;
    }
    return found;
}
