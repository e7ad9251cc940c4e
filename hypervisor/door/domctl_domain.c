// SPDX-License-Identifier: BSD-2-Clause
/*
 * Control operations on a domain's memory, devices, time and CPU policy (xen/domctl.h).
 */
#include "arch/machine.h"
#include "door/domctl.h"
#include "errno.h"
#include "guest/pv.h"
#include "lib/checked.h"
#include "mm/heap.h"
#include "mm/physmap.h"

#define IO_PORTS 65536u
#define POLICY_LEAVES_MAX 1024
#define POLICY_MSRS_MAX 256

/* ---- types of pages, for save ---- */

static uint32_t page_kind(struct domain *d, uint64_t gfn)
{
    static const uint32_t kinds[] = {XEN_DOMCTL_PFINFO_NOTAB, XEN_DOMCTL_PFINFO_L1TAB, XEN_DOMCTL_PFINFO_L2TAB,
                                     XEN_DOMCTL_PFINFO_L3TAB, XEN_DOMCTL_PFINFO_L4TAB};
    struct frame *frame;
    uint64_t type, level;
    uint32_t kind;

    if (physmap_get_frame(d, GFN(gfn), &frame))
        return XEN_DOMCTL_PFINFO_XTAB;
    type = __atomic_load_n(&frame->type, __ATOMIC_RELAXED);
    level = (type & FRAME_TYPE_MASK) >> FRAME_TYPE_SHIFT;
    kind = (type & FRAME_TYPE_COUNT_MASK) && level < ARRAY_SIZE(kinds) ? kinds[level] : XEN_DOMCTL_PFINFO_NOTAB;
    if (type & FRAME_PINNED)
        kind |= XEN_DOMCTL_PFINFO_LPINTAB;
    frame_put(frame);
    return kind;
}

/* Frame numbers come in, kinds go out in their place.  Stops at pending work with the rest described in the argument. */
long domctl_page_info(struct call *c)
{
    struct xen_domctl_getpageframeinfo3 *p = &c->domctl->u.getpageframeinfo3;
    enum { BATCH = 64 };
    uint64_t entries[BATCH];

    while (p->num) {
        unsigned count = p->num < BATCH ? (unsigned)p->num : BATCH;
        guest_addr_t place = GUEST_HANDLE(p->array);

        if (guest_read(entries, place, count * sizeof(entries[0])))
            return -EFAULT;
        for (unsigned i = 0; i < count; i++)
            entries[i] = page_kind(c->d, entries[i]);
        if (guest_write(place, entries, count * sizeof(entries[0])))
            return -EFAULT;
        p->num -= count;
        p->array.p = (void *)(place.value + count * sizeof(entries[0]));
        if (p->num && hypercall_should_stop())
            return -ERESTART_LATER;
    }
    return 0;
}

/* ---- what it may touch: nobody gives what he has not ---- */

static int permission_change(struct rangeset *mine, struct rangeset *theirs, uint64_t first, uint64_t last, bool allow)
{
    if (!rangeset_contains(mine, first, last))
        return -EPERM;
    return allow ? rangeset_add(theirs, first, last) : rangeset_remove(theirs, first, last);
}

long domctl_irq_permission(struct call *c)
{
    const struct xen_domctl_irq_permission *p = &c->domctl->u.irq_permission;

    if (p->pirq >= MAX_PIRQS || p->pad[0] || p->pad[1] || p->pad[2])
        return -EINVAL;
    return permission_change(&current->domain->irqs, &c->d->irqs, p->pirq, p->pirq, p->allow_access);
}

long domctl_memory_permission(struct call *c)
{
    const struct xen_domctl_iomem_permission *p = &c->domctl->u.iomem_permission;
    uint64_t last;

    if (p->nr_mfns == 0 || !checked_add(p->first_mfn, p->nr_mfns - 1, &last) || last >> (64 - PAGE_SHIFT))
        return -EINVAL;
    return permission_change(&current->domain->io_memory, &c->d->io_memory, p->first_mfn, last, p->allow_access);
}

long domctl_port_permission(struct call *c)
{
    const struct xen_domctl_ioport_permission *p = &c->domctl->u.ioport_permission;

    if (!checked_range(p->first_port, p->nr_ports, IO_PORTS))
        return -EINVAL;
    if (p->nr_ports == 0)
        return 0;
    return permission_change(&current->domain->io_ports, &c->d->io_ports, p->first_port,
                             p->first_port + p->nr_ports - 1, p->allow_access);
}

long domctl_hypercall_page(struct call *c)
{
    struct frame *frame;

    if (physmap_get_writable(c->d, GFN(c->domctl->u.hypercall_init.gmfn), &frame))
        return -EINVAL;
    hypercall_page_fill(c->d, frame_to_virt(frame));
    frame_put_both(frame);
    return 0;
}

