// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: no value a PVH guest writes to a control register, a model-specific register, XCR0 or its local APIC does more
// than fault; what it reads never differs from what it wrote where a CPU keeps it; and SVM's own instructions are not
// there. It matters because all of these are the CPU's real registers, and those of the hypervisor and of other guests
// come next in them. That the guest is alive at the end, and the others too, is the result.

#include <stddef.h>
#include <stdint.h>

#include "hypercall.h"
#include "pvh/machine.h"
#include "result.h"
#include "trap.h"
#include "vcpu.h"

const char test_title[] = "PVH: registers, MSR and CPUID sweeps, SVM instructions, local APIC";

#define EFER_SVME 0x1000u
#define MSR_VM_HSAVE_PA 0xc0010117u
#define APIC_X2APIC 0x400u

struct msr_access {
    uint32_t msr;
    uint64_t value;
};

static void msr_read_do(void *argument)
{
    struct msr_access *a = argument;

    a->value = rdmsr(a->msr);
}

static void msr_write_do(void *argument)
{
    const struct msr_access *a = argument;

    wrmsr(a->msr, a->value);
}

static bool msr_read(uint32_t msr, uint64_t *value)
{
    struct msr_access a = { .msr = msr };
    struct trap_seen seen;

    if (trap_catch(msr_read_do, &a, &seen)) {
        CHECK_EQUAL(seen.vector, TRAP_PROTECTION);
        return false;
    }
    *value = a.value;
    return true;
}

static bool msr_write(uint32_t msr, uint64_t value)
{
    struct msr_access a = { .msr = msr, .value = value };
    struct trap_seen seen;

    if (!trap_catch(msr_write_do, &a, &seen))
        return true;
    CHECK_EQUAL(seen.vector, TRAP_PROTECTION);
    return false;
}

