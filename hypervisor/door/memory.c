// SPDX-License-Identifier: BSD-2-Clause
/*
 * HYPERVISOR_memory_op (xen/memory.h): what is where (memory maps, the machine-to-physical table, frames of the hypervisor a
 * tool may map), small operations, and the table of all.
 */
#include "door/memory.h"

#include "boot_info.h"
#include "door/handlers.h"
#include "grant/grant.h"
#include "guest/hvm.h"
#include "mm/guest_form.h"
#include "mm/heap.h"

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
BUILD_ASSERT(sizeof(struct memory_map_entry) == 20);

/* ---- what is where ---- */

static long memory_map_get(struct call *c)
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

static long memory_map_get_machine(struct call *c)
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

static long memory_map_set(struct call *c)
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

static long memory_machphys_mapping(struct call *c)
{
    const struct xen_machphys_mapping mapping = {
        .v_start = M2P_START,
        .v_end = M2P_END,
        .max_mfn = (M2P_END - M2P_START) / sizeof(uint64_t) - 1,
    };

    return guest_write(c->at, &mapping, sizeof(mapping));
}

/* The table's own frames, one for each 2 MiB of it, so that a tool can map it. */
static long memory_machphys_list(struct call *c)
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

static long memory_acquire_resource(struct call *c)
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

/* ---- small ones ---- */

/* What is told in a number; the argument, where there is one, is a domid. */
static long memory_figure(struct call *c)
{
    switch (c->command) {
    case XENMEM_maximum_ram_page:
        return (long)max_frame;
    case XENMEM_current_reservation:
        return (long)c->d->total_pages;
    case XENMEM_maximum_reservation:
        return (long)c->d->max_pages;
    case XENMEM_maximum_gpfn:
        if (c->d->is_hvm)
            return (long)physmap_max_gfn(c->d);
        /* a count of frames; a domain that has not said yet answers like one with a single frame */
        return c->d->shared_info->arch.max_pfn ? (long)c->d->shared_info->arch.max_pfn - 1 : 0;
    default: /* get_sharing_freed_pages, get_sharing_shared_pages */
        return 0;
    }
}

static long memory_claim(struct call *c)
{
    const struct xen_memory_reservation *r = c->arg;
    struct domain *d;
    long rc;

    if (GUEST_HANDLE(r->extent_start).value || r->extent_order || r->mem_flags)
        return -EINVAL;
    d = domain_get(r->domid);
    if (!d)
        return -EINVAL;
    rc = heap_claim(d, r->nr_extents);
    domain_put(d);
    return rc;
}

/*
 * Of a domain without populate on demand the target is its own business: the toolstack asks, for every hardware-assisted
 * guest, and goes by how much memory there is.
 */
static long memory_pod_target(struct call *c)
{
    struct xen_pod_target *target = c->arg;

    target->tot_pages = c->d->total_pages;
    target->pod_cache_pages = target->pod_entries = 0;
    return c->d->is_hvm ? 0 : -EOPNOTSUPP;
}

/* Nothing is reserved for devices without an IOMMU: the answer is a list of length 0. */
static long memory_reserved_device_map(struct call *c)
{
    struct xen_reserved_device_memory_map *map = c->arg;

    map->nr_entries = 0;
    return map->flags & ~XENMEM_RDM_ALL ? -EINVAL : 0;
}

/* ---- the table ---- */

#define ROW_DOMAIN(function, type, bits, ...)                                                                    \
    OPERATION(function, type, OP_DOMAIN | (bits), .domain = offsetof(struct type, domid), __VA_ARGS__)
#define ROW_RESERVATION ROW_DOMAIN(memory_reservation, xen_memory_reservation, OP_OWN, .form = FORM_RESERVATION)

