// SPDX-License-Identifier: BSD-2-Clause
/*
 * Domains and vcpus of host programs: identity, references and a record of what was asked of them.
 */
#include <stdlib.h>

#include "arch/host/host.h"
#include "arch/host/private.h"
#include "config.h"
#include "console/console.h"
#include "errno.h"
#include "irq/irq.h"
#include "lib/base.h"
#include "lib/string.h"
#include "log.h"
#include "mm/heap.h"

#define WEAK __attribute__((weak))
#define HOST_MAX_DOMAINS 32

WEAK struct domain *domain_zero, *domain_io, *domain_xen, *domain_idle;
WEAK struct vcpu *idle_vcpu[MAX_CPUS];
static struct domain *host_domains[HOST_MAX_DOMAINS];
static struct { const struct vcpu *v; unsigned kicks; } kicked[1024];
static unsigned kicked_count;
static const struct domain *crashed[HOST_MAX_DOMAINS];
static unsigned crashed_count;
static struct vcpu_info dummy_info;

int host_pirq_bind_result, host_pirq_bound, host_pirq_unbound, host_pirq_eoi;

static void host_vcpu_new(struct domain *d, unsigned id)
{
    struct vcpu *v = calloc(1, sizeof(*v));

    BUG_ON(!v || kicked_count == ARRAY_SIZE(kicked));
    v->domain = d;
    v->id = id;
    v->is_initialised = true;
    v->info = id < ARRAY_SIZE(d->shared_info->vcpu_info) ? &d->shared_info->vcpu_info[id] : &dummy_info;
    kicked[kicked_count].v = v;
    kicked[kicked_count++].kicks = 0;
    d->vcpus[id] = v;
}

struct domain *host_domain_new(domid_t id, unsigned vcpus)
{
    struct domain *d;
    unsigned slot = 0;

    while (slot < HOST_MAX_DOMAINS && host_domains[slot])
        slot++;
    BUG_ON(slot == HOST_MAX_DOMAINS);
    BUG_ON(sizeof(*d) > PAGE_SIZE);
    d = heap_alloc(0, HEAP_ZERO);
    BUG_ON(!d);
    d->id = id;
    d->state = DOMAIN_ALIVE;
    d->refs = 1;
    d->max_vcpus = vcpus;
    spin_init(&d->lock, RANK_DOMAIN);
    spin_init(&d->page_lock, RANK_PAGE_LIST);
    d->pages = d->extra_pages = d->xenheap_pages = d->relinquish_pages =
        (struct frame_list){.head = FRAME_LIST_END, .tail = FRAME_LIST_END};
    d->shared_info = heap_alloc(0, HEAP_ZERO);
    d->wide_ports = EVTCHN_2L_NR_CHANNELS;
    d->vcpus = calloc(vcpus, sizeof(*d->vcpus));
    BUG_ON(!d->shared_info || (vcpus && !d->vcpus));
    for (unsigned i = 0; i < vcpus; i++)
        host_vcpu_new(d, i);
    host_domains[slot] = d;
    return d;
}

