// SPDX-License-Identifier: BSD-2-Clause
//
// Grant tables, version 1. See grant.h.

#include "grant.h"

#include "hypercall.h"
#include "memory.h"

static struct grant_entry_v1 *table;

long grant_init(void)
{
    table = range_alloc(1);
    return grant_frame_show(table, false);
}

struct grant_entry_v1 *grant_entry(grant_ref_t reference)
{
    return table + reference;
}

void grant_give(grant_ref_t reference, domid_t domain, const void *page, bool read_only)
{
    table[reference].frame = (uint32_t)machine_of(page);
    table[reference].domid = domain;
    __atomic_store_n(&table[reference].flags, (uint16_t)(GTF_permit_access | (read_only ? GTF_readonly : 0)),
                     __ATOMIC_SEQ_CST);
}

bool grant_take(grant_ref_t reference)
{
    uint16_t flags = table[reference].flags;

    do {
        if (flags & (GTF_reading | GTF_writing))
            return false;
    } while (!__atomic_compare_exchange_n(&table[reference].flags, &flags, 0, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
    return true;
}

int grant_map(const void *address, unsigned int flags, grant_ref_t reference, domid_t domain,
              grant_handle_t *handle)
{
    struct gnttab_map_grant_ref map = {
        .host_addr = (unsigned long)address, .flags = flags, .ref = reference, .dom = domain,
    };
    long result = grant_op(GNTTABOP_map_grant_ref, &map, 1);

    *handle = map.handle;
    return result < 0 ? (int)result : map.status;
}

int grant_unmap(const void *address, grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref unmap = { .host_addr = (unsigned long)address, .handle = handle };
    long result = grant_op(GNTTABOP_unmap_grant_ref, &unmap, 1);

    return result < 0 ? (int)result : unmap.status;
}
