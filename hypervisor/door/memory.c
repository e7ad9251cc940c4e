// SPDX-License-Identifier: BSD-2-Clause
/*
 * HYPERVISOR_memory_op: decoding and dispatch (xen/memory.h).
 */
#include "door/memory.h"

#include "door/handlers.h"
#include "door/hypercall.h"
#include "errno.h"
#include "guest/hvm.h"
#include "lib/base.h"
#include "mm/guest_form.h"
#include "mm/heap.h"

int memory_target(domid_t id, struct domain **d)
{
    int rc;

    *d = domain_get_or_self(id);
    if (!*d)
        return -ESRCH;
    rc = *d == current->domain ? 0 : permission_control(*d);
    if (rc)
        domain_put(*d);
    return rc;
}

/* current_reservation, maximum_reservation, maximum_gpfn: the argument is a domid. */
static long memory_figure(unsigned command, guest_addr_t arg)
{
    struct domain *d;
    domid_t id;
    long result;
    int rc;

    if (guest_read(&id, arg, sizeof(id)))
        return -EFAULT;
    rc = memory_target(id, &d);
    if (rc)
        return rc;
    if (command == XENMEM_current_reservation)
        result = (long)d->total_pages;
    else if (command == XENMEM_maximum_reservation)
        result = (long)d->max_pages;
    else if (d->is_hvm)
        result = (long)physmap_max_gfn(d);
    else
        /* a count of frames; a domain that has not said yet answers like one with a single frame */
        result = d->shared_info->arch.max_pfn ? (long)d->shared_info->arch.max_pfn - 1 : 0;
    domain_put(d);
    return result;
}

static long memory_claim(guest_addr_t arg)
{
    struct xen_memory_reservation reservation;
    struct domain *d;
    long rc = permission_privileged();

    if (rc)
        return rc;
    if (guest_read(&reservation, arg, sizeof(reservation)))
        return -EFAULT;
    if (GUEST_HANDLE(reservation.extent_start).value || reservation.extent_order || reservation.mem_flags)
        return -EINVAL;
    d = domain_get(reservation.domid);
    if (!d)
        return -EINVAL;
    rc = heap_claim(d, reservation.nr_extents);
    domain_put(d);
    return rc;
}

/*
 * Of a domain without populate on demand the target is its own business: the toolstack asks, for every hardware-assisted
 * guest, and goes by how much memory there is.
 */
static long memory_pod_target(guest_addr_t arg)
{
    struct xen_pod_target target;
    struct domain *d;
    long rc;

    if (guest_read(&target, arg, sizeof(target)))
        return -EFAULT;
    d = domain_get_or_self(target.domid);
    if (!d)
        return -ESRCH;
    rc = permission_control(d);
    if (!rc && !d->is_hvm)
        rc = -EOPNOTSUPP;
    target.tot_pages = d->total_pages;
    target.pod_cache_pages = target.pod_entries = 0;
    domain_put(d);
    return rc ? rc : guest_write(arg, &target, sizeof(target));
}

/* Nothing is reserved for devices without an IOMMU: the answer is a list of length 0. */
static long memory_reserved_device_map(guest_addr_t arg)
{
    struct xen_reserved_device_memory_map map;

    if (guest_read_form(&map, arg, sizeof(map), FORM_RESERVED_DEVICE_MAP))
        return -EFAULT;
    if (map.flags & ~XENMEM_RDM_ALL)
        return -EINVAL;
    map.nr_entries = 0;
    return guest_write_form(arg, &map, sizeof(map), FORM_RESERVED_DEVICE_MAP);
}

/* What speaks of the machine's frames makes no sense to a translated guest. */
static bool command_is_untranslated(unsigned command)
{
    return command == XENMEM_machphys_mapping || command == XENMEM_machphys_mfn_list ||
           command == XENMEM_machine_memory_map;
}

long memory_op(uint64_t command_and_start, uint64_t arg_value, uint64_t a3, uint64_t a4, uint64_t a5)
{
    unsigned command = command_and_start & MEMORY_COMMAND_MASK;
    uint64_t start = command_and_start >> MEMORY_COMMAND_BITS;
    guest_addr_t arg = GUEST_ADDR(arg_value);

    (void)a3, (void)a4, (void)a5;
    if (unlikely(current->domain->is_hvm) && command_is_untranslated(command))
        return -ENOSYS;
    switch (command) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
        return memory_reservation(command, arg, start);
    case XENMEM_exchange:
        return memory_exchange(arg);
    case XENMEM_maximum_ram_page:
        return (long)max_frame;
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn:
        return memory_figure(command, arg);
    case XENMEM_machphys_mapping:
        return memory_machphys_mapping(arg);
    case XENMEM_machphys_mfn_list:
        return memory_machphys_list(arg);
    case XENMEM_memory_map:
        return memory_map_get(arg);
    case XENMEM_machine_memory_map:
        return memory_map_get_machine(arg);
    case XENMEM_set_memory_map:
        return memory_map_set(arg);
    case XENMEM_add_to_physmap:
        return memory_add_to_physmap(arg);
    case XENMEM_add_to_physmap_batch:
        return memory_add_to_physmap_batch(arg, start);
    case XENMEM_remove_from_physmap:
        return memory_remove_from_physmap(arg);
    case XENMEM_claim_pages:
        return memory_claim(arg);
    case XENMEM_get_sharing_freed_pages:
    case XENMEM_get_sharing_shared_pages:
        return 0;
    case XENMEM_reserved_device_memory_map:
        return memory_reserved_device_map(arg);
    case XENMEM_acquire_resource:
        return memory_acquire_resource(arg);
    case XENMEM_set_pod_target:
    case XENMEM_get_pod_target:
        return memory_pod_target(arg);
    case XENMEM_get_vnumainfo:
    case XENMEM_paging_op:
    case XENMEM_access_op:
    case XENMEM_sharing_op:
        return -EOPNOTSUPP;
    default:
        return -ENOSYS;
    }
}
