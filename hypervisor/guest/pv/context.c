// SPDX-License-Identifier: BSD-2-Clause
/*
 * A PV vcpu's state: put into the CPU and taken out of it, and set and read by the toolstack or a sibling
 * (struct vcpu_guest_context, xen/arch-x86/xen.h).
 */
#include "arch/x86/fpu.h"
#include "guest/pv/traps.h"
#include "lib/string.h"

#define FAILSAFE_MASKS (1u << CALLBACKTYPE_failsafe) /* of callback_masks */
#define SYSCALL_MASKS (1u << CALLBACKTYPE_syscall)

/* ---- on and off the CPU ---- */

/* A selector the descriptor tables do not allow (any more) is loaded as null, and failed set. */
#define SEGMENT_LOAD(name, value, failed)                                                                    \
    do {                                                                                                     \
        uint32_t selector_ = (value), failed_ = 1;                                                           \
                                                                                                             \
        __asm__ volatile("1: mov %w1, %%" #name "\n   xor %0, %0\n   jmp 3f\n"                               \
                         "2: mov %w2, %%" #name "\n3:\n" EXTABLE(1b, 2b)                                     \
                         : "+r"(failed_)                                                                     \
                         : "r"(selector_), "r"(0)                                                            \
                         : "memory");                                                                        \
        (failed) |= failed_;                                                                                 \
    } while (0)

void pv_context_save(struct vcpu *v)
{
    struct pv_vcpu *pv = v->pv;

    pv->ds = read_ds();
    pv->es = read_es();
    pv->fs = read_fs();
    pv->gs = read_gs();
    v->arch.fs_base = rdmsr(MSR_FS_BASE);
    v->arch.gs_base = rdmsr(MSR_GS_BASE);
    v->arch.gs_base_other = rdmsr(MSR_KERNEL_GS_BASE);
    pv_debug_save(v);
    gdt_load_own();
}

static void context_load_segments(struct vcpu *v)
{
    struct pv_vcpu *pv = v->pv;
    uint32_t failed = 0;

    if (pv->ds | read_ds())
        SEGMENT_LOAD(ds, pv->ds, failed);
    if (pv->es | read_es())
        SEGMENT_LOAD(es, pv->es, failed);
    if (pv->fs | read_fs())
        SEGMENT_LOAD(fs, pv->fs, failed);
    if (pv->gs | read_gs())
        SEGMENT_LOAD(gs, pv->gs, failed);
    if (unlikely(failed))
        pv_segments_failed(v);
    wrmsr(MSR_FS_BASE, v->arch.fs_base);
    wrmsr(MSR_GS_BASE, v->arch.gs_base);
    wrmsr(MSR_KERNEL_GS_BASE, v->arch.gs_base_other);
}

/* The GDT is loaded after the page tables that map it. */
void pv_context_load(struct vcpu *v)
{
    v->pv->descriptor_l1[FIRST_RESERVED_GDT_PAGE] =
        pte_make(this_cpu(gdt_frame), PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_NX);
    if (unlikely(v->arch.shadow))
        pv_shadow_flush(v, TLB_FLUSH_ALL); /* flushes meant for this CPU did not reach it meanwhile */
    pv_load_tables(v);
    gdt_load_guest(PERDOMAIN_GDT(v->id));
    ldt_load(PERDOMAIN_LDT(v->id), v->pv->ldt_entries);
    context_load_segments(v);
    pv_debug_load(v);
    pv_cr4_load(v);
    pv_tsc_aux_load(v);
    if (v->pv->cr0_guest & CR0_TS)
        write_cr0(read_cr0() | CR0_TS);
}

/* ---- set ---- */

static bool context_addresses_ok(const struct vcpu_guest_context *c)
{
    for (unsigned i = 0; i < 256; i++)
        if (!address_canonical(c->trap_ctxt[i].address))
            return false;
    return address_canonical(c->event_callback_eip) && address_canonical(c->failsafe_callback_eip) &&
           address_canonical(c->syscall_callback_eip) && address_canonical(c->fs_base) &&
           address_canonical(c->gs_base_kernel) && address_canonical(c->gs_base_user);
}

