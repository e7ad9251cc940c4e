// SPDX-License-Identifier: BSD-2-Clause
/*
 * The local APIC: interrupts between CPUs, end of interrupt, and a one-shot timer.  Intel SDM volume 3
 * chapter 11.  x2APIC mode is used when the firmware turned it on, or the machine is virtual and offers it
 * (no interrupt remapping is set up for ids above 254).
 */
#include "arch/x86/apic.h"

#include "arch/time.h"
#include "arch/x86/cpufeature.h"
#include "arch/x86/entry.h"
#include "arch/x86/msr.h"
#include "arch/x86/ports.h"
#include "log.h"
#include "mm/heap.h"
#include "options.h"
#include "time/time.h"

#define APIC_SOFTWARE_ENABLE 0x100
#define LVT_NMI      0x400
#define ICR_BUSY     0x1000
#define ICR_NMI      0x400
#define ICR_ASSERT   0x4000
#define DIVIDE_BY_16 3
#define SAMPLES 8
#define MEASURE_US 20000

static volatile char *registers; /* xAPIC */
static bool x2apic, use_deadline;
static uint64_t timer_khz;       /* counts per millisecond after the divider */
static bool opt_x2apic;
static bool opt_tsc_deadline = true;
OPTION_BOOLEAN(x2apic, "x2apic", opt_x2apic);
OPTION_BOOLEAN(tsc_deadline, "tdt", opt_tsc_deadline);

uint32_t apic_read(unsigned reg)
{
    return x2apic ? (uint32_t)rdmsr(MSR_X2APIC_BASE + (reg >> 4))
                  : mmio_read32((const volatile void *)(registers + reg));
}

void apic_write(unsigned reg, uint32_t value)
{
    if (x2apic)
        wrmsr(MSR_X2APIC_BASE + (reg >> 4), value);
    else
        mmio_write32(registers + reg, value);
}

void interrupt_end(void) { apic_write(LAPIC_EOI, 0); }
bool interrupt_in_service(unsigned vector)
{
    return apic_read(LAPIC_ISR + vector / 32 * 16) >> (vector % 32) & 1;
}
void apic_offer_again(void) { apic_write(LAPIC_TPR, 0); }
uint32_t apic_id(void) { return x2apic ? apic_read(LAPIC_ID) : apic_read(LAPIC_ID) >> 24; }

void apic_init(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    x2apic =
        (base & APIC_BASE_X2APIC) || (cpu_has(FEATURE_X2APIC) && (opt_x2apic || cpu_has(FEATURE_HYPERVISOR)));
    if (!x2apic) {
        registers = vmap_device(MADDR(base & 0xffffff000UL), PAGE_SIZE);
        if (!registers)
            panic("No room to map the local APIC\n");
    }
    apic_cpu_init();
    log_info("Local APIC: %s mode, boot CPU has id %u\n", x2apic ? "x2APIC" : "xAPIC", apic_id());
}

void apic_cpu_init(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    if (!(base & APIC_BASE_ENABLED))
        wrmsr(MSR_APIC_BASE, base |= APIC_BASE_ENABLED);
    if (x2apic && !(base & APIC_BASE_X2APIC))
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    apic_write(LAPIC_TPR, 0);
    apic_write(LAPIC_LVT_TIMER, LAPIC_LVT_MASKED | VECTOR_APIC_TIMER);
    apic_write(LAPIC_LVT_LINT0, LAPIC_LVT_MASKED | VECTOR_SPURIOUS);
    apic_write(LAPIC_LVT_LINT1, cpu_id() == 0 ? LVT_NMI : LAPIC_LVT_MASKED | VECTOR_SPURIOUS);
    apic_write(LAPIC_LVT_ERROR, VECTOR_APIC_ERROR);
    apic_write(LAPIC_SPURIOUS, APIC_SOFTWARE_ENABLE | VECTOR_SPURIOUS);
    if (timer_khz || use_deadline) {
        apic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_16);
        apic_write(LAPIC_LVT_TIMER, VECTOR_APIC_TIMER | (use_deadline ? LAPIC_LVT_DEADLINE : 0));
    }
}

