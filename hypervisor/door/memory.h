/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the door: the memory operations (xen/memory.h), in three files: reservation.c changes how much a
 * domain has, physmap.c where a translated guest has it, memory.c has the rest and their table.
 */
#pragma once

#include "door/operation.h"
#include <xen/memory.h>

/* The command's low bits; above them, the extent a continued batch goes on with. */
#define MEMORY_COMMAND_BITS 6
#define MEMORY_COMMAND_MASK ((1UL << MEMORY_COMMAND_BITS) - 1)

long memory_reservation(struct call *c);
long memory_exchange(struct call *c);

long memory_add_to_physmap(struct call *c);
long memory_add_to_physmap_batch(struct call *c);
long memory_remove_from_physmap(struct call *c);
