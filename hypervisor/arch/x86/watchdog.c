// SPDX-License-Identifier: BSD-2-Clause
/*
 * The watchdog.  Each CPU notes, by a timer, that it still serves timers: its beat.  A CPU whose beat is
 * older than watchdog_timeout= gets an NMI, at which it prints its registers and panics: so the log shows
 * where it hangs, with interrupts off or on.  One that does not answer even that is reported by who noticed.
 *
 * Who looks.  No performance counter is needed: channel 0 of the PIT (Intel 8254) is routed as NMI to the
 * boot CPU, which looks after all CPUs, itself included, whatever it was doing.  On a machine whose PIT does
 * not tick, each CPU looks after the others when it notes its own beat, and while it waits for one of them;
 * that finds a hanging CPU, but neither the only one nor all at once.
 *
 * A machine that stood still as a whole (a debugger, a stopped emulator) is no hang: whoever finds that it
 * has not looked for long itself forgives everybody.
 */

#include "arch/devices.h"
#include "arch/interrupts.h"
#include "arch/percpu.h"
#include "arch/x86/apic.h"
#include "arch/x86/ports.h"
#include "arch/x86/smp.h"
#include "arch/x86/traps.h"
#include "errno.h"
#include "lib/bitmap.h"
#include "lib/string.h"
#include "log.h"
#include "options.h"
#include "time/time.h"

#define BEAT_NS        (NS_PER_S / 2)
#define STOOD_STILL_NS (2 * NS_PER_S) /* between two looks of the same CPU, which should be at most BEAT_NS  \
                                       */
#define LAST_NS NS_PER_S              /* how much later the boot CPU accuses itself: it may only wait for another */
#define ANSWER_NS          NS_PER_S   /* how long an accused CPU has to show itself */
#define PROBE_US           200000     /* in which the PIT ticks three times, every 55 ms */
#define PIT_CHANNEL_0      0x40
#define PIT_MODE           0x43
#define PIT_RATE_GENERATOR 0x34 /* channel 0, both bytes, mode 2 */

static bool option_watchdog;
static unsigned option_timeout = 5;

static int watchdog_option(const char *value)
{
    if (strcmp(value, "force") != 0)
        return option_parse_bool(value, &option_watchdog);
    option_watchdog = true;
    return 0;
}
OPTION_FUNCTION(watchdog, "watchdog", watchdog_option);

static int timeout_option(const char *value)
{
    unsigned seconds;

    if (option_parse_unsigned(value, &seconds) || seconds > 3600)
        return -EINVAL;
    option_timeout = seconds;
    option_watchdog = seconds != 0;
    return 0;
}
OPTION_FUNCTION(watchdog_timeout, "watchdog_timeout", timeout_option);

static PER_CPU_DEFINE(struct timer, beat_timer);
static PER_CPU_DEFINE(nanoseconds_t, beat);   /* when this CPU last served its timer */
static PER_CPU_DEFINE(nanoseconds_t, looked); /* when it last looked after others */
static bool watching, by_nmi;
static uint32_t ticks;   /* NMIs the boot CPU got */
static uint32_t accused; /* CPU + 1 that was sent an NMI, and has not shown yet that it was wronged */
static nanoseconds_t accused_at;

/* In an NMI too: no locks here. */

static bool hangs(unsigned cpu, nanoseconds_t now)
{
    return (int64_t)(now - per_cpu(beat, cpu)) > (int64_t)(option_timeout * NS_PER_S);
}