static int context_check(const struct vcpu *v, const struct vcpu_guest_context *c)
{
    if (!context_addresses_ok(c) || c->gdt_ents > FIRST_RESERVED_GDT_ENTRY || c->ldt_ents > 8192)
        return -EINVAL;
    if (c->ldt_ents && ((c->ldt_base & ~PAGE_MASK) || !guest_range_ok(c->ldt_base, c->ldt_ents * 8)))
        return -EINVAL;
    if (v->is_initialised && xen_cr3_to_pfn(c->ctrlreg[3]) != v->pv->kernel_table.value)
        return -EOPNOTSUPP; /* the tables of a vcpu that was started are its own to change */
    return 0;
}

static void context_set_registers(struct vcpu *v, const struct vcpu_guest_context *c)
{
    struct cpu_user_regs *r = &v->arch.user_regs;
    struct pv_vcpu *pv = v->pv;

    *r = c->user_regs;
    r->cs = pv_fix_selector(r->cs);
    r->ss = pv_fix_selector(r->ss);
    r->rflags = (r->rflags & ~(uint64_t)(RFLAGS_IOPL | RFLAGS_VM)) | RFLAGS_IF | RFLAGS_MBS;
    r->entry_vector = 0; /* every register counts: leaves by iret */
    pv->ds = c->user_regs.ds;
    pv->es = c->user_regs.es;
    pv->fs = c->user_regs.fs;
    pv->gs = c->user_regs.gs;
    pv->kernel_mode = c->flags & VGCF_in_kernel;
    pv->kernel_ss = pv_fix_selector((uint16_t)c->kernel_ss);
    pv->kernel_sp = c->kernel_sp;
    v->arch.fs_base = c->fs_base;
    v->arch.gs_base = pv->kernel_mode ? c->gs_base_kernel : c->gs_base_user;
    v->arch.gs_base_other = pv->kernel_mode ? c->gs_base_user : c->gs_base_kernel;
    pv->cr0_guest = CR0_PV | (c->ctrlreg[0] & CR0_TS);
    pv->cr4_guest = pv_cr4_guest(c->ctrlreg[4]);
    pv->iopl = (uint8_t)((c->user_regs.rflags & RFLAGS_IOPL) >> 12);
}

static void context_set_entries(struct vcpu *v, const struct vcpu_guest_context *c)
{
    struct pv_vcpu *pv = v->pv;

    for (unsigned i = 0; i < 256; i++) {
        pv->traps[i] = c->trap_ctxt[i];
        pv->traps[i].vector = (uint8_t)i;
        pv->traps[i].cs = pv_fix_selector(pv->traps[i].cs);
    }
    pv->callbacks[CALLBACKTYPE_event] = c->event_callback_eip;
    pv->callbacks[CALLBACKTYPE_failsafe] = c->failsafe_callback_eip;
    pv->callbacks[CALLBACKTYPE_syscall] = c->syscall_callback_eip;
    pv->callback_masks &= (uint8_t)~(FAILSAFE_MASKS | SYSCALL_MASKS);
    pv->callback_masks |= (uint8_t)((c->flags & VGCF_failsafe_disables_events ? FAILSAFE_MASKS : 0) |
                                    (c->flags & VGCF_syscall_disables_events ? SYSCALL_MASKS : 0));
    for (unsigned i = 0; i < 8; i++)
        if (i != 4 && i != 5)
            pv_debug_write(v, i, c->debugreg[i]);
}

/* Base pointers, one after the other; what is in place already stays, so this can be called again. */
static int context_set_tables(struct vcpu *v, const struct vcpu_guest_context *c)
{
    int rc = pv_new_kernel_table(v, MFN(xen_cr3_to_pfn(c->ctrlreg[3])));

    return rc || !c->ctrlreg[1] ? rc : pv_new_user_table(v, MFN(xen_cr3_to_pfn(c->ctrlreg[1])));
}

int pv_set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
    int rc = context_check(v, c);

    if (rc)
        return rc;
    if (!v->is_initialised) {
        v->domain->vm_assist |= (uint32_t)c->vm_assist & PV_VM_ASSISTS;
        rc = context_set_tables(v, c);
        if (rc)
            return rc;
    }
    /* The tables of the mode it is to start in have to be there: they are loaded as they are. */
    if (mfn_equal(c->flags & VGCF_in_kernel ? v->pv->kernel_table : v->pv->user_table, INVALID_MFN))
        return -EINVAL;
    if (!v->is_initialised) {
        rc = pv_gdt_set(v, c->gdt_frames, (unsigned)c->gdt_ents);
        if (rc)
            return rc;
        rc = pv_ldt_set(v, c->ldt_base, (unsigned)c->ldt_ents);
        if (rc)
            return rc;
    }
    context_set_registers(v, c);
    context_set_entries(v, c);
    if ((c->flags & VGCF_i387_valid) && v->arch.xsave_area) {
        guest_legacy_load(v, &c->fpu_ctxt);
        v->arch.fpu_initialised = true;
    }
    v->is_initialised = true;
    return 0;
}

