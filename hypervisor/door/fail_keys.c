// SPDX-License-Identifier: BSD-2-Clause
/*
 * Debug keys of debug builds that make allocations fail (mm/fail.h), one later with each press: a test presses, does
 * its operation, and presses again until the operation was done with nothing left to fail.
 */
#include "console/console.h"
#include "door/handlers.h"
#include "log.h"
#include "mm/fail.h"

#ifdef XYLEM_DEBUG
static unsigned control_nth, guests_nth;

static void fail_next_of_control(void)
{
    fail_arm(FAIL_CONTROL, ++control_nth);
}

static void fail_next_of_guests(void)
{
    fail_arm(FAIL_GUESTS, ++guests_nth);
}

static void fail_stop(void)
{
    unsigned counted, failed;

    fail_end(&counted, &failed);
    log_error("allocations: %u counted, %u failed on purpose\n", counted, failed);
}

static void fail_restart(void)
{
    fail_stop();
    control_nth = guests_nth = 0;
}

void fail_keys_init(void)
{
    debug_key_register_action('n', "fail the next allocation in turn of domain 0: the first, then the second, ...",
                              fail_next_of_control);
    debug_key_register_action('N', "fail every allocation of guests, then every second, every third, ...",
                              fail_next_of_guests);
    debug_key_register_action('o', "stop failing allocations", fail_stop);
    debug_key_register_action('O', "stop failing allocations, and begin at the first again", fail_restart);
}
#else
void fail_keys_init(void) {}
#endif