static void look_after(unsigned cpu, nanoseconds_t now)
{
    uint32_t nobody = 0;

    if (!hangs(cpu, now))
        return;
    if (__atomic_compare_exchange_n(&accused, &nobody, cpu + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        accused_at = now;
        apic_send_nmi(cpu);
    } else if (nobody == cpu + 1 && (int64_t)(now - accused_at) > (int64_t)ANSWER_NS) {
        panic("Watchdog: CPU %u has served no timer for %lu s, and answers no NMI\n", cpu,
              (now - per_cpu(beat, cpu)) / NS_PER_S);
    }
}

/* The one that is silent for longest: others that hang may only wait for it. */
static void look_after_others(nanoseconds_t now)
{
    unsigned silent = cpu_id();
    size_t cpu;

    bitmap_for_each(cpu, cpu_online_mask.bits, MAX_CPUS)
        if (cpu != cpu_id() && (silent == cpu_id() || per_cpu(beat, cpu) < per_cpu(beat, silent)))
            silent = (unsigned)cpu;
    if (silent != cpu_id())
        look_after(silent, now);
}

/* True when this CPU was away for long. */
static bool stood_still(nanoseconds_t now)
{
    nanoseconds_t before = this_cpu(looked);
    size_t cpu;

    this_cpu(looked) = now;
    if (now - before < STOOD_STILL_NS)
        return false;
    bitmap_for_each (cpu, cpu_online_mask.bits, MAX_CPUS)
        per_cpu(beat, cpu) = now;
    return true;
}

bool watchdog_nmi(const struct cpu_user_regs *regs)
{
    bool looks = by_nmi && cpu_id() == 0,
         suspect = __atomic_load_n(&accused, __ATOMIC_SEQ_CST) == cpu_id() + 1;
    nanoseconds_t now = time_now();

    ticks += looks;
    if (!watching || smp_stopping() || (!looks && !suspect))
        return looks || suspect;
    if (looks && stood_still(now))
        return true;
    if (suspect ? hangs(cpu_id(), now) : hangs(0, now - LAST_NS))
        panic_registers(regs, "Watchdog: CPU %u has served no timer for %lu s\n", cpu_id(),
                        (now - this_cpu(beat)) / NS_PER_S);
    if (suspect)
        __atomic_store_n(&accused, 0, __ATOMIC_SEQ_CST);
    if (looks)
        look_after_others(now);
    return true;
}

void watchdog_look(void)
{
    nanoseconds_t now = time_now();

    if (!by_nmi && watching && !stood_still(now))
        look_after_others(now);
}

/* ---- the beat ---- */

static void beat_serve(void *)
{
    nanoseconds_t now = time_now();

    this_cpu(beat) = now;
    watchdog_look();
    timer_set(&this_cpu(beat_timer), now + BEAT_NS);
}

/* The slowest the PIT can: 65,536 of its cycles, 18.2 Hz. */
static void pit_start(void)
{
    by_nmi = true;
    port_out8(PIT_MODE, PIT_RATE_GENERATOR);
    port_out8(PIT_CHANNEL_0, 0);
    port_out8(PIT_CHANNEL_0, 0);
    ioapic_route_nmi(isa_irq_to_gsi(0), interrupt_target(0));
    time_delay_us(PROBE_US);
    by_nmi = ticks != 0;
}

void watchdog_start(void)
{
    nanoseconds_t now = time_now();
    size_t cpu;

    if (!option_watchdog || option_timeout == 0)
        return;
    pit_start();
    if (!by_nmi && cpu_online_count == 1) {
        log_warning("watchdog: the PIT gives no NMI, and there is no other CPU to look: not watching\n");
        return;
    }
    bitmap_for_each (cpu, cpu_online_mask.bits, MAX_CPUS) {
        per_cpu(beat, cpu) = per_cpu(looked, cpu) = now;
        timer_init(&per_cpu(beat_timer, cpu), beat_serve, NULL, (unsigned)cpu);
        timer_set(&per_cpu(beat_timer, cpu), now + BEAT_NS);
    }
    __atomic_store_n(&watching, true, __ATOMIC_RELEASE);
    log_info("watchdog: %u s, %s\n", option_timeout,
             by_nmi ? "by NMIs from the PIT" : "each CPU by the others; not seen when all hang at once");
}
