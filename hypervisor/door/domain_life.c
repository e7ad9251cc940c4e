// SPDX-License-Identifier: BSD-2-Clause
/*
 * Assembly and teardown of domains from the parts every room keeps.
 *
 * Building goes bottom up and publishes last.  Killing is a list of steps, each of which may stop and be called again
 * (domain->teardown_step says where); what other domains still refer to keeps the struct alive after that, and the last reference frees
 * the parts after a grace period.
 */
#include "door/domain_life.h"

#include "domain/preempt.h"
#include "errno.h"
#include "event/event.h"
#include "grant/grant.h"
#include "guest/crash.h"
#include "guest/hvm.h"
#include "guest/pv.h"
#include "irq/irq.h"
#include "lib/string.h"
#include "log.h"
#include "mm/heap.h"
#include "sched/sched.h"

/* ---- building ---- */

static int make_shared_info(struct domain *d)
{
    d->wide_ports = EVTCHN_2L_NR_CHANNELS;
    d->shared_info = heap_alloc(0, HEAP_ZERO);
    if (!d->shared_info)
        return -ENOMEM;
    heap_share(d->shared_info, d, SHARE_READ_WRITE);
    for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
        d->shared_info->vcpu_info[i].evtchn_upcall_mask = 1;
    time_publish_wallclock(d);
    return 0;
}

static void take_config(struct domain *d, const struct xen_domctl_createdomain *config, bool privileged)
{
    d->is_privileged = privileged;
    d->is_hvm = config->flags & XEN_DOMCTL_CDF_hvm;
    d->create_flags = config->flags;
    d->emulation_flags = config->arch.emulation_flags;
    d->misc_flags = config->arch.misc_flags;
    d->node_affinity = ~0UL;
    d->max_pages = privileged ? UINT64_MAX : 0; /* a guest's is set by max_mem; domain 0's by its builder */
    memcpy(d->handle, config->handle, sizeof(d->handle));
}

static int make_parts(struct domain *d, const struct xen_domctl_createdomain *config)
{
    int result = sched_domain_init(d);

    if (!result)
        result = event_domain_init(d, config->max_evtchn_port);
    if (!result)
        result = grant_domain_init(d, (uint32_t)config->max_grant_frames, (uint32_t)config->max_maptrack_frames,
                                   XEN_DOMCTL_GRANT_version(config->grant_opts));
    if (!result)
        result = irq_domain_init(d);
    if (!result)
        result = cpu_policy_init_domain(d);
    if (!result)
        result = d->is_hvm ? hvm_domain_init(d) : pv_domain_init(d);
    return result ? result : make_shared_info(d);
}

int domain_create(domid_t id, const struct xen_domctl_createdomain *config, bool privileged, struct domain **created)
{
    struct domain *d;
    int result;

    d = domain_alloc(id, config->max_vcpus);
    if (!d)
        return -ENOMEM;
    take_config(d, config, privileged);
    d->controller_pause_count = 1;
    d->pause_count = 1;
    result = make_parts(d, config);
    if (result) {
        (void)grant_domain_release_mappings(d); /* there are none; its shared pages keep the domain until they go */
        domain_put(d);
        return result;
    }
    domain_hold(d); /* the caller's, beside the one for being there, which domain_kill() drops */
    domain_publish(d);
    *created = d;
    return 0;
}

/* Every part, of those that are there. */
static void free_vcpu_parts(struct vcpu *v)
{
    if (v->domain->is_hvm)
        hvm_vcpu_free(v);
    else
        pv_vcpu_free(v);
    event_vcpu_free(v);
    sched_vcpu_destroy(v);
    arch_vcpu_destroy(v);
    vcpu_free(v);
}

int domain_add_vcpu(struct domain *d, unsigned id)
{
    struct vcpu *v;
    int result;

    if (id >= d->max_vcpus)
        return -EINVAL;
    if (domain_vcpu(d, id))
        return 0;
    v = vcpu_alloc(d, id);
    if (!v)
        return -ENOMEM;
    result = arch_vcpu_init(v);
    if (!result)
        result = sched_vcpu_init(v);
    if (!result)
        result = event_vcpu_init(v);
    if (!result)
        result = d->is_hvm ? hvm_vcpu_init(v) : pv_vcpu_init(v);
    if (result)
        free_vcpu_parts(v);
    else
        vcpu_publish(v);
    return result;
}

