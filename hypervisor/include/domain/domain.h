/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains and virtual CPUs: identity, life cycle, references, pausing.  What other rooms keep for a domain hangs off
 * opaque pointers; each room allocates and frees its own part.
 *
 * Life: created (paused by the toolstack, refs 1) -> running -> shut down (stopped, memory intact) -> dying (killed: resources
 * are taken back step by step) -> dead (only references keep the struct) -> freed after a grace period.
 *
 * Who builds and tears down the parts in order: door/domain_life.c.
 */
#ifndef XYLEM_DOMAIN_DOMAIN_H
#define XYLEM_DOMAIN_DOMAIN_H

#include "arch/vcpu.h"
#include "lib/base.h"
#include "lib/list.h"
#include "mm/frame.h"
#include "mm/rangeset.h"
#include "public.h"
#include "sync/softirq.h"
#include "sync/spinlock.h"
#include "time/time.h"
#include "types.h"
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
    bool is_console;     /* allowed to write the hypervisor's console without limits */
    uint8_t state;       /* enum domain_state, atomic */
    bool is_shutting_down, is_shut_down; /* lock */
    uint8_t shutdown_code;               /* SHUTDOWN_*, SHUTDOWN_CODE_NONE; lock */
    bool debugger_attached;
    bool iommu;          /* has devices behind an IOMMU */
    uint32_t refs;       /* atomic; struct is freed after the last put */
    uint32_t create_flags; /* XEN_DOMCTL_CDF_* */
    xen_domain_handle_t handle;
    uint32_t ssidref;
    uint32_t cpupool;

    spinlock_t lock;     /* RANK_DOMAIN: life cycle, vcpu creation */
    struct list_node link; /* all domains, ascending id: domain list lock for writers */
    struct quiesce_node quiesce;

    unsigned max_vcpus;  /* slots in vcpus */
    struct vcpu **vcpus; /* filled once each, never emptied before the domain is freed */
    unsigned pause_count;            /* atomic: reasons why no vcpu runs */
    int controller_pause_count;      /* of those, by domctl; lock */

    struct shared_info *shared_info; /* hypervisor page shared with the guest */
    uint32_t vm_assist;              /* atomic bits VMASST_TYPE_* */

    /* memory: page_lock */
    spinlock_t page_lock;            /* RANK_PAGE_LIST */
    struct frame_list pages;         /* owned frames that count */
    struct frame_list extra_pages;   /* owned, not counted */
    struct frame_list xenheap_pages; /* hypervisor pages shared with it */
    struct frame_list relinquish_pages; /* while dying: frames kept by other references */
    uint64_t total_pages, max_pages, outstanding_claim;
    uint64_t shr_pages, paged_pages;
    struct memory_map *memory_map;   /* what XENMEM_memory_map answers (door/memory.h); mem_free'd with the domain; lock */

    struct rangeset io_ports, io_memory, irqs; /* what it may touch */
    unsigned io_memory_width;        /* address bits DMA may use, 0 all */

    nanoseconds_t time_offset_ns;    /* settimeoffset */
    int64_t time_offset_seconds;
    uint32_t tsc_mode;
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
    uint32_t tsc_khz, tsc_incarnation;       /* settscinfo */
};
BUILD_ASSERT(sizeof(struct domain) <= PAGE_SIZE); /* page-aligned: frames name their owner by frame number */

/* vcpu->pause_flags: reasons why it cannot run */
#define VCPU_BLOCKED      (1u << 0) /* waits for an event (sched_op block) */
#define VCPU_DOWN         (1u << 1) /* not brought up, or taken down by the guest */
#define VCPU_POLLING      (1u << 2) /* in sched_op poll (with VCPU_BLOCKED) */
#define VCPU_MIGRATING    (1u << 3) /* being moved to another CPU */
#define VCPU_IN_RESET     (1u << 4)

struct vcpu {
    struct domain *domain;
    unsigned id;
    unsigned cpu;            /* where it runs or last ran; the scheduler's lock */
    bool is_idle;
    bool is_initialised;     /* state was set: may be brought up */
    uint8_t is_running;      /* on a CPU now, until its state is saved; atomic */
    bool defer_shutdown, paused_for_shutdown;
    uint32_t pause_flags;    /* atomic, VCPU_* */
    uint32_t pause_count;    /* atomic */
    uint32_t controller_pause_count;

