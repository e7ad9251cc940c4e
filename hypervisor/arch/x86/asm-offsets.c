// SPDX-License-Identifier: BSD-2-Clause
/*
 * What assembly must know about structs: each line becomes a #define in asm-offsets.h when the build runs.
 */
#include "arch/cpu.h"
#include "domain/state.h"
#include "guest/pv.h"
#include "sync/softirq.h"

#include <stddef.h>

#undef current /* the field */
#define DEFINE(name, value) __asm__ volatile(".ascii \"@OFFSET " #name " %0\"" ::"i"(value))
#define OFFSET(name, type, member) DEFINE(name, offsetof(struct type, member))

void asm_offsets(void);
void asm_offsets(void)
{
    OFFSET(UREGS_r15, cpu_user_regs, r15);
    OFFSET(UREGS_r14, cpu_user_regs, r14);
    OFFSET(UREGS_r13, cpu_user_regs, r13);
    OFFSET(UREGS_r12, cpu_user_regs, r12);
    OFFSET(UREGS_rbp, cpu_user_regs, rbp);
    OFFSET(UREGS_rbx, cpu_user_regs, rbx);
    OFFSET(UREGS_r11, cpu_user_regs, r11);
    OFFSET(UREGS_r10, cpu_user_regs, r10);
    OFFSET(UREGS_r9, cpu_user_regs, r9);
    OFFSET(UREGS_r8, cpu_user_regs, r8);
    OFFSET(UREGS_rax, cpu_user_regs, rax);
    OFFSET(UREGS_rcx, cpu_user_regs, rcx);
    OFFSET(UREGS_rdx, cpu_user_regs, rdx);
    OFFSET(UREGS_rsi, cpu_user_regs, rsi);
    OFFSET(UREGS_rdi, cpu_user_regs, rdi);
    OFFSET(UREGS_error_code, cpu_user_regs, error_code);
    OFFSET(UREGS_entry_vector, cpu_user_regs, entry_vector);
    OFFSET(UREGS_saved_upcall_mask, cpu_user_regs, saved_upcall_mask);
    OFFSET(UREGS_rip, cpu_user_regs, rip);
    OFFSET(UREGS_cs, cpu_user_regs, cs);
    OFFSET(UREGS_rflags, cpu_user_regs, rflags);
    OFFSET(UREGS_rsp, cpu_user_regs, rsp);
    OFFSET(UREGS_ss, cpu_user_regs, ss);
    OFFSET(UREGS_es, cpu_user_regs, es);

    DEFINE(STACK_BYTES, STACK_SIZE);
    DEFINE(CPUINFO_BYTES, sizeof(struct cpu_info));
    OFFSET(CPUINFO_guest_regs, cpu_info, guest_regs);
    OFFSET(CPUINFO_percpu_offset, cpu_info, percpu_offset);
    OFFSET(CPUINFO_current, cpu_info, current);
    OFFSET(CPUINFO_cpu, cpu_info, cpu);
    OFFSET(CPUINFO_scratch, cpu_info, scratch);

    OFFSET(VCPU_domain, vcpu, domain);
    OFFSET(VCPU_info, vcpu, info);
    OFFSET(VCPU_pv, vcpu, pv);
    OFFSET(VCPU_nmi_pending, vcpu, nmi_pending);
    OFFSET(VCPU_mce_pending, vcpu, mce_pending);
    OFFSET(VCPU_async_masked, vcpu, async_masked);
    OFFSET(VCPU_cr3, vcpu, arch.cr3);
    OFFSET(VCPU_enter, vcpu, arch.enter);
    OFFSET(VCPUINFO_upcall_pending, vcpu_info, evtchn_upcall_pending);
    OFFSET(VCPUINFO_upcall_mask, vcpu_info, evtchn_upcall_mask);

    OFFSET(PV_bounce_rip, pv_vcpu, bounce.rip);
    OFFSET(PV_bounce_error_code, pv_vcpu, bounce.error_code);
    OFFSET(PV_bounce_flags, pv_vcpu, bounce.flags);
    OFFSET(PV_bounce_vector, pv_vcpu, bounce.vector);
    OFFSET(PV_kernel_sp, pv_vcpu, kernel_sp);
    OFFSET(PV_kernel_ss, pv_vcpu, kernel_ss);
    OFFSET(PV_event_callback, pv_vcpu, event_callback);
    OFFSET(PV_failsafe_callback, pv_vcpu, failsafe_callback);
    OFFSET(PV_syscall_callback, pv_vcpu, syscall_callback);
    OFFSET(PV_syscall32_callback, pv_vcpu, syscall32_callback);
    OFFSET(PV_sysenter_callback, pv_vcpu, sysenter_callback);
    OFFSET(PV_callback_masks, pv_vcpu, callback_masks);
    OFFSET(PV_kernel_mode, pv_vcpu, kernel_mode);
}
