/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions and other entries: who handles them, and how a test survives its own. Of those that are no exceptions a PVH
 * guest has TRAP_EVENT alone.
 */
#ifndef GUEST_TRAP_H
#define GUEST_TRAP_H

#include <stdbool.h>
#include <stdint.h>

/* head_pv.S numbers what is no exception after the 32 vectors of the processor. */
enum trap_vector {
    TRAP_DIVIDE = 0,
    TRAP_DEBUG = 1,
    TRAP_NMI = 2,
    TRAP_BREAKPOINT = 3,
    TRAP_OVERFLOW = 4,
    TRAP_INVALID_OPCODE = 6,
    TRAP_NO_DEVICE = 7,
    TRAP_STACK = 12,
    TRAP_PROTECTION = 13,
    TRAP_PAGE_FAULT = 14,
    TRAP_EVENT = 32,
    TRAP_FAILSAFE = 33,
    TRAP_SYSCALL = 34,
    TRAP_SYSCALL32 = 35,
    TRAP_SYSENTER = 36,
    TRAP_SOFTWARE = 37,
    TRAP_NMI_CALLBACK = 38,
    TRAP_COUNT = 39,
};

/* Where the entries that are no exceptions begin. trap_init registers the first three; tests register the others. */
extern char entry_event[], entry_failsafe[], entry_syscall[];
extern char entry_syscall32[], entry_sysenter[], entry_software[], entry_nmi_callback[];

/* trap_info.flags: the privilege level that may use INT n, and events masked on entry. */
#define TRAP_FLAG_LEVEL 3
#define TRAP_FLAG_MASK_EVENTS 4

/* As entry_common of head_pv.S pushes it. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* Registers all entries for this vcpu. */
void trap_init(void);
/* CALLBACKOP_register of one entry: the hypercall's result. flags: CALLBACKF_*. */
long trap_callback(unsigned int type, unsigned int flags, uint64_t address);
/* Sets one row of this vcpu's trap table: the hypercall's result. flags: TRAP_FLAG_*. */
long trap_set(unsigned int vector, unsigned int flags, uint64_t address);

typedef void trap_handler(struct trap_frame *frame);
/* Who handles a vector from now on; NULL gives it back to the default, which ends the guest with ERROR. */
void trap_handle(enum trap_vector vector, trap_handler *handler);

/* What an exception looked like; address is CR2, valid for page faults. */
struct trap_seen {
    uint64_t vector, error, rip, address, rflags, cs;
};

/* Runs function(argument). True when an exception ended it, which is then in *seen. Does not nest. */
bool trap_catch(void (*function)(void *argument), void *argument, struct trap_seen *seen);
/* From a handler: ends the running trap_catch or user_run as if its function had returned value. */
_Noreturn void trap_leave(long value);

/* One byte read or written under trap_catch: the vector of the exception, or -1 when there was none. */
int trap_probe_read(const volatile void *address);
int trap_probe_write(volatile void *address);

#endif
