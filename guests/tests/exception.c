// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: what a guest's kernel does wrong comes back to it as the exception the processor would raise, with the error
// code, address and flags it would have; what the hypervisor emulates does what the processor would do. It matters
// because a guest kernel repairs itself by these, and a wrong one kills it.

#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "trap.h"

const char test_title[] = "exceptions bounced to the kernel, and emulated instructions";

#define FAULT_PRESENT 1u
#define FAULT_WRITE 2u
#define FAULT_USER 4u

static void divide(void *unused)
{
    (void)unused;
    __asm__ volatile("xor %%edx, %%edx; mov $1, %%eax; xor %%ecx, %%ecx; div %%ecx" : : : "eax", "ecx", "edx");
}

static void breakpoint(void *unused)
{
    (void)unused;
    __asm__ volatile("int3");
}

static void undefined(void *unused)
{
    (void)unused;
    __asm__ volatile("ud2");
}

static void interrupt_gate(void *unused)
{
    (void)unused;
    __asm__ volatile("int $0x42");
}

static void halt_msr(void *unused)
{
    (void)unused;
    __asm__ volatile("wrmsr" : : "c"(0x12345678), "a"(0), "d"(0));
}

static void non_canonical(void *unused)
{
    (void)unused;
    __asm__ volatile("movb (%0), %%al" : : "r"(0x8000000000000000ul) : "al");
}

static void load_selector(void *unused)
{
    (void)unused;
    __asm__ volatile("mov %0, %%ds" : : "r"(0x1230));
}

static void catch_check(const char *name, void (*function)(void *), long vector, long error)
{
    struct trap_seen seen = { .vector = 99 };

    if (!trap_catch(function, NULL, &seen)) {
        test_failure("%s: expected exception %ld, got none", name, vector);
    } else if ((long)seen.vector != vector || (long)seen.error != error) {
        test_failure("%s: expected exception %ld with error %lx, got %lu with %lx", name, vector,
                     (unsigned long)error, seen.vector, seen.error);
    }
}

// The error code names the gate: vector times 8, and 2 for the IDT. QEMU's TCG multiplies by 16 in long mode.
static void gate_check(void)
{
    struct trap_seen seen = { .vector = 99 };

    CHECK(trap_catch(interrupt_gate, NULL, &seen));
    CHECK_EQUAL(seen.vector, TRAP_PROTECTION);
    if (seen.error != (0x42 << 3 | 2) && seen.error != (0x42 << 4 | 2))
        test_failure("int 0x42 without a gate: expected error 0x212 (or 0x422 in QEMU), got 0x%lx", seen.error);
}

static void read_at(void *address)
{
    __asm__ volatile("movb (%0), %%al" : : "r"(address) : "al");
}

static void write_at(void *address)
{
    __asm__ volatile("movb $1, (%0)" : : "r"(address) : "memory");
}

static void fault_check(const char *name, void (*function)(void *), void *address, uint64_t error)
{
    struct trap_seen seen = { .vector = 99 };

    if (!trap_catch(function, address, &seen)) {
        test_failure("%s: expected a page fault, got none", name);
        return;
    }
    if (seen.vector != TRAP_PAGE_FAULT || seen.error != error || seen.address != (unsigned long)address)
        test_failure("%s: expected a page fault at %lx with error %lx, got exception %lu at %lx with %lx", name,
                     (unsigned long)address, error, seen.vector, seen.address, seen.error);
}

static void emulated_check(void)
{
    unsigned long cr0, cr3, cr4;
    uint32_t a = 1, b, c = 0, d;

    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    CHECK_EQUAL(cr3 >> PAGE_SHIFT, base_table());
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    CHECK(cr0 & 1 && cr0 & 1ul << 31);
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    CHECK(cr4 & 1ul << 5);
    __asm__ volatile("clts; wbinvd");
    a = 0x40000000;
    __asm__ volatile("ud2; .ascii \"xen\"; cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    CHECK_EQUAL(b, 0x566e6558);     /* "XenVMMXenVMM" in EBX, ECX, EDX */
    CHECK_EQUAL(c, 0x65584d4d);
    CHECK_EQUAL(d, 0x4d4d566e);
    a = 1;
    c = 0;
    __asm__ volatile("ud2; .ascii \"xen\"; cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    CHECK(d & 1);                   /* FPU */
    CHECK(!(c & 1u << 5));          /* VMX is not for PV */
}

void test_main(void)
{
    char *page = page_alloc();

    catch_check("div by zero", divide, TRAP_DIVIDE, 0);
    catch_check("int3", breakpoint, TRAP_BREAKPOINT, 0);
    catch_check("ud2", undefined, TRAP_INVALID_OPCODE, 0);
    gate_check();
    catch_check("wrmsr of an unknown register", halt_msr, TRAP_PROTECTION, 0);
    catch_check("non-canonical address", non_canonical, TRAP_PROTECTION, 0);
    catch_check("selector beyond the table", load_selector, TRAP_PROTECTION, 0x1230);
    CHECK_EQUAL(page_protect(page, false), 0);
    fault_check("write to a read-only page", write_at, page, FAULT_PRESENT | FAULT_WRITE);
    fault_check("read of an absent page", read_at, (void *)0x7fff00000000ul, 0);
    fault_check("write of an absent page", write_at, (void *)0x7fff00000000ul, FAULT_WRITE);
    fault_check("read at address 8", read_at, (void *)8, 0);
    CHECK(trap_probe_read((void *)0xffff830000000000ul) == TRAP_PAGE_FAULT);
    CHECK(trap_probe_write((void *)MACH2PHYS_VIRT_START) == TRAP_PAGE_FAULT);
    emulated_check();
}
