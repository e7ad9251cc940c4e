// SPDX-License-Identifier: BSD-2-Clause
/* Offsets of structure fields for entry.S, as absolute symbols: see guest/pv/offsets.c. */
#include "guest/hvm/svm/svm.h"

#define OFFSET(name, type, field)                                                                            \
    __asm__ volatile(".globl " #name "\n.hidden " #name "\n.set " #name ", %c0" : : "i"(offsetof(type, field)))

#undef current /* the field, not the running vcpu */
void svm_offsets(void);
__attribute__((used, noinline)) void svm_offsets(void)
{
    OFFSET(SVM_CPU_CURRENT, struct cpu_info, current);
    OFFSET(SVM_CPU_PERCPU, struct cpu_info, percpu_offset);
    OFFSET(SVM_CPU_SOFTIRQS, struct cpu_info, softirqs);
}
