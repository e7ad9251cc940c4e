// SPDX-License-Identifier: BSD-2-Clause
/* How a grant is mapped, by the kind of guest that maps it (grant_map_ops of grant/grant.h). */
#include "grant/grant.h"
#include "guest/hvm.h"
#include "guest/pv.h"

static int guest_grant_map(struct domain *d, uint64_t host_addr, mfn_t frame, unsigned flags, unsigned cache)
{
    return d->is_hvm ? hvm_grant_map(d, host_addr, frame, flags) : pv_grant_map(d, host_addr, frame, flags, cache);
}

static int guest_grant_unmap(struct domain *d, uint64_t host_addr, mfn_t frame, unsigned flags, uint64_t new_addr)
{
    return d->is_hvm ? hvm_grant_unmap(d, host_addr, frame, flags, new_addr)
                     : pv_grant_unmap(d, host_addr, frame, flags, new_addr);
}

static void guest_grant_flush(struct domain *d)
{
    if (d->is_hvm)
        physmap_flush(d);
    else
        pv_grant_flush(d);
}

const struct grant_map_ops grant_map_ops = {
    .map = guest_grant_map, .unmap = guest_grant_unmap, .flush_tlb = guest_grant_flush};
