// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: with tsc_mode=default the counter never goes back and keeps the rate it was promised with, whether it is the machine's or not.
// It matters because programs measure time with it, and some take a step back for an endless wait.
//
// config: vcpus = 2
// config: tsc_mode = "default"

#include <stdint.h>

#include <xen/sched.h>

#include "hypercall.h"
#include "tsc.h"

const char test_title[] = "tsc_mode=default: the counter in kernel and user mode, on two vcpus";

void test_main(void)
{
    tsc_check(0, -1);
}
