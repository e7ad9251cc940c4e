/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a domain and a vcpu are made of, and references to them.  Open to every room, as each keeps its part
 * of their state here and frames, timers and interrupts name their domain; what is done with them is in
 * domain/domain.h, for the rooms above.
 */
#pragma once

#include "arch/vcpu.h"
#include "lib/base.h"
#include "mm/frame.h"
#include "mm/rangeset.h"
#include "public.h"
#include "sync/softirq.h"
#include "sync/spinlock.h"
#include "time/time.h"
#include "types.h"
#include "upcalls.h"
#include <xen/vcpu.h>

struct event_domain;
struct event_vcpu;
struct grant_table;
struct sched_vcpu;
struct sched_domain;
struct irq_domain;
struct pv_domain;
struct pv_vcpu;
struct hvm_domain;
struct hvm_vcpu;
struct cpu_policy;

#define SHUTDOWN_CODE_NONE 0xff /* none said yet */

enum domain_state { DOMAIN_CREATED, DOMAIN_ALIVE, DOMAIN_DYING, DOMAIN_DEAD };

struct domain {
    domid_t id;
    bool is_hvm;         /* hardware assisted; otherwise PV */
    bool is_privileged;  /* the control domain */
    bool is_system;      /* never scheduled: DOMID_IO, DOMID_XEN, DOMID_COW, idle */
    uint8_t state;       /* enum domain_state, atomic */
    bool is_shutting_down, is_shut_down; /* lock */
    bool crash_reported;                 /* atomic: one report, though several vcpus crash at once */
    uint8_t shutdown_code;               /* SHUTDOWN_*, SHUTDOWN_CODE_NONE; lock */
    bool debugger_attached;
    uint32_t refs;       /* atomic; struct is freed after the last put */
    uint32_t create_flags; /* XEN_DOMCTL_CDF_* */
    xen_domain_handle_t handle;

    spinlock_t lock;     /* RANK_DOMAIN: life cycle, vcpu creation */
    struct quiesce_node quiesce;

    unsigned max_vcpus;  /* slots in vcpus */
    struct vcpu **vcpus; /* filled once each, never emptied before the domain is freed */
    unsigned pause_count;            /* atomic: reasons why no vcpu runs */
    int controller_pause_count;      /* of those, by domctl; lock */

    struct shared_info *shared_info; /* hypervisor page shared with the guest */
    uint32_t wide_ports;             /* 2-level ports of its 64-bit form; 0: it, vcpu_info and run-state areas have the 32-bit
                                        form; atomic */
    uint32_t vm_assist;              /* atomic bits VMASST_TYPE_* */

    /* memory: page_lock */
    spinlock_t page_lock;            /* RANK_PAGE_LIST */
    struct frame_list pages;         /* owned frames that count */
    struct frame_list extra_pages;   /* owned, not counted */
    struct frame_list xenheap_pages; /* hypervisor pages shared with it */
    struct frame_list relinquish_pages; /* while dying: frames kept by other references */
    uint64_t node_affinity; /* NUMA nodes its memory is taken from first: bit mask */
    uint64_t total_pages, max_pages, outstanding_claim;
    /* written frames are noted (mm/dirty_log.h); NULL: nobody asks; atomic */
    struct dirty_log *dirty_log;
    struct dirty_log *new_dirty_log; /* log-dirty mode being switched on: what is allocated so far */
    /* what XENMEM_memory_map answers (door/memory.c); mem_free'd with the domain; lock */
    struct memory_map *memory_map;

    struct rangeset io_ports, io_memory, irqs; /* what it may touch */

    int64_t time_offset_seconds;     /* settimeoffset */
    struct guest_tsc tsc;            /* changed while it is paused */
    uint32_t poll_count;
    evtchn_port_t suspend_port;

    struct domain *target;           /* set_target: the domain a device model domain serves */
    struct cpu_policy *policy;
    struct event_domain *event;
    struct grant_table *grant;
    struct sched_domain *sched;
    struct irq_domain *irq;
    struct pv_domain *pv;
    struct hvm_domain *hvm;
    uint64_t teardown_step;          /* progress of killing, door/domain_life.c */
    struct timer watchdog_timers[2]; /* sched_op watchdog; lock */
    uint32_t watchdogs_used;         /* bitmap of those; lock */
    struct shared_info *retired_shared_info; /* of a dead domain, until nobody can still look at it */
    uint32_t emulation_flags, misc_flags;    /* struct xen_arch_domainconfig */
};
BUILD_ASSERT(sizeof(struct domain) <= PAGE_SIZE); /* page-aligned: frames name their owner by frame number */

static inline bool domain_shared_32bit(const struct domain *d)
{
    return unlikely(!__atomic_load_n(&d->wide_ports, __ATOMIC_RELAXED));
}

