// SPDX-License-Identifier: BSD-2-Clause
/*
 * Formatted text: see the header. One pass; each conversion is parsed into a `struct spec`, turned into
 * digits or a string, and put out with its padding. Needs no allocation and about 200 bytes of stack.
 */
#include "lib/print.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/string.h"

struct output {
    char *buffer;
    size_t size;   /* of the buffer */
    size_t length; /* of the text so far, whether it fitted or not */
};

enum length { LENGTH_CHAR, LENGTH_SHORT, LENGTH_INT, LENGTH_LONG };

struct spec {
    bool left, zero, plus, space, alternate;
    bool has_precision;
    int width, precision;
    enum length length;
    char conversion;
};

enum { DIGITS_MAX = 22 }; /* 64 bits in octal */

BUILD_ASSERT(sizeof(long) == 8 && sizeof(long long) == 8 && sizeof(size_t) == 8);

static void put(struct output *out, char c)
{
    if (out->length < out->size)
        out->buffer[out->length] = c;
    out->length++;
}

static void put_repeated(struct output *out, char c, int count)
{
    while (count-- > 0)
        put(out, c);
}

static void put_bytes(struct output *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        put(out, text[i]);
}

/* Puts text[length] in a field of the spec's width. */
static void put_padded(struct output *out, const struct spec *spec, const char *text, size_t length)
{
    int pad = (size_t)spec->width > length ? spec->width - (int)length : 0;

    if (!spec->left)
        put_repeated(out, ' ', pad);
    put_bytes(out, text, length);
    if (spec->left)
        put_repeated(out, ' ', pad);
}

static const char *parse_flags(const char *f, struct spec *spec)
{
    for (;; f++) {
        switch (*f) {
        case '-': spec->left = true; break;
        case '0': spec->zero = true; break;
        case '+': spec->plus = true; break;
        case ' ': spec->space = true; break;
        case '#': spec->alternate = true; break;
        default: return f;
        }
    }
}

/* A count in the format or from an argument; oversized ones in the format are held at INT_MAX / 2. */
static const char *parse_count(const char *f, int *count, va_list *arguments)
{
    if (*f == '*') {
        *count = va_arg(*arguments, int);
        return f + 1;
    }
    *count = 0;
    for (; *f >= '0' && *f <= '9'; f++)
        *count = *count < INT_MAX / 20 ? *count * 10 + (*f - '0') : INT_MAX / 2;
    return f;
}

static const char *parse_length(const char *f, struct spec *spec)
{
    spec->length = LENGTH_INT;
    if (*f == 'h') {
        spec->length = f[1] == 'h' ? LENGTH_CHAR : LENGTH_SHORT;
        return f + (f[1] == 'h' ? 2 : 1);
    }
    if (*f == 'l' || *f == 'z' || *f == 't' || *f == 'j') {
        spec->length = LENGTH_LONG;
        return f + (f[0] == 'l' && f[1] == 'l' ? 2 : 1);
    }
    return f;
}

/* `f` is just after the percent sign; returns what follows the conversion. */
static const char *parse_spec(const char *f, struct spec *spec, va_list *arguments)
{
    *spec = (struct spec){ 0 };
    f = parse_flags(f, spec);
    f = parse_count(f, &spec->width, arguments);
    if (spec->width < 0) {
        spec->left = true;
        spec->width = spec->width == INT_MIN ? INT_MAX : -spec->width;
    }
    if (*f == '.') {
        f = parse_count(f + 1, &spec->precision, arguments);
        spec->has_precision = spec->precision >= 0;
    }
    f = parse_length(f, spec);
    spec->conversion = *f;
    return *f == '\0' ? f : f + 1;
}

static uint64_t argument_unsigned(enum length length, va_list *arguments)
{
    uint64_t value;

    if (length == LENGTH_LONG)
        return va_arg(*arguments, unsigned long);
    value = va_arg(*arguments, unsigned int);
    return length == LENGTH_CHAR ? (uint8_t)value : length == LENGTH_SHORT ? (uint16_t)value : value;
}

static int64_t argument_signed(enum length length, va_list *arguments)
{
    int value;

    if (length == LENGTH_LONG)
        return va_arg(*arguments, long);
    value = va_arg(*arguments, int);
    return length == LENGTH_CHAR ? (int8_t)value : length == LENGTH_SHORT ? (int16_t)value : value;
}

