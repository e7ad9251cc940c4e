// SPDX-License-Identifier: BSD-2-Clause
/*
 * Longest waits, of debug builds (arch/latency.h).  Time is the time stamp counter's; under an emulator that counts
 * instructions it is those.  Everything here is called with interrupts in any state and must not change it.
 */
#include "arch/latency.h"

#ifdef XYLEM_DEBUG
#include "arch/percpu.h"
#include "arch/x86/ports.h"
#include "arch/x86/traps.h"
#include "console/console.h"
#include "lib/bitmap.h"
#include "log.h"
#include "time/time.h"

#define RFLAGS_INTERRUPTS 0x200

struct stretch {
    uint64_t since;     /* 0: none under way */
    const void *from;   /* where it began: an address of code; of hypercalls NULL for their entry */
    unsigned number;    /* of the hypercall */
    uint64_t longest;
    const void *longest_from, *longest_to;
    unsigned longest_number;
};

static PER_CPU_DEFINE(struct stretch, call_stretch);
static PER_CPU_DEFINE(struct stretch, irq_stretch);

static void stretch_begin(struct stretch *s, const void *from)
{
    s->from = from;
    s->since = rdtsc();
}

static void stretch_end(struct stretch *s, const void *to)
{
    uint64_t length = rdtsc() - s->since;

    if (length > s->longest) {
        s->longest = length;
        s->longest_from = s->from;
        s->longest_to = to;
        s->longest_number = s->number;
    }
    s->since = 0;
}

void latency_call_begin(unsigned number)
{
    struct stretch *s = &this_cpu(call_stretch);

    s->number = number;
    stretch_begin(s, NULL);
}

void latency_look(void)
{
    struct stretch *s = &this_cpu(call_stretch);

    if (!s->since)
        return;
    stretch_end(s, __builtin_return_address(0));
    stretch_begin(s, __builtin_return_address(0));
}

void latency_forget(void)
{
    struct stretch *s = &this_cpu(call_stretch);

    if (s->since)
        stretch_begin(s, __builtin_return_address(0));
}

void latency_call_end(void)
{
    struct stretch *s = &this_cpu(call_stretch);

    if (s->since)
        stretch_end(s, NULL);
}

void latency_irq_off(uint64_t flags)
{
    if (flags & RFLAGS_INTERRUPTS)
        stretch_begin(&this_cpu(irq_stretch), __builtin_return_address(0));
}

void latency_irq_on(void)
{
    struct stretch *s = &this_cpu(irq_stretch);

    if (s->since)
        stretch_end(s, __builtin_return_address(0));
}

/* ---- the key ---- */

static const char *place_name(const void *place, char *buffer, unsigned size)
{
    uint64_t offset, length;

    if (!place)
        return "the hypercall's edge";
    return symbol_lookup((uint64_t)place, buffer, size, &offset, &length) ? buffer : "?";
}

static void stretch_show(unsigned cpu, struct stretch *s, const char *what)
{
    uint64_t khz = time_tsc_khz();
    char from[64], to[64];

    log_error("CPU %u: %s %lu cycles (%lu us), hypercall %u, from %s to %s\n", cpu, what, s->longest,
              khz ? s->longest * 1000 / khz : 0, s->longest_number, place_name(s->longest_from, from, sizeof(from)),
              place_name(s->longest_to, to, sizeof(to)));
    s->longest = 0;
}

static void latency_show(void)
{
    size_t cpu;

    bitmap_for_each(cpu, cpu_online_mask.bits, MAX_CPUS) {
        stretch_show((unsigned)cpu, &per_cpu(call_stretch, cpu), "longest without a look at pending work:");
        stretch_show((unsigned)cpu, &per_cpu(irq_stretch, cpu), "longest with interrupts off:");
    }
}

void latency_init(void)
{
    debug_key_register('L', "longest stretches without preemption and without interrupts, and forget them",
                       latency_show);
}
#endif
