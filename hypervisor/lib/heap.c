// SPDX-License-Identifier: BSD-2-Clause
/* Binary heap: see the header. The children of slot n are 2n + 1 and 2n + 2. */
#include "lib/heap.h"

#include <xen/errno.h>

static void heap_place(struct heap *heap, size_t slot, struct heap_entry *entry)
{
    heap->slots[slot] = entry;
    entry->number = slot + 1;
}

/* Moves `entry` up from the free `slot` while its parent is larger; returns where it landed. */
static size_t heap_rise(struct heap *heap, size_t slot, struct heap_entry *entry)
{
    while (slot > 0 && heap->slots[(slot - 1) / 2]->key > entry->key) {
        heap_place(heap, slot, heap->slots[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    heap_place(heap, slot, entry);
    return slot;
}

static void heap_sink(struct heap *heap, size_t slot, struct heap_entry *entry)
{
    for (;;) {
        size_t child = 2 * slot + 1;

        if (child + 1 < heap->count && heap->slots[child + 1]->key < heap->slots[child]->key)
            child++;
        if (child >= heap->count || heap->slots[child]->key >= entry->key)
            break;
        heap_place(heap, slot, heap->slots[child]);
        slot = child;
    }
    heap_place(heap, slot, entry);
}

void heap_init(struct heap *heap, struct heap_entry **slots, size_t capacity)
{
    *heap = (struct heap){ .slots = slots, .capacity = capacity };
}

struct heap_entry **heap_grow(struct heap *heap, struct heap_entry **slots, size_t capacity)
{
    struct heap_entry **former = heap->slots;

    for (size_t i = 0; i < heap->count; i++)
        slots[i] = former[i];
    heap->slots = slots;
    heap->capacity = capacity;
    return former;
}

int heap_insert(struct heap *heap, struct heap_entry *entry, uint64_t key)
{
    if (heap->count >= heap->capacity)
        return -XEN_ENOSPC;
    entry->key = key;
    heap_rise(heap, heap->count++, entry);
    return 0;
}

void heap_remove(struct heap *heap, struct heap_entry *entry)
{
    size_t slot = entry->number - 1;
    struct heap_entry *last = heap->slots[--heap->count];

    if (last != entry)
        heap_sink(heap, heap_rise(heap, slot, last), last);
    entry->number = 0;
}
