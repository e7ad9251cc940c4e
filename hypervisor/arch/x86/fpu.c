// SPDX-License-Identifier: BSD-2-Clause
/*
 * Vector state in XSAVE's standard format (Intel SDM volume 1 chapter 13), or FXSAVE's where there is no
 * XSAVE.  The plain instructions are used, with every feature asked for: the optimized forms rely on the CPU
 * remembering which area it loaded last.
 */
#include "arch/x86/fpu.h"

#include "arch/x86/cpufeature.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "arch/x86/regs.h"
#include "domain/state.h"
#include "errno.h"
#include "log.h"
#include "mm/heap.h"

#define FXSAVE_SIZE 512
#define XSAVE_HEADER_SIZE 64
#define FCW_OFFSET 0
#define MXCSR_OFFSET 24
#define FCW_DEFAULT 0x37f
#define MXCSR_DEFAULT 0x1f80

uint64_t xsave_features;
unsigned xsave_size = FXSAVE_SIZE;
static PER_CPU_DEFINE(uint64_t, loaded_xcr0);

static void xcr0_set(uint64_t value)
{
    if (this_cpu(loaded_xcr0) == value)
        return;
    write_xcr0(value);
    this_cpu(loaded_xcr0) = value;
}

/* Which states go together: Intel SDM volume 1, 13.3. */
bool xcr0_valid(uint64_t value)
{
    if (!(value & XCR0_X87) || (value & ~xsave_features))
        return false;
    if ((value & XCR0_AVX) && !(value & XCR0_SSE))
        return false;
    return !(value & XCR0_AVX512) || ((value & XCR0_AVX512) == XCR0_AVX512 && (value & XCR0_AVX));
}

unsigned xsave_size_of(uint64_t xcr0)
{
    unsigned size = FXSAVE_SIZE + XSAVE_HEADER_SIZE;

    for (unsigned i = 2; i < 63; i++) {
        struct cpuid_result r;

        if (!(xcr0 >> i & 1))
            continue;
        r = cpuid(0xd, i);
        size = max(size, r.ebx + r.eax);
    }
    return size;
}

void fpu_init(void)
{
    uint64_t have;

    if (!cpu_has(FEATURE_XSAVE))
        return;
    have = cpuid(0xd, 0).eax;
    xsave_features = XCR0_X87 | XCR0_SSE | (cpu_has(FEATURE_AVX) ? have & XCR0_AVX : 0);
    if ((xsave_features & XCR0_AVX) && cpu_has(FEATURE_AVX512F) && (have & XCR0_AVX512) == XCR0_AVX512)
        xsave_features |= XCR0_AVX512;
    xsave_size = xsave_size_of(xsave_features);
}

static void fpu_reset(void)
{
    uint32_t mxcsr = MXCSR_DEFAULT;

    __asm__ volatile("clts; fninit; ldmxcsr %0" ::"m"(mxcsr));
}

void fpu_cpu_init(void)
{
    this_cpu(loaded_xcr0) = 0;
    if (xsave_features)
        xcr0_set(xsave_features);
    fpu_reset();
}

int arch_vcpu_init(struct vcpu *v)
{
    if (v->is_idle)
        return 0;
    v->arch.xsave_area = mem_alloc(xsave_size, 64);
    if (!v->arch.xsave_area)
        return -ENOMEM;
    *(uint16_t *)((char *)v->arch.xsave_area + FCW_OFFSET) = FCW_DEFAULT;
    *(uint32_t *)((char *)v->arch.xsave_area + MXCSR_OFFSET) = MXCSR_DEFAULT;
    /*
     * SSE from the start: programs see the machine's OSXSAVE even when their kernel does not use it, and the
     * C library's lazy binding then keeps arguments in vector registers with XSAVE.
     */
    v->arch.xcr0 = v->arch.xcr0_accum = xsave_features ? XCR0_X87 | XCR0_SSE : 0;
    return 0;
}

void arch_vcpu_destroy(struct vcpu *v)
{
    mem_free(v->arch.xsave_area);
    v->arch.xsave_area = NULL;
}

void fpu_save(struct vcpu *v)
{
    if (!v->arch.fpu_loaded || !v->arch.xsave_area)
        return;
    __asm__ volatile("clts");
    if (xsave_features) {
        xcr0_set(xsave_features);
        __asm__ volatile("xsave64 (%0)" ::"r"(v->arch.xsave_area), "a"(-1), "d"(-1) : "memory");
        xcr0_set(v->arch.xcr0);
    } else {
        __asm__ volatile("fxsave64 (%0)" ::"r"(v->arch.xsave_area) : "memory");
    }
}

/*
 * AMD's CPUs load the last x87 instruction's addresses only with an exception pending, so what one guest left
 * there would be seen by the next: an instruction of ours takes their place first (AMD APM volume 2, FXRSTOR).
 */
static void x87_pointers_clear(void)
{
    static const uint32_t zero;

    if (cpu_is_amd())
        __asm__ volatile("fnclex; ffree %%st(7); fildl %0" ::"m"(zero));
}

/* A state the CPU refuses (the toolstack may write anything) is replaced by a clean one. */
static bool restore(void *area)
{
    uint32_t failed = 1;

    if (xsave_features)
        __asm__ volatile("1: xrstor64 (%1)\n   xor %0, %0\n2:\n" EXTABLE(1b, 2b)
                         : "+r"(failed)
                         : "r"(area), "a"(-1), "d"(-1)
                         : "memory", "cc");
    else
        __asm__ volatile("1: fxrstor64 (%1)\n   xor %0, %0\n2:\n" EXTABLE(1b, 2b)
                         : "+r"(failed)
                         : "r"(area)
                         : "memory", "cc");
    return !failed;
}

void fpu_load(struct vcpu *v)
{
    __asm__ volatile("clts");
    if (xsave_features)
        xcr0_set(xsave_features);
    x87_pointers_clear();
    if (!v->arch.xsave_area || !restore(v->arch.xsave_area)) {
        log_vcpu(LOG_WARNING, v, "its vector state cannot be loaded: starts clean\n");
        fpu_reset();
    }
    if (xsave_features)
        xcr0_set(v->arch.xcr0);
    v->arch.fpu_loaded = true;
    v->arch.fpu_initialised = true;
}

/* ---- the hypervisor's own use ---- */

static struct { uint64_t fs_base, irq_flags, cr0; } kernel_use;
static uint64_t canary_block[8] __attribute__((aligned(64)));

void fpu_kernel_begin(void)
{
    kernel_use.irq_flags = irq_save();
    kernel_use.cr0 = read_cr0();
    if (current && !current->is_idle)
        fpu_save(current);
    kernel_use.fs_base = rdmsr(MSR_FS_BASE);
    if (xsave_features)
        xcr0_set(xsave_features);
    fpu_reset();
    wrmsr(MSR_FS_BASE, (uint64_t)canary_block);
}

void fpu_kernel_end(void)
{
    fpu_reset();
    wrmsr(MSR_FS_BASE, kernel_use.fs_base);
    if (current && !current->is_idle)
        fpu_load(current);
    write_cr0(kernel_use.cr0);
    irq_restore(kernel_use.irq_flags);
}
