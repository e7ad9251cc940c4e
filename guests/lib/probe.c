// SPDX-License-Identifier: BSD-2-Clause
//
// Accesses that may fail. See trap.h and memory.h.

#include <stdint.h>

#include "memory.h"
#include "result.h"
#include "trap.h"

static void probe_read(void *address)
{
    uint8_t byte;

    __asm__ volatile("movb (%1), %0" : "=r"(byte) : "r"(address) : "memory");
}

static void probe_write(void *address)
{
    __asm__ volatile("movb $0, (%0)" : : "r"(address) : "memory");
}

int trap_probe_read(const volatile void *address)
{
    struct trap_seen seen;

    return trap_catch(probe_read, (void *)address, &seen) ? (int)seen.vector : -1;
}

int trap_probe_write(volatile void *address)
{
    struct trap_seen seen;

    return trap_catch(probe_write, (void *)address, &seen) ? (int)seen.vector : -1;
}

struct word {
    volatile uint64_t *at;
    uint64_t value;
    bool changed;
};

static void word_read(void *argument)
{
    struct word *word = argument;

    word->value = *word->at;
}

static void word_change(void *argument)
{
    struct word *word = argument;

    word->value = *word->at;
    *word->at = ~word->value;
    word->changed = *word->at != word->value;
    *word->at = word->value;
}

static bool word_try(void (*access)(void *argument), struct word *word)
{
    struct trap_seen seen;

    if (!trap_catch(access, word, &seen))
        return true;
    if (seen.vector != TRAP_PAGE_FAULT)
        test_failure("an access to %lx: exception %lu", (unsigned long)word->at, seen.vector);
    return false;
}

bool page_readable(const void *page)
{
    struct word word = { .at = (void *)page };

    return word_try(word_read, &word) && word.value != ~0ul;
}

bool page_writable(void *page)
{
    struct word word = { .at = page };

    return word_try(word_change, &word) && word.changed;
}
