/* SPDX-License-Identifier: BSD-2-Clause */
/* A word that one domain has and no other may see, and vector state to look for it in. */
#ifndef GUEST_CANARY_H
#define GUEST_CANARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As a number of the FPU it is an ordinary one, so that it survives being loaded. */
static const uint64_t canary_word = 0x40c0ffee4ca4a127ul;

/* Turns on AVX state with XSETBV; false when there is none. */
bool canary_wide_enable(void);
/* How often half a canary stands in a range of memory, at any multiple of two bytes. */
unsigned int canary_find(const void *memory, size_t bytes);

#endif
