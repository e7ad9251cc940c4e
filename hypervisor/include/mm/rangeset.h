/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of number ranges: a domain's permitted I/O ports, I/O memory frames and interrupts.
 */
#pragma once

#include "sync/spinlock.h"

struct rangeset {
    spinlock_t lock;
    unsigned count;
    struct range { uint64_t first, last; } *ranges; /* count of them, ascending, disjoint, not adjacent */
};

void rangeset_init(struct rangeset *r);
void rangeset_destroy(struct rangeset *r);
/* Inclusive ranges.  0, -ENOMEM, -EINVAL (start > end). */
int rangeset_add(struct rangeset *r, uint64_t start, uint64_t end);
int rangeset_remove(struct rangeset *r, uint64_t start, uint64_t end);
bool rangeset_contains(struct rangeset *r, uint64_t start, uint64_t end);
