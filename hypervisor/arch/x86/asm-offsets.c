// SPDX-License-Identifier: BSD-2-Clause
/*
 * What assembly must know about structs: each line becomes a #define in asm-offsets.h when the build runs.
 */
#include "arch/cpu.h"

#define DEFINE(name, value) __asm__ volatile(".ascii \"@OFFSET " #name " %0\"" ::"i"(value))
#define OFFSET(name, type, member) DEFINE(name, offsetof(struct type, member))

#undef current /* the field, not the running vcpu */
void asm_offsets(void);
void asm_offsets(void)
{
    OFFSET(UREGS_error_code, cpu_user_regs, error_code);
    OFFSET(UREGS_rip, cpu_user_regs, rip);
    OFFSET(UREGS_cs, cpu_user_regs, cs);
    OFFSET(UREGS_rflags, cpu_user_regs, rflags);
    OFFSET(UREGS_rsp, cpu_user_regs, rsp);
    OFFSET(UREGS_es, cpu_user_regs, es);

    DEFINE(STACK_BYTES, STACK_SIZE);
    DEFINE(CPUINFO_BYTES, sizeof(struct cpu_info));
    OFFSET(CPUINFO_current, cpu_info, current);
    OFFSET(CPUINFO_percpu, cpu_info, percpu_offset);
    OFFSET(CPUINFO_softirqs, cpu_info, softirqs);
}
