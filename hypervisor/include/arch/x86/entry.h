/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seam between arch/x86's entry code and guest/pv's.
 *
 * cpu_info()->guest_regs lies at the top of each CPU's stack.  RSP0 of the TSS points just behind guest_regs.ss, so a
 * trap from ring 3 fills guest_regs; a frame that arrived on an IST stack from ring 3 is copied there first.
 *
 * Exceptions in ring 3 jump to pv_exception_entry, page faults to pv_page_fault_entry: rsp = &guest_regs.error_code,
 * which is stored with the vector, all else as in the guest, interrupts off.
 *
 * Everything else (interrupts, exceptions in ring 0, and those with a stack of their own): entry.S saves everything
 * up to ss into a struct cpu_user_regs and calls trap_dispatch(regs) with interrupts off.  A debug exception of ring
 * 3 goes to pv_trap(regs) from there; interrupts go to irq_dispatch(regs) or the handlers of arch/x86.
 * On return to ring 3 entry.S jumps to pv_exit_to_guest, on the CPU's stack with rsp = &guest_regs, and interrupts
 * on or off; to ring 0 it restores and returns.
 *
 * System calls.  STAR selects HYPERVISOR_CS/HYPERVISOR_DS on entry and FLAT_RING3_CS64/FLAT_RING3_SS64 for
 * sysretq (base 0xe023).  SYSCALL_MASK clears TF IF IOPL DF NT RF AC.  LSTAR and CSTAR point at this CPU's stub page; the
 * stub stores FLAT_RING3_SS64 and the guest's rsp in guest_regs and jumps:
 *   pv_syscall_entry (64-bit), pv_syscall32_entry: rsp = &guest_regs.rsp, rcx = guest rip, r11 = guest rflags, all else as in
 *   the guest, interrupts off;
 *   pv_sysenter_entry (Intel only): rsp = &guest_regs.es (just behind ss), nothing stored, interrupts off.
 * From rsp = &guest_regs.rsp: pushing rflags (r11), cs, rip (rcx), then 8 bytes of error code and vector, then
 * rdi ... r15 completes guest_regs.
 *
 * int 0x80 and int 0x82 gates start out as ordinary interrupts that are ignored; idt_set_gate() replaces them.
 */
#pragma once

/* Vectors above VECTOR_LAST_IRQ. */
#define VECTOR_APIC_TIMER 0xfa
#define VECTOR_POKE       0xfb
#define VECTOR_CALL       0xfc
#define VECTOR_TLB_FLUSH  0xfd
#define VECTOR_APIC_ERROR 0xfe
#define VECTOR_SPURIOUS   0xff

#ifndef __ASSEMBLER__
#include "arch/interrupts.h"
#include "arch/percpu.h"

void trap_dispatch(struct cpu_user_regs *regs); /* from entry.S */

struct vcpu;

/* ---- upward: what guest/pv implements for this room, bound at link time as all of it is on the way of every trap ---- */
void pv_trap(struct cpu_user_regs *regs); /* from ring 3; interrupts on for exceptions */
void pv_context_save(struct vcpu *v);     /* segments, debug registers: v leaves the CPU */
void pv_context_load(struct vcpu *v);     /* descriptor tables, stack for entry, segments, cr3 */
/* The same for a hardware-assisted guest (guest/hvm), whose tables are never the CPU's own: it is on idle_l4. */
void hvm_context_save(struct vcpu *v);
void hvm_context_load(struct vcpu *v);
/* Fault on the LDT area: maps the page the guest's LDT has there.  False: not the LDT's. */
bool pv_map_ldt_page(uint64_t offset);
/*
 * The page fault of v, the running vcpu with a shadow (v->arch.shadow), at a guest address: true when the
 * guest's own tables allow the access and it goes on.  False: the guest's fault, and *error_code is what its
 * own tables would have given. Any context; no locks.
 */
bool pv_shadow_fault(struct vcpu *v, uint64_t address, uint32_t *error_code);
/*
 * Its shadow forgets the translation of one address, or everything (TLB_FLUSH_ALL; the CPU too when v runs
 * here).
 */
void pv_shadow_flush(struct vcpu *v, uint64_t address);
/* guest/pv/entry.S: labels, not callable */
void pv_exit_to_guest(void);
void pv_syscall_entry(void);
void pv_syscall32_entry(void);
void pv_sysenter_entry(void);
void pv_exception_entry(void);
void pv_page_fault_entry(void);

/* Goes to label with rsp = &cpu_info()->guest_regs: how a vcpu is (re)started. */
_Noreturn void stack_reset_jump(void (*label)(void));
#endif
