/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the door: the memory operations (xen/memory.h), in four files: reservation.c changes how much a
 * domain has, physmap.c where a translated guest has it, memory_map.c answers what is where, memory.c decodes and
 * dispatches.
 */
#ifndef XYLEM_DOOR_MEMORY_H
#define XYLEM_DOOR_MEMORY_H

#include "domain/domain.h"
#include "mm/guest_copy.h"
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

/*
 * Finds the domain a memory operation names: the caller itself, or one it controls.  Referenced; 0, -ESRCH,
 * -EPERM.
 */
int memory_target(domid_t id, struct domain **d);

long memory_reservation(unsigned command, guest_addr_t arg, uint64_t start);
long memory_exchange(guest_addr_t arg);

long memory_add_to_physmap(guest_addr_t arg);
long memory_add_to_physmap_batch(guest_addr_t arg, uint64_t start);
long memory_remove_from_physmap(guest_addr_t arg);

long memory_map_get(guest_addr_t arg);
long memory_map_get_machine(guest_addr_t arg);
long memory_map_set(guest_addr_t arg);
long memory_machphys_mapping(guest_addr_t arg);
long memory_machphys_list(guest_addr_t arg);
long memory_acquire_resource(guest_addr_t arg);

#endif
