// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: an exit whose instruction the hypervisor has to look up works wherever the bytes are, and whatever they have become
// since: across pages that are not neighbours, behind a page that is gone, rewritten or mapped away by another vcpu at that
// moment. It matters because what is looked up is not what was executed: the guest chooses both.
//
// config: vcpus = 2

#include <stddef.h>
#include <stdint.h>

#include "hypercall.h"
#include "memory.h"
#include "pvh/machine.h"
#include "result.h"
#include "string.h"
#include "trap.h"
#include "vcpu.h"

const char test_title[] = "PVH: instructions across pages, rewritten and mapped away while they exit";

#define CODE 0x200000000ul /* 8 GiB: two pages of code */
#define APIC 0xfee00000ul
#define ROUNDS 3000u

extern uint64_t page_table_4[];
static uint64_t *entries;       /* of CODE */
static uint8_t *first, *second; /* the pages behind it; and one that is swapped for the second */
static uint8_t *other;
static volatile bool stop;
static volatile unsigned long turns;

struct call { uint64_t at, eax, ecx, rdi; };

static void invalidate(unsigned long address) { __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory"); }

static void call_do(void *argument)
{
    struct call *c = argument;

    __asm__ volatile("call *%[at]"
                     : "+a"(c->eax), "+c"(c->ecx)
                     : [at] "r"(c->at), "D"(c->rdi)
                     : "rbx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory");
}

/* Bytes of code so that `before` of them are the first page's last ones; a RET follows. */
static uint64_t place(const uint8_t *code, unsigned int length, unsigned int before)
{
    for (unsigned int i = 0; i <= length; i++) {
        uint8_t byte = i < length ? code[i] : 0xc3;

        if (i < before)
            first[PAGE_SIZE - before + i] = byte;
        else
            second[i - before] = byte;
    }
    return CODE + PAGE_SIZE - before;
}

static const struct { const char *name; uint8_t code[12]; unsigned int length, eax, ecx; } rows[] = {
    { "cpuid", { 0x66, 0x2e, 0x0f, 0xa2 }, 4, 0x40000000, 0 },
    { "rdmsr", { 0x3e, 0x0f, 0x32 }, 3, 0, MSR_APIC_BASE },
    { "in", { 0xe4, 0x70 }, 2, 0, 0 },
    { "read of the local APIC", { 0x67, 0x8b, 0x87, 0x30, 0x00, 0x00, 0x00 }, 7, 0, 0 },
    { "write of the local APIC", { 0xc7, 0x87, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00 }, 10, 0, 0 },
    { "read of CR0", { 0x0f, 0x20, 0xc0 }, 3, 0, 0 },
};

static void across_pages(void)
{
    struct trap_seen seen;

    for (unsigned int r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct call whole = { .eax = rows[r].eax, .ecx = rows[r].ecx, .rdi = APIC };

        whole.at = place(rows[r].code, rows[r].length, rows[r].length + 1);
        if (trap_catch(call_do, &whole, &seen))
            test_failure("%s: exception %lu", rows[r].name, seen.vector);
        for (unsigned int before = 1; before < rows[r].length; before++) {
            struct call split = { .eax = rows[r].eax, .ecx = rows[r].ecx, .rdi = APIC };

            split.at = place(rows[r].code, rows[r].length, before);
            if (trap_catch(call_do, &split, &seen))
                test_failure("%s, %u bytes in the first page: exception %lu", rows[r].name, before, seen.vector);
            CHECK_EQUAL(split.eax, whole.eax);
            /* without the second page the CPU faults before it executes */
            split.eax = rows[r].eax;
            entries[1] = 0;
            invalidate(CODE + PAGE_SIZE);
            if (!trap_catch(call_do, &split, &seen) || seen.vector != TRAP_PAGE_FAULT)
                test_failure("%s, %u bytes in the first page: ran without the second", rows[r].name, before);
            else
                CHECK_EQUAL(seen.address, CODE + PAGE_SIZE);
            entries[1] = machine_of(second) << PAGE_SHIFT | ENTRY_PRESENT | ENTRY_WRITABLE;
        }
    }
}

/* One process of the guest has prefixes where another has none, at the same address: a length that is remembered is the other's. */
static void prefixes_come_and_go(void)
{
    static const uint8_t forms[][6] = { /* too long lands on ud2, too short executes cpuid of its own answer */
        { 0x0f, 0xa2, 0xc3, 0xc3, 0x0f, 0x0b }, { 0x66, 0x2e, 0x0f, 0xa2, 0xc3 }, { 0x0f, 0xa2, 0xc3, 0xc3, 0x0f, 0x0b },
    };
    struct call expected = { .at = CODE, .eax = 0x40000000 };

    for (unsigned int i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct call c = { .at = CODE, .eax = 0x40000000 };
        struct trap_seen seen;

        memcpy(first, forms[i], sizeof(forms[i]));
        if (trap_catch(call_do, &c, &seen))
            test_failure("form %u of cpuid: exception %lu", i, seen.vector);
        if (i == 0)
            expected = c;
        CHECK_EQUAL(c.eax, expected.eax);
        CHECK_EQUAL(c.ecx, expected.ecx);
    }
}

/*
 * Vcpu 1: bytes change, prefixes come and go, the page is another one, or none.  Only instructions whose exit names them, and whose bytes
 * mixed are harmless to the guest itself.
 */
static void rewriter(void *unused)
{
    static const uint8_t forms[][4] = {
        { 0x0f, 0xa2, 0xc3, 0xc3 }, { 0x66, 0x0f, 0xa2, 0xc3 }, { 0x2e, 0x66, 0x0f, 0xa2 }, { 0x0f, 0x32, 0xc3, 0xc3 },
        { 0xe4, 0x70, 0xc3, 0xc3 }, { 0x3e, 0x0f, 0x32, 0xc3 },
    };
    unsigned int i = 0;

    (void)unused;
    while (!stop) {
        memcpy(second, forms[i % 6], 4);
        memcpy(other, forms[i / 6 % 6], 4);
        for (unsigned int k = 0; k < 4; k++)
            entries[1] = (k & 1 ? machine_of(second) : machine_of(other)) << PAGE_SHIFT | ENTRY_PRESENT | ENTRY_WRITABLE;
        if (i % 7 == 0)
            entries[1] = 0;
        i++;
        turns++;
    }
}

static void changed_meanwhile(void)
{
    unsigned int trapped = 0, ran = 0;
    struct trap_seen seen;

    for (unsigned int k = 0; k < 16; k++)
        second[4 + k] = other[4 + k] = 0xc3;
    vcpu_run(1, rewriter, NULL);
    while (!turns)
        sched_op(0, 0);
    for (unsigned int i = 0; i < ROUNDS; i++) {
        struct call c = { .at = CODE + PAGE_SIZE, .eax = 1, .ecx = MSR_APIC_BASE };

        invalidate(CODE + PAGE_SIZE);
        if (trap_catch(call_do, &c, &seen))
            trapped++;
        else
            ran++;
        if (i % 16 == 0)
            sched_op(0, 0);
    }
    stop = true;
    CHECK(vcpu_wait(1));
    print("%u ran, %u trapped, %lu changes\n", ran, trapped, turns);
    CHECK(ran > 0);
}

void test_main(void)
{
    uint64_t *table_3 = (uint64_t *)(page_table_4[0] & ~0xffful), *table_2 = page_alloc();

    entries = page_alloc();
    first = page_alloc();
    (void)page_alloc(); /* so that they are no neighbours */
    second = page_alloc();
    other = page_alloc();
    memset(first, 0xc3, PAGE_SIZE);
    table_3[CODE >> 30] = (uint64_t)table_2 | ENTRY_PRESENT | ENTRY_WRITABLE;
    table_2[0] = (uint64_t)entries | ENTRY_PRESENT | ENTRY_WRITABLE;
    entries[0] = machine_of(first) << PAGE_SHIFT | ENTRY_PRESENT | ENTRY_WRITABLE;
    entries[1] = machine_of(second) << PAGE_SHIFT | ENTRY_PRESENT | ENTRY_WRITABLE;
    across_pages();
    prefixes_come_and_go();
    changed_meanwhile();
}
