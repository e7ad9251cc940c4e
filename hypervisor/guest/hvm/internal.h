/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of guest/hvm share: what a guest did, in words that fit every vendor. */
#pragma once

#include "arch/x86/cpufeature.h"
#include "arch/x86/msr.h"
#include "arch/x86/paging.h"
#include "arch/x86/regs.h"
#include "errno.h"
#include "guest/hvm/vendor.h"
#include "guest/instruction.h"
#include "log.h"

#define CR0_NW 0x20000000
#define CR0_CD 0x40000000
#define ATTRIBUTES_LDT 0x82u
#define ATTRIBUTES_TSS 0x8bu

/* The registers of v, which is current or does not run. */
static inline struct cpu_user_regs *hvm_regs(struct vcpu *v)
{
    return v == current ? &cpu_info()->guest_regs : &v->arch.user_regs;
}

static inline uint64_t size_mask(unsigned size) { return size >= 8 ? ~0UL : (1UL << size * 8) - 1; }
/* Adds to the bits of mask alone. */
static inline void add_masked(uint64_t *reg, uint64_t mask, uint64_t step)
{
    *reg = (*reg & ~mask) | ((*reg + step) & mask);
}

/* ---- exits.c: interrupts are on, the instruction is not skipped yet ---- */

void hvm_exit_hypercall(struct vcpu *v, struct cpu_user_regs *regs);
void hvm_exit_cpuid(struct vcpu *v, struct cpu_user_regs *regs);
void hvm_exit_msr(struct vcpu *v, struct cpu_user_regs *regs, bool write);
void hvm_exit_hlt(struct vcpu *v, struct cpu_user_regs *regs);
/* The exit came behind an instruction that holds interrupts back for the next one. */
void hvm_exit_in_shadow(struct vcpu *v, struct cpu_user_regs *regs);
void hvm_exit_xsetbv(struct vcpu *v, struct cpu_user_regs *regs);
/* Of caches: there is nothing to write back for a guest without devices. */
void hvm_exit_cache(struct vcpu *v, struct cpu_user_regs *regs);
void hvm_exit_tsc(struct vcpu *v, struct cpu_user_regs *regs); /* rdtsc or rdtscp */
void hvm_exit_control(struct vcpu *v, struct cpu_user_regs *regs); /* an instruction that writes CR0 or CR4, or reads CR0 */
void hvm_exit_debug(struct vcpu *v);                               /* it touches a debug register */
void hvm_exit_shutdown(struct vcpu *v);                            /* triple fault */
/* An access to a port: next_rip is where it goes on; string operations move rsi, rdi, rcx. */
struct hvm_port_access { unsigned size, address_size; bool in, string, repeat; uint64_t next_rip; };
void hvm_exit_port(struct vcpu *v, struct cpu_user_regs *regs, const struct hvm_port_access *access);
/* The nested tables do not allow an access: code as of a page fault. walk: by the walk of the guest's own tables. */
void hvm_exit_nested_fault(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address, uint32_t code, bool walk);

/* The instruction of length bytes is over: rip moves, a single step traps. */
void hvm_skip(struct vcpu *v, struct cpu_user_regs *regs, unsigned length);
/* Skips an instruction of which only the opcode is known: two bytes 0x0f and one of it are looked for, or one byte. */
bool hvm_skip_opcode(struct vcpu *v, struct cpu_user_regs *regs, unsigned opcode);
/* As domain_crash, after the guest's state was written to the log. */
void hvm_crash(struct vcpu *v, const char *why, uint64_t number);

/* ---- instruction.c: bytes at rip ---- */

/* How the vcpu reads its instructions, for hvm_copy. */
static inline unsigned hvm_fetch_access(const struct vcpu *v)
{
    return HVM_ACCESS_FETCH | (v->hvm->cpl == 3 ? HVM_ACCESS_USER : 0);
}
/* Up to 15 bytes; how many could be read.  0 with the page fault injected when there is none. */
unsigned hvm_fetch(struct vcpu *v, const struct cpu_user_regs *regs, uint8_t code[MAX_INSTRUCTION]);