/* vcpu->pause_flags: reasons why it cannot run */
#define VCPU_BLOCKED      (1u << 0) /* waits for an event (sched_op block) */
#define VCPU_DOWN         (1u << 1) /* not brought up, or taken down by the guest */
#define VCPU_POLLING      (1u << 2) /* in sched_op poll (with VCPU_BLOCKED) */

struct vcpu {
    struct domain *domain;
    unsigned id;
    unsigned cpu;            /* where it runs or last ran; the scheduler's lock */
    bool is_idle;
    bool is_initialised;     /* state was set: may be brought up */
    uint8_t is_running;      /* on a CPU now, until its state is saved; atomic */
    bool paused_for_shutdown;
    uint32_t pause_flags;    /* atomic, VCPU_* */
    uint32_t pause_count;    /* atomic */

    struct vcpu_info *info;  /* in shared_info, or where the guest registered it; dummy page before */
    struct frame *info_frame;/* holds a writable reference when registered */
    /* the way to a PV guest asks for these four at once */
    uint8_t nmi_pending, mce_pending; /* to be delivered; atomic */
    bool trap_pending;       /* PV: pv->bounce is to be delivered */
    uint8_t async_masked;    /* NMI or MCE being handled by the guest: bit 0 NMI, bit 1 MCE */
    uint8_t upcall_edge;     /* info started to show an event since this was cleared; atomic */

    struct vcpu_runstate_info runstate;
    guest_addr_t runstate_guest;     /* area registered by the guest, 0 none */
    guest_addr_t time_guest;         /* vcpu_time_info area registered by the guest, 0 none */

    struct timer periodic_timer, singleshot_timer, poll_timer;
    nanoseconds_t periodic_period, periodic_last;
    evtchn_port_t poll_port;         /* > 0 one port, -1 many (bitmap in event room) */

    struct sched_vcpu *sched;
    struct event_vcpu *event;
    struct pv_vcpu *pv;
    struct hvm_vcpu *hvm;
    struct arch_vcpu arch;
    evtchn_port_t virq_port[24];     /* NR_VIRQS: bound port or 0; event lock */
};

extern struct domain *domain_zero;   /* once constructed */
extern struct domain *domain_io;     /* owns memory-mapped I/O */
extern struct domain *domain_xen;    /* owns hypervisor pages guests may see */
extern struct domain *domain_idle;
extern struct vcpu *idle_vcpu[MAX_CPUS];

/* ---- references (domain/domain.c) ---- */

/* Takes another reference; false when the last one is gone already. */
bool domain_hold(struct domain *d);
void domain_put(struct domain *d);
/* Walks all domains in ascending id: the first with id >= from, referenced; NULL at the end. */
struct domain *domain_next(domid_t from);

/* The next of such a walk; d's reference goes. */
static inline struct domain *domain_after(struct domain *d)
{
    struct domain *next = domain_next((domid_t)(d->id + 1));

    domain_put(d);
    return next;
}

/* Calls fn for every domain, dying ones too, in ascending id, each referenced meanwhile. */
static inline void domain_for_each(void (*fn)(struct domain *d))
{
    for (struct domain *d = domain_next(0); d; d = domain_after(d))
        fn(d);
}

/* A guest broke the rules: logs the reason with its registers once, shuts it down with SHUTDOWN_crash. The call returns. */
void domain_crash(struct domain *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline unsigned domain_state(const struct domain *d)
{
    return __atomic_load_n(&d->state, __ATOMIC_ACQUIRE);
}
static inline bool domain_is_dying(const struct domain *d) { return domain_state(d) >= DOMAIN_DYING; }
static inline struct vcpu *domain_vcpu(const struct domain *d, unsigned id)
{
    return id < d->max_vcpus ? __atomic_load_n(&d->vcpus[id], __ATOMIC_ACQUIRE) : NULL;
}
#define for_each_vcpu(d, v)                                                                                      \
    for (unsigned v##_index_ = 0; v##_index_ < (d)->max_vcpus; v##_index_++)                                     \
        if (((v) = domain_vcpu(d, v##_index_)) != NULL)

static inline bool vcpu_runnable(const struct vcpu *v)
{
    return !(__atomic_load_n(&v->pause_flags, __ATOMIC_RELAXED) |
             __atomic_load_n(&v->pause_count, __ATOMIC_RELAXED) |
             __atomic_load_n(&v->domain->pause_count, __ATOMIC_RELAXED));
}

/* True when the running vcpu has an event to take and does not mask it; a hardware-assisted one does so by its registers. */
static inline bool vcpu_event_deliverable(struct vcpu *v)
{
    if (unlikely(v->domain->is_hvm))
        return hvm_event_pending(v);
    return v->info->evtchn_upcall_pending && !v->info->evtchn_upcall_mask;
}
