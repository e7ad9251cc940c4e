// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a watchdog that is not poked in its time shuts the domain down, with the reason that says so, however busy the
// domain is. It matters because it is there for guests that cannot end themselves any more.
//
// kinds: pv pvh
// config: on_watchdog = "preserve"
// expect: shutdown

#include <stdint.h>

#include <xen/sched.h>

#include "hypercall.h"
#include "result.h"
#include "timer.h"

const char test_title[] = "a watchdog that is not poked shuts the domain down";

void test_main(void)
{
    struct sched_watchdog watchdog = { .timeout = 1 };
    uint64_t start = time_now();

    NEED(sched_op(SCHEDOP_watchdog, &watchdog));
    while (time_now() < start + 20000000000ul) {
    }
    test_failure("still running 20 s after a watchdog of 1 s was set");
}
