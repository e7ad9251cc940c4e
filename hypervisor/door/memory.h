/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the door: the memory operations (xen/memory.h), in four files: reservation.c changes how much a
 * domain has, physmap.c where a translated guest has it, memory_map.c answers what is where, memory.c has
 * their table.
 */
#ifndef XYLEM_DOOR_MEMORY_H
#define XYLEM_DOOR_MEMORY_H

#include "door/operation.h"
#include <xen/memory.h>

/* The command's low bits; above them, the extent a continued batch goes on with. */
#define MEMORY_COMMAND_BITS 6
#define MEMORY_COMMAND_MASK ((1UL << MEMORY_COMMAND_BITS) - 1)

/* One entry as the BIOS call INT 15h AX=E820h lays it out, which XENMEM_memory_map hands on. */
struct memory_map_entry {
    uint64_t start, size;
    uint32_t type;
} __attribute__((packed));

#define MEMORY_MAP_MAX 128
struct memory_map {
    unsigned count;
    struct memory_map_entry entries[MEMORY_MAP_MAX];
};

long memory_reservation(struct call *c);
long memory_exchange(struct call *c);

long memory_add_to_physmap(struct call *c);
long memory_add_to_physmap_batch(struct call *c);
long memory_remove_from_physmap(struct call *c);

long memory_map_get(struct call *c);
long memory_map_get_machine(struct call *c);
long memory_map_set(struct call *c);
long memory_machphys_mapping(struct call *c);
long memory_machphys_list(struct call *c);
long memory_acquire_resource(struct call *c);

#endif
