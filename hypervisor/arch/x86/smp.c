// SPDX-License-Identifier: BSD-2-Clause
/*
 * CPUs beside the first: their memory, their start, and work one CPU has another do.
 *
 * Each CPU's block in the run-time mappings is 64 KiB apart from the next: pages 0 and 1 the interrupt
 * stacks, page 2 a hole, pages 3 to 7 the stack with struct cpu_info at its end, page 8 the system-call stub,
 * which reaches the stack's end relative to itself.  Together pages 0 to 7 are the STACK_SIZE-aligned block
 * cpu_info() looks for.
 *
 * Starting a CPU: INIT, then startup interrupts that name the page of the trampoline (Intel SDM volume 3
 * section 9.4).
 */
#include "arch/x86/smp.h"

#include "arch/machine.h"
#include "arch/x86/acpi.h"
#include "arch/x86/apic.h"
#include "arch/x86/cpufeature.h"
#include "arch/x86/descriptor.h"
#include "arch/x86/entry.h"
#include "arch/x86/paging.h"
#include "arch/x86/start.h"
#include "arch/x86/traps.h"
#include "boot_info.h"
#include "errno.h"
#include "lib/bitmap.h"
#include "lib/string.h"
#include "log.h"
#include "mm/heap.h"
#include "options.h"
#include "sync/softirq.h"
#include "sync/spinlock.h"
#include "time/time.h"

#define BLOCK_ORDER 4
#define STACK_PAGES (1u << STACK_ORDER)
#define GUARD_PAGE 2
#define STUB_PAGE STACK_PAGES
#define LOOK_EVERY 0x10000UL /* turns of a wait: some milliseconds */
#define START_TIMEOUT_US 10000000

extern char percpu_start[], percpu_end[], trampoline_start[], trampoline_end[];
extern char syscall_stub_start[], syscall_stub_end[];
_Noreturn void stack_switch_call(void *top, void (*fn)(void));
_Noreturn void smp_cpu_main(void);

uint64_t percpu_offset[MAX_CPUS] = {[1 ... MAX_CPUS - 1] = 1UL << 63}; /* a CPU that is not there: faults */
cpu_mask_t cpu_online_mask;
unsigned cpu_online_count;
static char *stack_blocks[MAX_CPUS];
static struct acpi_cpu cpu_ids[MAX_CPUS]; /* by our number */
uint64_t smp_boot_stack;                  /* for trampoline.S */
static volatile unsigned cpu_arrived;
static unsigned opt_maxcpus = MAX_CPUS;
OPTION_UINT(maxcpus, "maxcpus", opt_maxcpus);
static bool opt_smp = true;
OPTION_BOOLEAN(smp, "smp", opt_smp);
static bool opt_nosmp;
OPTION_BOOLEAN(nosmp, "nosmp", opt_nosmp);

uint32_t interrupt_target(unsigned cpu) { return cpu < MAX_CPUS ? cpu_ids[cpu].apic_id : 0; }
uint32_t machine_apic_id(unsigned cpu) { return interrupt_target(cpu); }
uint32_t machine_acpi_id(unsigned cpu) { return cpu < MAX_CPUS ? cpu_ids[cpu].acpi_id : 0; }

/* ---- a CPU's memory ---- */

static char *make_block(void)
{
    mfn_t frames[STACK_PAGES + 1];
    char *pages = heap_alloc(STACK_ORDER, HEAP_ZERO), *stub = heap_alloc(0, HEAP_ZERO), *block;

    if (!pages || !stub)
        return NULL;
    for (unsigned i = 0; i < STACK_PAGES; i++)
        frames[i] = i == GUARD_PAGE ? INVALID_MFN : mfn_add(virt_to_mfn(pages), i);
    frames[STUB_PAGE] = INVALID_MFN;
    block = vmap_frames_aligned(frames, STACK_PAGES + 1, BLOCK_ORDER, PTE_HYPERVISOR_DATA);
    memcpy(stub, syscall_stub_start, (size_t)(syscall_stub_end - syscall_stub_start));
    if (block)
        vmap_set(block + STUB_PAGE * PAGE_SIZE, virt_to_mfn(stub), PTE_HYPERVISOR_TEXT);
    return block;
}

