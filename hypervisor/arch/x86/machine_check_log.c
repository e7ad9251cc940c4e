// SPDX-License-Identifier: BSD-2-Clause
/*
 * Logs of machine checks (arch/x86/machine_check_log.h). They are filled in any context and without locks: a
 * slot goes from free to filling by one atomic exchange, then to ready, then the reader takes it and sets it
 * free.
 */
#include "arch/x86/machine_check.h"

enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_READY, SLOT_TAKEN };

struct slot {
    uint32_t state; /* atomic */
    uint64_t order; /* when it became ready */
    struct machine_check_record record;
};

static struct slot logs[2][MACHINE_CHECK_LOG_RECORDS];
static uint64_t next_order;

bool machine_check_log_add(const struct machine_check_record *record)
{
    for (unsigned i = 0; i < MACHINE_CHECK_LOG_RECORDS; i++) {
        struct slot *s = &logs[record->polled][i];
        uint32_t state = SLOT_FREE;

        if (!__atomic_compare_exchange_n(&s->state, &state, SLOT_FILLING, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            continue;
        s->record = *record;
        s->order = __atomic_fetch_add(&next_order, 1, __ATOMIC_RELAXED);
        __atomic_store_n(&s->state, SLOT_READY, __ATOMIC_RELEASE);
        return true;
    }
    return false;
}

unsigned machine_check_log_take(bool polled, struct machine_check_record *record)
{
    struct slot *oldest = 0;

    for (unsigned i = 0; i < MACHINE_CHECK_LOG_RECORDS; i++) {
        struct slot *s = &logs[polled][i];

        if (__atomic_load_n(&s->state, __ATOMIC_ACQUIRE) == SLOT_READY && (!oldest || s->order < oldest->order))
            oldest = s;
    }
    if (!oldest)
        return 0;
    *record = oldest->record;
    __atomic_store_n(&oldest->state, SLOT_TAKEN, __ATOMIC_RELEASE);
    return (unsigned)(oldest - logs[polled]) + 1;
}

void machine_check_log_done(bool polled, uint64_t number)
{
    uint32_t state = SLOT_TAKEN;

    if (number == 0 || number > MACHINE_CHECK_LOG_RECORDS)
        return;
    __atomic_compare_exchange_n(&logs[polled][number - 1].state, &state, SLOT_FREE, false, __ATOMIC_RELEASE,
                                __ATOMIC_RELAXED);
}
