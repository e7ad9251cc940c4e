// SPDX-License-Identifier: BSD-2-Clause
/*
 * HYPERVISOR_sysctl (xen/sysctl.h): what a toolstack asks about, and does to, the machine.  For the control
 * domain alone (the hypercall table says so).  A table of rows as in domctl.c.
 */
#include "arch/machine.h"
#include "console/console.h"
#include "door/domctl.h"
#include "door/handlers.h"
#include "boot_info.h"
#include "guest/hvm.h"
#include "guest/pv.h"
#include "lib/bitmap.h"
#include "lib/string.h"
#include "mm/heap.h"
#include "sched/sched.h"

#define DEBUG_KEYS_MAX 64
#define FEATURE_WORDS_MAX 64
#define INFO_LIST_MAX 1024u

/* ---- console ---- */

static long sysctl_readconsole(struct call *c)
{
    struct xen_sysctl_readconsole *r = &c->sysctl->u.readconsole;
    uint32_t room = r->count;
    char buffer[1024];

    r->count = 0;
    /* Clearing happens with the last piece, so that nothing is lost on the way. */
    while (r->count < room) {
        size_t wanted = room - r->count < sizeof(buffer) ? room - r->count : sizeof(buffer);
        bool first = r->count == 0;
        size_t got = console_ring_read(buffer, wanted, &r->index, false, r->incremental || !first);

        if (got == 0)
            break;
        if (guest_write(guest_element(GUEST_HANDLE(r->buffer), r->count, 1), buffer, got))
            return -EFAULT;
        r->count += (uint32_t)got;
    }
    if (r->clear) {
        uint32_t index = r->index;

        (void)console_ring_read(buffer, 0, &index, true, true);
    }
    return 0;
}

/* A key may write for long: others get their turn between two, and the caller finds the keys that are left in its argument. */
static long sysctl_debug_keys(struct call *c)
{
    struct xen_sysctl_debug_keys *k = &c->sysctl->u.debug_keys;
    char keys[DEBUG_KEYS_MAX];

    if (k->nr_keys > sizeof(keys))
        return -E2BIG;
    if (guest_read(keys, GUEST_HANDLE(k->keys), k->nr_keys))
        return -EFAULT;
    for (uint32_t i = 0; i < k->nr_keys; i++) {
        if (i && hypercall_should_stop()) {
            k->keys.p += i;
            k->nr_keys -= i;
            return -ERESTART_LATER;
        }
        (void)debug_key_run(keys[i]);
        latency_forget(); /* what was asked to be shown is no work of a guest's */
    }
    return 0;
}

/* ---- the machine ---- */

static unsigned highest_cpu(void)
{
    unsigned highest = 0;
    size_t cpu;

    bitmap_for_each(cpu, cpu_online_mask.bits, MAX_CPUS)
        highest = (unsigned)cpu;
    return highest;
}

static long sysctl_physinfo(struct call *c)
{
    struct xen_sysctl_physinfo *p = &c->sysctl->u.physinfo;

    memset(p, 0, sizeof(*p));
    p->threads_per_core = machine_threads_per_core();
    p->cores_per_socket = machine_cores_per_socket();
    p->nr_cpus = cpu_online_count;
    p->max_cpu_id = highest_cpu();
    p->nr_nodes = machine_nodes();
    p->max_node_id = machine_nodes() - 1;
    p->cpu_khz = (uint32_t)time_tsc_khz();
    p->capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1 | XEN_SYSCTL_PHYSCAP_gnttab_v2;
    if (hvm_available())
        p->capabilities |= XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_hap;
    p->total_pages = boot_ram_bytes() >> PAGE_SHIFT;
    p->free_pages = heap_free_pages();
    p->scrub_pages = heap_scrub_pages();
    p->outstanding_pages = heap_outstanding_claims();
    p->max_mfn = max_frame - 1;
    machine_hw_caps(p->hw_cap);
    return 0;
}

