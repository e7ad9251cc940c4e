/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A binary heap of intrusive entries, the smallest key on top; made for timers.
 *
 * The array of slots is the caller's: the heap never allocates and may be given a larger array at any time.
 * Entries know their slot, so any of them can be removed or moved in O(log n). A zeroed entry is on no heap.
 * The caller holds the lock that guards the heap.
 */
#pragma once

#include "lib/base.h"

struct heap_entry {
    uint64_t key;  /* unchanged while on a heap */
    size_t number; /* slot number + 1; 0 when on no heap */
};

struct heap {
    struct heap_entry **slots;
    size_t count, capacity;
};

/* `slots` has room for `capacity` pointers and stays the caller's property; both may be 0. */
void heap_init(struct heap *heap, struct heap_entry **slots, size_t capacity);

/* Moves to a larger array (capacity >= heap->count). Returns the former one, for the caller to free. */
struct heap_entry **heap_grow(struct heap *heap, struct heap_entry **slots, size_t capacity);

/* Puts `entry`, which is on no heap, in with `key`. Returns 0, or -XEN_ENOSPC when every slot is taken. */
int heap_insert(struct heap *heap, struct heap_entry *entry, uint64_t key);

/* Takes out an entry that is on this heap. */
void heap_remove(struct heap *heap, struct heap_entry *entry);

/* The entry with the smallest key, or NULL; equal keys come in no particular order. */
static inline struct heap_entry *heap_first(const struct heap *heap)
{
    return heap->count > 0 ? heap->slots[0] : NULL;
}

static inline bool heap_contains(const struct heap_entry *entry)
{
    return entry->number != 0;
}
