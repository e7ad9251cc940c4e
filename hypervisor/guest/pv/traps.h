/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the trap side of 64-bit PV guests shares among its files and with entry.S.  ABI: xen/arch-x86/xen-x86_64.h (frames, flat
 * selectors), xen/arch-x86/xen.h (trap table).
 */
#pragma once

#define PV_CPU_INFO_SIZE 232
#define PV_STACK_SIZE 0x8000
/* entry_vector: came in by 64-bit syscall, or its rcx and r11 are on the guest's stack: sysret may bring it back */
#define PV_ENTRY_SYSCALL 0x100
#define VECTOR_INT80 0x80
/* callback types, xen/callback.h */
#define PV_CALL_SYSENTER 5
#define PV_CALL_SYSCALL32 7

#ifndef __ASSEMBLER__
#include "arch/x86/descriptor.h"
#include "arch/x86/entry.h"
#include "arch/x86/ports.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "arch/x86/regs.h"
#include "guest/pv.h"
#include "log.h"
#include "errno.h"
#include "mm/guest_copy.h"

_Static_assert(PV_STACK_SIZE == STACK_SIZE, "entry.S knows the size of a stack");

/* vm_assist: what may be turned on.  m2p_strict is not offered: every L4 shows the machine-to-physical table. */
#define PV_VM_ASSISTS                                                                                            \
    (1u << VMASST_TYPE_4gb_segments | 1u << VMASST_TYPE_4gb_segments_notify | 1u << VMASST_TYPE_writable_pagetables |   \
     1u << VMASST_TYPE_pae_extended_cr3 | 1u << VMASST_TYPE_architectural_iopl | 1u << VMASST_TYPE_runstate_update_flag)

/* Control registers a guest is shown */
#define CR0_PV (CR0_PG | CR0_AM | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE)

void pv_int80_entry(void); /* entry.S: a label, not callable */

/* Bounces (bounce.c): frames on the guest kernel's stack.  Where none fits, the guest is crashed. */
bool pv_pending_ready(void);   /* from entry.S: of what is pending, something may be delivered */
void pv_bounce_pending(void);  /* from entry.S, then: v->pv->bounce, a machine check or an NMI */
void pv_bounce_event(void);    /* from entry.S: event upcall */
void pv_bounce_syscall(struct cpu_user_regs *regs, struct vcpu *v);
void pv_bounce_call(struct cpu_user_regs *regs, unsigned type); /* from entry.S: a system call to callback type */
void pv_iret_failed(void);     /* from entry.S: the guest's state cannot be restored */
/* A selector in v->pv could not be loaded and is null: its kernel hears of it before it goes on, if it wants to. */
void pv_segments_failed(struct vcpu *v);
/* Injects whatever the decoder or an emulation found wrong. */
static inline void pv_inject_gp(uint32_t error_code) { pv_inject_trap(VECTOR_GP, error_code, true); }
/* NMI or machine check of the guest is over (its iret): the next may come. */
void pv_async_done(struct vcpu *v);
/* From entry.S: a page fault in ring 3. */
void pv_page_fault(struct cpu_user_regs *regs, uint64_t address, struct vcpu *v);
/* Bounces one at once; nothing else is queued. */
void pv_bounce_page_fault(struct cpu_user_regs *regs, struct vcpu *v, uint64_t address, uint32_t error_code);

/*
 * The running vcpu goes from its kernel to its user space or back: twice in every system call, which is why the flush clock is
 * not told: CPUs would take its cache line from each other.  Tested first is what callers that have no shadow know already.
 */
static inline void pv_mode_switch(struct vcpu *v, bool to_kernel)
{
    struct pv_vcpu *pv = v->pv;
    bool shadow = v->arch.shadow != NULL;

    pv->kernel_mode = to_kernel;
    __asm__ volatile("swapgs" ::: "memory");
    if (unlikely(shadow)) {
        pv_load_tables(v);
        return;
    }
    v->arch.cr3 = mfn_to_maddr(to_kernel ? pv->kernel_table : pv->user_table).value;
    write_cr3(v->arch.cr3);
}

/* Privileged instructions (privileged.c): true when emulated and the guest goes on, or an exception was queued for it. */
bool pv_emulate_privileged(struct cpu_user_regs *regs);
/* The forced-emulation prefix at rip followed by cpuid: true when it was. */
bool pv_emulate_forced(struct cpu_user_regs *regs);

/* The guest's kernel lets what v runs now mask interrupts and use any port. */
static inline bool pv_iopl_allows(const struct vcpu *v)
{
    unsigned level = v->pv->kernel_mode ? (v->domain->vm_assist & 1u << VMASST_TYPE_architectural_iopl ? 0 : 1) : 3;

    return level <= v->pv->iopl;
}

/* Ports (io.c): size 1, 2 or 4 bytes. */
bool pv_port_allowed(struct vcpu *v, unsigned port, unsigned size);
/* Writes *value, or reads it. */
void pv_port_access(struct vcpu *v, unsigned port, unsigned size, uint32_t *value, bool write);

/* MSRs (msr.c): 0, or -EPERM for #GP. */
int pv_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value);
int pv_msr_write(struct vcpu *v, uint32_t msr, uint64_t value);
/* v runs here from now on. */
void pv_tsc_aux_load(const struct vcpu *v);
/* The time-stamp counter as the running v sees it. */
static inline uint64_t pv_tsc(const struct vcpu *v)
{
    return v->domain->tsc.emulated ? time_tsc_emulated(v->domain) : rdtsc();
}

/* Registers (registers.c) */
void pv_debug_load(struct vcpu *v);
void pv_debug_save(struct vcpu *v);
/* 0, or the hypercalls' errors: -ENODEV no such register, -EPERM, -EINVAL. */
int pv_debug_write(struct vcpu *v, unsigned reg, uint64_t value);
int pv_debug_read(struct vcpu *v, unsigned reg, uint64_t *value);
void pv_taskswitch_set(struct vcpu *v, bool set);
/* cr4 as the guest may have it: what it may choose from value, the rest as the machine is. */
uint64_t pv_cr4_guest(uint64_t value);
void pv_cr4_load(struct vcpu *v);

/* Descriptors (descriptors.c) */
void pv_gdt_clear(struct vcpu *v);
int pv_gdt_set(struct vcpu *v, const uint64_t *frames, unsigned entries);
int pv_descriptors_init(void);      /* 0, -ENOMEM; any number of times */
/* The selector as ring 3 can use it. */
static inline uint16_t pv_fix_selector(uint16_t selector) { return selector | 3; }

/* Instruction of the guest at rip: up to 15 bytes, as many as are readable. */
unsigned pv_fetch(const struct cpu_user_regs *regs, uint8_t code[15]);
#endif
