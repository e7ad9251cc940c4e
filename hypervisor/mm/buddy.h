/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the room: free memory in blocks.  Who owns frames and how they are counted is heap.c's affair.
 */
#pragma once

#include "mm/frame.h"

/*
 * Takes 1 << order frames below 1 << width_bits bytes.  reserved: pages that must stay free afterwards
 * (claims of others).  clean: contents are zero; otherwise they may be anything.  No CPU can reach them
 * through a stale translation.  nodes: bit mask of those to
 * look in first; only there, with nodes_only.  NULL when there is no such block.
 */
struct frame *buddy_take(unsigned order, unsigned width_bits, uint64_t reserved, bool clean, uint64_t nodes,
                         bool nodes_only);
/* Gives them back, with whatever they hold. */
void buddy_give(struct frame *f, unsigned order);
