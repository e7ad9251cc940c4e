/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 64-bit PV guests: page tables, descriptors, traps.  ABI: xen/xen.h, xen/arch-x86/xen.h, xen/arch-x86/xen-x86_64.h.
 * The kernel runs in ring 3 like its user space; the two have separate top-level page tables.
 */
#pragma once

#include "domain/domain.h"
#include <xen/callback.h>

/* A frame to be built on the guest's stack on the way out. */
struct trap_bounce {
    uint64_t rip;
    uint32_t error_code;
    uint8_t flags; /* TRAP_BOUNCE_* */
};
#define TRAP_BOUNCE_ERROR_CODE (1u << 0)
#define TRAP_BOUNCE_INTERRUPT  (1u << 1) /* masks events, as an interrupt gate does */
#define TRAP_BOUNCE_FAILSAFE   (1u << 2) /* tells segment selectors, too */
#define TRAP_BOUNCE_SAVED_SEGMENTS (1u << 3) /* those kept in struct pv_vcpu, not the CPU's */

struct pv_vcpu {
    /* fast-path fields first: offsets are exported to assembly */
    struct trap_bounce bounce;
    uint64_t kernel_sp, kernel_ss;       /* stack_switch */
    uint64_t callbacks[8];               /* by CALLBACKTYPE_*, but for the NMI's: rip; cs is always the flat kernel segment */
    uint16_t syscall32_callback_cs, sysenter_callback_cs; /* kept for who asks */
    uint8_t callback_masks;              /* bit CALLBACKTYPE_*: CALLBACKF_mask_events */
    bool kernel_mode;                    /* runs its kernel (guest_table) rather than user (user_table) */
    uint8_t iopl;                        /* virtual IOPL, 0 to 3 */
    struct trap_info traps[256];

    uint64_t cr0_guest, cr4_guest; /* as the guest believes them */
    uint64_t debug[8];                   /* dr0-3, 6, 7 */

    /* page tables: PV tables lock of the domain */
    mfn_t kernel_table, user_table;      /* L4s, each with a type reference; INVALID_MFN when none */
    struct frame *old_table;             /* being put away preemptibly */
    bool old_table_partial;

    /* descriptor tables */
    mfn_t gdt_frames[16];                /* as many as hold the entries */
    unsigned gdt_entries;                /* of the guest; 0 none */
    uint64_t ldt_base;                   /* guest virtual address */
    unsigned ldt_entries;
    uint64_t *descriptor_l1;             /* L1 that maps this vcpu's 32 descriptor pages */
    spinlock_t ldt_lock;                 /* mapped LDT pages */
    unsigned ldt_mapped;                 /* bitmap of mapped LDT pages (16) */

    guest_addr_t io_bitmap;              /* physdev set_iobitmap; 0 none */
    unsigned io_bitmap_ports;
    uint16_t ds, es, fs, gs;             /* selectors while not running */
    struct pv_shadow *shadow;            /* memory for log-dirty mode; in use when arch.shadow points to it too */
};

struct pv_domain {
    spinlock_t tables_lock;              /* RANK_PV_TABLES: every change to this domain's page tables */
    uint64_t *perdomain_l3;              /* what slot PERDOMAIN_SLOT points to; the one L2 below it is the page behind it */
};

/* ---- domain.c, context.c (traps side) ---- */
int pv_domain_init(struct domain *d);
void pv_domain_free(struct domain *d);
int pv_vcpu_init(struct vcpu *v);
void pv_vcpu_free(struct vcpu *v);
/* set/getvcpucontext.  0, -EINVAL; -ERESTART_LATER while the page tables are validated. */
int pv_set_context(struct vcpu *v, const struct vcpu_guest_context *context);
void pv_get_context(struct vcpu *v, struct vcpu_guest_context *context);
/* Drops descriptor tables, callbacks and page tables of all vcpus of a dying domain.  0 or -ERESTART_LATER. */
int pv_release_context(struct domain *d);

/* ---- traps ---- */
/* Queues exception vector for the running guest's kernel, as its trap table says; crashes it when it has no handler. */
void pv_inject_trap(unsigned vector, uint32_t error_code, bool has_error_code);
void pv_inject_page_fault(uint64_t address, uint32_t error_code);

/* ---- page tables (mm side) ---- */
/* New base pointers (mmuext NEW_BASEPTR, emulated mov to cr3, set context).  -ERESTART_LATER possible. */
int pv_new_kernel_table(struct vcpu *v, mfn_t l4);
int pv_new_user_table(struct vcpu *v, mfn_t l4); /* MFN 0: none */
int pv_old_table_step(struct vcpu *v);
/* Goes on with a table of v that takes long to put away.  0 when there is none any more, or -ERESTART_LATER. */
static inline int pv_put_old_table(struct vcpu *v) { return likely(!v->pv->old_table) ? 0 : pv_old_table_step(v); }
void pv_load_tables(struct vcpu *v);     /* writes cr3 for the mode v is in */
/* Fills the hypervisor's slots of an L4 that is becoming a page table of d. */
void pv_init_l4_slots(uint64_t *l4, struct domain *d);
/*
 * A write fault of the running guest's kernel on one of its own page-table pages, or on a read-only mapping of I/O configuration
 * space: true when it was emulated (or handled) and the guest goes on.
 */