static long sysctl_cputopoinfo(struct call *c)
{
    struct xen_sysctl_cputopoinfo *t = &c->sysctl->u.cputopoinfo;
    unsigned count = highest_cpu() + 1;
    guest_addr_t array = GUEST_HANDLE(t->cputopo);

    for (unsigned cpu = 0; !guest_addr_null(array) && cpu < count && cpu < t->num_cpus; cpu++) {
        struct xen_sysctl_cputopo entry = {XEN_INVALID_CORE_ID, XEN_INVALID_SOCKET_ID, XEN_INVALID_NODE_ID};

        if (cpu_online(cpu))
            entry = (struct xen_sysctl_cputopo){machine_core(cpu), machine_socket(cpu), machine_node(cpu)};
        if (guest_write(guest_element(array, cpu, sizeof(entry)), &entry, sizeof(entry)))
            return -EFAULT;
    }
    t->num_cpus = count;
    return 0;
}

static long sysctl_numainfo(struct call *c)
{
    struct xen_sysctl_numainfo *n = &c->sysctl->u.numainfo;
    const guest_addr_t memories = GUEST_HANDLE(n->meminfo), distances = GUEST_HANDLE(n->distance);
    unsigned count = machine_nodes(), room = min(n->num_nodes, count);

    for (unsigned i = 0; i < room; i++) {
        const struct xen_sysctl_meminfo memory = {
            .memsize = machine_node_bytes(i),
            .memfree = heap_node_free_pages(i) << PAGE_SHIFT,
        };

        if (!guest_addr_null(memories) &&
            guest_write(guest_element(memories, i, sizeof(memory)), &memory, sizeof(memory)))
            return -EFAULT;
        for (unsigned k = 0; !guest_addr_null(distances) && k < room; k++) {
            const uint32_t distance = machine_node_distance(i, k);

            if (guest_write(guest_element(distances, i * room + k, sizeof(distance)), &distance, sizeof(distance)))
                return -EFAULT;
        }
    }
    n->num_nodes = count;
    return 0;
}

/* Devices' nodes: of none do we know one. */
static long sysctl_pcitopoinfo(struct call *c)
{
    struct xen_sysctl_pcitopoinfo *t = &c->sysctl->u.pcitopoinfo;
    const uint32_t unknown = XEN_INVALID_NODE_ID;

    if (guest_addr_null(GUEST_HANDLE(t->devs)) || guest_addr_null(GUEST_HANDLE(t->nodes)) || t->num_devs > 65536)
        return -EINVAL;
    for (uint32_t i = 0; i < t->num_devs; i++)
        if (guest_write(guest_element(GUEST_HANDLE(t->nodes), i, sizeof(unknown)), &unknown, sizeof(unknown)))
            return -EFAULT;
    return 0;
}

static long sysctl_getcpuinfo(struct call *c)
{
    struct xen_sysctl_getcpuinfo *g = &c->sysctl->u.getcpuinfo;

    g->nr_cpus = min(g->max_cpus, highest_cpu() + 1);
    for (unsigned cpu = 0; cpu < g->nr_cpus; cpu++) {
        const struct xen_sysctl_cpuinfo info = {.idletime = sched_cpu_idle_ns(cpu)};

        if (guest_write(guest_element(GUEST_HANDLE(g->info), cpu, sizeof(info)), &info, sizeof(info)))
            return -EFAULT;
    }
    return 0;
}

/* ---- domains ---- */

static long sysctl_getdomaininfolist(struct call *c)
{
    struct xen_sysctl_getdomaininfolist *l = &c->sysctl->u.getdomaininfolist;
    uint32_t most = l->max_domains < INFO_LIST_MAX ? l->max_domains : INFO_LIST_MAX, count = 0;
    domid_t next = l->first_domain;

    while (count < most && next < DOMID_FIRST_RESERVED) {
        struct xen_domctl_getdomaininfo info;
        struct domain *d = domain_next(next);

        if (!d)
            break;
        next = (domid_t)(d->id + 1);
        domctl_fill_info(d, &info);
        domain_put(d);
        if (guest_write(guest_element(GUEST_HANDLE(l->buffer), count, sizeof(info)), &info, sizeof(info)))
            return -EFAULT;
        count++;
    }
    l->num_domains = count;
    return 0;
}

