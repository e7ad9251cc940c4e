/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arithmetic that says when it does not fit. Each returns true when *result holds the exact value; on false
 * *result is unspecified and must not be used. For numbers that come from outside.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* For any mix of integer types, judged by the type of *result. */
#define checked_add(a, b, result) (!__builtin_add_overflow(a, b, result))
#define checked_multiply(a, b, result) (!__builtin_mul_overflow(a, b, result))

/* Is [offset, offset + size) inside [0, limit)? An empty range may lie at the very end. */
static inline bool checked_range(uint64_t offset, uint64_t size, uint64_t limit)
{
    return offset <= limit && size <= limit - offset;
}

/* Do [a, a + a_size) and [b, b + b_size) share a byte? The ends must fit in 64 bits. */
static inline bool checked_ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a_size != 0 && b_size != 0 && (a <= b ? b - a < a_size : a - b < b_size);
}