/* Everything that can be read is written back, then with noise; what it was is put back at the end. */
static void msr_sweep(uint32_t first, uint32_t last)
{
    static const uint64_t noise[] = { 0, ~0ul, 0x8000000000000000ul, 0xdeadbeefcafef00dul };
    unsigned int readable = 0;

    for (uint32_t msr = first; msr <= last; msr++) {
        uint64_t value;

        if (msr == MSR_HYPERCALL_PAGE || !msr_read(msr, &value))
            continue;
        readable++;
        if (msr == MSR_EFER || msr == 0xc0000101 || msr == 0x10 || msr == MSR_APIC_BASE) /* these change what runs here */
            continue;
        for (unsigned int i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
            msr_write(msr, noise[i]);
        msr_write(msr, value);
    }
    print("msrs %x to %x: %u can be read\n", first, last, readable);
}

static void msr_check(void)
{
    uint64_t value;

    msr_sweep(0, 0x7ff);
    msr_sweep(0x1000, 0x10ff);
    msr_sweep(0x40000000, 0x400000ff);
    msr_sweep(0xc0000000, 0xc00003ff);
    msr_sweep(0xc0010000, 0xc00103ff);
    CHECK(!msr_read(MSR_VM_HSAVE_PA, &value));
    CHECK(!msr_write(MSR_VM_HSAVE_PA, 0x1000));
    CHECK(msr_read(MSR_EFER, &value));
    CHECK(!(value & EFER_SVME));
    CHECK(!msr_write(MSR_EFER, value | EFER_SVME));
    CHECK(!msr_write(MSR_EFER, value ^ 0x100)); /* LME while paging */
    CHECK(!msr_write(MSR_HYPERCALL_PAGE, 0xfffff000));
    CHECK(!msr_write(MSR_HYPERCALL_PAGE, ~0ul << 12));
    CHECK(!msr_write(MSR_PAT, 0x0202020202020202));
}

/* ---- control registers ---- */

static void cr0_do(void *value) { __asm__ volatile("mov %0, %%cr0" : : "r"(*(uint64_t *)value) : "memory"); }
static void cr4_do(void *value) { __asm__ volatile("mov %0, %%cr4" : : "r"(*(uint64_t *)value) : "memory"); }
static void xcr_do(void *value)
{
    uint64_t v = *(uint64_t *)value;

    __asm__ volatile("xsetbv" : : "a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(0) : "memory");
}

static bool refused(void (*write)(void *), uint64_t value)
{
    struct trap_seen seen;

    return trap_catch(write, &value, &seen) && seen.vector == TRAP_PROTECTION;
}

static uint64_t cr0_read(void)
{
    uint64_t v;

    __asm__ volatile("mov %%cr0, %0" : "=r"(v));
    return v;
}

static uint64_t cr4_read(void)
{
    uint64_t v;

    __asm__ volatile("mov %%cr4, %0" : "=r"(v));
    return v;
}

static void control_check(void)
{
    uint64_t cr0 = cr0_read(), cr4 = cr4_read(), changed;

    CHECK(refused(cr0_do, cr0 | 1ul << 32));
    CHECK(refused(cr0_do, cr0 & ~1ul));                  /* paging without protection */
    CHECK(refused(cr0_do, cr0 & ~(1ul << 31)));          /* off in 64-bit mode */
    CHECK(refused(cr0_do, cr0 | 1ul << 29));             /* NW without CD */
    changed = cr0 | 1ul << 30;                           /* CD is kept, and of no effect */
    cr0_do(&changed);
    CHECK_EQUAL(cr0_read(), changed);
    cr0_do(&cr0);
    CHECK_EQUAL(cr0_read(), cr0);
    changed = cr0 | 8;                                   /* TS, and clts */
    cr0_do(&changed);
    CHECK_EQUAL(cr0_read(), changed);
    __asm__ volatile("clts");
    CHECK_EQUAL(cr0_read(), cr0);
    __asm__ volatile("lmsw %w0" : : "r"(0)); /* cannot clear PE, does clear MP */
    CHECK_EQUAL(cr0_read(), cr0 & ~0xeul);
    cr0_do(&cr0);
    for (unsigned int bit = 23; bit < 64; bit++)
        CHECK(refused(cr4_do, cr4 | 1ul << bit));
    CHECK(refused(cr4_do, cr4 & ~0x20ul));               /* PAE off in 64-bit mode */
    CHECK(refused(cr4_do, cr4 | 1ul << 13));             /* VMX */
    CHECK_EQUAL(cr4_read(), cr4);
}

static void xcr_check(void)
{
    uint64_t cr4 = cr4_read(), on = cr4 | 1ul << 18;
    struct trap_seen seen;

    if (!(cpuid(1, 0).ecx >> 26 & 1)) {
        CHECK(refused(cr4_do, on));
        return;
    }
    cr4_do(&on);
    CHECK(cpuid(1, 0).ecx >> 27 & 1);
    CHECK(refused(xcr_do, 0));
    CHECK(refused(xcr_do, 2));
    CHECK(refused(xcr_do, 5));
    CHECK(refused(xcr_do, ~0ul));
    CHECK(refused(xcr_do, 1ul << 62 | 3));
    on = 3;
    CHECK(!trap_catch(xcr_do, &on, &seen));
    cr4_do(&cr4);
    CHECK(!(cpuid(1, 0).ecx >> 27 & 1));
}

/* ---- instructions ---- */

static void vmrun_do(void *argument) { __asm__ volatile("vmrun %0" : : "a"(argument) : "memory"); }
static void vmload_do(void *argument) { __asm__ volatile("vmload %0" : : "a"(argument) : "memory"); }
static void vmsave_do(void *argument) { __asm__ volatile("vmsave %0" : : "a"(argument) : "memory"); }
static void stgi_do(void *argument) { (void)argument; __asm__ volatile("stgi"); }
static void clgi_do(void *argument) { (void)argument; __asm__ volatile("clgi"); }
static void skinit_do(void *argument) { __asm__ volatile(".byte 0x0f, 0x01, 0xde" : : "a"(argument)); /* skinit */ }
static void invlpga_do(void *argument) { __asm__ volatile("invlpga %0, %1" : : "a"(argument), "c"(1)); }
static void monitor_do(void *argument) { __asm__ volatile("monitor" : : "a"(argument), "c"(0), "d"(0)); }
static void mwait_do(void *argument) { (void)argument; __asm__ volatile("mwait" : : "a"(0), "c"(0)); }
static void rdpmc_do(void *argument) { (void)argument; __asm__ volatile("rdpmc" : : "c"(0) : "eax", "edx"); }
static void wbinvd_do(void *argument) { (void)argument; __asm__ volatile("wbinvd; invd" : : : "memory"); }

static int vector_of(void (*function)(void *), void *argument)
{
    struct trap_seen seen;

    return trap_catch(function, argument, &seen) ? (int)seen.vector : -1;
}

static void instruction_check(void)
{
    static char page[4096] __attribute__((aligned(4096)));

    CHECK_EQUAL(vector_of(vmrun_do, page), TRAP_INVALID_OPCODE);
    CHECK_EQUAL(vector_of(vmload_do, page), TRAP_INVALID_OPCODE);
    CHECK_EQUAL(vector_of(vmsave_do, page), TRAP_INVALID_OPCODE);
    CHECK_EQUAL(vector_of(stgi_do, NULL), TRAP_INVALID_OPCODE);
    CHECK_EQUAL(vector_of(clgi_do, NULL), TRAP_INVALID_OPCODE);
    CHECK_EQUAL(vector_of(skinit_do, page), TRAP_INVALID_OPCODE);
    CHECK_EQUAL(vector_of(invlpga_do, page), TRAP_INVALID_OPCODE);
    CHECK_EQUAL(vector_of(monitor_do, page), TRAP_INVALID_OPCODE);
    CHECK_EQUAL(vector_of(mwait_do, NULL), TRAP_INVALID_OPCODE);
    CHECK_EQUAL(vector_of(rdpmc_do, NULL), TRAP_PROTECTION);
    CHECK_EQUAL(vector_of(wbinvd_do, NULL), -1);
}

/* Prefixes belong to the instruction, also where the processor does not tell its length. */
static void prefix_check(void)
{
    uint32_t a = 0, b, c = 0, d;

    __asm__ volatile(".byte 0x66, 0x2e, 0x3e, 0x48, 0x0f, 0xa2" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    CHECK_EQUAL(a, cpuid(0, 0).eax);
}

/* ---- CPUID ---- */

static void cpuid_sweep(void)
{
    static const uint32_t firsts[] = { 0, 0x40000000, 0x40000100, 0x80000000, 0x8ffffff0, 0xc0000000, 0xfffffff0 };

    for (unsigned int i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++)
        for (uint32_t leaf = firsts[i]; leaf < firsts[i] + 15; leaf++)
            for (uint32_t subleaf = 0; subleaf < 70; subleaf += 3)
                cpuid(leaf, subleaf);
    CHECK(!(cpuid(0x80000001, 0).ecx >> 2 & 1));   /* SVM */
    CHECK(!(cpuid(1, 0).ecx >> 3 & 1));            /* MONITOR */
    CHECK(!(cpuid(1, 0).ecx >> 5 & 1));            /* VMX */
    CHECK(!(cpuid(7, 0).ecx >> 3 & 1));            /* PKU: not switched */
    CHECK_EQUAL(cpuid(0x8000000a, 0).edx, 0);
}

/* ---- local APIC ---- */

static void apic_check(void)
{
    volatile uint32_t *apic = (volatile uint32_t *)0xfee00000ul;
    uint64_t base = rdmsr(MSR_APIC_BASE);

    CHECK_EQUAL(base & 0xfffff000, 0xfee00000);
    CHECK_EQUAL(apic[0x20 / 4], 0);
    CHECK_EQUAL(apic[0x30 / 4] & 0xff, 0x14);
    for (unsigned int i = 0; i < 1024; i++) /* every register, with noise; no interrupt comes, as all is masked */
        if (i != 0x300 / 4 && i != 0xf0 / 4)
            apic[i] = 0xffff0000 | i;
    for (unsigned int i = 0; i < 1024; i++)
        (void)apic[i];
    for (unsigned int i = 0x320 / 4; i <= 0x370 / 4; i += 4)
        apic[i] = 0x10000;
    apic[0x380 / 4] = 0;
    apic[0x80 / 4] = 0;
    CHECK(!msr_write(MSR_APIC_BASE, base | 1ul << 52));
    CHECK(!msr_write(MSR_APIC_BASE, (base & ~0xfffff000ul) | 0x1000));
    CHECK(!msr_write(MSR_APIC_BASE, (base & ~0x800ul) | APIC_X2APIC));
    CHECK(!msr_write(MSR_X2APIC + 8, 0)); /* not in that mode */
    CHECK(msr_write(MSR_APIC_BASE, base | APIC_X2APIC));
    CHECK(msr_write(MSR_X2APIC + 8, 0));
    CHECK(!msr_write(MSR_X2APIC + 8, 0x100));
    CHECK(!msr_write(MSR_X2APIC + 2, 1));  /* the id cannot be written */
    CHECK(!msr_write(MSR_X2APIC + 0xb, 1)); /* EOI takes 0 alone */
    CHECK(!msr_write(MSR_APIC_BASE, base)); /* not back without being switched off */
    CHECK_EQUAL((uint32_t)rdmsr(MSR_X2APIC + 2), 0);
    msr_sweep(0x800, 0x8ff);
}

void test_main(void)
{
    instruction_check();
    prefix_check();
    cpuid_sweep();
    control_check();
    xcr_check();
    msr_check();
    apic_check();
}
