/* SPDX-License-Identifier: BSD-2-Clause */
/* What the unit tests share: cmocka with its prerequisites, repeatable randomness, exact copies. */
#ifndef TESTS_UNIT_LIB_TEST_H
#define TESTS_UNIT_LIB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Marsaglia's xorshift: the same numbers on every run. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A heap copy of exactly `size` bytes, so that the sanitizer sees any access beyond them. */
static inline void *copy_exact(const void *data, size_t size)
{
    void *copy = malloc(size > 0 ? size : 1);

    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

#endif
