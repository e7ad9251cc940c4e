// SPDX-License-Identifier: BSD-2-Clause
/*
 * Start of day: what is called in each room, in which order, and what each step may rely on.
 *
 *   boot stack      descriptor tables (so that a fault is a readable panic), options, early console, CPU features, memory
 *   guarded stack   ACPI, local APIC, softirqs, time, interrupts, scheduler with the idle vcpu; from here interrupts are on
 *   then            other CPUs, system domains' frames, domain 0, and this CPU becomes idle: which runs domain 0
 */

#include "arch/x86/acpi.h"
#include "arch/x86/apic.h"
#include "arch/x86/cpufeature.h"
#include "arch/x86/descriptor.h"
#include "arch/x86/fpu.h"
#include "arch/x86/smp.h"
#include "arch/x86/start.h"
#include "arch/x86/traps.h"
#include "boot/dom0.h"
#include "console/console.h"
#include "door/handlers.h"
#include "event/event.h"
#include "grant/grant.h"
#include "guest/crash.h"
#include "guest/hvm.h"
#include "guest/machine_check.h"
#include "guest/pv.h"
#include "irq/irq.h"
#include "lib/bitmap.h"
#include "lib/string.h"
#include "log.h"
#include "mm/heap.h"
#include "options.h"
#include "sched/sched.h"

/* Words that loaders' scripts add for another hypervisor's start-up code. */
static char ignored_word[16];
OPTION_TEXT(placeholder, "placeholder", ignored_word);
OPTION_TEXT(no_real_mode, "no-real-mode", ignored_word);
OPTION_TEXT(edd, "edd", ignored_word);

#define FIRST_MEGABYTE_FRAMES (1UL << 20 >> PAGE_SHIFT)

static uint64_t boot_gdt_page[512] __attribute__((aligned(4096)));

static void log_boot_info(void)
{
    log_info("Xylem, speaking Xen's 4.17 interface; loaded by %s\n",
             boot_info.loader[0] ? boot_info.loader : "an unnamed loader");
    log_info("Command line: %s\n", boot_info.cmdline);
    for (unsigned i = 0; i < boot_info.memory_count; i++)
        log_debug("  memory %016lx-%016lx type %u\n", boot_info.memory[i].start, boot_info.memory[i].end,
                  boot_info.memory[i].type);
    log_info("%lu MiB of memory, %u module%s\n", boot_ram_bytes() >> 20, boot_info.module_count,
             boot_info.module_count == 1 ? "" : "s");
}

/*
 * mem=: memory from this address on is left alone.  It is called reserved, so that nobody takes the addresses for free.
 */
static uint64_t option_mem;
OPTION_BYTES(mem, "mem", option_mem);

static void memory_limit(void)
{
    uint64_t limit = ROUND_UP(option_mem, PAGE_SIZE);
    unsigned count = boot_info.memory_count;

    if (limit == 0)
        return;
    for (unsigned i = 0; i < boot_info.module_count; i++)
        if (boot_info.modules[i].end > limit) {
            limit = ROUND_UP(boot_info.modules[i].end, PAGE_SIZE);
            log_warning("mem=: module %u ends at %#lx, which becomes the limit\n", i, limit);
        }
    for (unsigned i = 0; i < count; i++) {
        struct boot_range *r = &boot_info.memory[i];

        if (r->type != BOOT_MEMORY_RAM || r->end <= limit)
            continue;
        if (r->start < limit) {
            if (boot_info.memory_count == BOOT_MAX_RANGES)
                continue;
            memmove(r + 1, r, (boot_info.memory_count - i) * sizeof(*r));
            boot_info.memory_count++;
            count++;
            i++;
            r->end = limit;
            r++;
            r->start = limit;
        }
        r->type = BOOT_MEMORY_RESERVED;
    }
}

static void cpu_set_online(unsigned cpu)
{
    __atomic_fetch_add(&cpu_online_count, 1, __ATOMIC_SEQ_CST);
    bitmap_atomic_set(cpu_online_mask.bits, cpu);
}

