// SPDX-License-Identifier: BSD-2-Clause
/*
 * Does a CPU that starts have the boot CPU's time-stamp counter?
 *
 * It asks, the boot CPU (which waits for it) reads its own counter and answers.  That reading was made
 * between two of ours, so when it does not lie between them the counters differ, and when it always does no
 * difference can be seen. Nothing depends on how long an exchange takes: an emulator or a hypervisor below
 * may stop either CPU at any time.
 */
#include "arch/time.h"
#include "time/time_private.h"

#define EXCHANGES 8

static uint32_t asked, answered; /* number of the question, and of the last one answered */
static uint64_t answer;

void time_answer(void)
{
    uint32_t question = __atomic_load_n(&asked, __ATOMIC_ACQUIRE);

    if (question == answered)
        return;
    answer = tsc_read_ordered();
    __atomic_store_n(&answered, question, __ATOMIC_RELEASE);
}

int64_t tsc_compare(void)
{
    uint64_t shortest = ~0UL;
    int64_t ahead = 0;
    bool differ = false;

    for (unsigned i = 0; i < EXCHANGES; i++) {
        uint64_t before = tsc_read_ordered(), after;
        uint32_t question = asked + 1;

        __atomic_store_n(&asked, question, __ATOMIC_RELEASE);
        while (__atomic_load_n(&answered, __ATOMIC_ACQUIRE) != question)
            cpu_relax();
        after = tsc_read_ordered();
        if ((int64_t)(answer - before) < 0 || (int64_t)(after - answer) < 0)
            differ = true;
        if (after - before < shortest) {
            shortest = after - before;
            ahead = (int64_t)(before + shortest / 2 - answer);
        }
    }
    return differ ? ahead : 0;
}
