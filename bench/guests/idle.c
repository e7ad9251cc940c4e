// SPDX-License-Identifier: BSD-2-Clause
//
// A guest that waits for ever: company for the benchmark guest (bench/growth).

#include <stdint.h>

#include <xen/sched.h>

#include "hypercall.h"
#include "result.h"

const char test_title[] = "idle";

void test_main(void)
{
    for (;;)
        sched_op(SCHEDOP_block, 0);
}
