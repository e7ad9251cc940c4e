/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System time (nanoseconds since boot, one monotonic line over all CPUs), wall clock, timers, and the time a
 * guest sees (struct vcpu_time_info, xen/xen.h).
 */
#pragma once

#include "arch/cpu.h"
#include "lib/heap.h"
#include "types.h"

struct vcpu;
struct domain;

#define NS_PER_S 1000000000UL
nanoseconds_t time_now(void);
/* Busy waits; for start-up and hardware only. */
void time_delay_us(unsigned microseconds);
uint64_t time_tsc_khz(void);

struct timer {
    struct heap_entry entry; /* on its CPU's heap; key: when it fires, in nanoseconds of system time */
    void (*fn)(void *data);
    void *data;
    struct timer *overflow_next;
    uint16_t cpu;
    uint8_t dead;
    uint8_t running;
    bool overflowed; /* armed, but waits for its CPU's heap to grow */
};
/* cpu: where fn runs, in softirq context with interrupts on and no lock held. */
void timer_init(struct timer *t, void (*fn)(void *data), void *data, unsigned cpu);
void timer_set(struct timer *t, nanoseconds_t expires); /* arms or moves; a time in the past fires at once */
void timer_stop(struct timer *t);                       /* not armed afterwards; fn may still be running */
void timer_migrate(struct timer *t, unsigned cpu);
/* timer_set() on this CPU. */
static inline void timer_set_here(struct timer *t, nanoseconds_t expires)
{
    if (t->cpu != cpu_id())
        timer_migrate(t, cpu_id());
    timer_set(t, expires);
}
void timer_kill(struct timer *t);                       /* stops and waits until fn is not running */
static inline bool timer_armed(const struct timer *t) { return heap_contains(&t->entry) || t->overflowed; }
static inline nanoseconds_t timer_expires(const struct timer *t) { return t->entry.key; } /* or last did */

/*
 * Publishes this CPU's time line in a vcpu's vcpu_info (version protocol), if it changed; called when a vcpu
 * starts to run.
 */
void time_update_vcpu(struct vcpu *v);
/* Wall clock: seconds and nanoseconds (UTC) at the given system time; republished to every domain. */
void time_set_wallclock(uint64_t seconds, uint32_t nanoseconds, nanoseconds_t at_system_time);
void time_publish_wallclock(struct domain *d); /* writes d's shared_info wc_* fields */
nanoseconds_t time_wallclock(void); /* since 1970, UTC; takes no lock */

/* struct guest_tsc.mode, as settscinfo has it (xl.cfg's tsc_mode). */
#define TSC_MODE_DEFAULT 0
#define TSC_MODE_ALWAYS_EMULATE 1
#define TSC_MODE_NEVER_EMULATE 2

/* The time-stamp counter a domain sees; all zero is the machine's own. */
struct guest_tsc {
    uint32_t mode, khz, incarnation;
    bool emulated;           /* its reads trap, and answer time_tsc_emulated() */
    int8_t shift;
    uint32_t mul;            /* with shift: ticks to nanoseconds, as in struct vcpu_time_info */
    uint64_t base_ticks;     /* what it showed at base_time */
    nanoseconds_t base_time; /* system time of the last settscinfo */
    nanoseconds_t elapsed;   /* how long it had run by then */
};
/*
 * settscinfo of a paused domain, whose life number this is (one more than the image's, incarnation).  khz 0:
 * the machine's rate; elapsed: nanoseconds the counter has run already (a restored domain).  0, or -EINVAL
 * for a mode that does not exist.
 */
int time_tsc_set(struct domain *d, uint32_t mode, uint32_t khz, uint32_t incarnation, nanoseconds_t elapsed);
/* gettscinfo: both 0 for a domain that takes the counter as it is. */
void time_tsc_get(const struct domain *d, uint32_t *khz, nanoseconds_t *elapsed);
uint32_t time_tsc_guest_khz(const struct domain *d);
/* The counter of a domain for which it is emulated. */
uint64_t time_tsc_emulated(const struct domain *d);

/*
 * Start of day.  time_init: boot CPU, after acpi_init and before interrupts: measures the TSC. 
 * time_cpu_init(cpu): on each CPU itself (the boot CPU included) before it takes timer interrupts; -ENOMEM. 
 * time_smp_done: once every CPU runs, interrupts on: decides whether guests may trust one time line over all
 * CPUs.
 */
void time_init(void);
int time_cpu_init(unsigned cpu);
/* The boot CPU, again and again while another one it started is on its way: time_cpu_init there waits for it.
 */
void time_answer(void);
void time_smp_done(void);
