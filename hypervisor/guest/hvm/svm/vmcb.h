/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual machine control block, its intercepts and exit codes.  AMD64 Architecture Programmer's Manual, volume 2,
 * chapter 15 and appendices B and C.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct vmcb_segment {
    uint16_t selector, attributes;
    uint32_t limit;
    uint64_t base;
};

struct vmcb {
    uint16_t intercept_cr_read, intercept_cr_write, intercept_dr_read, intercept_dr_write;
    uint32_t intercept_exceptions, intercept1, intercept2, intercept3;
    uint8_t reserved1[0x24];
    uint16_t pause_threshold, pause_count;
    uint64_t iopm, msrpm, tsc_offset;
    uint32_t asid;
    uint8_t tlb_control, reserved2[3];
    uint64_t virtual_interrupt, interrupt_shadow;
    uint64_t exit_code, exit_info1, exit_info2, exit_interrupt;
    uint64_t nested_control, avic_bar, ghcb, event_injection, nested_cr3, lbr_control;
    uint32_t clean, reserved3;
    uint64_t next_rip;
    uint8_t fetched, fetched_bytes[15];
    uint8_t reserved4[0x400 - 0xe0];
    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t reserved5[0x4cb - 0x4a0];
    uint8_t cpl;
    uint32_t reserved6;
    uint64_t efer;
    uint8_t reserved7[0x548 - 0x4d8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved8[0x5d8 - 0x580];
    uint64_t rsp, s_cet, ssp, isst, rax, star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    uint8_t reserved9[0x668 - 0x648];
    uint64_t g_pat, debugctl, branch_from, branch_to, exception_from, exception_to;
    uint8_t reserved10[0x1000 - 0x698];
};
_Static_assert(offsetof(struct vmcb, pause_threshold) == 0x3c, "");
_Static_assert(offsetof(struct vmcb, asid) == 0x58, "");
_Static_assert(offsetof(struct vmcb, exit_code) == 0x70, "");
_Static_assert(offsetof(struct vmcb, event_injection) == 0xa8, "");
_Static_assert(offsetof(struct vmcb, next_rip) == 0xc8, "");
_Static_assert(offsetof(struct vmcb, es) == 0x400, "");
_Static_assert(offsetof(struct vmcb, cpl) == 0x4cb, "");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "");
_Static_assert(offsetof(struct vmcb, cr4) == 0x548, "");
_Static_assert(offsetof(struct vmcb, rip) == 0x578, "");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8, "");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640, "");
_Static_assert(offsetof(struct vmcb, g_pat) == 0x668, "");
_Static_assert(sizeof(struct vmcb) == 0x1000, "one page");

/* intercept1 */
#define INTERCEPT_INTR     (1u << 0)
#define INTERCEPT_NMI      (1u << 1)
#define INTERCEPT_SMI      (1u << 2)
#define INTERCEPT_INIT     (1u << 3)
#define INTERCEPT_VINTR    (1u << 4)
#define INTERCEPT_RDTSC    (1u << 14)
#define INTERCEPT_RDPMC    (1u << 15)
#define INTERCEPT_CPUID    (1u << 18)
#define INTERCEPT_RSM      (1u << 19)
#define INTERCEPT_IRET     (1u << 20)
#define INTERCEPT_INVD     (1u << 22)
#define INTERCEPT_PAUSE    (1u << 23)
#define INTERCEPT_HLT      (1u << 24)
#define INTERCEPT_INVLPGA  (1u << 26)
#define INTERCEPT_IO       (1u << 27)
#define INTERCEPT_MSR      (1u << 28)
#define INTERCEPT_FERR     (1u << 30)
#define INTERCEPT_SHUTDOWN (1u << 31)
/* intercept2 */
#define INTERCEPT_VMRUN    (1u << 0)
#define INTERCEPT_VMMCALL  (1u << 1)
#define INTERCEPT_VMLOAD   (1u << 2)
#define INTERCEPT_VMSAVE   (1u << 3)
#define INTERCEPT_STGI     (1u << 4)
#define INTERCEPT_CLGI     (1u << 5)
#define INTERCEPT_SKINIT   (1u << 6)
#define INTERCEPT_RDTSCP   (1u << 7)
#define INTERCEPT_WBINVD   (1u << 9)
#define INTERCEPT_MONITOR  (1u << 10)
#define INTERCEPT_MWAIT    (1u << 11)
#define INTERCEPT_XSETBV   (1u << 13)