enum access_kind { ACCESS_LOAD, ACCESS_STORE, ACCESS_EXCHANGE };
/* An instruction that moves between memory and a register, as far as it matters when the address is known. */
struct decoded_access {
    enum access_kind kind;
    unsigned length;
    unsigned size;             /* bytes of memory: 1, 2, 4, 8 */
    unsigned register_size;    /* bytes of the register; loads are extended to it */
    bool sign_extend;
    bool high_byte;            /* the register is ah, ch, dh or bh: number is its low one's */
    bool immediate, string;    /* store of value; stos */
    bool repeat;
    unsigned address_size;
    unsigned number;           /* of the register */
    uint64_t value;            /* immediate */
};
/* 0, -EOPNOTSUPP another instruction, -EFAULT cut off.  bits: as hvm_code. */
int decode_access(const uint8_t *code, unsigned length, unsigned bits, struct decoded_access *out);
/* Length up to and with the opcode (0x0fNN for two bytes, 0x0f01NN for those with a third); 0: another instruction. */
unsigned decode_opcode_length(const uint8_t *code, unsigned length, unsigned bits, unsigned opcode);
/* Moves to and from control registers, clts, lmsw. */
enum control_kind { CONTROL_READ, CONTROL_WRITE, CONTROL_CLTS, CONTROL_LMSW, CONTROL_LMSW_MEMORY };
struct decoded_control { enum control_kind kind; unsigned length, number, general; };
int decode_control(const uint8_t *code, unsigned length, unsigned bits, struct decoded_control *out);

/* ---- control.c, msr.c: values as the guest gave them.  0, or -EPERM: #GP ---- */

int hvm_cr0_write(struct vcpu *v, uint64_t value);
int hvm_cr4_write(struct vcpu *v, uint64_t value);
int hvm_efer_write(struct vcpu *v, uint64_t value);
/* Are the three such as a CPU of v's kind can have them? */
bool hvm_controls_valid(struct vcpu *v, uint64_t cr0, uint64_t cr4, uint64_t efer);
int hvm_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value);
int hvm_msr_write(struct vcpu *v, uint32_t msr, uint64_t value);
/* The counter v's TSC is an offset to: the machine's, or the one emulated for its domain. */
uint64_t hvm_tsc_base(const struct vcpu *v);
static inline uint64_t hvm_tsc(const struct vcpu *v) { return hvm_tsc_base(v) + v->arch.tsc_offset; }
/* Sets the offset, also for what v reads in its vcpu_info. */
void hvm_tsc_offset_set(struct vcpu *v, uint64_t offset);

/* ---- params.c ---- */

/*
 * Whether shared_info and what goes with it have the 32-bit form follows the mode v is in when it writes the hypercall page's MSR
 * or its domain's HVM_PARAM_CALLBACK_IRQ, which drivers do first of all, also behind a restore.  v is current.
 */
void hvm_shared_form_latch(struct vcpu *v);

/* ---- emulate.c ---- */

/* Memory that is none, by physical address: loads get ones, stores nothing; that of the local APIC. */
void hvm_emulate_access(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address);

/* ---- inject.c ---- */

/* What was on its way to the guest when it exited. */
void hvm_reinject(struct vcpu *v, const struct hvm_injection *event);
/* Who may interrupt now, most urgent first.  What has no vector is taken off when it is taken. */
enum hvm_source { HVM_NOTHING, HVM_NMI, HVM_CALLBACK, HVM_APIC };
enum hvm_source hvm_next_event(struct vcpu *v, uint8_t *vector);
/* May it interrupt v by the state of its registers? */
bool hvm_can_take(struct vcpu *v, enum hvm_source source, uint8_t vector);
void hvm_take_event(struct vcpu *v, enum hvm_source source, uint8_t vector);

/* ---- boot.c: INIT, SIPI ---- */

void hvm_boot_init(struct vcpu *v);
void hvm_boot_startup(struct vcpu *v, uint8_t vector);
/* v is current and has v->hvm->boot set: does it. False: it may not go on now. */
bool hvm_boot_step(struct vcpu *v);
#define HVM_BOOT_WAIT 1u /* for a SIPI, down */

/* ---- state.c ---- */

/* Like hvm_cpu_set, for a state made here; v may be current. The vector state stays. */
void hvm_state_apply(struct vcpu *v, const struct hvm_hw_cpu *cpu);