bool pv_fault_emulate_write(struct cpu_user_regs *regs, uint64_t address, uint32_t error_code);
/* True if a fault was spurious (stale TLB entry). */
bool pv_fault_spurious(uint64_t address, uint32_t error_code);
/* The L1 entry that maps a guest virtual address in the running guest's kernel's tables: 0 if not mapped. */
uint64_t pv_kernel_l1e(uint64_t address);
/* Takes back all frames of a dying domain.  0 or -ERESTART_LATER. */
int pv_release_memory(struct domain *d);
/* Checks a frame of descriptors, raising privilege levels in place.  0, -EINVAL. */
int pv_validate_segdesc(struct frame *f);
/* A new LDT (mmuext SET_LDT): base page-aligned, up to 8192 entries, 0 none.  v runs here or is paused.  0, -EINVAL. */
int pv_ldt_set(struct vcpu *v, uint64_t base, unsigned entries);
/* Forgets every mapped page of v's LDT: they come back when used. */
void pv_ldt_clear(struct vcpu *v);

/*
 * Tables the CPU walks in place of a PV guest's while the guest's writes are tracked (docs/design/log-dirty.md): to the guest
 * they are no more than another translation cache.  v->arch.shadow is NULL while there are none.
 */
struct pv_shadow *pv_shadow_new(struct domain *d); /* memory for a vcpu's; NULL when it is short */
void pv_shadow_free(struct pv_shadow *s);
uint64_t pv_shadow_bytes(void); /* of one vcpu */
/* Loads the tables of the mode v is in; what they hold is still true. */
void pv_shadow_load(struct vcpu *v);
/* Log-dirty mode.  Preemptible; under the control lock.  d is not the caller's. */
int pv_log_dirty_enable(struct domain *d); /* 0, -EINVAL on already, -ENOMEM, -ERESTART_LATER */
int pv_log_dirty_disable(struct domain *d);

/* Grants (grant/grant.h). */
int pv_grant_map(struct domain *d, uint64_t host_addr, mfn_t frame, unsigned flags, unsigned cache);
int pv_grant_unmap(struct domain *d, uint64_t host_addr, mfn_t frame, unsigned flags, uint64_t new_addr);
void pv_grant_flush(struct domain *d);

/* Page 0 of hypercall stubs as a guest of d's kind needs it. */
void hypercall_page_fill(struct domain *d, void *page);

/* Offers the audit of frames as a debug key. */
void pv_audit_init(void);
/*
 * Stops all vcpus but the running one, recounts the references and types of all frames, says the result in the log and
 * lets them go on. How many frames are wrong. Holds no lock another vcpu waits for without giving way.
 */
unsigned pv_audit_all(void);

/* Hypercalls: arguments are guest values, as the ABI has them (rows of door/hypercall.c). */
typedef long pv_hypercall(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
pv_hypercall pv_mmu_update, pv_mmuext_op, pv_update_va_mapping, pv_update_va_mapping_otherdomain, pv_set_trap_table, pv_set_gdt,
    pv_update_descriptor, pv_stack_switch, pv_set_callbacks, pv_callback_op, pv_nmi_op, pv_fpu_taskswitch, pv_set_debugreg,
    pv_get_debugreg, pv_set_segment_base, pv_iret, pv_vm_assist;
/*
 * The registers of a vcpu that travel with it (XEN_DOMCTL_get_vcpu_msrs): those that are not zero, and how many. v does not
 * run, or may be a moment old.
 */
#define PV_SAVED_MSRS 1 /* TSC_AUX */
unsigned pv_saved_msrs_get(const struct vcpu *v, struct xen_domctl_vcpu_msr list[PV_SAVED_MSRS]);
/* v is paused; loaded when it runs again. 0, or -EINVAL for a register or value this machine cannot give it. */
int pv_saved_msr_set(struct vcpu *v, uint32_t index, uint64_t value);

/* ---- vector state of any guest (guest/vector.c); v does not run ---- */
/* An XSAVE area of size bytes with its XCR0 and all that was ever enabled.  -EINVAL: the CPU would refuse it. */
int guest_vector_load(struct vcpu *v, uint64_t xcr0, uint64_t accumulated, const void *from, size_t size);
void guest_legacy_load(struct vcpu *v, const void *from); /* 512 bytes as of FXSAVE; components beyond start clean */

/* ---- cpu policy (guest/policy.c): what CPUID and MSRs say ---- */
int cpu_policy_init_domain(struct domain *d);
/* d writes IA32_PRED_CMD, a barrier against others' branch predictions: for whoever is shown that one is there. 0, -EPERM. */
int cpu_policy_barrier(struct domain *d, uint64_t value);
void cpu_policy_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf, uint32_t out[4]); /* eax ebx ecx edx */
/* Policy hypercalls.  Buffers are hypervisor copies. */
struct xen_cpuid_leaf;
/* which: XEN_SYSCTL_cpu_policy_*; NULL d: system policy.  counts in/out (elements). -ENOBUFS too small (counts say the need). */
int cpu_policy_get(struct domain *d, unsigned which, xen_cpuid_leaf_t *leaves, uint32_t *nr_leaves,
                   xen_msr_entry_t *msrs, uint32_t *nr_msrs);
int cpu_policy_set(struct domain *d, const xen_cpuid_leaf_t *leaves, uint32_t nr_leaves, const xen_msr_entry_t *msrs,
                   uint32_t nr_msrs, uint32_t *err_leaf, uint32_t *err_subleaf, uint32_t *err_msr);
/* Featureset words (XEN_SYSCTL_get_cpu_featureset): which XEN_SYSCTL_cpu_featureset_*. Returns the number of words. */
unsigned cpu_policy_featureset(unsigned which, uint32_t *words, unsigned max);
