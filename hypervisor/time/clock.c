// SPDX-License-Identifier: BSD-2-Clause
/*
 * System time from the time-stamp counter, and the two clocks a guest sees: struct vcpu_time_info and the wc_
 * fields of struct shared_info (xen/xen.h).
 *
 * A line turns a TSC value into nanoseconds since boot: time = base + scale(tsc - tsc_base).  Every CPU whose
 * counter agrees with the boot CPU's (tsc_compare.c) uses the same line, so that time_now is monotonic over CPUs
 * for free.  A CPU that does not agree gets a line of its own, shifted by the difference, and from then on time_now
 * is kept monotonic by a shared maximum.  Guests are told that the clock is stable (XEN_PVCLOCK_TSC_STABLE_BIT)
 * only when all CPUs share the line, a test with all of them at once saw no step back, and the counter's rate
 * is constant.
 */
#include "arch/devices.h"
#include "arch/time.h"
#include "domain/state.h"
#include "log.h"
#include "mm/guest_copy.h"
#include "time/time_private.h"
#include <xen/foreign/x86_32.h>

#define CALIBRATION_NS 50000000UL
#define WARP_TEST_NS 2000000

struct time_line {
    uint64_t tsc_base;
    nanoseconds_t base;
    uint32_t mul;
    int8_t shift;
};

static struct time_line shared_line;
static PER_CPU_DEFINE(struct time_line, time_line);
static uint64_t tsc_frequency; /* 0 until measured */
static bool lines_differ;      /* some CPU has its own */
static bool guest_stable;
static nanoseconds_t latest;   /* while lines differ: the latest time anyone was told */

static const struct platform_timer *platform; /* what the rate is measured against */

static spinlock_t wallclock_lock = SPINLOCK_INIT(RANK_TIME);
static uint64_t wallclock_base_ns; /* UTC at system time 0, nanoseconds since 1970; wallclock_lock */

/* ---- lines ---- */

static uint64_t scale(uint64_t delta, uint32_t mul, int shift)
{
    delta = shift < 0 ? delta >> -shift : delta << shift;
    return (uint64_t)(((unsigned __int128)delta * mul) >> 32);
}

/* mul in [2^31, 2^32) keeps all the precision there is. */
void time_scale_choose(uint64_t frequency, uint32_t *mul, int8_t *shift)
{
    *shift = 0;
    for (; frequency > 2 * NS_PER_S; frequency >>= 1)
        --*shift;
    for (; frequency <= NS_PER_S; frequency <<= 1)
        ++*shift;
    *mul = (uint32_t)((NS_PER_S << 32) / frequency);
}

static nanoseconds_t line_time(const struct time_line *line, uint64_t tsc)
{
    int64_t delta = (int64_t)(tsc - line->tsc_base);

    return delta < 0 ? line->base : line->base + scale((uint64_t)delta, line->mul, line->shift);
}