static struct cpu_info *block_info(char *block) { return (struct cpu_info *)(block + STACK_SIZE) - 1; }

int smp_prepare_cpu(unsigned cpu)
{
    char *block = make_block(), *percpu = percpu_start;
    uint64_t *gdt = heap_alloc(0, HEAP_ZERO);

    if (cpu)
        percpu = mem_alloc((size_t)(percpu_end - percpu_start), 64);
    if (!block || !percpu || !gdt)
        return -ENOMEM; /* the machine has too little for this CPU: what was taken stays taken */
    percpu_offset[cpu] = (uint64_t)percpu - (uint64_t)percpu_start;
    per_cpu(gdt_page, cpu) = gdt;
    per_cpu(gdt_frame, cpu) = virt_to_mfn(gdt);
    stack_blocks[cpu] = block;
    block_info(block)->cpu = cpu;
    block_info(block)->percpu_offset = percpu_offset[cpu];
    block_info(block)->softirqs = &per_cpu(softirq_pending_bits, cpu);
    return 0;
}

void smp_boot_cpu_restack(void (*fn)(void))
{
    if (smp_prepare_cpu(0))
        panic("No memory for the boot CPU's stack\n");
    *block_info(stack_blocks[0]) = *cpu_info();
    block_info(stack_blocks[0])->softirqs = &this_cpu(softirq_pending_bits);
    stack_switch_call(stack_blocks[0] + STACK_SIZE, fn);
}

void smp_init(void)
{
    cpu_ids[0] = (struct acpi_cpu){apic_id(), acpi_cpu_count ? acpi_cpus[0].acpi_id : 0, true};
}

/* ---- starting ---- */

/* A page of RAM the trampoline may overwrite: as high as possible below 640 KiB. */
static uint64_t trampoline_page(void)
{
    uint64_t best = 0;

    for (unsigned i = 0; i < boot_info.memory_count; i++) {
        const struct boot_range *r = &boot_info.memory[i];
        uint64_t end = min(ROUND_DOWN(r->end, PAGE_SIZE), (uint64_t)KIB(632));

        if (r->type == BOOT_MEMORY_RAM && end >= r->start + 2 * PAGE_SIZE && end > best)
            best = end - PAGE_SIZE;
    }
    return best;
}

/* First C of another CPU, on its own stack. */
void smp_cpu_main(void)
{
    traps_cpu_init();
    cpu_setup();
    apic_cpu_init();
    cpu_arrived = cpu_id();
    start_of_day_cpu(cpu_id());
}

static bool start_cpu(unsigned cpu, uint64_t page)
{
    uint32_t id = cpu_ids[cpu].apic_id;

    smp_boot_stack = (uint64_t)block_info(stack_blocks[cpu]) - 8;
    cpu_arrived = 0;
    apic_send_start(id, 0xc500); /* INIT, assert, level */
    time_delay_us(200);
    apic_send_start(id, 0x8500); /* INIT, de-assert */
    time_delay_us(10000);
    for (unsigned attempt = 0; attempt < 2 && cpu_arrived != cpu; attempt++) {
        apic_send_start(id, 0x4600 | (uint32_t)(page >> PAGE_SHIFT));
        for (unsigned us = 0; us < (attempt ? START_TIMEOUT_US : 1000) && cpu_arrived != cpu; us += 50)
            time_delay_us(50);
    }
    for (nanoseconds_t end = time_now() + START_TIMEOUT_US * 1000UL;
         cpu_arrived == cpu && !cpu_online(cpu) && time_now() < end; cpu_relax())
        time_answer();
    if (!cpu_online(cpu))
        apic_send_start(id, 0xc500); /* it must not come late, when the next one uses its number and stack */
    return cpu_online(cpu);
}

