/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an architecture offers about the CPU that runs this code: its number, interrupts, the vcpu whose state
 * it holds, and waiting.
 *
 * x86: each CPU has one STACK_SIZE-aligned stack block; its last bytes are a struct cpu_info, found from rsp.
 * Every entry from a guest starts on that stack from the top, so the guest's registers always lie in
 * cpu_info()->guest_regs, and nothing else is on the stack when the next vcpu is chosen.
 */
#pragma once

#include "arch/latency.h"
#include "config.h"
#include "public.h"
#include "types.h"

struct vcpu;

#define STACK_ORDER 3
#define STACK_SIZE (PAGE_SIZE << STACK_ORDER)

struct cpu_info {
    struct cpu_user_regs guest_regs;
    uint64_t percpu_offset; /* added to the address of a per-CPU variable */
    struct vcpu *current;   /* the vcpu running here (idle included) */
    uint32_t cpu;
    bool guest_walked;      /* current's memory is reached by walking its tables, not through the CPU's (mm/guest_copy.h) */
    bool guest_32bit;       /* the hypercall being served came from 32-bit code (mm/guest_form.h) */
    uint8_t pad[2];
    uint32_t *softirqs;     /* this CPU's softirq_pending_bits, for the way to the guest */
};

#ifdef XYLEM_HOST
extern _Thread_local struct cpu_info host_cpu_info;
static inline struct cpu_info *cpu_info(void) { return &host_cpu_info; }
static inline void irq_disable(void) {}
static inline void irq_enable(void) {}
static inline uint64_t irq_save(void) { return 0; }
static inline void irq_restore(uint64_t flags) { (void)flags; }
static inline bool irq_enabled(void) { return true; }
int sched_yield(void); /* CPUs are threads: whoever holds the lock may not be running */
static inline void cpu_relax(void) { sched_yield(); }
static inline void cpu_halt_until_irq(void) {}
#else
static inline struct cpu_info *cpu_info(void)
{
    uint64_t sp;

    __asm__("mov %%rsp, %0" : "=r"(sp));
    return (struct cpu_info *)((sp | (STACK_SIZE - 1)) + 1) - 1;
}
static inline uint64_t irq_save(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags)::"memory");
    latency_irq_off(flags);
    return flags;
}
#ifdef XYLEM_DEBUG
static inline void irq_disable(void) { (void)irq_save(); }
#else
static inline void irq_disable(void) { __asm__ volatile("cli" ::: "memory"); }
#endif
static inline void irq_enable(void)
{
    latency_irq_on();
    __asm__ volatile("sti" ::: "memory");
}
static inline bool irq_enabled(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    return flags & 0x200;
}
static inline void irq_restore(uint64_t flags)
{
    if (flags & 0x200)
        irq_enable();
}
static inline void cpu_relax(void) { __asm__ volatile("pause" ::: "memory"); }
/* Call with interrupts off: enables them and sleeps until the next one, without a window in between. */
static inline void cpu_halt_until_irq(void)
{
    latency_irq_on();
    __asm__ volatile("sti; hlt" ::: "memory");
}
#endif

static inline unsigned cpu_id(void) { return cpu_info()->cpu; }
#define current (cpu_info()->current)

/* Online CPUs as a bitmap of MAX_CPUS bits (lib/bitmap.h works on it). */
#define CPU_MASK_WORDS (MAX_CPUS / 64)
typedef struct { uint64_t bits[CPU_MASK_WORDS]; } cpu_mask_t;
extern cpu_mask_t cpu_online_mask;
extern unsigned cpu_online_count;
static inline bool cpu_online(unsigned cpu)
{
    return cpu < MAX_CPUS && (cpu_online_mask.bits[cpu / 64] >> (cpu % 64) & 1);
}

/* Runs fn(arg) on every CPU in mask (own CPU included when set), interrupts off, and waits for all. */
void cpu_call(const cpu_mask_t *mask, void (*fn)(void *), void *arg);
/* Interrupts another CPU so that it looks at its softirqs; no-op for a CPU already about to. */
void cpu_poke(unsigned cpu);
/* While spinning with interrupts off: does what other CPUs wait for. */
void smp_poll(void);
/* Idle until an interrupt arrives; called with interrupts off and nothing pending, returns with them on. */
void cpu_idle_wait(void);