/* virtual_interrupt */
#define VINTR_TPR         0xfUL
#define VINTR_IRQ         (1UL << 8)
#define INTERRUPT_SHADOW  1UL /* the other bits of the field are news */
#define VINTR_PRIORITY(n) ((uint64_t)(n) << 16)
#define VINTR_IGNORE_TPR  (1UL << 20)
#define VINTR_MASKING     (1UL << 24) /* the guest's IF is about its own interrupts alone */

/* event_injection, exit_interrupt */
#define EVENT_TYPE_SHIFT 8
#define EVENT_TYPE_MASK  (7UL << EVENT_TYPE_SHIFT)
#define EVENT_ERROR_CODE (1UL << 11)
#define EVENT_VALID      (1UL << 31)

#define NESTED_PAGING 1UL
#define TLB_FLUSH_ALL_ASIDS 1u

enum svm_exit_code {
    EXIT_CR_READ = 0x00, EXIT_CR_WRITE = 0x10, EXIT_DR_READ = 0x20, EXIT_DR_WRITE = 0x30, EXIT_EXCEPTION = 0x40,
    EXIT_INTR = 0x60, EXIT_NMI = 0x61, EXIT_SMI = 0x62, EXIT_INIT = 0x63, EXIT_VINTR = 0x64,
    EXIT_RDTSC = 0x6e, EXIT_RDPMC = 0x6f, EXIT_CPUID = 0x72, EXIT_RSM = 0x73, EXIT_IRET = 0x74, EXIT_INVD = 0x76,
    EXIT_PAUSE = 0x77, EXIT_HLT = 0x78, EXIT_INVLPGA = 0x7a, EXIT_IO = 0x7b, EXIT_MSR = 0x7c, EXIT_FERR = 0x7e,
    EXIT_SHUTDOWN = 0x7f, EXIT_VMRUN = 0x80, EXIT_VMMCALL = 0x81, EXIT_VMLOAD = 0x82, EXIT_VMSAVE = 0x83,
    EXIT_STGI = 0x84, EXIT_CLGI = 0x85, EXIT_SKINIT = 0x86, EXIT_RDTSCP = 0x87, EXIT_WBINVD = 0x89,
    EXIT_MONITOR = 0x8a, EXIT_MWAIT = 0x8b, EXIT_MWAIT_ARMED = 0x8c, EXIT_XSETBV = 0x8d, EXIT_NESTED_FAULT = 0x400,
};

/* exit_info1 of a port */
#define IO_IN     (1u << 0)
#define IO_STRING (1u << 2)
#define IO_REPEAT (1u << 3)
#define IO_SIZE_SHIFT 4 /* one bit each for 1, 2 and 4 bytes */
#define IO_ADDRESS_SHIFT 7 /* 2, 4, 8 bytes */

/* exit_info1 of a nested fault, beside the page fault's own */
#define NESTED_FAULT_WALK (1UL << 33) /* the guest's page tables were being walked */

/* CPUID 0x8000000a edx */
#define SVM_FEATURE_NESTED_PAGING (1u << 0)
#define SVM_FEATURE_NEXT_RIP      (1u << 3)
#define SVM_FEATURE_PAUSE_FILTER  (1u << 10)

#define MSR_VM_CR_SVM_DISABLED (1UL << 4)
#define MSR_VM_HSAVE_PA 0xc0010117
