// SPDX-License-Identifier: BSD-2-Clause
/*
 * Leaving one vcpu and going on with another (arch/vcpu.h).  An idle vcpu runs on idle_l4, so a vcpu that is
 * not running has its page tables in no CPU, and nothing of a domain is left behind when it dies.
 */

#include "arch/x86/descriptor.h"
#include "arch/x86/entry.h"
#include "arch/x86/fpu.h"
#include "arch/x86/paging.h"
#include "domain/state.h"
#include "log.h"

static void leave(struct vcpu *v)
{
    if (v->is_idle)
        return;
    v->arch.user_regs = cpu_info()->guest_regs;
    fpu_save(v);
    v->arch.fpu_loaded = false;
    if (unlikely(v->domain->is_hvm))
        hvm_context_save(v);
    else
        pv_context_save(v);
}

static void load_idle(void)
{
    gdt_load_own();
    ldt_load(0, 0);
    if (read_cr3() != idle_cr3)
        cr3_load(idle_cr3);
}

void arch_context_switch(struct vcpu *prev, struct vcpu *next)
{
    struct cpu_info *info = cpu_info();

    ASSERT(!irq_enabled());
    leave(prev);
    current = next;
    info->guest_walked = next->domain->is_hvm;
    if (next->is_idle) {
        load_idle();
    } else {
        info->guest_regs = next->arch.user_regs;
        fpu_load(next);
        if (unlikely(next->domain->is_hvm)) {
            load_idle();
            hvm_context_load(next);
        } else {
            pv_context_load(next);
        }
    }
    sched_switched(prev);
    latency_irq_on(); /* the way to the guest turns them on */
    stack_reset_jump(next->arch.enter);
}

void arch_continue_running(struct vcpu *same)
{
    stack_reset_jump(same->arch.enter);
}