void smp_start_cpus(void)
{
    uint64_t page = trampoline_page();
    unsigned cpu = 1;

    if (page == 0 || !opt_smp || opt_nosmp) {
        log_warning("SMP: %s\n", page == 0 ? "no memory below 640 KiB to start CPUs in" : "turned off");
        return;
    }
    memcpy(maddr_to_virt(MADDR(page)), trampoline_start, (size_t)(trampoline_end - trampoline_start));
    for (unsigned i = 1; i < acpi_cpu_count && cpu < min(opt_maxcpus, (unsigned)MAX_CPUS); i++) {
        if (!acpi_cpus[i].enabled || acpi_cpus[i].apic_id == cpu_ids[0].apic_id)
            continue;
        cpu_ids[cpu] = acpi_cpus[i];
        if (smp_prepare_cpu(cpu) || start_of_day_cpu_prepare(cpu)) {
            log_error("SMP: no memory for CPU %u\n", cpu);
            break;
        }
        if (start_cpu(cpu, page))
            cpu++;
        else
            log_error("SMP: the CPU with APIC id %u does not start\n", cpu_ids[cpu].apic_id);
    }
    log_info("SMP: %u CPU%s online\n", cpu_online_count, cpu_online_count > 1 ? "s" : "");
}

/* ---- work between CPUs ---- */

static PER_CPU_DEFINE(uint8_t, poke_sent);

void cpu_poke(unsigned cpu)
{
    if (cpu_online(cpu) && !__atomic_exchange_n(&per_cpu(poke_sent, cpu), 1, __ATOMIC_SEQ_CST))
        apic_send_ipi(cpu, VECTOR_POKE);
}

void smp_poke_arrived(void) { __atomic_store_n(&this_cpu(poke_sent), 0, __ATOMIC_SEQ_CST); }

void cpu_idle_wait(void) { cpu_halt_until_irq(); }

static spinlock_t call_lock = SPINLOCK_INIT(RANK_NONE); /* one call at a time */
static struct {
    void (*fn)(void *arg);
    void *arg;
    cpu_mask_t asked;   /* not taken up yet; atomic bits */
    cpu_mask_t running; /* not done yet; atomic bits */
} call; /* call_lock */

void smp_call_serve(void)
{
    unsigned cpu = cpu_id();
    uint64_t flags = irq_save();

    if (bitmap_test(call.asked.bits, cpu) && bitmap_atomic_test_and_clear(call.asked.bits, cpu)) {
        call.fn(call.arg);
        bitmap_atomic_clear(call.running.bits, cpu);
    }
    irq_restore(flags);
}

void smp_poll(void)
{
    tlb_flush_serve();
    smp_call_serve();
}

/* Waits: the memory of the request is one. */
void cpu_call(const cpu_mask_t *mask, void (*fn)(void *), void *arg)
{
    uint64_t flags = irq_save();
    cpu_mask_t others;
    size_t cpu;
    bool here = bitmap_test(mask->bits, cpu_id());

    bitmap_and(others.bits, mask->bits, cpu_online_mask.bits, MAX_CPUS);
    bitmap_clear(others.bits, cpu_id());
    while (!spin_trylock(&call_lock)) {
        smp_poll();
        cpu_relax();
    }
    call.fn = fn;
    call.arg = arg;
    call.running = others;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < CPU_MASK_WORDS; i++)
        __atomic_store_n(&call.asked.bits[i], others.bits[i], __ATOMIC_SEQ_CST);
    bitmap_for_each(cpu, others.bits, MAX_CPUS)
        apic_send_ipi((unsigned)cpu, VECTOR_CALL);
    if (here)
        fn(arg);
    for (uint64_t turn = 1; !bitmap_empty(call.running.bits, MAX_CPUS); turn++) {
        if (turn % LOOK_EVERY == 0)
            watchdog_look();
        tlb_flush_serve();
        cpu_relax();
        __asm__ volatile("" ::: "memory");
    }
    spin_unlock(&call_lock);
    irq_restore(flags);
}

/* ---- the end ---- */

static uint32_t stopper; /* CPU + 1 that ends the machine's run */

bool smp_stopping(void) { return __atomic_load_n(&stopper, __ATOMIC_RELAXED) != 0; }

bool smp_stop_wanted(void) { return smp_stopping() && stopper != cpu_id() + 1; }

void smp_stop_others(void)
{
    uint32_t nobody = 0;
    size_t cpu;

    __atomic_compare_exchange_n(&stopper, &nobody, cpu_id() + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    bitmap_for_each(cpu, cpu_online_mask.bits, MAX_CPUS)
        if (cpu != cpu_id())
            apic_send_nmi((unsigned)cpu);
}
