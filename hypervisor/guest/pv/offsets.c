// SPDX-License-Identifier: BSD-2-Clause
/*
 * Offsets of structure fields for entry.S, as absolute symbols named after what they measure: the assembler
 * needs no generated header.  The fields of struct cpu_user_regs are ABI and written as numbers in entry.S;
 * the assertions here keep them right.
 */
#include "guest/pv/traps.h"
#include "sync/softirq.h"

#define OFFSET(name, type, field)                                                                            \
    __asm__ volatile(".globl " #name "\n.hidden " #name "\n.set " #name ", %c0"                              \
                     :                                                                                       \
                     : "i"(offsetof(type, field)))

#undef current /* the field, not the running vcpu */
void pv_offsets(void);
__attribute__((used, noinline)) void pv_offsets(void)
{
    OFFSET(PV_CPU_CURRENT, struct cpu_info, current);
    OFFSET(PV_CPU_PERCPU, struct cpu_info, percpu_offset);
    OFFSET(PV_VCPU_PV, struct vcpu, pv);
    OFFSET(PV_VCPU_INFO, struct vcpu, info);
    OFFSET(PV_VCPU_NMI_PENDING, struct vcpu, nmi_pending);
    OFFSET(PV_KERNEL_MODE, struct pv_vcpu, kernel_mode);
    OFFSET(PV_BOUNCE_FLAGS, struct pv_vcpu, bounce.flags);
}

/* What entry.S assumes. */
_Static_assert(offsetof(struct cpu_info, guest_regs) == 0, "guest registers open the CPU's stack block");
_Static_assert(offsetof(struct cpu_user_regs, r15) == 0, "push order of entry.S");
_Static_assert(offsetof(struct cpu_user_regs, rdi) == 112, "push order of entry.S");
_Static_assert(offsetof(struct cpu_user_regs, error_code) == 120, "push order of entry.S");
_Static_assert(offsetof(struct cpu_user_regs, entry_vector) == 124, "push order of entry.S");
_Static_assert(offsetof(struct cpu_user_regs, rip) == 128, "push order of entry.S");
_Static_assert(offsetof(struct cpu_user_regs, cs) == 136, "push order of entry.S");
_Static_assert(offsetof(struct cpu_user_regs, rflags) == 144, "push order of entry.S");
_Static_assert(offsetof(struct cpu_user_regs, rsp) == 152, "push order of entry.S");
_Static_assert(offsetof(struct cpu_user_regs, ss) == 160, "push order of entry.S");
_Static_assert(sizeof(struct cpu_info) == PV_CPU_INFO_SIZE,
               "entry.S finds the registers from the end of the stack");
_Static_assert(offsetof(struct vcpu, mce_pending) == offsetof(struct vcpu, nmi_pending) + 1,
               "entry.S looks at both with one compare");
_Static_assert(offsetof(struct vcpu_info, evtchn_upcall_pending) == 0 &&
                   offsetof(struct vcpu_info, evtchn_upcall_mask) == 1,
               "entry.S reads both at once");