WEAK void domain_running_cpus(struct domain *d, cpu_mask_t *mask)
{
    struct vcpu *v;

    memset(mask, 0, sizeof(*mask));
    /* Entries were changed before this looks at who runs: a vcpu that starts later loads cr3 and sees them. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for_each_vcpu(d, v) {
        unsigned cpu = __atomic_load_n(&v->cpu, __ATOMIC_RELAXED);

        if (__atomic_load_n(&v->is_running, __ATOMIC_RELAXED))
            mask->bits[cpu / 64] |= 1UL << (cpu % 64);
    }
}

void host_domain_free(struct domain *d)
{
    for (unsigned i = 0; i < HOST_MAX_DOMAINS; i++) {
        if (host_domains[i] == d)
            host_domains[i] = NULL;
    }
    for (unsigned i = 0; i < d->max_vcpus; i++)
        free(d->vcpus[i]);
    free(d->vcpus);
    heap_free(d->shared_info, 0);
    heap_free(d, 0);
}

void host_domains_setup(void)
{
    kicked_count = crashed_count = 0;
    host_pirq_bind_result = 0;
    host_pirq_bound = host_pirq_unbound = host_pirq_eoi = -1;
    domain_idle = host_domain_new(DOMID_IDLE, 1);
    domain_io = host_domain_new(DOMID_IO, 0);
    domain_xen = host_domain_new(DOMID_XEN, 0);
    domain_idle->is_system = domain_io->is_system = domain_xen->is_system = true;
    idle_vcpu[0] = domain_idle->vcpus[0];
    idle_vcpu[0]->is_idle = true;
    host_set_current(idle_vcpu[0]);
}

void host_domains_teardown(void)
{
    for (unsigned i = 0; i < HOST_MAX_DOMAINS; i++) {
        if (host_domains[i])
            host_domain_free(host_domains[i]);
    }
}

mfn_t host_domain_page(struct domain *d)
{
    struct frame *f = heap_alloc_domain(d, 0, HEAP_ANY_WIDTH, HEAP_ZERO);

    BUG_ON(!f);
    m2p_set(frame_to_mfn(f), frame_to_mfn(f).value);
    return frame_to_mfn(f);
}

unsigned host_kicks(const struct vcpu *v)
{
    for (unsigned i = 0; i < kicked_count; i++) {
        if (kicked[i].v == v)
            return __atomic_load_n(&kicked[i].kicks, __ATOMIC_SEQ_CST);
    }
    return 0;
}

bool host_crashed(const struct domain *d)
{
    for (unsigned i = 0; i < crashed_count; i++) {
        if (crashed[i] == d)
            return true;
    }
    return false;
}

/* ---- the contracts of domain/domain.h ---- */

WEAK struct domain *domain_get(domid_t id)
{
    for (unsigned i = 0; i < HOST_MAX_DOMAINS && id < DOMID_FIRST_RESERVED; i++) { /* the system's are not found */
        if (host_domains[i] && host_domains[i]->id == id && domain_hold(host_domains[i]))
            return host_domains[i];
    }
    return NULL;
}

WEAK struct domain *domain_get_or_self(domid_t id)
{
    return domain_get(id == DOMID_SELF ? current->domain->id : id);
}

WEAK bool domain_hold(struct domain *d)
{
    __atomic_fetch_add(&d->refs, 1, __ATOMIC_SEQ_CST);
    return true;
}

WEAK void domain_put(struct domain *d)
{
    BUG_ON(__atomic_fetch_sub(&d->refs, 1, __ATOMIC_SEQ_CST) == 0);
}

WEAK struct domain *domain_next(domid_t from)
{
    struct domain *best = NULL;

    for (unsigned i = 0; i < HOST_MAX_DOMAINS; i++) {
        struct domain *d = host_domains[i];

        if (d && !d->is_system && d->id >= from && (!best || d->id < best->id))
            best = d;
    }
    if (best)
        domain_hold(best);
    return best;
}

WEAK void domain_pause(struct domain *d)
{
    d->pause_count++;
}

WEAK void domain_unpause(struct domain *d)
{
    d->pause_count--;
}

WEAK void debug_key_register(char key, const char *what, void (*fn)(void))
{
    (void)key, (void)what, (void)fn;
}

WEAK void domain_crash(struct domain *d, const char *format, ...)
{
    (void)format;
    if (crashed_count < HOST_MAX_DOMAINS)
        crashed[crashed_count++] = d;
}

WEAK void vcpu_unblock(struct vcpu *v)
{
    uint32_t old = __atomic_fetch_and(&v->pause_flags, ~(VCPU_BLOCKED | VCPU_POLLING), __ATOMIC_SEQ_CST);

    if (old & VCPU_POLLING) {
        v->poll_port = 0;
        __atomic_fetch_sub(&v->domain->poll_count, 1, __ATOMIC_SEQ_CST);
    }
}

WEAK void vcpu_kick(struct vcpu *v)
{
    vcpu_unblock(v);
    for (unsigned i = 0; i < kicked_count; i++) {
        if (kicked[i].v == v)
            __atomic_fetch_add(&kicked[i].kicks, 1, __ATOMIC_SEQ_CST);
    }
}

WEAK void vcpu_wake(struct vcpu *v)
{
    (void)v;
}

WEAK bool hvm_event_pending(struct vcpu *v)
{
    return v->info->evtchn_upcall_pending;
}

WEAK void vcpu_pause(struct vcpu *v)
{
    v->pause_count++;
}

WEAK void vcpu_unpause(struct vcpu *v)
{
    v->pause_count--;
}

WEAK int permission_control(const struct domain *target);
WEAK int permission_privileged(void);

WEAK int permission_control(const struct domain *target)
{
    return current->domain->is_privileged || current->domain->target == target ? 0 : -EPERM;
}

WEAK int permission_privileged(void)
{
    return current->domain->is_privileged ? 0 : -EPERM;
}

/* ---- the contracts of irq/irq.h ---- */

WEAK int irq_guest_bind(struct vcpu *v, unsigned pirq, bool shared)
{
    (void)v;
    (void)shared;
    if (!host_pirq_bind_result)
        host_pirq_bound = (int)pirq;
    return host_pirq_bind_result;
}

WEAK void irq_guest_unbind(struct domain *d, unsigned pirq)
{
    (void)d;
    host_pirq_unbound = (int)pirq;
}

WEAK void irq_guest_eoi(struct domain *d, unsigned pirq)
{
    (void)d;
    host_pirq_eoi = (int)pirq;
}

WEAK void irq_guest_set_affinity(struct domain *d, unsigned pirq, unsigned cpu)
{
    (void)d;
    (void)pirq;
    (void)cpu;
}