/* ---- scheduling ---- */

static uint32_t count_domains(void)
{
    uint32_t count = 0;

    for (struct domain *d = domain_next(0); d; d = domain_after(d))
        count++;
    return count;
}

static long cpupool_info(struct xen_sysctl_cpupool_op *p)
{
    if (p->cpupool_id != 0 && p->cpupool_id != XEN_SYSCTL_CPUPOOL_PAR_ANY) /* asks for this one or the next */
        return -ENOENT;
    p->cpupool_id = 0;
    p->sched_id = SCHED_ID;
    p->n_dom = count_domains();
    return domctl_bitmap_out(&p->cpumap, cpu_online_mask.bits, MAX_CPUS);
}

/* There is the default pool, with every CPU and every domain in it. */
static long sysctl_cpupool(struct call *c)
{
    struct xen_sysctl_cpupool_op *p = &c->sysctl->u.cpupool_op;
    cpu_mask_t none = {{0}};

    switch (p->op) {
    case XEN_SYSCTL_CPUPOOL_OP_INFO:
        return cpupool_info(p);
    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
        return domctl_bitmap_out(&p->cpumap, none.bits, MAX_CPUS);
    case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN:
        return p->cpupool_id == 0 ? 0 : -ENOENT;
    case XEN_SYSCTL_CPUPOOL_OP_DESTROY:
        return p->cpupool_id == 0 ? -EBUSY : -ENOENT;
    case XEN_SYSCTL_CPUPOOL_OP_CREATE:
    case XEN_SYSCTL_CPUPOOL_OP_ADDCPU:
    case XEN_SYSCTL_CPUPOOL_OP_RMCPU:
        return -EOPNOTSUPP;
    default:
        return -ENOSYS;
    }
}

/* ---- CPU policies ---- */

static long sysctl_featureset(struct call *c)
{
    struct xen_sysctl_cpu_featureset *f = &c->sysctl->u.cpu_featureset;
    uint32_t words[FEATURE_WORDS_MAX] = {0}, room = f->nr_features;

    if (f->index > XEN_SYSCTL_cpu_featureset_hvm_max)
        return -EINVAL;
    if (!hvm_available() &&
        (f->index == XEN_SYSCTL_cpu_featureset_hvm || f->index == XEN_SYSCTL_cpu_featureset_hvm_max))
        return -EOPNOTSUPP;
    f->nr_features = cpu_policy_featureset(f->index, words, FEATURE_WORDS_MAX);
    if (guest_addr_null(GUEST_HANDLE(f->features)))
        return 0;
    if (guest_write(GUEST_HANDLE(f->features), words, min(room, f->nr_features) * sizeof(words[0])))
        return -EFAULT;
    return room < f->nr_features ? -ENOBUFS : 0;
}

static long sysctl_policy(struct call *c)
{
    struct xen_sysctl_cpu_policy *p = &c->sysctl->u.cpu_policy;

    if (p->_rsvd)
        return -EINVAL;
    if (!hvm_available() &&
        (p->index == XEN_SYSCTL_cpu_policy_hvm_max || p->index == XEN_SYSCTL_cpu_policy_hvm_default))
        return -EOPNOTSUPP;
    return policy_answer(NULL, p->index, GUEST_HANDLE(p->leaves), &p->nr_leaves, GUEST_HANDLE(p->msrs), &p->nr_msrs);
}

