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
#pragma once

#include "domain/state.h"

/* ---- identity and references (domain/domain.c) ---- */

/* Creates domain_idle, domain_io and domain_xen.  Boot only, once the heap works. */
void domain_system_init(void);

/* Finds a domain and takes a reference; NULL if there is none.  Any context; lock-free. */
struct domain *domain_get(domid_t id);
/* Accepts DOMID_SELF. */
struct domain *domain_get_or_self(domid_t id);
/* Allocates and initialises identity only: state CREATED, not findable. NULL when memory is short. */
struct domain *domain_alloc(domid_t id, unsigned max_vcpus);
void domain_publish(struct domain *d); /* findable and on the list from here on */
domid_t domain_pick_id(void); /* next free id, DOMID_INVALID when there is none */

/*
 * What the running domain may do to another: 0 or -EPERM.  The control domain may do everything, a domain with a target (a device
 * model's) to that one what a control domain may; nobody else anything.
 */
int permission_control(const struct domain *target);
int permission_privileged(void); /* is it the control domain? */

/* ---- life (domain/domain.c, domain/vcpu.c) ---- */
void domain_pause(struct domain *d);        /* returns when no vcpu of d runs; d is not the caller's */
void domain_unpause(struct domain *d);
/*
 * CPUs that may hold translations of d.  What was changed before is seen by a vcpu that starts to run afterwards.
 */
void domain_running_cpus(struct domain *d, cpu_mask_t *mask);
int domain_pause_by_controller(struct domain *d);   /* -EBUSY too many */
int domain_unpause_by_controller(struct domain *d); /* -EINVAL not paused */
/* The guest asks (or is made) to stop: SHUTDOWN_* reason; stops all its vcpus; raises VIRQ_DOM_EXC. */
void domain_shutdown(struct domain *d, uint8_t reason);
void domain_resume(struct domain *d);
/*
 * Stops every vcpu but the running one, until domains_go_on(): false when another CPU does so, and nothing was stopped.
 * For debugging: it waits for each, so the caller holds no lock that another vcpu waits for without giving way.
 */
bool domains_stop(void);
void domains_go_on(void);
/* Offers the dump of all domains as a debug key. */
void domain_dump_init(void);

struct vcpu *vcpu_alloc(struct domain *d, unsigned id); /* down, not initialised; not in d->vcpus yet */
void vcpu_publish(struct vcpu *v);          /* fills d->vcpus[id], once every room has its part */
void vcpu_free(struct vcpu *v);
void vcpu_pause(struct vcpu *v);            /* waits until it does not run */
void vcpu_pause_nosync(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
void vcpu_wake(struct vcpu *v);             /* re-examines whether it can run */
void vcpu_sleep_sync(struct vcpu *v);
/* It goes down, until VCPUOP_up or a SIPI; the last one to do so takes the domain with it. */
void vcpu_take_down(struct vcpu *v);
/* Ends a block or a poll, whatever the reason; leaves pauses alone. */
void vcpu_unblock(struct vcpu *v);
/* Something the guest should look at is pending: unblocks it; interrupts its CPU if it is running elsewhere. */
void vcpu_kick(struct vcpu *v);
/* Registers where vcpu_info lives: a frame of the domain and an offset in it.  0; -ENXIO: it does not fit there; -EINVAL. */
int vcpu_map_info(struct vcpu *v, gfn_t gfn, unsigned offset);
void vcpu_unmap_info(struct vcpu *v);
/* The place goes away for good (dying domain): v->info points to a page nobody reads. */
void vcpu_retire_info(struct vcpu *v);
void vcpu_runstate_change(struct vcpu *v, int state, nanoseconds_t now); /* scheduler's lock held */
void vcpu_runstate_get(struct vcpu *v, struct vcpu_runstate_info *info);

/* The area of the running vcpu registered for its run state, brought up to date (its tables are loaded). */
void vcpu_runstate_publish(struct vcpu *v);
