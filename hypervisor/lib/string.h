/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory and string functions under their standard names and with their standard meaning.
 *
 * In the hypervisor these are the real symbols, since the compiler emits calls to some of them. On the host
 * (XYLEM_HOST) the C library provides the standard ones and only the others come from here.
 * Strings end in NUL. Nothing here takes a lock or allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef XYLEM_HOST
#include <string.h>
#else
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
void *memchr(const void *memory, int byte, size_t size);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t size);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);
char *strchr(const char *s, int c);
char *strstr(const char *s, const char *part);
#endif

/* Copies `from` into to[size], always terminated when size > 0. Returns strlen(from): >= size means cut. */
size_t strlcpy(char *to, const char *from, size_t size);

/* Appends likewise; returns the length the whole result would have had. */
size_t strlcat(char *to, const char *from, size_t size);

/* Equal where the case of ASCII letters, and whether it is '-' or '_', does not matter. */
bool string_equal_ignoring_case(const char *a, const char *b);

/* Does `s` begin with `prefix`? */
bool string_starts_with(const char *s, const char *prefix);

/*
 * Reads an unsigned number; base 2..36, or 0 to take "0x" as 16, a leading "0" as 8 and anything else as 10.
 * No sign and no leading space are accepted; with base 16 a "0x" is allowed. *end (may be NULL) becomes the
 * first character not read, `s` itself when there is no digit (the result is then 0). A number above
 * UINT64_MAX gives UINT64_MAX, all of its digits read.
 */
uint64_t string_to_u64(const char *s, const char **end, unsigned base);