static nanoseconds_t keep_monotonic(nanoseconds_t now)
{
    nanoseconds_t seen = __atomic_load_n(&latest, __ATOMIC_RELAXED);

    do {
        if (now <= seen)
            return seen;
    } while (!__atomic_compare_exchange_n(&latest, &seen, now, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return now;
}

nanoseconds_t time_now(void)
{
    uint64_t flags;
    nanoseconds_t now;

    if (likely(!lines_differ))
        return tsc_frequency == 0 ? 0 : line_time(&shared_line, tsc_read_ordered());
    flags = irq_save();
    now = line_time(&this_cpu(time_line), tsc_read_ordered());
    irq_restore(flags);
    return keep_monotonic(now);
}

uint64_t time_tsc_khz(void)
{
    return tsc_frequency / 1000;
}

bool time_tsc_shared(void)
{
    return !lines_differ;
}

void time_delay_us(unsigned microseconds)
{
    uint64_t start = tsc_read_ordered();

    if (tsc_frequency == 0) {
        for (unsigned i = 0; i < microseconds; i++)
            delay_uncalibrated();
        return;
    }
    while (tsc_read_ordered() - start < tsc_frequency / 1000 * microseconds / 1000)
        cpu_relax();
}

/* ---- measuring ---- */

struct reading {
    uint64_t tsc, counter;
};

/* The pair read closest together of several tries: an emulated counter now and then takes long. */
static struct reading reading_take(void)
{
    struct reading best = {0};
    uint64_t shortest = ~0UL;

    for (unsigned i = 0; i < 16; i++) {
        uint64_t before = tsc_read_ordered(), counter = platform->read(), after = tsc_read_ordered();

        if (after - before < shortest) {
            shortest = after - before;
            best = (struct reading){before + (after - before) / 2, counter};
        }
    }
    return best;
}

static uint64_t counter_elapsed(uint64_t from, uint64_t to)
{
    return (to - from) & BITS(platform->width - 1, 0);
}

/*
 * Rate of the TSC over about CALIBRATION_NS, less when the counter would wrap. 0 when the counter stands
 * still.
 */
static uint64_t tsc_measure(void)
{
    uint64_t ticks = min_t(uint64_t, platform->frequency * (CALIBRATION_NS / 1000) / 1000000,
                           BITS(platform->width - 1, 0) / 2);
    struct reading start = reading_take(), end;
    uint64_t elapsed;

    for (unsigned i = 0; i < 100000000 && counter_elapsed(start.counter, platform->read()) < ticks; i++)
        cpu_relax();
    end = reading_take();
    elapsed = counter_elapsed(start.counter, end.counter);
    return elapsed < ticks ? 0 : (uint64_t)((end.tsc - start.tsc) * platform->frequency / elapsed);
}

static void wallclock_init(void)
{
    uint64_t seconds = rtc_read();

    if (seconds == 0)
        log_warning("clock: the real-time clock makes no sense: time starts in 1970\n");
    wallclock_base_ns = seconds * NS_PER_S - (seconds != 0 ? time_now() : 0);
}

void time_init(void)
{
    platform = platform_timer_start();
    tsc_frequency = tsc_measure();
    if (tsc_frequency < 10000000) {
        log_warning("clock: %s does not count: the TSC is taken to run at 1 GHz\n", platform->name);
        tsc_frequency = NS_PER_S;
    }
    shared_line.tsc_base = tsc_read_ordered();
    time_scale_choose(tsc_frequency, &shared_line.mul, &shared_line.shift);
    wallclock_init();
    log_info("clock: TSC at %lu.%03lu MHz, measured with the %s (%lu.%03lu MHz)\n", tsc_frequency / 1000000,
             tsc_frequency / 1000 % 1000, platform->name, platform->frequency / 1000000,
             platform->frequency / 1000 % 1000);
    if (!tsc_constant())
        log_warning("clock: this CPU does not promise a constant TSC: time may drift\n");
}

/* From here on time_now is not below what anyone was told before, give or take what the comparison cannot
 * see. */
static void lines_set_apart(void)
{
    keep_monotonic(line_time(&shared_line, tsc_read_ordered()));
    __atomic_store_n(&lines_differ, true, __ATOMIC_SEQ_CST);
}

static void line_make_own(unsigned cpu, struct time_line *line, int64_t ahead)
{
    line->tsc_base += (uint64_t)ahead;
    keep_monotonic(line_time(line, tsc_read_ordered()));
    __atomic_store_n(&lines_differ, true, __ATOMIC_SEQ_CST);
    log_warning("clock: CPU %u's TSC is %ld cycles ahead of the boot CPU's: it gets its own line\n", cpu, ahead);
}

int time_cpu_init(unsigned cpu)
{
    struct time_line *line = &per_cpu(time_line, cpu);

    *line = shared_line;
    if (cpu != 0 && !tsc_is_boot_cpus(cpu)) {
        int64_t ahead = tsc_compare();

        if (ahead != 0)
            line_make_own(cpu, line, ahead);
    }
    return timer_cpu_init(cpu);
}

/* ---- do all CPUs see one line? ---- */

static spinlock_t warp_lock = SPINLOCK_INIT(RANK_NONE);
static uint64_t warp_last, warp_worst;

/* On every CPU at once: no counter may be behind what another CPU read before. */
static void warp_test(void *)
{
    uint64_t end = tsc_read_ordered() + tsc_frequency / 1000000 * (WARP_TEST_NS / 1000);
    uint64_t now;

    do {
        bool locked = spin_trylock(&warp_lock); /* no queue: an emulator may not run whose turn it is */

        now = tsc_read_ordered();
        if (!locked)
            continue;
        if (now < warp_last)
            warp_worst = max(warp_worst, warp_last - now);
        warp_last = now;
        spin_unlock(&warp_lock);
        cpu_relax();
    } while ((int64_t)(end - now) > 0);
}

void time_smp_done(void)
{
    if (cpu_online_count > 1)
        cpu_call(&cpu_online_mask, warp_test, NULL);
    guest_stable = tsc_constant() && !tsc_differs() && !lines_differ && warp_worst == 0;
    if (warp_worst > 0)
        log_warning("clock: TSCs of the CPUs differ by %lu cycles\n", warp_worst);
    if ((warp_worst > 0 || tsc_differs()) && !lines_differ)
        lines_set_apart();
    log_debug("clock: %s for guests\n", guest_stable ? "stable" : "not stable");
}

/* ---- what a guest sees ---- */

static void time_info_fill(const struct guest_tsc *tsc, struct vcpu_time_info *info)
{
    const struct time_line *line = &this_cpu(time_line);

    if (tsc->emulated)
        *info = (struct vcpu_time_info){.tsc_timestamp = tsc->base_ticks, .system_time = tsc->base_time,
            .tsc_to_system_mul = tsc->mul, .tsc_shift = tsc->shift, .flags = XEN_PVCLOCK_TSC_STABLE_BIT};
    else
        *info = (struct vcpu_time_info){.tsc_timestamp = line->tsc_base, .system_time = line->base,
            .tsc_to_system_mul = line->mul, .tsc_shift = line->shift,
            .flags = guest_stable ? XEN_PVCLOCK_TSC_STABLE_BIT : 0};
}

/* The second area is written with copies that may fault: a guest that unmapped it misses an update. */
static void time_guest_write(struct vcpu *v, struct vcpu_time_info *info)
{
    guest_addr_t area = v->time_guest;
    uint32_t version = info->version | 1;

    if (guest_addr_null(area) || v != current || guest_write(area, &version, sizeof(version)) != 0)
        return;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    info->version = version;
    if (guest_write(area, info, sizeof(*info)) != 0)
        return;
    info->version = version + 1;
    guest_write(area, &info->version, sizeof(info->version));
}

/* Behind the version. */
#define TIME_INFO_BYTES (sizeof(struct vcpu_time_info) - offsetof(struct vcpu_time_info, tsc_timestamp))

void time_update_vcpu(struct vcpu *v)
{
    struct vcpu_time_info *shown = &v->info->time;
    struct vcpu_time_info fresh;

    time_info_fill(&v->domain->tsc, &fresh);
    fresh.tsc_timestamp += v->arch.tsc_offset;
    fresh.version = __atomic_load_n(&shown->version, __ATOMIC_RELAXED) & ~1u;
    if (fresh.version == 0 || __builtin_memcmp(&shown->tsc_timestamp, &fresh.tsc_timestamp, TIME_INFO_BYTES) != 0) {
        __atomic_store_n(&shown->version, fresh.version + 1, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_RELEASE);
        __builtin_memcpy(&shown->tsc_timestamp, &fresh.tsc_timestamp, TIME_INFO_BYTES);
        fresh.version += 2;
        __atomic_store_n(&shown->version, fresh.version, __ATOMIC_RELEASE);
    }
    time_guest_write(v, &fresh);
}

/* ---- wall clock ---- */

/* wallclock_lock held. */
static void wallclock_write(struct domain *d)
{
    struct shared_info *s = d->shared_info;
    struct shared_info_x86_32 *s32 = (struct shared_info_x86_32 *)s;
    bool narrow = domain_shared_32bit(d);
    uint32_t *at = narrow ? &s32->wc_version : &s->wc_version, *high = narrow ? &s32->arch.wc_sec_hi : &s->wc_sec_hi;
    uint64_t base = wallclock_base_ns + (uint64_t)d->time_offset_seconds * NS_PER_S;
    uint64_t seconds = base / NS_PER_S;
    uint32_t version;

    if (s == NULL)
        return;
    version = __atomic_load_n(at, __ATOMIC_RELAXED) | 1;
    __atomic_store_n(at, version, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    at[1] = (uint32_t)seconds; /* wc_sec, wc_nsec */
    at[2] = (uint32_t)(base % NS_PER_S);
    *high = (uint32_t)(seconds >> 32);
    __atomic_store_n(at, version + 1, __ATOMIC_RELEASE);
}

void time_publish_wallclock(struct domain *d)
{
    uint64_t flags = spin_lock_irqsave(&wallclock_lock);

    wallclock_write(d);
    spin_unlock_irqrestore(&wallclock_lock, flags);
}

void time_set_wallclock(uint64_t seconds, uint32_t nanoseconds, nanoseconds_t at_system_time)
{
    uint64_t flags = spin_lock_irqsave(&wallclock_lock);

    wallclock_base_ns = seconds * NS_PER_S + nanoseconds - at_system_time;
    spin_unlock_irqrestore(&wallclock_lock, flags);
    domain_for_each(time_publish_wallclock);
}

nanoseconds_t time_wallclock(void)
{
    return __atomic_load_n(&wallclock_base_ns, __ATOMIC_RELAXED) + time_now();
}
