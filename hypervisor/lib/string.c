// SPDX-License-Identifier: BSD-2-Clause
/*
 * Memory and string functions: see the header.
 *
 * The block operations move quadwords with the string instructions: short code, fast with enhanced
 * string moves, and an eighth of the work of byte moves where each step is emulated. The general-purpose
 * registers suffice, so these may run anywhere, interrupt handlers included.
 */
#include "lib/string.h"

#if defined(__GNUC__) && !defined(__clang__)
/* Without this the compiler turns the loops below into calls of the very function they implement. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

#ifndef XYLEM_HOST

typedef uint64_t unaligned_word __attribute__((aligned(1), may_alias));
typedef uint32_t unaligned_half __attribute__((aligned(1), may_alias));

enum { WORD = sizeof(unaligned_word), HALF = sizeof(unaligned_half) };

/* Any direction of overlap is right for up to 16 bytes: everything is read before anything is written. */
static void copy_short(unsigned char *to, const unsigned char *from, size_t size)
{
    if (size >= WORD) {
        uint64_t first = *(const unaligned_word *)from;
        uint64_t last = *(const unaligned_word *)(from + size - WORD);

        *(unaligned_word *)to = first;
        *(unaligned_word *)(to + size - WORD) = last;
    } else if (size >= HALF) {
        uint32_t first = *(const unaligned_half *)from;
        uint32_t last = *(const unaligned_half *)(from + size - HALF);

        *(unaligned_half *)to = first;
        *(unaligned_half *)(to + size - HALF) = last;
    } else if (size > 0) {
        unsigned char first = from[0], middle = from[size / 2], last = from[size - 1];

        to[0] = first;
        to[size / 2] = middle;
        to[size - 1] = last;
    }
}

/* Upwards: `to` is below `from`, or they do not overlap. The tail is read first as the words may cover it. */
static void copy_up(unsigned char *to, const unsigned char *from, size_t size)
{
    uint64_t last = *(const unaligned_word *)(from + size - WORD), words = (size - 1) / WORD;
    unaligned_word *tail = (unaligned_word *)(to + size - WORD);

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    *tail = last;
}

static void copy_down(unsigned char *to, const unsigned char *from, size_t size)
{
    uint64_t first = *(const unaligned_word *)from;

    for (size_t left = size; left > WORD; left -= WORD)
        *(unaligned_word *)(to + left - WORD) = *(const unaligned_word *)(from + left - WORD);
    *(unaligned_word *)to = first;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    if (size <= 2 * WORD)
        copy_short(to, from, size);
    else
        copy_up(to, from, size);
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    if (size <= 2 * WORD)
        copy_short(to, from, size);
    else if ((uintptr_t)to - (uintptr_t)from - 1 >= size - 1) /* upwards for the very same place too: it is faster */
        copy_up(to, from, size);
    else
        copy_down(to, from, size);
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    uint64_t pattern = (unsigned char)byte * UINT64_C(0x0101010101010101), words = size / WORD;
    unsigned char *out = to, *at = to;

    if (size < WORD) {
        while (size > 0)
            out[--size] = (unsigned char)byte;
        return to;
    }
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(pattern) : "memory");
    *(unaligned_word *)(out + size - WORD) = pattern;
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *left = a, *right = b;

    while (size >= WORD && *(const unaligned_word *)left == *(const unaligned_word *)right) {
        left += WORD;
        right += WORD;
        size -= WORD;
    }
    for (; size > 0; left++, right++, size--) {
        if (*left != *right)
            return *left - *right;
    }
    return 0;
}

void *memchr(const void *memory, int byte, size_t size)
{
    const unsigned char *in = memory;

    for (; size > 0; in++, size--) {
        if (*in == (unsigned char)byte)
            return (void *)(uintptr_t)in;
    }
    return NULL;
}

size_t strlen(const char *s)
{
    const char *end = s;

    while (*end != '\0')
        end++;
    return (size_t)(end - s);
}

size_t strnlen(const char *s, size_t size)
{
    size_t length = 0;

    while (length < size && s[length] != '\0')
        length++;
    return length;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t size)
{
    for (; size > 0; a++, b++, size--) {
        if (*a != *b)
            return (unsigned char)*a - (unsigned char)*b;
        if (*a == '\0')
            break;
    }
    return 0;
}

char *strchr(const char *s, int c)
{
    for (; *s != (char)c; s++) {
        if (*s == '\0')
            return NULL;
    }
    return (char *)(uintptr_t)s;
}

char *strstr(const char *s, const char *part)
{
    size_t length = strlen(part);

    for (;; s++) {
        if (strncmp(s, part, length) == 0)
            return (char *)(uintptr_t)s;
        if (*s == '\0')
            return NULL;
    }
}

#endif /* !XYLEM_HOST */

size_t strlcpy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);

    if (size > 0) {
        size_t kept = length < size ? length : size - 1;

        memcpy(to, from, kept);
        to[kept] = '\0';
    }
    return length;
}

size_t strlcat(char *to, const char *from, size_t size)
{
    size_t used = strnlen(to, size);

    return used + strlcpy(to + used, from, size - used);
}

static int lower_case(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c == '_' ? '-' : c;
}

bool string_equal_ignoring_case(const char *a, const char *b)
{
    while (*a != '\0' && lower_case(*a) == lower_case(*b)) {
        a++;
        b++;
    }
    return lower_case(*a) == lower_case(*b);
}

bool string_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* The value of a digit in any base, or 36 when it is none. */
static unsigned digit_value(char c)
{
    int low = lower_case(c);

    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    return low >= 'a' && low <= 'z' ? (unsigned)(low - 'a' + 10) : 36;
}

/* Skips "0x" when a hexadecimal digit follows it. */
static const char *skip_base_prefix(const char *s, unsigned *base)
{
    bool hexadecimal = s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit_value(s[2]) < 16;

    if (hexadecimal && (*base == 0 || *base == 16)) {
        *base = 16;
        return s + 2;
    }
    if (*base == 0)
        *base = s[0] == '0' ? 8 : 10;
    return s;
}

uint64_t string_to_u64(const char *s, const char **end, unsigned base)
{
    uint64_t value = 0;
    bool overflow = false;

    s = skip_base_prefix(s, &base);
    for (; digit_value(*s) < base; s++) {
        overflow |= __builtin_mul_overflow(value, base, &value);
        overflow |= __builtin_add_overflow(value, digit_value(*s), &value);
    }
    if (end != NULL)
        *end = s;
    return overflow ? UINT64_MAX : value;
}
