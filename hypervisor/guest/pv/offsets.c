// SPDX-License-Identifier: BSD-2-Clause
/*
 * Offsets of structure fields for entry.S, as absolute symbols named after what they measure: the assembler
 * needs no generated header.  The fields of struct cpu_user_regs are ABI and written as numbers in entry.S;
 * the assertions here keep them right.
 */
#include "guest/pv/traps.h"

#define OFFSET(name, type, field)                                                                            \
    __asm__ volatile(".globl " #name "\n.hidden " #name "\n.set " #name ", %c0"                              \
                     :                                                                                       \
                     : "i"(offsetof(type, field)))

#undef current /* the field, not the running vcpu */
void pv_offsets(void);
__attribute__((used, noinline)) void pv_offsets(void)
{
    OFFSET(PV_CPU_CURRENT, struct cpu_info, current);
    OFFSET(PV_CPU_SOFTIRQS, struct cpu_info, softirqs);
    OFFSET(PV_VCPU_PV, struct vcpu, pv);
    OFFSET(PV_VCPU_INFO, struct vcpu, info);
    OFFSET(PV_VCPU_PENDING, struct vcpu, nmi_pending);
    OFFSET(PV_KERNEL_MODE, struct pv_vcpu, kernel_mode);
}

/* What entry.S assumes. */
#define REGISTER_AT(field, offset) (offsetof(struct cpu_user_regs, field) == (offset))
_Static_assert(REGISTER_AT(r15, 0) && REGISTER_AT(rdi, 112) && REGISTER_AT(error_code, 120) && REGISTER_AT(entry_vector, 124) &&
                   REGISTER_AT(rip, 128) && REGISTER_AT(cs, 136) && REGISTER_AT(rflags, 144) && REGISTER_AT(rsp, 152) &&
                   REGISTER_AT(ss, 160), "push order");
_Static_assert(offsetof(struct cpu_info, guest_regs) == 0 && sizeof(struct cpu_info) == PV_CPU_INFO_SIZE,
               "the registers open the CPU's stack block, and are found from the end of the stack");
_Static_assert(offsetof(struct vcpu, nmi_pending) % 4 == 0 && offsetof(struct vcpu, async_masked) == offsetof(struct vcpu, nmi_pending) + 3,
               "looks at all that is pending with one compare");
_Static_assert(offsetof(struct vcpu_info, evtchn_upcall_pending) == 0 &&
                   offsetof(struct vcpu_info, evtchn_upcall_mask) == 1, "reads both at once");