/* ---- get ---- */

static void context_get_tables(const struct vcpu *v, struct vcpu_guest_context *c)
{
    const struct pv_vcpu *pv = v->pv;

    c->ldt_base = pv->ldt_base;
    c->ldt_ents = pv->ldt_entries;
    for (unsigned i = 0; i * (PAGE_SIZE / 8) < pv->gdt_entries; i++)
        c->gdt_frames[i] = pv->gdt_frames[i].value;
    c->gdt_ents = pv->gdt_entries;
    c->ctrlreg[0] = pv->cr0_guest;
    c->ctrlreg[4] = pv->cr4_guest;
    if (!mfn_equal(pv->kernel_table, INVALID_MFN))
        c->ctrlreg[3] = xen_pfn_to_cr3(pv->kernel_table.value);
    if (pv->user_table.value && !mfn_equal(pv->user_table, INVALID_MFN))
        c->ctrlreg[1] = xen_pfn_to_cr3(pv->user_table.value);
}

void pv_get_context(struct vcpu *v, struct vcpu_guest_context *c)
{
    const struct pv_vcpu *pv = v->pv;

    memset(c, 0, sizeof(*c));
    if (v->arch.xsave_area)
        memcpy(&c->fpu_ctxt, v->arch.xsave_area, sizeof(c->fpu_ctxt));
    c->flags = (v->arch.fpu_initialised ? VGCF_i387_valid : 0) | (pv->kernel_mode ? VGCF_in_kernel : 0) |
               (pv->callback_masks & FAILSAFE_MASKS ? VGCF_failsafe_disables_events : 0) |
               (pv->callback_masks & SYSCALL_MASKS ? VGCF_syscall_disables_events : 0) |
               (v->pause_flags & VCPU_DOWN ? 0 : VGCF_online);
    c->user_regs = v->arch.user_regs;
    c->user_regs.entry_vector = 0;
    c->user_regs.ds = pv->ds;
    c->user_regs.es = pv->es;
    c->user_regs.fs = pv->fs;
    c->user_regs.gs = pv->gs;
    if (v->domain->vm_assist & (1u << VMASST_TYPE_architectural_iopl))
        c->user_regs.rflags |= (uint64_t)pv->iopl << 12;
    memcpy(c->trap_ctxt, pv->traps, sizeof(c->trap_ctxt));
    context_get_tables(v, c);
    c->kernel_ss = pv->kernel_ss;
    c->kernel_sp = pv->kernel_sp;
    memcpy(c->debugreg, pv->debug, sizeof(c->debugreg));
    c->event_callback_eip = pv->callbacks[CALLBACKTYPE_event];
    c->failsafe_callback_eip = pv->callbacks[CALLBACKTYPE_failsafe];
    c->syscall_callback_eip = pv->callbacks[CALLBACKTYPE_syscall];
    c->vm_assist = v->domain->vm_assist;
    c->fs_base = v->arch.fs_base;
    c->gs_base_kernel = pv->kernel_mode ? v->arch.gs_base : v->arch.gs_base_other;
    c->gs_base_user = pv->kernel_mode ? v->arch.gs_base_other : v->arch.gs_base;
}

/* ---- end ---- */

/* Gives up one base pointer through the preemptible path. */
static int context_drop_table(struct vcpu *v, mfn_t *table)
{
    int rc = v->pv->old_table ? pv_put_old_table(v) : 0;

    if (rc || !table->value || mfn_equal(*table, INVALID_MFN))
        return rc;
    v->pv->old_table = mfn_to_frame(*table);
    v->pv->old_table_partial = false;
    *table = INVALID_MFN;
    return pv_put_old_table(v);
}

int pv_release_context(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu(d, v) {
        int rc;

        if (!v->pv)
            continue;
        pv_gdt_clear(v);
        pv_ldt_set(v, 0, 0);
        rc = context_drop_table(v, &v->pv->kernel_table);
        if (!rc)
            rc = context_drop_table(v, &v->pv->user_table);
        if (rc)
            return rc;
    }
    return 0;
}