static void send(uint32_t destination, uint32_t command)
{
    uint64_t flags;

    if (x2apic) {
        __asm__ volatile("mfence; lfence" ::: "memory");
        wrmsr(MSR_X2APIC_BASE + (LAPIC_ICR >> 4), (uint64_t)destination << 32 | command);
        return;
    }
    flags = irq_save();
    for (unsigned i = 0; i < 1000000 && (apic_read(LAPIC_ICR) & ICR_BUSY); i++)
        cpu_relax();
    apic_write(LAPIC_ICR_HIGH, destination << 24);
    apic_write(LAPIC_ICR, command);
    irq_restore(flags);
}

void apic_send_ipi(unsigned cpu, unsigned vector) { send(interrupt_target(cpu), ICR_ASSERT | vector); }
void apic_send_nmi(unsigned cpu) { send(interrupt_target(cpu), ICR_ASSERT | ICR_NMI); }
void apic_send_start(uint32_t id, uint32_t command) { send(id, command); }

/* ---- timer ---- */

struct timer_sample {
    uint32_t left; /* the counter, which runs down */
    nanoseconds_t at;
};

/*
 * A reading of the counter and the time it was made; the closest pair of several, as anything may come in
 * between.
 */
static struct timer_sample timer_sample(void)
{
    struct timer_sample best = {0};
    nanoseconds_t closest = UINT64_MAX;

    for (unsigned i = 0; i < SAMPLES; i++) {
        nanoseconds_t before = time_now();
        uint32_t left = apic_read(LAPIC_TIMER_CURRENT);
        nanoseconds_t after = time_now();

        if (after - before < closest) {
            closest = after - before;
            best = (struct timer_sample){left, before + closest / 2};
        }
    }
    return best;
}

void apic_timer_init(void)
{
    struct timer_sample first, last;

    apic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_16);
    apic_write(LAPIC_LVT_TIMER, LAPIC_LVT_MASKED | VECTOR_APIC_TIMER);
    apic_write(LAPIC_TIMER_INITIAL, UINT32_MAX);
    first = timer_sample();
    time_delay_us(MEASURE_US);
    last = timer_sample();
    apic_write(LAPIC_TIMER_INITIAL, 0);
    timer_khz = (uint64_t)(first.left - last.left) * 1000000 / (last.at - first.at);
    use_deadline = opt_tsc_deadline && cpu_has(FEATURE_TSC_DEADLINE) && cpu_has(FEATURE_INVARIANT_TSC);
    if (timer_khz == 0 && !use_deadline)
        panic("The local APIC's timer does not count\n");
    apic_write(LAPIC_LVT_TIMER, VECTOR_APIC_TIMER | (use_deadline ? LAPIC_LVT_DEADLINE : 0));
    log_info("APIC timer: %lu.%03lu MHz%s\n", timer_khz * 16 / 1000, timer_khz * 16 % 1000,
             use_deadline ? ", used by deadline" : "");
}

void clock_event_program(nanoseconds_t deadline)
{
    nanoseconds_t now = time_now();
    uint64_t delta = deadline > now ? min(deadline - now, (nanoseconds_t)4000000000) : 1000;

    if (use_deadline) {
        wrmsr(MSR_TSC_DEADLINE, deadline ? rdtsc() + (delta * time_tsc_khz()) / 1000000 + 1 : 0);
        return;
    }
    if (deadline == 0)
        apic_write(LAPIC_TIMER_INITIAL, 0);
    else
        apic_write(LAPIC_TIMER_INITIAL, (uint32_t)min((delta * timer_khz) / 1000000 + 1, (uint64_t)UINT32_MAX));
}
