/* SPDX-License-Identifier: BSD-2-Clause */
/* The few functions of <string.h> guests use; the compiler calls the first three by itself. */
#ifndef GUEST_STRING_H
#define GUEST_STRING_H

#include <stddef.h>

void *memcpy(void *target, const void *source, size_t count);
void *memset(void *target, int value, size_t count);
int memcmp(const void *a, const void *b, size_t count);
size_t strlen(const char *text);
/* 0 when equal, like the standard's; only equality is meant to be used. */
int strcmp(const char *a, const char *b);
/* The place of word in text, or NULL. */
const char *strstr(const char *text, const char *word);

#endif
