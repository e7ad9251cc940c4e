// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the distribution's libz and liblzma still want from a C library, beyond lib/string.h. Not for host
 * programs.
 *
 * They allocate through the functions unpack() hands them, so that the ones here are never reached and
 * always refuse.
 */
#include "lib/base.h"

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void free(void *block);
void __stack_chk_fail(void) __attribute__((noreturn, weak));

void *malloc(size_t)
{
    return NULL;
}

void *calloc(size_t, size_t)
{
    return NULL;
}

void free(void *)
{
}

/* A library overran its stack frame: nothing can be trusted, so trap. */
void __stack_chk_fail(void)
{
    __builtin_trap();
}
