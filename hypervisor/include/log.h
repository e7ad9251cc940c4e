/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages, panics and assertions.  Everything goes to the console ring ("xl dmesg") and, by level, to the
 * consoles (loglvl=, guest_loglvl= on the command line).  Messages end in a newline and name their subject.
 */
#pragma once

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void log_print(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * The same for what a guest causes: rate-limited, its own threshold (guest_loglvl=), prefixed with "dN " or
 * "dNvM ".
 */
struct domain;
struct vcpu;
void log_print_guest(enum log_level level, const struct domain *d, const struct vcpu *v, const char *format,
                     ...) __attribute__((format(printf, 4, 5)));

#define log_error(...) log_print(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_print(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_print(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_print(LOG_DEBUG, __VA_ARGS__)
#define log_domain(level, d, ...) log_print_guest(level, d, NULL, __VA_ARGS__)
#define log_vcpu(level, v, ...) log_print_guest(level, NULL, v, __VA_ARGS__)

/*
 * For our own broken invariants alone: prints the reason, registers and a backtrace, stops every CPU,
 * reboots.
 */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define BUG_ON(condition)                                                                                        \
    do {                                                                                                         \
        if (__builtin_expect(!!(condition), 0))                                                                  \
            panic("%s:%d: %s: broken invariant: %s\n", __FILE__, __LINE__, __func__, #condition);                \
    } while (0)

#ifdef XYLEM_DEBUG
#define ASSERT(condition) BUG_ON(!(condition))
#else
#define ASSERT(condition) ((void)sizeof(condition))
#endif
