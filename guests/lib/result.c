// SPDX-License-Identifier: BSD-2-Clause
//
// The end of a guest. See result.h.

#include "result.h"

#include <stdint.h>

#include <xen/sched.h>

#include "hypercall.h"

static unsigned int failures;

static void line_print(const char *kind, const char *format, va_list arguments)
{
    print("%s: ", kind);
    print_list(format, arguments);
    print("\n");
}

static _Noreturn void result(const char *word, unsigned int reason)
{
    struct sched_shutdown shutdown = { .reason = reason };

    print("RESULT: %s\n", word);
    console_port_restore();
    console_drain();
    for (;;)
        sched_op(SCHEDOP_shutdown, &shutdown);
}

void test_failure(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    line_print("FAIL", format, arguments);
    va_end(arguments);
    failures++;
}

void test_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    line_print("ERROR", format, arguments);
    va_end(arguments);
    result("ERROR", SHUTDOWN_crash);
}

void test_skip(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    line_print("SKIP", format, arguments);
    va_end(arguments);
    result("SKIP", SHUTDOWN_poweroff);
}

void test_end(void)
{
    if (failures)
        result("FAILURE", SHUTDOWN_crash);
    result("SUCCESS", SHUTDOWN_poweroff);
}
