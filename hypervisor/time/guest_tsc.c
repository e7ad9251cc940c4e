// SPDX-License-Identifier: BSD-2-Clause
/*
 * The time-stamp counter a domain is promised (settscinfo of xen/domctl.h, tsc_mode of xl.cfg): the machine's own, or
 * an emulated one that counts system time at the domain's rate.
 *
 * The emulated counter is the inverse of the line its guest computes time with, so that the two never drift apart: with
 * time = base_time + ((ticks - base_ticks) << shift) * mul / 2^32, the counter is the smallest number of ticks whose
 * time is not before now.  It never goes back, on any vcpu, since time_now does not.
 */
#include "domain/state.h"
#include "errno.h"
#include "time/time_private.h"

/* ns * 2^32 / mul, rounded up, modulo 2^64. */
static uint64_t unscale(uint64_t ns, uint32_t mul)
{
    uint64_t quotient = ns / mul, rest = (ns % mul) << 32;

    return (quotient << 32) + rest / mul + (rest % mul != 0);
}

static uint64_t ticks_of(const struct guest_tsc *tsc, nanoseconds_t ns)
{
    uint64_t x = unscale(ns, tsc->mul);

    return tsc->shift <= 0 ? x << -tsc->shift : (x >> tsc->shift) + ((x & ((1UL << tsc->shift) - 1)) != 0);
}

/* By default the counter is emulated when the machine's would break the promise: another rate than before, or not one. */
static bool must_emulate(uint32_t mode, uint32_t khz)
{
    if (mode != TSC_MODE_DEFAULT)
        return mode == TSC_MODE_ALWAYS_EMULATE;
    return !time_tsc_shared() || (khz && khz != time_tsc_khz());
}

int time_tsc_set(struct domain *d, uint32_t mode, uint32_t khz, uint32_t incarnation, nanoseconds_t elapsed)
{
    struct guest_tsc tsc = {.mode = mode, .incarnation = incarnation + 1};

    if (mode > TSC_MODE_NEVER_EMULATE)
        return -EINVAL;
    tsc.khz = mode != TSC_MODE_NEVER_EMULATE && khz ? khz : (uint32_t)time_tsc_khz();
    tsc.emulated = must_emulate(mode, khz);
    time_scale_choose(tsc.khz * 1000UL, &tsc.mul, &tsc.shift);
    tsc.base_time = time_now();
    tsc.elapsed = elapsed;
    tsc.base_ticks = ticks_of(&tsc, elapsed);
    d->tsc = tsc;
    return 0;
}

void time_tsc_get(const struct domain *d, uint32_t *khz, nanoseconds_t *elapsed)
{
    bool promised = d->tsc.mode != TSC_MODE_NEVER_EMULATE;

    *khz = promised ? time_tsc_guest_khz(d) : 0;
    *elapsed = promised ? d->tsc.elapsed + (time_now() - d->tsc.base_time) : 0;
}

uint32_t time_tsc_guest_khz(const struct domain *d)
{
    return d->tsc.khz ? d->tsc.khz : (uint32_t)time_tsc_khz();
}

uint64_t time_tsc_emulated(const struct domain *d)
{
    return d->tsc.base_ticks + ticks_of(&d->tsc, time_now() - d->tsc.base_time);
}