    struct vcpu_info *info;  /* in shared_info, or where the guest registered it; dummy page before */
    struct frame *info_frame;/* holds a writable reference when registered */
    uint8_t nmi_pending, mce_pending; /* to be delivered; atomic */
    uint8_t async_masked;    /* NMI or MCE being handled by the guest: bit 0 NMI, bit 1 MCE */

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

/* ---- identity and references (domain/domain.c) ---- */

/* Creates domain_idle, domain_io and domain_xen.  Boot only, once the heap works. */
void domain_system_init(void);

/* Finds a domain and takes a reference; NULL if there is none.  Any context; lock-free. */
struct domain *domain_get(domid_t id);
/* Accepts DOMID_SELF. */
struct domain *domain_get_or_self(domid_t id);
/* Takes another reference; false when the last one is gone already. */
bool domain_hold(struct domain *d);
void domain_put(struct domain *d);

/* Allocates and initialises identity only: state CREATED, not findable. NULL when memory is short. */
struct domain *domain_alloc(domid_t id, unsigned max_vcpus);
void domain_publish(struct domain *d); /* findable and on the list from here on */
void domain_unpublish(struct domain *d);
domid_t domain_pick_id(void); /* next free id, DOMID_INVALID when there is none */
/* Walks all domains in ascending id: the first with id >= from, referenced; NULL at the end. */
struct domain *domain_next(domid_t from);

static inline unsigned domain_state(const struct domain *d) { return __atomic_load_n(&d->state, __ATOMIC_ACQUIRE); }
static inline bool domain_is_dying(const struct domain *d) { return domain_state(d) >= DOMAIN_DYING; }
static inline struct vcpu *domain_vcpu(const struct domain *d, unsigned id)
{
    return id < d->max_vcpus ? __atomic_load_n(&d->vcpus[id], __ATOMIC_ACQUIRE) : NULL;
}
#define for_each_vcpu(d, v)                                                                                      \
    for (unsigned v##_index_ = 0; v##_index_ < (d)->max_vcpus; v##_index_++)                                     \
        if (((v) = domain_vcpu(d, v##_index_)) != NULL)

/* ---- life (domain/domain.c, domain/vcpu.c) ---- */
void domain_pause(struct domain *d);        /* returns when no vcpu of d runs; d is not the caller's */
void domain_pause_nosync(struct domain *d);
void domain_unpause(struct domain *d);
int domain_pause_by_controller(struct domain *d);   /* -EBUSY too many */
int domain_unpause_by_controller(struct domain *d); /* -EINVAL not paused */
/* The guest asks (or is made) to stop: SHUTDOWN_* reason; stops all its vcpus; raises VIRQ_DOM_EXC. */
void domain_shutdown(struct domain *d, uint8_t reason);
void domain_resume(struct domain *d);
/* A guest broke the rules: logs the reason with its registers once, shuts it down with SHUTDOWN_crash. The call returns. */
void domain_crash(struct domain *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct vcpu *vcpu_alloc(struct domain *d, unsigned id); /* down, not initialised; not in d->vcpus yet */
void vcpu_publish(struct vcpu *v);          /* fills d->vcpus[id], once every room has its part */
void vcpu_free(struct vcpu *v);
void vcpu_pause(struct vcpu *v);            /* waits until it does not run */
void vcpu_pause_nosync(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
void vcpu_wake(struct vcpu *v);             /* re-examines whether it can run */
void vcpu_sleep_sync(struct vcpu *v);
/* Ends a block or a poll, whatever the reason; leaves pauses alone. */
void vcpu_unblock(struct vcpu *v);
/* Something the guest should look at is pending: unblocks it; interrupts its CPU if it is running elsewhere. */
void vcpu_kick(struct vcpu *v);
static inline bool vcpu_runnable(const struct vcpu *v)
{
    return !(__atomic_load_n(&v->pause_flags, __ATOMIC_RELAXED) | __atomic_load_n(&v->pause_count, __ATOMIC_RELAXED) |
             __atomic_load_n(&v->domain->pause_count, __ATOMIC_RELAXED));
}
/* Registers where vcpu_info lives: a frame of the domain and an offset in it.  0, -EINVAL, -EBUSY... */
int vcpu_map_info(struct vcpu *v, gfn_t gfn, unsigned offset);
void vcpu_unmap_info(struct vcpu *v);
/* The place goes away for good (dying domain): v->info points to a page nobody reads. */
void vcpu_retire_info(struct vcpu *v);
void vcpu_runstate_change(struct vcpu *v, int state, nanoseconds_t now); /* scheduler's lock held */
void vcpu_runstate_get(struct vcpu *v, struct vcpu_runstate_info *info);

/* ---- upward calls: implemented by event/ ---- */
struct event_upcalls {
    void (*virq)(struct vcpu *v, unsigned virq);            /* per-vcpu VIRQ */
    void (*global_virq)(unsigned virq);                     /* to the domain that handles it */
    void (*pirq)(struct domain *d, unsigned pirq);          /* a bound physical interrupt arrived */
    bool (*port_pending)(struct domain *d, evtchn_port_t port); /* for polls */
};
extern const struct event_upcalls event_upcalls;

/* ---- upward calls: implemented by door/ ---- */
struct domain_upcalls {
    void (*free_parts)(struct domain *d);    /* the last reference went and the grace period passed */
    bool (*suspended)(struct domain *d);     /* tells who waits for a suspend; false when nobody asked for that */
};
extern const struct domain_upcalls domain_upcalls;

/* The area of the running vcpu registered for its run state, brought up to date (its tables are loaded). */
void vcpu_runstate_publish(struct vcpu *v);

/* True when the running vcpu has an event to take and does not mask it. */
static inline bool vcpu_event_deliverable(const struct vcpu *v)
{
    return v->info->evtchn_upcall_pending && !v->info->evtchn_upcall_mask;
}

#endif