/* ---- other CPUs ---- */

int start_of_day_cpu_prepare(unsigned cpu)
{
    return sched_cpu_init(cpu);
}

void start_of_day_cpu(unsigned cpu)
{
    current = idle_vcpu[cpu];
    if (time_cpu_init(cpu))
        panic("No memory for the timers of CPU %u\n", cpu);
    if (hvm_cpu_init())
        panic("CPU %u cannot run PVH guests, the others can\n", cpu);
    cpu_set_online(cpu);
    irq_enable();
    arch_continue_running(current);
}

/* ---- the boot CPU ---- */

static void frames_to_io(uint64_t first, uint64_t end)
{
    for (; first < end && first < max_frame; first++) {
        struct frame *f = mfn_to_frame(MFN(first));

        if (frame_owner(f) || f->refs & (FRAME_FREE | FRAME_XEN_HEAP)) /* owned: the page of entries that many share */
            continue;
        frame_set_owner(f, domain_io);
        f->refs = FRAME_ALLOCATED | 1;
        f->type = FRAME_WRITABLE | FRAME_VALIDATED | 1;
    }
}

/*
 * What lies in the frame table but is not memory belongs to the owner of memory-mapped I/O, as does what nobody took of the first
 * megabyte: firmware tables and the video adapter live there.
 */
static void give_holes_to_io(void)
{
    uint64_t at = 0;

    for (unsigned i = 0; i < boot_info.memory_count; i++) {
        const struct boot_range *r = &boot_info.memory[i];

        if (r->type != BOOT_MEMORY_RAM)
            continue;
        frames_to_io(at, r->start >> PAGE_SHIFT);
        at = (r->end + PAGE_SIZE - 1) >> PAGE_SHIFT;
    }
    frames_to_io(at, max_frame);
    frames_to_io(0, FIRST_MEGABYTE_FRAMES);
}

/* Guests may map the machine-to-physical table read-only, beside seeing it where the ABI says. */
static void share_m2p(void)
{
    for (uint64_t index = 0; index <= (max_frame - 1) >> 18; index++) {
        mfn_t first = m2p_backing(index);

        for (unsigned i = 0; !mfn_equal(first, INVALID_MFN) && i < 512; i++) {
            mfn_to_frame(mfn_add(first, i))->refs = FRAME_XEN_HEAP;
            heap_share(mfn_to_virt(mfn_add(first, i)), domain_xen, SHARE_READ_ONLY);
        }
    }
}

static _Noreturn void start_on_guarded_stack(void)
{
    traps_cpu_init();
    acpi_init();
    apic_init();
    smp_init();
    numa_init();
    softirq_init();
    time_init();
    if (time_cpu_init(0))
        panic("No memory for timers\n");
    apic_timer_init();
    irq_init();
    cpu_set_online(0);
    sched_init();
    event_init();
    grant_init();
    console_init_irq();
    domain_dump_init();
    guest_dump_init();
    pv_audit_init();
    latency_init();
    fail_keys_init();
    hvm_init();
    if (hvm_cpu_init())
        panic("The boot CPU does not switch on what it says it has for PVH guests\n");
    irq_enable();
    smp_start_cpus();
    time_smp_done();
    give_holes_to_io();
    share_m2p();
    nmi_init();
    machine_check_init();
    dom0_construct();
    watchdog_start();
    log_info("Start of day is over\n");
    irq_disable();
    arch_continue_running(current);
}

void start_of_day(void)
{
    this_cpu(gdt_page) = boot_gdt_page;
    traps_init();
    traps_cpu_init();
    options_parse(boot_info.cmdline);
    console_init_early();
    memory_limit();
    log_boot_info();
    cpu_identify();
    fpu_init();
    cpu_setup();
    memory_init();
    smp_boot_cpu_restack(start_on_guarded_stack);
}