static const struct operation operations[] = {
    [XENMEM_increase_reservation] = ROW_RESERVATION,
    [XENMEM_decrease_reservation] = ROW_RESERVATION,
    [XENMEM_maximum_ram_page] = {.run = memory_figure},
    [XENMEM_current_reservation] = {.run = memory_figure, .size = sizeof(domid_t), .flags = OP_DOMAIN | OP_OWN},
    [XENMEM_maximum_reservation] = {.run = memory_figure, .size = sizeof(domid_t), .flags = OP_DOMAIN | OP_OWN},
    [XENMEM_machphys_mfn_list] =
        OPERATION(memory_machphys_list, xen_machphys_mfn_list, OP_PRIVILEGED | OP_PV | OP_ANSWER),
    [XENMEM_populate_physmap] = ROW_RESERVATION,
    [XENMEM_add_to_physmap] =
        ROW_DOMAIN(memory_add_to_physmap, xen_add_to_physmap, OP_OWN | OP_REST, .form = FORM_ADD_TO_PHYSMAP),
    [XENMEM_memory_map] = OPERATION(memory_map_get, xen_memory_map, OP_ANSWER, .form = FORM_MEMORY_MAP),
    [XENMEM_machine_memory_map] = OPERATION(memory_map_get_machine, xen_memory_map, OP_PRIVILEGED | OP_PV | OP_ANSWER),
    [XENMEM_exchange] = OPERATION(memory_exchange, xen_memory_exchange, OP_DOMAIN | OP_OWN, .form = FORM_EXCHANGE,
                                  .domain = offsetof(struct xen_memory_exchange, in.domid)),
    [XENMEM_machphys_mapping] = {.run = memory_machphys_mapping, .flags = OP_PV},
    [XENMEM_set_memory_map] =
        ROW_DOMAIN(memory_map_set, xen_foreign_memory_map, OP_CONTROL, .form = FORM_FOREIGN_MEMORY_MAP),
    [XENMEM_maximum_gpfn] = {.run = memory_figure, .size = sizeof(domid_t), .flags = OP_DOMAIN | OP_OWN},
    [XENMEM_remove_from_physmap] =
        ROW_DOMAIN(memory_remove_from_physmap, xen_remove_from_physmap, OP_OWN, .form = FORM_REMOVE_FROM_PHYSMAP),
    [XENMEM_set_pod_target] = ROW_DOMAIN(memory_pod_target, xen_pod_target, OP_CONTROL | OP_ANSWER),
    [XENMEM_get_pod_target] = ROW_DOMAIN(memory_pod_target, xen_pod_target, OP_CONTROL | OP_ANSWER),
    [XENMEM_get_sharing_freed_pages] = {.run = memory_figure},
    [XENMEM_get_sharing_shared_pages] = {.run = memory_figure},
    [XENMEM_paging_op] = {.answer = -EOPNOTSUPP},
    [XENMEM_access_op] = {.answer = -EOPNOTSUPP},
    [XENMEM_sharing_op] = {.answer = -EOPNOTSUPP},
    [XENMEM_add_to_physmap_batch] =
        ROW_DOMAIN(memory_add_to_physmap_batch, xen_add_to_physmap_batch, OP_OWN, .form = FORM_ADD_TO_PHYSMAP_BATCH),
    [XENMEM_claim_pages] = OPERATION(memory_claim, xen_memory_reservation, OP_PRIVILEGED),
    [XENMEM_get_vnumainfo] = {.answer = -EOPNOTSUPP},
    [XENMEM_reserved_device_memory_map] = OPERATION(memory_reserved_device_map, xen_reserved_device_memory_map,
                                                    OP_ANSWER, .form = FORM_RESERVED_DEVICE_MAP),
    [XENMEM_acquire_resource] = ROW_DOMAIN(memory_acquire_resource, xen_mem_acquire_resource, OP_CONTROL),
};

long memory_op(uint64_t command_and_start, uint64_t arg, uint64_t, uint64_t, uint64_t)
{
    struct call c = {
        .command = command_and_start & MEMORY_COMMAND_MASK,
        .start = command_and_start >> MEMORY_COMMAND_BITS,
        .at = GUEST_ADDR(arg),
    };
    long rc = operation_run(operations, ARRAY_SIZE(operations), &c);

    if (rc == -ERESTART_LATER)
        return hypercall_continue(__HYPERVISOR_memory_op, 2, c.command | c.start << MEMORY_COMMAND_BITS, arg);
    /* Reservations count what was done: nothing, for what is not done at all. */
    if (rc < 0 && c.command < ARRAY_SIZE(operations) && operations[c.command].run == memory_reservation)
        return (long)c.start;
    return rc;
}
