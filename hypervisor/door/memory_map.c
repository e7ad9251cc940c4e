// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is where: memory maps, the machine-to-physical table, and frames of the hypervisor a tool may map
 * (xen/memory.h).
 */
#include "door/memory.h"

#include "boot_info.h"
#include "door/hypercall.h"
#include "errno.h"
#include "grant/grant.h"
#include "lib/base.h"
#include "mm/guest_form.h"
#include "mm/heap.h"

_Static_assert(sizeof(struct memory_map_entry) == 20, "an E820 entry has 20 bytes");

long memory_map_get(guest_addr_t arg)
{
    struct domain *d = current->domain;
    struct xen_memory_map request;
    unsigned count;
    int rc = 0;

    if (guest_read_form(&request, arg, sizeof(request), FORM_MEMORY_MAP))
        return -EFAULT;
    spin_lock(&d->lock);
    if (!d->memory_map) {
        rc = -ENOSYS;
    } else {
        count = min(request.nr_entries, d->memory_map->count);
        rc = guest_write(GUEST_HANDLE(request.buffer), d->memory_map->entries,
                         count * sizeof(struct memory_map_entry));
        request.nr_entries = count;
    }
    spin_unlock(&d->lock);
    return rc ? rc : guest_write_form(arg, &request, sizeof(request), FORM_MEMORY_MAP);
}

long memory_map_get_machine(guest_addr_t arg)
{
    struct xen_memory_map request;
    guest_addr_t buffer;
    unsigned i;
    int rc = permission_privileged();

    if (rc)
        return rc;
    if (guest_read(&request, arg, sizeof(request)))
        return -EFAULT;
    buffer = GUEST_HANDLE(request.buffer);
    for (i = 0; i < boot_info.memory_count && i < request.nr_entries; i++) {
        const struct boot_range *range = &boot_info.memory[i];
        struct memory_map_entry entry = {range->start, range->end - range->start, range->type};

        if (guest_write(guest_element(buffer, i, sizeof(entry)), &entry, sizeof(entry)))
            return -EFAULT;
    }
    request.nr_entries = i;
    return guest_write(arg, &request, sizeof(request));
}

long memory_map_set(guest_addr_t arg)
{
    struct xen_foreign_memory_map request;
    struct memory_map *map, *old;
    struct domain *d;
    long rc;

    if (guest_read_form(&request, arg, sizeof(request), FORM_FOREIGN_MEMORY_MAP))
        return -EFAULT;
    if (request.map.nr_entries > MEMORY_MAP_MAX)
        return -EINVAL;
    d = domain_get_or_self(request.domid);
    if (!d)
        return -ESRCH;
    rc = permission_control(d);
    map = rc ? NULL : mem_new(struct memory_map);
    if (!rc && !map)
        rc = -ENOMEM;
    if (!rc)
        rc = guest_read(map->entries, GUEST_HANDLE(request.map.buffer),
                        request.map.nr_entries * sizeof(struct memory_map_entry));
    if (!rc) {
        map->count = request.map.nr_entries;
        spin_lock(&d->lock);
        old = d->memory_map;
        d->memory_map = map;
        spin_unlock(&d->lock);
        map = old;
    }
    mem_free(map);
    domain_put(d);
    return rc;
}

long memory_machphys_mapping(guest_addr_t arg)
{
    const struct xen_machphys_mapping mapping = {
        .v_start = M2P_START,
        .v_end = M2P_END,
        .max_mfn = (M2P_END - M2P_START) / sizeof(uint64_t) - 1,
    };

    return guest_write(arg, &mapping, sizeof(mapping));
}

/* The table's own frames, one for each 2 MiB of it, so that a tool can map it. */
long memory_machphys_list(guest_addr_t arg)
{
    const uint64_t entries_per_extent = (2UL << 20) / sizeof(uint64_t);
    struct xen_machphys_mfn_list request;
    guest_addr_t list;
    unsigned i;
    int rc = permission_privileged();

    if (rc)
        return rc;
    if (guest_read(&request, arg, sizeof(request)))
        return -EFAULT;
    list = GUEST_HANDLE(request.extent_start);
    for (i = 0; i < request.max_extents && i * entries_per_extent < max_frame; i++) {
        xen_pfn_t number = m2p_backing(i).value;

        if (guest_write(guest_element(list, i, sizeof(number)), &number, sizeof(number)))
            return -EFAULT;
    }
    request.nr_extents = i;
    return guest_write(arg, &request, sizeof(request));
}

/* ---- XENMEM_acquire_resource ---- */

static long resource_size(struct domain *d, const struct xen_mem_acquire_resource *r, uint32_t *frames)
{
    struct gnttab_query_size size = {.dom = d->id};

    if (r->type != XENMEM_resource_grant_table)
        return -EOPNOTSUPP;
    grant_query_size(d, &size);
    if (size.status != GNTST_okay)
        return -EINVAL;
    *frames = size.max_nr_frames;
    if (r->id == XENMEM_resource_grant_table_id_status)
        *frames = DIV_ROUND_UP(size.max_nr_frames * (uint32_t)(PAGE_SIZE / sizeof(grant_entry_v2_t)) *
                               (uint32_t)sizeof(grant_status_t), (uint32_t)PAGE_SIZE);
    else if (r->id != XENMEM_resource_grant_table_id_shared)
        return -EINVAL;
    return 0;
}

static long resource_frames(struct domain *d, const struct xen_mem_acquire_resource *r)
{
    bool status = r->id == XENMEM_resource_grant_table_id_status;

    if (r->type != XENMEM_resource_grant_table)
        return -EOPNOTSUPP;
    if (!status && r->id != XENMEM_resource_grant_table_id_shared)
        return -EINVAL;
    if (r->frame > UINT32_MAX || r->nr_frames > UINT32_MAX - (uint32_t)r->frame)
        return -EINVAL;
    for (uint32_t i = 0; i < r->nr_frames; i++) {
        mfn_t frame;
        xen_pfn_t number;
        int rc = grant_get_table_frame(d, (uint32_t)r->frame + i, status, &frame);

        if (rc)
            return rc;
        number = frame.value;
        if (guest_write(guest_element(GUEST_HANDLE(r->frame_list), i, sizeof(number)), &number,
                        sizeof(number)))
            return -EFAULT;
    }
    return 0;
}

long memory_acquire_resource(guest_addr_t arg)
{
    struct xen_mem_acquire_resource request;
    struct domain *d;
    long rc;

    if (guest_read(&request, arg, sizeof(request)))
        return -EFAULT;
    if (request.pad)
        return -EINVAL;
    d = domain_get_or_self(request.domid);
    if (!d)
        return -ESRCH;
    rc = permission_control(d);
    if (!rc && d == current->domain)
        rc = -EPERM;
    if (!rc && current->domain->is_hvm)
        rc = -EACCES; /* machine frames are nothing it could map */
    if (rc) {
        domain_put(d);
        return rc;
    }
    if (guest_addr_null(GUEST_HANDLE(request.frame_list))) {
        rc = request.nr_frames ? -EINVAL : resource_size(d, &request, &request.nr_frames);
        if (!rc)
            rc = guest_write(arg, &request, sizeof(request));
    } else {
        rc = resource_frames(d, &request);
    }
    domain_put(d);
    return rc;
}