/* ---- time ---- */

long domctl_time_offset(struct call *c)
{
    c->d->time_offset_seconds = c->domctl->u.settimeoffset.time_offset_seconds;
    time_publish_wallclock(c->d);
    return 0;
}

long domctl_set_tsc(struct call *c)
{
    const struct xen_domctl_tsc_info *info = &c->domctl->u.tsc_info;

    return time_tsc_set(c->d, info->tsc_mode, info->gtsc_khz, info->incarnation, info->elapsed_nsec);
}

long domctl_get_tsc(struct call *c)
{
    struct xen_domctl_tsc_info *info = &c->domctl->u.tsc_info;

    info->tsc_mode = c->d->tsc.mode;
    info->incarnation = c->d->tsc.incarnation;
    info->pad = 0;
    time_tsc_get(c->d, &info->gtsc_khz, &info->elapsed_nsec);
    return 0;
}

/* ---- width ---- */

/* Of a PV guest: 32-bit ones are not offered. */
long domctl_set_address_size(struct call *c)
{
    if (c->d->is_hvm)
        return -EOPNOTSUPP;
    return c->domctl->u.address_size.size == 64 ? 0 : -EINVAL;
}

long domctl_get_address_size(struct call *c)
{
    c->domctl->u.address_size.size = 64;
    return 0;
}

/* ---- nodes ---- */

static uint64_t nodes_there(void) { return BIT(machine_nodes()) - 1; }

long domctl_set_nodes(struct call *c)
{
    uint64_t nodes;

    if (domctl_bitmap_in(&nodes, 64, &c->domctl->u.nodeaffinity.nodemap))
        return -EFAULT;
    if (!(nodes & nodes_there()))
        return -EINVAL;
    c->d->node_affinity = nodes;
    return 0;
}

long domctl_get_nodes(struct call *c)
{
    const uint64_t nodes = c->d->node_affinity & nodes_there();

    return domctl_bitmap_out(&c->domctl->u.nodeaffinity.nodemap, &nodes, 64);
}

/* ---- CPU policy ---- */

struct policy_lists {
    xen_cpuid_leaf_t leaves[POLICY_LEAVES_MAX];
    xen_msr_entry_t msrs[POLICY_MSRS_MAX];
};

long policy_answer(struct domain *d, unsigned which, guest_addr_t leaves, uint32_t *nr_leaves, guest_addr_t msrs,
                   uint32_t *nr_msrs)
{
    const bool want_leaves = !guest_addr_null(leaves), want_msrs = !guest_addr_null(msrs);
    struct policy_lists *lists = mem_new(struct policy_lists);
    long result;

    if (!lists)
        return -ENOMEM;
    *nr_leaves = min(*nr_leaves, (uint32_t)POLICY_LEAVES_MAX);
    *nr_msrs = min(*nr_msrs, (uint32_t)POLICY_MSRS_MAX);
    result = cpu_policy_get(d, which, want_leaves ? lists->leaves : NULL, nr_leaves, want_msrs ? lists->msrs : NULL, nr_msrs);
    if (result == 0 && ((want_leaves && guest_write(leaves, lists->leaves, *nr_leaves * sizeof(lists->leaves[0]))) ||
                        (want_msrs && guest_write(msrs, lists->msrs, *nr_msrs * sizeof(lists->msrs[0])))))
        result = -EFAULT;
    mem_free(lists);
    return result;
}

long domctl_get_policy(struct call *c)
{
    struct xen_domctl_cpu_policy *p = &c->domctl->u.cpu_policy;

    return policy_answer(c->d, 0, GUEST_HANDLE(p->leaves), &p->nr_leaves, GUEST_HANDLE(p->msrs), &p->nr_msrs);
}

long domctl_set_policy(struct call *c)
{
    struct xen_domctl_cpu_policy *p = &c->domctl->u.cpu_policy;
    struct policy_lists *lists;
    long result = -EFAULT;

    p->err_leaf = p->err_subleaf = p->err_msr = ~0u;
    if (p->nr_leaves > POLICY_LEAVES_MAX || p->nr_msrs > POLICY_MSRS_MAX)
        return -E2BIG;
    lists = mem_new(struct policy_lists);
    if (!lists)
        return -ENOMEM;
    if (!guest_read(lists->leaves, GUEST_HANDLE(p->leaves), p->nr_leaves * sizeof(lists->leaves[0])) &&
        !guest_read(lists->msrs, GUEST_HANDLE(p->msrs), p->nr_msrs * sizeof(lists->msrs[0])))
        result = cpu_policy_set(c->d, lists->leaves, p->nr_leaves, lists->msrs, p->nr_msrs, &p->err_leaf,
                                &p->err_subleaf, &p->err_msr);
    mem_free(lists);
    return result;
}