/* ---- killing ---- */

static int kill_stop(struct domain *d)
{
    domain_pause(d); /* for good */
    spin_lock(&d->lock);
    if (domain_state(d) < DOMAIN_DYING)
        __atomic_store_n(&d->state, DOMAIN_DYING, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < ARRAY_SIZE(d->watchdog_timers); i++)
        if (d->watchdog_timers[i].fn)
            timer_stop(&d->watchdog_timers[i]);
    spin_unlock(&d->lock);
    /* Whoever filled the page lists before seeing DYING is done once the lock was taken and given. */
    spin_lock(&d->page_lock);
    spin_unlock(&d->page_lock);
    return 0;
}

static int kill_events(struct domain *d)
{
    int result = event_domain_destroy(d);

    if (!result)
        irq_domain_release(d);
    return result;
}

static int kill_context(struct domain *d)
{
    int result = d->is_hvm ? 0 : pv_release_context(d);
    struct vcpu *v;

    for_each_vcpu(d, v)
        if (!result)
            vcpu_unmap_info(v);
    return result;
}

static int kill_memory(struct domain *d)
{
    int result = d->is_hvm ? hvm_release_memory(d) : pv_release_memory(d);

    if (!result)
        (void)heap_claim(d, 0);
    return result;
}

#ifdef XYLEM_DEBUG
static int kill_audit(struct domain *d)
{
    log_error("domain %u is torn down\n", d->id);
    latency_look();
    (void)pv_audit_all();
    latency_forget();
    return 0;
}
#endif

static int (*const kill_steps[])(struct domain *d) = {
    kill_stop,
    kill_events,
    grant_domain_release_mappings,
    kill_context,
    kill_memory,
#ifdef XYLEM_DEBUG
    kill_audit,
#endif
};

/* Nobody looks at the shared page any more: it may go. */
static void release_shared_info(void *data)
{
    struct domain *d = data;

    heap_unshare_release(d->retired_shared_info);
}

/* References to shared_info are taken without locks, so readers find another page first and the real one goes later. */
static void retire_shared_info(struct domain *d)
{
    static union {
        struct shared_info info;
        uint8_t page[PAGE_SIZE];
    } nobody __attribute__((aligned(PAGE_SIZE)));
    struct vcpu *v;

    for_each_vcpu(d, v)
        vcpu_retire_info(v);
    d->retired_shared_info = d->shared_info;
    __atomic_store_n(&d->shared_info, &nobody.info, __ATOMIC_RELEASE);
    quiesce_defer(&d->quiesce, release_shared_info, d);
}

int domain_kill(struct domain *d)
{
    if (domain_state(d) == DOMAIN_DEAD)
        return 0;
    while (d->teardown_step < ARRAY_SIZE(kill_steps)) {
        int result = kill_steps[d->teardown_step](d);

        if (result)
            return result;
        d->teardown_step++;
        if (hypercall_should_stop())
            return -ERESTART_LATER;
    }
    __atomic_store_n(&d->state, DOMAIN_DEAD, __ATOMIC_RELEASE);
    retire_shared_info(d);
    event_upcalls.global_virq(VIRQ_DOM_EXC);
    domain_put(d);
    return 0;
}

/* ---- the end ---- */

void domain_free_parts(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu(d, v)
        free_vcpu_parts(v);
    for (unsigned i = 0; i < ARRAY_SIZE(d->watchdog_timers); i++)
        if (d->watchdog_timers[i].fn)
            timer_kill(&d->watchdog_timers[i]);
    if (d->is_hvm)
        hvm_domain_free(d);
    else
        pv_domain_free(d);
    mem_free(d->policy);
    irq_domain_destroy(d);
    grant_domain_free(d);
    event_domain_free(d);
    sched_domain_destroy(d);
    mem_free(d->memory_map);
    if (d->target)
        domain_put(d->target);
    event_upcalls.global_virq(VIRQ_DOM_EXC);
}

/* The toolstack that subscribed is told of a suspend by an event instead of the virtual interrupt. */
static bool domain_suspended(struct domain *d)
{
    if (!d->suspend_port)
        return false;
    event_notify_hypervisor(d, d->suspend_port);
    return true;
}

const struct domain_upcalls domain_upcalls = {
    .free_parts = domain_free_parts,
    .suspended = domain_suspended,
    .crash_report = guest_crash_report,
};
