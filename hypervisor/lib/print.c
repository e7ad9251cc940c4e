// SPDX-License-Identifier: BSD-2-Clause
/* Formatted text: see the header. One pass; needs no allocation and about 200 bytes of stack. */
#include "lib/print.h"

#include <limits.h>

#include "lib/base.h"
#include "lib/string.h"

struct output {
    char *buffer;
    size_t size;   /* of the buffer */
    size_t length; /* of the text so far, whether it fitted or not */
};

/* What stands between the percent sign and the conversion. */
struct spec {
    bool zero, alternate, is_long;
    size_t width, precision; /* SIZE_MAX: no precision */
};

enum { DIGITS_MAX = 20 }; /* 64 bits in decimal */

BUILD_ASSERT(sizeof(long) == 8 && sizeof(long long) == 8 && sizeof(size_t) == 8);

static void put(struct output *out, char c)
{
    if (out->length < out->size)
        out->buffer[out->length] = c;
    out->length++;
}

static void put_bytes(struct output *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        put(out, text[i]);
}

/* Fills up what `length` bytes leave of the field. */
static void pad(struct output *out, const struct spec *spec, size_t length, char with)
{
    for (; length < spec->width; length++)
        put(out, with);
}

/* Oversized counts are held at INT_MAX / 2. */
static size_t parse_count(const char **f)
{
    size_t count = 0;

    for (; **f >= '0' && **f <= '9'; ++*f)
        count = count < INT_MAX / 20 ? count * 10 + (size_t)(**f - '0') : INT_MAX / 2;
    return count;
}

/* *f is just after the percent sign; it is moved to the conversion. */
static struct spec parse_spec(const char **f)
{
    struct spec spec = { .precision = SIZE_MAX };

    for (; **f == '0' || **f == '#'; ++*f) {
        spec.zero |= **f == '0';
        spec.alternate |= **f == '#';
    }
    spec.width = parse_count(f);
    if (**f == '.') {
        ++*f;
        spec.precision = parse_count(f);
    }
    for (; **f == 'l' || **f == 'z' || **f == 't' || **f == 'j'; ++*f)
        spec.is_long = true;
    return spec;
}

/* A number: spaces, prefix (sign or 0x), zeros, digits. */
static void put_number(struct output *out, const struct spec *spec, uint64_t value, unsigned base, const char *prefix)
{
    char digits[DIGITS_MAX];
    size_t start = DIGITS_MAX, length;

    do
        digits[--start] = "0123456789abcdef"[value % base];
    while ((value /= base) != 0);
    length = strlen(prefix) + DIGITS_MAX - start;
    if (!spec->zero)
        pad(out, spec, length, ' ');
    put_bytes(out, prefix, strlen(prefix));
    if (spec->zero)
        pad(out, spec, length, '0');
    put_bytes(out, digits + start, DIGITS_MAX - start);
}

static void put_text(struct output *out, const struct spec *spec, const char *text, size_t length)
{
    pad(out, spec, length, ' ');
    put_bytes(out, text, length);
}

/* Returns false for a conversion that is not known. */
static bool put_conversion(struct output *out, char conversion, const struct spec *spec, va_list *arguments)
{
    const char *text;
    uint64_t value;
    char c;

    switch (conversion) {
    case 'd':
        value = (uint64_t)(spec->is_long ? va_arg(*arguments, long) : va_arg(*arguments, int));
        put_number(out, spec, (int64_t)value < 0 ? -value : value, 10, (int64_t)value < 0 ? "-" : "");
        return true;
    case 'u':
    case 'x':
        value = spec->is_long ? va_arg(*arguments, unsigned long) : va_arg(*arguments, unsigned int);
        put_number(out, spec, value, conversion == 'u' ? 10 : 16,
                   spec->alternate && conversion == 'x' && value != 0 ? "0x" : "");
        return true;
    case 'p': put_number(out, spec, (uintptr_t)va_arg(*arguments, void *), 16, "0x"); return true;
    case 's':
        text = va_arg(*arguments, const char *);
        text = text == NULL ? "(null)" : text;
        put_text(out, spec, text, strnlen(text, spec->precision));
        return true;
    case 'c':
        c = (char)va_arg(*arguments, int);
        put_text(out, spec, &c, 1);
        return true;
    case '%': put(out, '%'); return true;
    default: return false;
    }
}

/* The loop of print_format_v; `arguments` is a copy that may be passed by address. */
static void print_all(struct output *out, const char *format, va_list *arguments)
{
    for (; *format != '\0'; format++) {
        const char *start = format;
        struct spec spec;

        if (*format != '%') {
            put(out, *format);
            continue;
        }
        format++;
        spec = parse_spec(&format);
        if (!put_conversion(out, *format, &spec, arguments)) {
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
