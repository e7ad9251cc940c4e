/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a guest ends. Its last console line is one of
 *
 *     RESULT: SUCCESS | SKIP | FAILURE | ERROR
 *
 * FAILURE: the rule under test is broken. ERROR: the test could not find out. SUCCESS and SKIP power the
 * domain off, the others end it with the shutdown reason "crash".
 */
#ifndef GUEST_RESULT_H
#define GUEST_RESULT_H

#include "console.h"

/* Given by each test: one line that says what the guest shows, and the test itself. */
extern const char test_title[];
void test_main(void);

/* Notes a broken rule; the test goes on. */
void test_failure(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Notes what the guest could not do; ends it. */
_Noreturn void test_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends the guest because what it needs is not there. */
_Noreturn void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends the guest: SUCCESS unless test_failure was called. */
_Noreturn void test_end(void);

/* The value of an expression, compared with what it has to be. */
#define CHECK_EQUAL(expression, expected)                                                                          \
    do {                                                                                                           \
        long check_got = (long)(expression), check_wanted = (long)(expected);                                      \
                                                                                                                   \
        if (check_got != check_wanted)                                                                             \
            test_failure("line %d: %s: expected %ld (0x%lx), got %ld (0x%lx)", __LINE__, #expression,              \
                         check_wanted, (unsigned long)check_wanted, check_got, (unsigned long)check_got);          \
    } while (0)

#define CHECK(condition)                                                                                           \
    do {                                                                                                           \
        if (!(condition))                                                                                          \
            test_failure("line %d: expected %s", __LINE__, #condition);                                            \
    } while (0)

/* A step the test depends on. */
#define NEED(expression)                                                                                           \
    do {                                                                                                           \
        long need_got = (long)(expression);                                                                        \
                                                                                                                   \
        if (need_got < 0)                                                                                          \
            test_error("line %d: %s gave %ld", __LINE__, #expression, need_got);                                   \
    } while (0)

#endif
