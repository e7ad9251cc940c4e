/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contracts of include/arch, and of rooms a test does not link, as an ordinary process.
 *
 * "Machine memory" is one array; frame n of it is frame_table[n], mfn_to_virt() points into it.  Free frames
 * are poisoned under AddressSanitizer.  Everything another room owns is a weak symbol here: a program that
 * links the real file gets the real thing.  Each thread is a CPU: host_thread_cpu() gives it its number.
 *
 * Programs use -DXYLEM_HOST and -iquote (never -I) for the include folders, so that <errno.h> stays the C
 * library's.
 */
#pragma once

#include "domain/domain.h"

/* Machine with this many frames (16 and more); frame 0 is never handed out. */
void host_setup(size_t frames);
void host_teardown(void);

/*
 * A published PV domain with identity, shared_info and vcpus (up, runnable), and no part of any other room.
 * It is one page of machine memory, as frame_owner() wants.
 */
struct domain *host_domain_new(domid_t id, unsigned vcpus);
void host_domain_free(struct domain *d);
void host_set_current(struct vcpu *v);
void host_thread_cpu(unsigned cpu);           /* this thread is that CPU */

/* A zeroed frame owned by d with its allocation reference; m2p says gfn = mfn. */
mfn_t host_domain_page(struct domain *d);

/* The nth allocation from now (1: the next) fails, once; 0 turns it off.  Counts heap_alloc*, mem_alloc*. */
void host_fail_allocation(unsigned long nth);
extern unsigned long host_allocations;        /* made so far */
extern long host_allocations_live;            /* not freed yet: pages and small ones */

/* Address ranges guest_read and guest_write accept; all addresses while there is none. */
void host_guest_range(const void *start, size_t size);
void host_guest_ranges_clear(void);

/* What the fakes saw. */
unsigned host_kicks(const struct vcpu *v);    /* vcpu_kick calls */
bool host_crashed(const struct domain *d);    /* domain_crash was called */
extern nanoseconds_t host_time;               /* what time_now() says */
extern bool host_log_quiet;                   /* say nothing (default) */
void host_quiesce_run(void);                  /* a grace period passed: runs what was deferred */
void host_tasklets_run(void);

/* Last hypercall_continue: its operation and arguments, count 0 when there was none since the last reset. */
struct host_continuation {
    unsigned op, count;
    uint64_t args[6];
};
extern struct host_continuation host_continuation;

/* PIRQ fakes: what irq_guest_bind answers, and what was last asked. */
extern int host_pirq_bind_result;
extern int host_pirq_bound, host_pirq_unbound, host_pirq_eoi; /* pirq or -1 */
