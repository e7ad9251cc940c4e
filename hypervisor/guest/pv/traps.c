// SPDX-License-Identifier: BSD-2-Clause
/*
 * Traps from a PV guest: what the hypervisor handles itself (page tables, privileged instructions, lazily mapped LDT
 * pages), and what goes on to the guest's kernel by its trap table.  Exceptions: AMD64 APM volume 2, chapter 8.
 */
#include "guest/pv/traps.h"

#define ERROR_CODE_IDT 2u /* in a selector error code: names a gate */
#define ERROR_CODE_EXT 1u
/* What goes on to the guest's kernel as it is */
#define TRAPS_PLAIN (1u << VECTOR_DE | 1u << VECTOR_BP | 1u << VECTOR_OF | 1u << VECTOR_BR | 1u << VECTOR_UD | 1u << VECTOR_MF | \
                     1u << VECTOR_XM)
#define TRAPS_ERROR_CODE (1u << VECTOR_TS | 1u << VECTOR_NP | 1u << VECTOR_SS | 1u << VECTOR_AC)

unsigned pv_fetch(const struct cpu_user_regs *regs, uint8_t code[15])
{
    unsigned to_page_end = (unsigned)(PAGE_SIZE - (regs->rip & (PAGE_SIZE - 1)));
    unsigned first = to_page_end < 15 ? to_page_end : 15;

    if (guest_read(code, GUEST_ADDR(regs->rip), first))
        return 0;
    if (first < 15 && guest_read(code + first, GUEST_ADDR(regs->rip + first), 15 - first))
        return first;
    return 15;
}

/* Software interrupts of the guest: the trap table's privilege level says who may (xen/arch-x86/xen.h, TI_GET_DPL). */
static bool trap_software(unsigned vector)
{
    const struct pv_vcpu *pv = current->pv;
    unsigned dpl = TI_GET_DPL(&pv->traps[vector]);

    if (!pv->traps[vector].address || !(dpl == 3 || (dpl && pv->kernel_mode)))
        return false;
    pv_inject_trap(vector, 0, false);
    return true;
}

/* A fault on the mapped LDT: its pages come in one by one.  False: it is the guest's, at the address it knows. */
static bool trap_descriptor_fault(uint64_t *address, uint32_t error_code)
{
    struct vcpu *v = current;
    uint64_t offset = *address - PERDOMAIN_LDT(v->id);

    if (offset >= v->pv->ldt_entries * 8UL)
        return false;
    if (!(error_code & (PF_USER | PF_RESERVED | PF_PRESENT)) && pv_map_ldt_page(offset))
        return true;
    *address = v->pv->ldt_base + offset;
    return false;
}

/* May be the hypervisor's: an LDT page, a shadow, a table write to emulate, or a translation that is stale. */
static __attribute__((noinline)) void page_fault_look(struct cpu_user_regs *regs, uint64_t address, struct vcpu *v)
{
    uint32_t error_code = regs->error_code;

    if (unlikely(address - HYPERVISOR_RANGE_START < HYPERVISOR_RANGE_END - HYPERVISOR_RANGE_START)) {
        if (trap_descriptor_fault(&address, error_code))
            return;
    } else {
        if (unlikely(v->arch.shadow) && pv_shadow_fault(v, address, &error_code))
            return;
        if ((error_code & PF_PRESENT) &&
            (pv_fault_emulate_write(regs, address, error_code) || pv_fault_spurious(address, error_code)))
            return;
    }
    pv_bounce_page_fault(regs, v, address, error_code);
}

/* A fault on a page that is not present is the guest's: the CPU keeps no translations that say so. */
void pv_page_fault(struct cpu_user_regs *regs, uint64_t address, struct vcpu *v)
{
    uint32_t error_code = regs->error_code;

    if ((error_code & PF_PRESENT) || unlikely(v->arch.shadow) ||
        unlikely(address - HYPERVISOR_RANGE_START < HYPERVISOR_RANGE_END - HYPERVISOR_RANGE_START))
        page_fault_look(regs, address, v);
    else
        pv_bounce_page_fault(regs, v, address, error_code);
}

static void trap_general_protection(struct cpu_user_regs *regs)
{
    if ((regs->error_code & (ERROR_CODE_IDT | ERROR_CODE_EXT)) == ERROR_CODE_IDT &&
        trap_software((regs->error_code >> 3) & 0xff))
        regs->rip += 2;
    else if (regs->error_code || !pv_emulate_privileged(regs))
        pv_inject_gp(regs->error_code);
}

static void trap_debug(void)
{
    struct pv_vcpu *pv = current->pv;
    uint64_t dr6 = read_dr6();

    write_dr6(DR6_DEFAULT);
    pv->debug[6] = (pv->debug[6] & ~0xfUL) | (dr6 & 0xffffUL) | DR6_DEFAULT;
    pv_inject_trap(VECTOR_DB, 0, false);
}

/* TS was set by fpu_taskswitch: the guest hears of the first use, and TS is clear again as the ABI says. */
static void trap_device_not_available(void)
{
    struct vcpu *v = current;

    if (v->pv->cr0_guest & CR0_TS) {
        pv_taskswitch_set(v, false);
        pv_inject_trap(VECTOR_NM, 0, false);
    } else {
        __asm__ volatile("clts");
    }
}

static __attribute__((noinline)) void trap_other(struct cpu_user_regs *regs, unsigned vector)
{
    bool error_code = vector < 32 && (TRAPS_ERROR_CODE >> vector & 1);

    switch (vector) {
    case VECTOR_GP:
        trap_general_protection(regs);
        break;
    case VECTOR_NM:
        trap_device_not_available();
        break;
    case VECTOR_DB:
        trap_debug();
        break;
    case VECTOR_INT80:
        if (!trap_software(vector)) {
            regs->rip -= 2;
            pv_inject_gp(vector << 3 | ERROR_CODE_IDT);
        }
        break;
    default:
        if (vector < 32 && ((TRAPS_PLAIN | TRAPS_ERROR_CODE) >> vector & 1))
            pv_inject_trap(vector, error_code ? regs->error_code : 0, error_code);
        else
            domain_crash(current->domain, "unexpected trap %u\n", vector);
        break;
    }
}

void pv_trap(struct cpu_user_regs *regs)
{
    unsigned vector = regs->entry_vector & 0xff;

    if (vector != VECTOR_UD || !pv_emulate_forced(regs)) /* first: cpuid is asked for most */
        trap_other(regs, vector);
}
