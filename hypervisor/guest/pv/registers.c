// SPDX-License-Identifier: BSD-2-Clause
/*
 * Registers a PV kernel sets by hypercall: stack for traps, TS, debug registers, segment bases, and the modes
 * it turns on.  Also what of CR4 a guest chooses.
 */
#include "arch/x86/cpufeature.h"
#include "guest/pv/traps.h"

#define DR7_ENABLE_MASK 0xffUL
#define DR7_RESERVED_CLEAR 0xffffffff0000dc00UL
#define DR7_GENERAL_DETECT (1UL << 13)
#define DR_TYPE_IO 2u

long pv_vm_assist(uint64_t cmd, uint64_t type, uint64_t, uint64_t, uint64_t)
{
    struct domain *d = current->domain;

    if (type >= 32 || !(PV_VM_ASSISTS >> type & 1))
        return -EINVAL;
    if ((uint32_t)cmd == VMASST_CMD_enable)
        __atomic_fetch_or(&d->vm_assist, 1u << type, __ATOMIC_RELAXED);
    else if ((uint32_t)cmd == VMASST_CMD_disable)
        __atomic_fetch_and(&d->vm_assist, ~(1u << type), __ATOMIC_RELAXED);
    else
        return -ENOSYS;
    return 0;
}

long pv_stack_switch(uint64_t ss, uint64_t sp, uint64_t, uint64_t, uint64_t)
{
    current->pv->kernel_ss = pv_fix_selector((uint16_t)ss);
    current->pv->kernel_sp = sp;
    return 0;
}

void pv_taskswitch_set(struct vcpu *v, bool set)
{
    if (set) {
        v->pv->cr0_guest |= CR0_TS;
        write_cr0(read_cr0() | CR0_TS);
    } else {
        v->pv->cr0_guest &= ~(uint64_t)CR0_TS;
        __asm__ volatile("clts");
    }
}

long pv_fpu_taskswitch(uint64_t set, uint64_t, uint64_t, uint64_t, uint64_t)
{
    pv_taskswitch_set(current, (uint32_t)set != 0);
    return 0;
}

/* ---- debug registers ---- */

void pv_debug_load(struct vcpu *v)
{
    const uint64_t *debug = v->pv->debug;

    if (!(debug[7] & DR7_ENABLE_MASK))
        return;
    __asm__ volatile("mov %0, %%dr0\n   mov %1, %%dr1\n   mov %2, %%dr2\n   mov %3, %%dr3"
                     ::"r"(debug[0]), "r"(debug[1]), "r"(debug[2]), "r"(debug[3]));
    write_dr6(DR6_DEFAULT);
    write_dr7(debug[7] | DR7_DEFAULT);
}

void pv_debug_save(struct vcpu *v)
{
    if (v->pv->debug[7] & DR7_ENABLE_MASK)
        write_dr7(DR7_DEFAULT);
}

/* Refused: I/O breakpoints, which need CR4.DE, and faults at every access to these registers, which are ours. */
static bool debug_control_ok(uint64_t value)
{
    for (unsigned i = 0; i < 4; i++)
        if ((value >> (i * 2) & 3) && (value >> (16 + i * 4) & 3) == DR_TYPE_IO)
            return false;
    return !(value & DR7_GENERAL_DETECT);
}

/* The running guest's registers are loaded as they become of use; those of another vcpu when it runs. */
int pv_debug_write(struct vcpu *v, unsigned reg, uint64_t value)
{
    struct pv_vcpu *pv = v->pv;

    if (reg > 7)
        return -ENODEV;
    if (reg == 4 || reg == 5)
        reg += 2;
    if (reg < 4) {
        if (!address_canonical(value) || !guest_range_ok(value, 8))
            return -EPERM;
    } else if (value >> 32) {
        return -EINVAL;
    } else if (reg == 6) {
        value = (value & 0xe00fUL) | DR6_DEFAULT;
    } else {
        if (!debug_control_ok(value))
            return -EPERM;
        value = (value & ~DR7_RESERVED_CLEAR) | DR7_DEFAULT;
    }
    if (v == current)
        pv_debug_save(v);
    pv->debug[reg] = value;
    if (v == current)
        pv_debug_load(v);
    return 0;
}

int pv_debug_read(struct vcpu *v, unsigned reg, uint64_t *value)
{
    if (reg > 7)
        return -ENODEV;
    *value = v->pv->debug[reg == 4 || reg == 5 ? reg + 2 : reg];
    return 0;
}

long pv_set_debugreg(uint64_t reg, uint64_t value, uint64_t, uint64_t, uint64_t)
{
    return pv_debug_write(current, (unsigned)reg, value);
}

long pv_get_debugreg(uint64_t reg, uint64_t, uint64_t, uint64_t, uint64_t)
{
    uint64_t value;
    int rc = pv_debug_read(current, (unsigned)reg, &value);

    return rc ? rc : (long)value;
}

/* ---- segment bases ---- */

/* User gs by selector: loaded where the inactive base is, with the kernel's own kept.  A bad one is loaded as null. */
static void base_load_user_gs(struct vcpu *v, uint16_t selector)
{
    uint32_t failed = 1;

    __asm__ volatile("swapgs\n"
                     "1: mov %w1, %%gs\n"
                     "   xor %0, %0\n"
                     "2: mfence\n   swapgs\n" EXTABLE(1b, 2b)
                     : "+r"(failed)
                     : "r"((uint32_t)selector)
                     : "memory", "cc");
    if (failed)
        __asm__ volatile("swapgs; mov %w0, %%gs; mfence; swapgs" ::"r"(0) : "memory");
    v->arch.gs_base_other = rdmsr(MSR_KERNEL_GS_BASE);
}

long pv_set_segment_base(uint64_t which, uint64_t base, uint64_t, uint64_t, uint64_t)
{
    static const uint32_t msrs[] = {
        [SEGBASE_FS] = MSR_FS_BASE, [SEGBASE_GS_USER] = MSR_KERNEL_GS_BASE, [SEGBASE_GS_KERNEL] = MSR_GS_BASE};
    struct vcpu *v = current;

    if ((uint32_t)which == SEGBASE_GS_USER_SEL) {
        base_load_user_gs(v, (uint16_t)base);
        return 0;
    }
    return (uint32_t)which < ARRAY_SIZE(msrs) && !pv_msr_write(v, msrs[(uint32_t)which], base) ? 0 : -EINVAL;
}

/* ---- CR4 ---- */

uint64_t pv_cr4_guest(uint64_t value)
{
    uint64_t choice = CR4_TSD | CR4_DE | (hypervisor_cr4 & (CR4_FSGSBASE | CR4_OSXSAVE));
    uint64_t shown = (hypervisor_cr4 & (CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT)) | CR4_PAE;

    if (!value) /* not set yet: Linux looks for OSXSAVE before it ever writes CR4 */
        value = CR4_FSGSBASE | CR4_OSXSAVE;
    return shown | (value & choice);
}

void pv_cr4_load(struct vcpu *v)
{
    uint64_t now = read_cr4();
    uint64_t want = (now & ~(uint64_t)(CR4_TSD | CR4_DE)) | (v->pv->cr4_guest & (CR4_TSD | CR4_DE));

    if (v->domain->tsc.emulated)
        want |= CR4_TSD; /* every read comes to tsc_read() of privileged.c */
    if (now != want)
        write_cr4(want);
}
