/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocations that fail on purpose, in debug builds: what runs out of memory has to end with nothing lost and nothing
 * half built, and only asking for it shows that.  The host build has its own (arch/host).
 */
#pragma once

#include <stdbool.h>

enum fail_whose { FAIL_NOBODY, FAIL_CONTROL, FAIL_GUESTS };

#if defined(XYLEM_DEBUG) && !defined(XYLEM_HOST)
/*
 * From now on allocations made while domain 0 (FAIL_CONTROL) or any other domain (FAIL_GUESTS) runs are counted.  Of
 * domain 0's the nth fails, once; of the others' every nth.  Counts from 1.
 */
void fail_arm(enum fail_whose whose, unsigned nth);
/* Ends it: how many were counted and how many of them failed. */
void fail_end(unsigned *counted, unsigned *failed);
/* Asked by each allocator, once for each allocation. */
bool allocation_fails(void);
#else
static inline bool allocation_fails(void) { return false; }
#endif
