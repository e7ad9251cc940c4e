/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The small vocabulary every room uses: sizes, rounding, containers, branch hints.
 *
 * Every macro here evaluates each of its arguments once, except where it says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUILD_ASSERT(condition) _Static_assert(condition, #condition)

#define LIB_JOIN_(a, b) a##b
#define LIB_JOIN(a, b) LIB_JOIN_(a, b)

/* Elements of an array; a compile error for a pointer. */
#define ARRAY_SIZE(array)                                                                                    \
    (sizeof(array) / sizeof((array)[0]) +                                                                    \
     0 * sizeof(struct { int is_array : !__builtin_types_compatible_p(__typeof__(array),                     \
                                                                       __typeof__(&(array)[0])) * 2 - 1; }))

/* The structure of `type` whose `member` is at `pointer`. */
#define container_of(pointer, type, member)                                                                  \
    ({                                                                                                       \
        _Static_assert(__builtin_types_compatible_p(__typeof__(*(pointer)),                                  \
                                                    __typeof__(((type *)0)->member)) ||                      \
                           __builtin_types_compatible_p(__typeof__(*(pointer)), void),                       \
                       "container_of: the pointer is not of the member's type");                             \
        (type *)((uintptr_t)(pointer) - offsetof(type, member));                                             \
    })

#define LIB_PICK(a, b, operator, x, y)                                                                       \
    ({                                                                                                       \
        __typeof__(a) x = (a);                                                                               \
        __typeof__(b) y = (b);                                                                               \
        _Static_assert(__builtin_types_compatible_p(__typeof__(x), __typeof__(y)), "types differ");          \
        x operator y ? x : y;                                                                                \
    })

/* Both arguments have one type; use min_t and max_t to convert them first. */
#define min(a, b) LIB_PICK(a, b, <, LIB_JOIN(min_x_, __COUNTER__), LIB_JOIN(min_y_, __COUNTER__))
#define max(a, b) LIB_PICK(a, b, >, LIB_JOIN(max_x_, __COUNTER__), LIB_JOIN(max_y_, __COUNTER__))
#define min_t(type, a, b) min((type)(a), (type)(b))
#define max_t(type, a, b) max((type)(a), (type)(b))

/*
 * Constant expressions when their arguments are. `unit` is a power of two for the ROUND_ pair and is
 * evaluated twice; ROUND_UP wraps to 0 when the result does not fit: check untrusted values first.
 */
#define ROUND_DOWN(value, unit) ((value) & ~((__typeof__(value))(unit) - 1))
#define ROUND_UP(value, unit)                                                                                \
    (((value) + ((__typeof__(value))(unit) - 1)) & ~((__typeof__(value))(unit) - 1))
#define IS_ALIGNED(value, unit) (((value) & ((__typeof__(value))(unit) - 1)) == 0)
#define IS_POWER_OF_TWO(value) ((value) != 0 && ((value) & ((value) - 1)) == 0) /* evaluates thrice */

/* Never overflows; `value` and `unit` are unsigned and evaluated twice. */
#define DIV_ROUND_UP(value, unit) ((value) / (unit) + ((value) % (unit) != 0))

#define BIT(n) (UINT64_C(1) << (n))
/* Bits high..low inclusive, 63 >= high >= low. */
#define BITS(high, low) ((~UINT64_C(0) >> (63 - (high))) & (~UINT64_C(0) << (low)))

/* For the one place where a fast path needs it: what is constant there costs nothing. */
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)