/* Writes the digits backwards from `end`; returns how many. Zero has none, as a precision of 0 wants. */
static int make_digits(char *end, uint64_t value, unsigned base, const char *alphabet)
{
    int count = 0;

    for (; value != 0; value /= base, count++)
        *--end = alphabet[value % base];
    return count;
}

/* A number: spaces, prefix (sign or 0x), zeros, digits, spaces. */
static void put_number(struct output *out, const struct spec *spec, uint64_t value, unsigned base,
                       const char *prefix)
{
    const char *alphabet = spec->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char digits[DIGITS_MAX];
    int count = make_digits(digits + DIGITS_MAX, value, base, alphabet);
    int prefix_length = (int)strlen(prefix);
    int wanted = spec->has_precision ? spec->precision : 1;
    int pad;

    if (base == 8 && spec->alternate)
        wanted = max(wanted, count + 1);
    if (spec->zero && !spec->left && !spec->has_precision)
        wanted = max(wanted, spec->width - prefix_length);
    wanted = max(wanted, count);
    pad = (int64_t)spec->width > (int64_t)wanted + prefix_length ? spec->width - wanted - prefix_length : 0;

    if (!spec->left)
        put_repeated(out, ' ', pad);
    put_bytes(out, prefix, (size_t)prefix_length);
    put_repeated(out, '0', wanted - count);
    put_bytes(out, digits + DIGITS_MAX - count, (size_t)count);
    if (spec->left)
        put_repeated(out, ' ', pad);
}

static void put_signed(struct output *out, const struct spec *spec, int64_t value)
{
    const char *sign = value < 0 ? "-" : spec->plus ? "+" : spec->space ? " " : "";

    put_number(out, spec, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, sign);
}

static void put_hexadecimal(struct output *out, const struct spec *spec, uint64_t value)
{
    const char *prefix = spec->conversion == 'X' ? "0X" : "0x";

    put_number(out, spec, value, 16, spec->alternate && value != 0 ? prefix : "");
}

static void put_string(struct output *out, const struct spec *spec, const char *text)
{
    if (text == NULL)
        text = "(null)";
    put_padded(out, spec, text, spec->has_precision ? strnlen(text, (size_t)spec->precision) : strlen(text));
}

/* Returns false for a conversion that is not known. */
static bool put_conversion(struct output *out, const struct spec *spec, va_list *arguments)
{
    char c;

    switch (spec->conversion) {
    case 'd':
    case 'i': put_signed(out, spec, argument_signed(spec->length, arguments)); return true;
    case 'u': put_number(out, spec, argument_unsigned(spec->length, arguments), 10, ""); return true;
    case 'o': put_number(out, spec, argument_unsigned(spec->length, arguments), 8, ""); return true;
    case 'x':
    case 'X': put_hexadecimal(out, spec, argument_unsigned(spec->length, arguments)); return true;
    case 'p': put_number(out, spec, (uintptr_t)va_arg(*arguments, void *), 16, "0x"); return true;
    case 's': put_string(out, spec, va_arg(*arguments, const char *)); return true;
    case 'c':
        c = (char)va_arg(*arguments, int);
        put_padded(out, spec, &c, 1);
        return true;
    case '%': put(out, '%'); return true;
    default: return false;
    }
}

/* The loop of print_format_v; `arguments` is a copy that may be passed by address. */
static void print_all(struct output *out, const char *format, va_list *arguments)
{
    while (*format != '\0') {
        struct spec spec;
        const char *start = format++;

        if (*start != '%') {
            put(out, *start);
            continue;
        }
        format = parse_spec(format, &spec, arguments);
        if (!put_conversion(out, &spec, arguments)) {
            put_bytes(out, start, strlen(start));
            return;
        }
    }
}

int print_format_v(char *buffer, size_t size, const char *format, va_list arguments)
{
    struct output out = { buffer, size, 0 };
    va_list copy;

    va_copy(copy, arguments);
    print_all(&out, format, &copy);
    va_end(copy);
    if (size > 0)
        buffer[min(out.length, size - 1)] = '\0';
    return out.length > INT_MAX ? INT_MAX : (int)out.length;
}

int print_format(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = print_format_v(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}
