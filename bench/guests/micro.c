// SPDX-License-Identifier: BSD-2-Clause
//
// What single operations of a PV guest cost, in ticks of the time stamp counter. Under QEMU with "-icount shift=0" a
// tick is one instruction. Each row is the best of many short rounds, so that a timer interrupt or another domain
// that ran in between does not count; a row includes the few instructions of its loop and of its call.
//
// Prints "BENCH KEY VALUE" with one decimal, or "BENCH KEY failed" for an operation that was refused. With "loop=KEY"
// on the command line only that row runs, for ever after the line "LOOP", for bench/profile. With "ports=N" the guest
// first takes so many event channels more, for bench/growth; with "fifo" its events are kept in queues, which more than
// 4,095 channels need, and not in the two-level bitmap.
//
// config: max_event_channels = 131071

#include <stdint.h>

#include <xen/sched.h>
#include <xen/version.h>

#include "event.h"
#include "grant.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "start.h"
#include "string.h"
#include "timer.h"
#include "trap.h"
#include "vcpu.h"

const char test_title[] = "micro-benchmarks";

#define ROUNDS 60u
#define BATCH 128u
#define TABLE_ROUNDS 20u

static volatile bool failed;

// How many rounds a row gets: none when another one is to be looped over.
static unsigned int rounds_of(const char *key, unsigned int rounds)
{
    const char *wanted = strstr((const char *)start_page()->cmd_line, "loop=");

    if (!wanted)
        return rounds;
    if (strcmp(wanted + 5, key) != 0)
        return 0;
    print("LOOP %s\n", key);
    return ~0u;
}

static void report(const char *key, uint64_t best, unsigned int count)
{
    uint64_t tenths = best * 10 / count;

    if (best == ~0ul)
        return;
    if (failed)
        print("BENCH %s failed\n", key);
    else
        print("BENCH %s %lu.%lu\n", key, tenths / 10, tenths % 10);
    failed = false;
}

#define MEASURE(key, rounds, count, statement)                                                                     \
    do {                                                                                                           \
        uint64_t best = ~0ul;                                                                                      \
        unsigned int measure_rounds = rounds_of(key, rounds);                                                      \
                                                                                                                   \
        for (unsigned int measure_round = 0; measure_round < measure_rounds; measure_round++) {                    \
            uint64_t start = tsc_read(), taken;                                                                    \
                                                                                                                   \
            for (unsigned int turn = 0; turn < (count); turn++) {                                                  \
                statement;                                                                                         \
            }                                                                                                      \
            taken = tsc_read() - start;                                                                            \
            best = taken < best ? taken : best;                                                                    \
        }                                                                                                          \
        report(key, best, count);                                                                                  \
    } while (0)

#define CALL(expression)                                                                                           \
    do {                                                                                                           \
        if ((expression) < 0)                                                                                      \
            failed = true;                                                                                         \
    } while (0)

static void calls_measure(void)
{
    MEASURE("empty", ROUNDS, 64, __asm__ volatile(""));
    MEASURE("null", ROUNDS, 64, CALL(version_op(XENVER_version, 0)));
    MEASURE("yield", ROUNDS, 16, CALL(sched_op(SCHEDOP_yield, 0)));
    MEASURE("set_timer", ROUNDS, 32, CALL(timer_set(1ul << 50)));
    timer_set(0);
}

#define FIFO_WORDS_PER_PAGE (PAGE_SIZE / sizeof(event_word_t))
#define FIFO_PAGES (EVTCHN_FIFO_NR_CHANNELS / FIFO_WORDS_PER_PAGE)

static volatile event_word_t *fifo; /* a word for each port, or NULL */

/* Ports are masked as the two-level ones are from the start: nothing of this is delivered. */
static void port_mask(int port)
{
    if (fifo && port >= 0)
        fifo[port] |= 1u << EVTCHN_FIFO_MASKED;
}

static void port_clear(int port)
{
    if (fifo)
        fifo[port] &= ~(1u << EVTCHN_FIFO_PENDING);
    else
        event_clear((evtchn_port_t)port);
}

static void fifo_start(void)
{
    struct evtchn_init_control control = { .control_gfn = machine_of(page_alloc()) };
    volatile event_word_t *words = pages_alloc(FIFO_PAGES);

    if (event_op(EVTCHNOP_init_control, &control) < 0) {
        print("no FIFO events\n");
        return;
    }
    for (unsigned int i = 0; i < FIFO_PAGES; i++) {
        struct evtchn_expand_array array = { .array_gfn = machine_of((char *)words + i * PAGE_SIZE) };

        CALL(event_op(EVTCHNOP_expand_array, &array));
    }
    fifo = words;
}

