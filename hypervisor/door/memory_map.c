// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is where: memory maps, the machine-to-physical table, and frames of the hypervisor a tool may map
 * (xen/memory.h).
 */
#include "door/memory.h"

#include "boot_info.h"
#include "errno.h"
#include "grant/grant.h"
#include "lib/base.h"
#include "mm/guest_form.h"
#include "mm/heap.h"

_Static_assert(sizeof(struct memory_map_entry) == 20, "an E820 entry has 20 bytes");

long memory_map_get(struct call *c)
{
    struct xen_memory_map *request = c->arg;
    struct domain *d = c->d;
    int rc = -ENOSYS;

    spin_lock(&d->lock);
    if (d->memory_map) {
        request->nr_entries = min(request->nr_entries, d->memory_map->count);
        rc = guest_write(GUEST_HANDLE(request->buffer), d->memory_map->entries,
                         request->nr_entries * sizeof(struct memory_map_entry));
    }
    spin_unlock(&d->lock);
    return rc;
}

long memory_map_get_machine(struct call *c)
{
    struct xen_memory_map *request = c->arg;

    request->nr_entries = min(request->nr_entries, boot_info.memory_count);
    for (unsigned i = 0; i < request->nr_entries; i++) {
        const struct boot_range *range = &boot_info.memory[i];
        struct memory_map_entry entry = {range->start, range->end - range->start, range->type};

        if (guest_write(guest_element(GUEST_HANDLE(request->buffer), i, sizeof(entry)), &entry, sizeof(entry)))
            return -EFAULT;
    }
    return 0;
}

long memory_map_set(struct call *c)
{
    const struct xen_memory_map *given = &((struct xen_foreign_memory_map *)c->arg)->map;
    struct memory_map *map, *old;

    if (given->nr_entries > MEMORY_MAP_MAX)
        return -EINVAL;
    map = mem_new(struct memory_map);
    if (!map)
        return -ENOMEM;
    map->count = given->nr_entries;
    if (guest_read(map->entries, GUEST_HANDLE(given->buffer), map->count * sizeof(struct memory_map_entry))) {
        mem_free(map);
        return -EFAULT;
    }
    spin_lock(&c->d->lock);
    old = c->d->memory_map;
    c->d->memory_map = map;
    spin_unlock(&c->d->lock);
    mem_free(old);
    return 0;
}

long memory_machphys_mapping(struct call *c)
{
    const struct xen_machphys_mapping mapping = {
        .v_start = M2P_START,
        .v_end = M2P_END,
        .max_mfn = (M2P_END - M2P_START) / sizeof(uint64_t) - 1,
    };

    return guest_write(c->at, &mapping, sizeof(mapping));
}

/* The table's own frames, one for each 2 MiB of it, so that a tool can map it. */
long memory_machphys_list(struct call *c)
{
    const uint64_t entries_per_extent = (2UL << 20) / sizeof(uint64_t);
    struct xen_machphys_mfn_list *request = c->arg;
    unsigned i;

    for (i = 0; i < request->max_extents && i * entries_per_extent < max_frame; i++)
        if (guest_write_word(GUEST_HANDLE(request->extent_start), i, m2p_backing(i).value))
            return -EFAULT;
    request->nr_extents = i;
    return 0;
}

/* ---- XENMEM_acquire_resource: frames of a grant table, or how many there may be ---- */

static uint32_t resource_size(struct domain *d, bool status)
{
    struct gnttab_query_size size;

    grant_query_size(d, &size);
    return status ? DIV_ROUND_UP(size.max_nr_frames * (uint32_t)(PAGE_SIZE / sizeof(grant_entry_v2_t)) *
                                 (uint32_t)sizeof(grant_status_t), (uint32_t)PAGE_SIZE)
                  : size.max_nr_frames;
}

static long resource_frames(struct domain *d, bool status, const struct xen_mem_acquire_resource *r)
{
    if (r->frame > UINT32_MAX || r->nr_frames > UINT32_MAX - (uint32_t)r->frame)
        return -EINVAL;
    for (uint32_t i = 0; i < r->nr_frames; i++) {
        mfn_t frame;
        int rc = grant_get_table_frame(d, (uint32_t)r->frame + i, status, &frame);

        if (rc)
            return rc;
        if (guest_write_word(GUEST_HANDLE(r->frame_list), i, frame.value))
            return -EFAULT;
    }
    return 0;
}

long memory_acquire_resource(struct call *c)
{
    struct xen_mem_acquire_resource *request = c->arg;
    const bool status = request->id == XENMEM_resource_grant_table_id_status;

    if (request->pad)
        return -EINVAL;
    if (c->d == current->domain)
        return -EPERM;
    if (current->domain->is_hvm)
        return -EACCES; /* machine frames are nothing it could map */
    if (request->type != XENMEM_resource_grant_table)
        return -EOPNOTSUPP;
    if (!status && request->id != XENMEM_resource_grant_table_id_shared)
        return -EINVAL;
    if (!guest_addr_null(GUEST_HANDLE(request->frame_list)))
        return resource_frames(c->d, status, request);
    if (request->nr_frames)
        return -EINVAL;
    request->nr_frames = resource_size(c->d, status);
    return guest_write(c->at, request, sizeof(*request));
}
