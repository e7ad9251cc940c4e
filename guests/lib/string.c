// SPDX-License-Identifier: BSD-2-Clause
//
// Strings and memory for guests. See string.h.

#include "string.h"

void *memcpy(void *target, const void *source, size_t count)
{
    void *result = target;

    __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(count) : : "memory");
    return result;
}

void *memset(void *target, int value, size_t count)
{
    void *result = target;

    __asm__ volatile("rep stosb" : "+D"(target), "+c"(count) : "a"(value) : "memory");
    return result;
}

int memcmp(const void *a, const void *b, size_t count)
{
    const unsigned char *left = a, *right = b;

    for (size_t i = 0; i < count; i++) {
        if (left[i] != right[i])
            return left[i] - right[i];
    }
    return 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;

    while (text[length])
        length++;
    return length;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

const char *strstr(const char *text, const char *word)
{
    size_t length = strlen(word);

    for (; strlen(text) >= length; text++) {
        if (memcmp(text, word, length) == 0)
            return text;
    }
    return NULL;
}
