/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls: the table and dispatch.
 */
#ifndef XYLEM_DOOR_HYPERCALL_H
#define XYLEM_DOOR_HYPERCALL_H

#include "domain/domain.h"
#include "domain/preempt.h"

typedef long (*hypercall_fn)(uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5);

#endif
