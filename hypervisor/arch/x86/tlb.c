// SPDX-License-Identifier: BSD-2-Clause
/*
 * Translation caches and their clock (arch/tlb.h).  The clock is kept in 64 bits; a frame's stamp is its low half, read back as the
 * newest time not after now that ends so, which errs towards flushing.  A flush first moves the clock on, then flushes,
 * then records the new time for its CPU: a frame stamped before that time was unmapped before the flush.
 */
#include "arch/tlb.h"

#include "arch/x86/apic.h"
#include "arch/x86/entry.h"
#include "arch/x86/paging.h"
#include "arch/x86/smp.h"
#include "domain/state.h"
#include "lib/bitmap.h"
#include "log.h"

static uint64_t tlb_clock = 1;
static PER_CPU_DEFINE(uint64_t, tlb_flushed_at);

#define ASK_AGAIN 20000000UL /* turns of the wait: about a second */
#define LOOK_EVERY 0x10000UL /* turns: some milliseconds */

static spinlock_t flush_lock = SPINLOCK_INIT(RANK_NONE); /* one request at a time */
static struct {
    uint64_t address;
    unsigned flags;
    cpu_mask_t waiting; /* CPUs that have not flushed yet; atomic bits */
} request;              /* flush_lock */

uint32_t tlb_clock_now(void)
{
    uint32_t now = (uint32_t)__atomic_load_n(&tlb_clock, __ATOMIC_SEQ_CST);

    return now ? now : 1;
}

/*
 * What the running guest's shadow holds is a cache of translations like the CPU's own, and is flushed with
 * it.
 */
static inline void shadow_flush(uint64_t address)
{
    struct vcpu *v = current;

    if (unlikely(v && v->arch.shadow))
        pv_shadow_flush(v, address);
}

void cr3_load(uint64_t cr3)
{
    uint64_t stamp = __atomic_add_fetch(&tlb_clock, 1, __ATOMIC_SEQ_CST);

    shadow_flush(TLB_FLUSH_ALL);
    write_cr3(cr3);
    this_cpu(tlb_flushed_at) = stamp;
}

static void flush_global(void)
{
    uint64_t stamp = __atomic_add_fetch(&tlb_clock, 1, __ATOMIC_SEQ_CST), cr4 = read_cr4();

    shadow_flush(TLB_FLUSH_ALL);
    write_cr4(cr4 & ~(uint64_t)CR4_PGE);
    write_cr4(cr4);
    this_cpu(tlb_flushed_at) = stamp;
}

void tlb_flush_local(uint64_t address, unsigned flags)
{
    uint64_t irq = irq_save();

    if (flags & TLB_FLUSH_CACHE)
        __asm__ volatile("wbinvd" ::: "memory");
    if (address == TLB_FLUSH_ALL && (flags & TLB_FLUSH_GLOBAL)) {
        flush_global();
    } else if (address == TLB_FLUSH_ALL) {
        cr3_load(read_cr3());
    } else if (address_canonical(address)) {
        shadow_flush(address);
        invlpg(address);
    }
    irq_restore(irq);
}

/* From the interrupt, or from whoever spins meanwhile; interrupts off. */
void tlb_flush_serve(void)
{
    unsigned cpu = cpu_id();

    if (!bitmap_test(request.waiting.bits, cpu))
        return;
    tlb_flush_local(request.address, request.flags);
    bitmap_atomic_clear(request.waiting.bits, cpu);
}

/* An interrupt that got lost must not cost the machine: CPUs that did not answer are asked again. */
static void flush_ask(void)
{
    size_t cpu;

    for (cpu = 0; cpu < MAX_CPUS; cpu++)
        if (bitmap_test(request.waiting.bits, cpu))
            apic_send_ipi((unsigned)cpu, VECTOR_TLB_FLUSH);
}

static void flush_others(const cpu_mask_t *others, uint64_t address, unsigned flags)
{
    while (!spin_trylock(&flush_lock)) {
        smp_poll();
        cpu_relax();
    }
    request.address = address;
    request.flags = flags;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < CPU_MASK_WORDS; i++)
        __atomic_store_n(&request.waiting.bits[i], others->bits[i], __ATOMIC_SEQ_CST);
    flush_ask();
    for (uint64_t turn = 1; !bitmap_empty(request.waiting.bits, MAX_CPUS); turn++) {
        if (turn % ASK_AGAIN == 0) {
            log_warning("CPU %u: a TLB flush is not answered by CPUs %lx, asking again\n", cpu_id(),
                        request.waiting.bits[0]);
            flush_ask();
        }
        if (turn % LOOK_EVERY == 0)
            watchdog_look();
        smp_poll();
        cpu_relax();
        __asm__ volatile("" ::: "memory");
    }
    spin_unlock(&flush_lock);
}

void tlb_flush_mask(const cpu_mask_t *mask, uint64_t address, unsigned flags)
{
    uint64_t irq = irq_save();
    cpu_mask_t others;

    bitmap_and(others.bits, mask->bits, cpu_online_mask.bits, MAX_CPUS);
    bitmap_clear(others.bits, cpu_id());
    if (bitmap_test(mask->bits, cpu_id()))
        tlb_flush_local(address, flags);
    if (!bitmap_empty(others.bits, MAX_CPUS))
        flush_others(&others, address, flags);
    irq_restore(irq);
}

void tlb_filter(cpu_mask_t *mask, uint32_t stamp)
{
    uint64_t now = __atomic_load_n(&tlb_clock, __ATOMIC_SEQ_CST), then = (now & ~0xffffffffUL) | stamp;
    size_t cpu;

    if (then > now)
        then -= 1UL << 32;
    bitmap_for_each(cpu, mask->bits, MAX_CPUS)
        if (cpu_online((unsigned)cpu) && __atomic_load_n(&per_cpu(tlb_flushed_at, cpu), __ATOMIC_SEQ_CST) > then)
            bitmap_clear(mask->bits, cpu);
}

void tlb_flush_older(uint32_t stamp)
{
    cpu_mask_t mask = cpu_online_mask;

    if (stamp == 0)
        return;
    tlb_filter(&mask, stamp);
    if (!bitmap_empty(mask.bits, MAX_CPUS))
        tlb_flush_mask(&mask, TLB_FLUSH_ALL, 0);
}
