// SPDX-License-Identifier: BSD-2-Clause
//
// Wakes every 10 ms and sleeps again: a guest that runs and leaves the CPU to others.
//
// config: memory = 4

#include <stdint.h>

#include <xen/sched.h>

#include "event.h"
#include "result.h"
#include "timer.h"

#define MS 1000000ul

const char test_title[] = "a guest that is there";

void test_main(void)
{
    event_mask_all();
    for (;;)
        time_sleep(10 * MS);
}
