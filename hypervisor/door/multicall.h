/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the door: how a running multicall and hypercall_continue() know of each other. */
#ifndef XYLEM_DOOR_MULTICALL_H
#define XYLEM_DOOR_MULTICALL_H

#include "arch/percpu.h"

struct multicall_state {
    struct multicall_entry *entry; /* being run on this CPU; NULL outside multicalls */
    bool continued;                /* that entry asked to be issued again */
};
PER_CPU_DECLARE(struct multicall_state, multicall_state);

/* Runs one call by number for the running guest. */
long hypercall_run(uint64_t number, const uint64_t args[5]);

#endif
