// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: with tsc_mode=always_emulate every read of the time-stamp counter is answered with system time at the domain's rate.
// It matters because programs measure time with it, and some take a step back for an endless wait.
//
// config: vcpus = 2
// config: tsc_mode = "always_emulate"

#include <stdint.h>

#include <xen/sched.h>

#include "hypercall.h"
#include "tsc.h"

const char test_title[] = "tsc_mode=always_emulate: the counter in kernel and user mode, on two vcpus";

void test_main(void)
{
    tsc_check(1, 1);
}
