// SPDX-License-Identifier: BSD-2-Clause
/* Allocations that fail on purpose: mm/fail.h. */
#include "mm/fail.h"

#ifdef XYLEM_DEBUG
#include "domain/state.h"

static enum fail_whose fail_whose; /* atomic, as are the others */
static unsigned fail_nth, fail_counted, fail_failed;

void fail_arm(enum fail_whose whose, unsigned nth)
{
    __atomic_store_n(&fail_whose, FAIL_NOBODY, __ATOMIC_SEQ_CST);
    fail_counted = fail_failed = 0;
    fail_nth = nth;
    __atomic_store_n(&fail_whose, whose, __ATOMIC_SEQ_CST);
}

void fail_end(unsigned *counted, unsigned *failed)
{
    __atomic_store_n(&fail_whose, FAIL_NOBODY, __ATOMIC_SEQ_CST);
    *counted = fail_counted;
    *failed = fail_failed;
}

bool allocation_fails(void)
{
    enum fail_whose whose = __atomic_load_n(&fail_whose, __ATOMIC_SEQ_CST);
    bool control = whose == FAIL_CONTROL;
    unsigned at;

    if (whose == FAIL_NOBODY || !current || current->domain->is_system || current->domain->is_privileged != control)
        return false;
    at = __atomic_add_fetch(&fail_counted, 1, __ATOMIC_RELAXED);
    if (control ? at != fail_nth : at % fail_nth != 0)
        return false;
    __atomic_add_fetch(&fail_failed, 1, __ATOMIC_RELAXED);
    return true;
}
#endif