static void events_measure(void)
{
    int ipi = event_bind_ipi(0), one = event_alloc_unbound(DOMID_SELF), two;
    struct evtchn_send send = { .port = (evtchn_port_t)ipi };

    two = event_bind_interdomain(DOMID_SELF, (evtchn_port_t)one);
    if (ipi < 0 || one < 0 || two < 0) {
        failed = true;
        report("event_ipi", 0, 1);
        return;
    }
    port_mask(ipi);
    port_mask(one);
    port_mask(two);
    MEASURE("event_ipi", ROUNDS, 32, CALL(event_op(EVTCHNOP_send, &send)));
    MEASURE("event_ipi_edge", ROUNDS, 32, CALL(event_op(EVTCHNOP_send, &send)); port_clear(ipi));
    send.port = (evtchn_port_t)two;
    MEASURE("event_self", ROUNDS, 32, CALL(event_op(EVTCHNOP_send, &send)));
    MEASURE("event_self_edge", ROUNDS, 32, CALL(event_op(EVTCHNOP_send, &send)); port_clear(one));
}

static void grants_measure(void)
{
    struct gnttab_copy copy = { .source = { .domid = DOMID_SELF }, .flags = GNTCOPY_dest_gref };
    char *source = page_alloc(), *target = page_alloc();

    if (grant_init() < 0) {
        failed = true;
        return;
    }
    grant_give(GRANT_FIRST, domain_self(), target, false);
    copy.source.u.gmfn = machine_of(source);
    copy.dest.u.ref = GRANT_FIRST;
    copy.dest.domid = domain_self();
    copy.len = 64;
    MEASURE("grant_copy_64_to", ROUNDS, 16, CALL(grant_op(GNTTABOP_copy, &copy, 1)); CALL(copy.status));
    copy.dest.domid = DOMID_SELF;
    copy.dest.u.gmfn = machine_of(target);
    copy.source.domid = domain_self();
    copy.source.u.ref = GRANT_FIRST;
    copy.flags = GNTCOPY_source_gref;
    MEASURE("grant_copy_64", ROUNDS, 16, CALL(grant_op(GNTTABOP_copy, &copy, 1)); CALL(copy.status));
    copy.len = 4096;
    MEASURE("grant_copy_4096", ROUNDS, 16, CALL(grant_op(GNTTABOP_copy, &copy, 1)); CALL(copy.status));
    grant_take(GRANT_FIRST);
}

static void flushes_measure(void)
{
    struct mmuext_op flush = { .cmd = MMUEXT_TLB_FLUSH_LOCAL };
    struct mmuext_op base = { .cmd = MMUEXT_NEW_BASEPTR };
    unsigned long tables[2] = { base_table(), base_table_copy() };
    char *page = page_alloc();

    MEASURE("tlb_flush", ROUNDS, 32, CALL(mmuext_op(&flush, 1, 0, DOMID_SELF)));
    flush = (struct mmuext_op) { .cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = (unsigned long)page };
    MEASURE("invlpg", ROUNDS, 32, CALL(mmuext_op(&flush, 1, 0, DOMID_SELF)));
    base.arg1.mfn = tables[0];
    MEASURE("new_base", ROUNDS, 32, CALL(mmuext_op(&base, 1, 0, DOMID_SELF)));
    MEASURE("new_base_other", ROUNDS, 32, base.arg1.mfn = tables[~turn & 1];
            CALL(mmuext_op(&base, 1, 0, DOMID_SELF)));
    base.arg1.mfn = tables[0];
    CALL(mmuext_op(&base, 1, 0, DOMID_SELF));
}