/* What is one step. */
static long sysctl_simple(struct call *c)
{
    struct xen_sysctl_availheap *h = &c->sysctl->u.availheap;

    switch (c->command) {
    case XEN_SYSCTL_availheap: /* not counted by address width: exact for all widths, an upper bound for others */
        if (h->node < -1 || h->node >= (int)machine_nodes())
            return -EINVAL;
        h->avail_bytes = (h->node < 0 ? heap_free_pages() : heap_node_free_pages((unsigned)h->node)) << PAGE_SHIFT;
        return 0;
    case XEN_SYSCTL_sched_id:
        c->sysctl->u.sched_id.sched_id = SCHED_ID;
        return 0;
    case XEN_SYSCTL_scheduler_op:
        return sched_global_adjust(&c->sysctl->u.scheduler_op);
    default: /* XEN_SYSCTL_get_cpu_levelling_caps: one guest's CPUID is shown to its user space by faulting or not at all */
        c->sysctl->u.cpu_levelling_caps.caps = 0;
        return 0;
    }
}

static const struct operation operations[] = {
    [XEN_SYSCTL_readconsole] = {.run = sysctl_readconsole, .flags = OP_ANSWER},
    [XEN_SYSCTL_physinfo] = {.run = sysctl_physinfo, .flags = OP_ANSWER},
    [XEN_SYSCTL_sched_id] = {.run = sysctl_simple, .flags = OP_ANSWER},
    [XEN_SYSCTL_getdomaininfolist] = {.run = sysctl_getdomaininfolist, .flags = OP_ANSWER},
    [XEN_SYSCTL_debug_keys] = {.run = sysctl_debug_keys, .flags = OP_REST},
    [XEN_SYSCTL_getcpuinfo] = {.run = sysctl_getcpuinfo, .flags = OP_ANSWER},
    [XEN_SYSCTL_availheap] = {.run = sysctl_simple, .flags = OP_ANSWER},
    [XEN_SYSCTL_get_pmstat] = {.answer = -ENODEV},
    [XEN_SYSCTL_cpu_hotplug] = {.answer = -EOPNOTSUPP},
    [XEN_SYSCTL_pm_op] = {.answer = -ENODEV},
    [XEN_SYSCTL_page_offline_op] = {.answer = -EOPNOTSUPP},
    [XEN_SYSCTL_cputopoinfo] = {.run = sysctl_cputopoinfo, .flags = OP_ANSWER},
    [XEN_SYSCTL_numainfo] = {.run = sysctl_numainfo, .flags = OP_ANSWER},
    [XEN_SYSCTL_cpupool_op] = {.run = sysctl_cpupool, .flags = OP_ANSWER},
    [XEN_SYSCTL_scheduler_op] = {.run = sysctl_simple, .flags = OP_ANSWER},
    [XEN_SYSCTL_coverage_op] = {.answer = -EOPNOTSUPP},
    [XEN_SYSCTL_psr_cmt_op] = {.answer = -ENODEV},
    [XEN_SYSCTL_pcitopoinfo] = {.run = sysctl_pcitopoinfo, .flags = OP_ANSWER},
    [XEN_SYSCTL_psr_alloc] = {.answer = -ENODEV},
    [XEN_SYSCTL_get_cpu_levelling_caps] = {.run = sysctl_simple, .flags = OP_ANSWER},
    [XEN_SYSCTL_get_cpu_featureset] = {.run = sysctl_featureset, .flags = OP_ANSWER | OP_EXPLAIN},
    [XEN_SYSCTL_get_cpu_policy] = {.run = sysctl_policy, .flags = OP_ANSWER | OP_EXPLAIN},
    /* tbuf_op, perfc_op, lockprof_op, livepatch_op: -ENOSYS */
};

long sysctl(uint64_t arg, uint64_t, uint64_t, uint64_t, uint64_t)
{
    struct call c = {.size = sizeof(struct xen_sysctl), .at = GUEST_ADDR(arg)};
    long result = operation_run_versioned(operations, ARRAY_SIZE(operations), &c, XEN_SYSCTL_INTERFACE_VERSION);

    return result == -ERESTART_LATER ? hypercall_continue(__HYPERVISOR_sysctl, 1, arg) : result;
}
