/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatted text into a buffer, with the meaning of C's snprintf.
 *
 * Conversions: d u x c s p %; flags 0 and # (of numbers); a width; a precision of %s; lengths l ll z t j. %p prints 0x and
 * the address in hexadecimal; a NULL %s prints "(null)". Anything else is copied as it stands and ends the formatting of
 * further arguments.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/*
 * Writes at most `size` bytes to `buffer`, the ending NUL included (nothing at all when size is 0).
 * Returns the length the whole text has without the NUL: size or more means it was cut.
 */
int print_format(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int print_format_v(char *buffer, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