static void entries_measure(void)
{
    static struct mmu_update updates[BATCH];
    char *window = range_alloc(1), *pages = pages_alloc(2);
    uint64_t entries[2] = { machine_of(pages) << PAGE_SHIFT | ENTRY_READ_WRITE,
                            machine_of(pages + PAGE_SIZE) << PAGE_SHIFT | ENTRY_READ_WRITE };
    volatile uint64_t *entry = (volatile uint64_t *)entry_find(window, 1);
    uint64_t *table = page_alloc();

    CALL(update_va_mapping(window, entries[0], UVMF_INVLPG));
    MEASURE("va_mapping", ROUNDS, 32, CALL(update_va_mapping(window, entries[0], UVMF_INVLPG)));
    MEASURE("va_mapping_other", ROUNDS, 32, CALL(update_va_mapping(window, entries[turn & 1], UVMF_INVLPG)));
    updates[0].ptr = entry_machine((const uint64_t *)entry);
    updates[0].val = entries[1];
    MEASURE("mmu_update_1", ROUNDS, 32, CALL(mmu_update(updates, 1, 0, DOMID_SELF)));
    MEASURE("mmu_update_1_other", ROUNDS, 32, updates[0].val = entries[turn & 1];
            CALL(mmu_update(updates, 1, 0, DOMID_SELF)));
    MEASURE("write_emulated", ROUNDS, 32, *entry = entries[1]);
    MEASURE("write_emulated_other", ROUNDS, 32, *entry = entries[turn & 1]);
    if (page_protect(table, false) < 0 || mmuext(MMUEXT_PIN_L1_TABLE, machine_of(table)) < 0)
        failed = true;
    for (unsigned int i = 0; i < BATCH; i++)
        updates[i] = (struct mmu_update) { entry_machine(table + i), entries[0] };
    MEASURE("mmu_update_128", TABLE_ROUNDS, 1, CALL(mmu_update(updates, BATCH, 0, DOMID_SELF)));
    MEASURE("mmu_update_128_other", TABLE_ROUNDS, 1,
            for (unsigned int i = 0; i < BATCH; i++) updates[i].val = entries[~measure_round & 1];
            start = tsc_read(); CALL(mmu_update(updates, BATCH, 0, DOMID_SELF)));
    CALL(mmuext(MMUEXT_UNPIN_TABLE, machine_of(table)));
}

static void pin_measure(const char *key, uint64_t *table)
{
    struct mmuext_op pin[2] = { { .cmd = MMUEXT_PIN_L1_TABLE }, { .cmd = MMUEXT_UNPIN_TABLE } };

    pin[0].arg1.mfn = pin[1].arg1.mfn = machine_of(table);
    CALL(page_protect(table, false));
    MEASURE(key, TABLE_ROUNDS, 1, CALL(mmuext_op(&pin[0], 1, 0, DOMID_SELF));
            CALL(mmuext_op(&pin[1], 1, 0, DOMID_SELF)));
    CALL(page_protect(table, true));
}

static void pins_measure(void)
{
    char *pages = pages_alloc(ENTRIES);
    uint64_t *table = page_alloc();

    pin_measure("pin_unpin", table);
    for (unsigned int i = 0; i < ENTRIES; i++)
        table[i] = machine_of(pages) << PAGE_SHIFT | ENTRY_READ_ONLY;
    pin_measure("pin_unpin_read_only", table);
    for (unsigned int i = 0; i < ENTRIES; i++)
        table[i] = machine_of(pages + i * PAGE_SIZE) << PAGE_SHIFT | ENTRY_READ_WRITE;
    pin_measure("pin_unpin_512", table);
}

// A page fault's shortest handler: skips the 3 bytes of the store that faulted and returns.
__asm__(".globl fault_skip\n"
        "fault_skip:\n\t"
        "pop %rcx\n\t"
        "pop %r11\n\t"
        "add $8, %rsp\n\t"
        "addq $3, (%rsp)\n\t"
        "jmp trap_iret");
extern char fault_skip[];

static void traps_measure(void)
{
    struct trap_info table[2] = {
        { .vector = TRAP_PAGE_FAULT, .flags = 4, .cs = FLAT_KERNEL_CS, .address = (unsigned long)fault_skip }, { 0 },
    };

    MEASURE("mov_cr3", ROUNDS, 16, unsigned long cr3; __asm__ volatile("mov %%cr3, %0" : "=r"(cr3)));
    MEASURE("cpuid", ROUNDS, 16, uint32_t a = 0; uint32_t c = 0;
            __asm__ volatile("ud2; .ascii \"xen\"; cpuid" : "+a"(a), "+c"(c) : : "ebx", "edx"));
    CALL(hypercall1(__HYPERVISOR_set_trap_table, table));
    MEASURE("fault_iret", ROUNDS, 16, __asm__ volatile("movb $0, (%0)" : : "a"(0x7fff00000000ul) : "memory", "cc"));
    trap_init();
}

static void ports_take(void)
{
    const char *number = strstr((const char *)start_page()->cmd_line, "ports=");
    unsigned int wanted = 0, taken = 0;

    if (!number)
        return;
    for (number += 6; *number >= '0' && *number <= '9'; number++)
        wanted = wanted * 10 + (unsigned int)(*number - '0');
    while (taken < wanted && event_alloc_unbound(0) >= 0)
        taken++;
    print("%u ports taken\n", taken);
}

void test_main(void)
{
    if (strstr((const char *)start_page()->cmd_line, "fifo"))
        fifo_start();
    ports_take();
    calls_measure();
    events_measure();
    grants_measure();
    flushes_measure();
    entries_measure();
    pins_measure();
    traps_measure();
}
