/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hardware-assisted guests: what SVM and (later) VMX share.  A guest has its own physical address space, which
 * nested page tables translate (the physmap, physmap.c), and no privilege but what the hardware gives it.
 * ABI: xen/hvm/ (hvm_op.h, params.h, save.h, hvm_vcpu.h, start_info.h).
 *
 * Layers, top down: exits (what the guest did), devices (local APIC), the physmap, the vendor file that
 * translates hardware state (svm/).  While a vcpu's exit or hypercall is handled the CPU is on idle_l4: guest
 * memory is reached by walking the guest's tables in software and through the direct map.
 */
#pragma once

#include "domain/domain.h"
#include <xen/hvm/params.h>
#include <xen/hvm/save.h>

struct physmap;
struct lapic;
struct hvm_fault;
struct vcpu_hvm_context;

struct hvm_domain {
    struct physmap *physmap;
    uint64_t params[HVM_NR_PARAMS];  /* lock of the domain for writers */
    uint8_t callback_vector;         /* HVM_PARAM_CALLBACK_IRQ by vector: 0 none */
};

/* An exception or interrupt to be taken at the next entry. */
struct hvm_injection {
    bool pending, has_error_code;
    uint8_t vector, type;            /* X86_EVENTTYPE of AMD APM volume 2, EVENTINJ: 0 interrupt, 2 NMI, 3 exception, 4 software */
    uint32_t error_code;
    uint64_t address;                /* page fault: cr2; debug exception: bits for dr6 */
};

/*
 * A page of the guest's linear memory that was walked for (guest/hvm/walk.c): good for as long as the physmap did not change and
 * the entries still say the same.
 */
struct hvm_translation {
    uint64_t page, root;             /* linear address >> PAGE_SHIFT; the top-level table's address */
    uint64_t *slots[4], entries[4];  /* of each level; those below a large page's repeat it */
    uint64_t rights, gpa;            /* the entries anded; of the page */
    char *at;
    uint64_t version;                /* of the physmap; 0: nothing is here */
    uint8_t type;                    /* enum physmap_type */
    bool no_execute;
};
#define HVM_TRANSLATIONS 8

struct hvm_vcpu {
    struct hvm_injection inject;
    uint8_t upcall_vector;           /* HVMOP_set_evtchn_upcall_vector: 0 the domain's callback_vector */
    bool flush_nested;               /* translations of the physmap are to be forgotten before the next entry; atomic */
    bool nmi_blocked;                /* the guest handles one */
    bool debug_loaded;               /* the CPU's DR0 to DR3 hold the guest's */
    uint8_t cpl;                     /* at the last exit */
    uint32_t boot;                   /* INIT and SIPI on their way (boot.c); atomic */
    uint64_t cr0, cr3, cr4, efer;    /* as the guest believes them, at the last exit */
    uint64_t debug[4];               /* DR0 to DR3 while not in the CPU */
    uint64_t tsc_adjust;             /* the offset of its TSC is v->arch.tsc_offset */
    uint64_t pat, mtrr_def_type, mtrr_fixed[11], mtrr_variable[16]; /* stored, of no effect but for the PAT */
    uint64_t apic_base;
    struct hvm_translation translations[HVM_TRANSLATIONS];
    struct lapic *lapic;
    void *vendor;                    /* the vendor file's own (VMCB...) */
};

/* ---- machine (start.c): boot and every CPU ---- */

/* True when this machine can run hardware-assisted guests: set once, before the first domain. */
bool hvm_available(void);
/* Boot CPU: looks for what is needed, allocates what every CPU needs; says in the log what there is or what is missing. */
void hvm_init(void);
/* Each CPU, as it starts, before it runs a vcpu.  0, or an error: the CPU must not come up. */
int hvm_cpu_init(void);

/* ---- life ---- */
int hvm_domain_init(struct domain *d); /* 0, -ENOMEM: what there is goes with hvm_domain_free */
void hvm_domain_free(struct domain *d);
int hvm_vcpu_init(struct vcpu *v);  /* sets v->arch.enter */
void hvm_vcpu_free(struct vcpu *v);
/* Takes back all memory of a dying domain.  0 or -ERESTART_LATER. */
int hvm_release_memory(struct domain *d);

/* On and off the CPU, from arch_context_switch: interrupts are off, the CPU is on idle_l4. */
void hvm_context_load(struct vcpu *v);
void hvm_context_save(struct vcpu *v);

/* ---- state (v is paused or current) ---- */
void hvm_cpu_get(struct vcpu *v, struct hvm_hw_cpu *cpu);
/* 0; -EINVAL a state no CPU could be in: nothing was changed. */
int hvm_cpu_set(struct vcpu *v, const struct hvm_hw_cpu *cpu);
/* VCPUOP_initialise and the first context of a PVH vcpu. 0, -EINVAL. */
int hvm_context_set(struct vcpu *v, const struct vcpu_hvm_context *context);
bool hvm_pat_valid(uint64_t pat); /* each of its bytes is a memory type */
void hvm_lapic_get(struct vcpu *v, struct hvm_hw_lapic *lapic, struct hvm_hw_lapic_regs *regs);
int hvm_lapic_set(struct vcpu *v, const struct hvm_hw_lapic *lapic, const struct hvm_hw_lapic_regs *regs);

/* An event channel was shown to v (struct vcpu, upcall_edge): for those that are told by their local APIC. */
int hvm_upcall_vector_set(struct vcpu *v, unsigned vector);

/* ---- injection into the current vcpu ---- */
void hvm_inject_exception(unsigned vector, bool has_error_code, uint32_t error_code);
void hvm_inject_page_fault(const struct hvm_fault *fault);
void hvm_inject_debug(uint64_t dr6); /* bits of DR6 to set */

/* ---- guest memory by linear address (copy.c): walked with the given rights ---- */

/* Of the access, as in a page fault's error code */
#define HVM_ACCESS_WRITE 2u
#define HVM_ACCESS_USER  4u
#define HVM_ACCESS_FETCH 16u
/* What a page fault would say; or nothing is behind what the address translates to. */
struct hvm_fault { uint64_t linear; uint32_t code; };
#define HVM_NO_MEMORY (~0u)
/*
 * The current vcpu's memory: size bytes from a linear address on to buffer, or with HVM_ACCESS_WRITE from there (NULL: zeros).
 * 0; -EFAULT with *fault.
 */
int hvm_copy(uint64_t linear, void *buffer, size_t size, unsigned access, struct hvm_fault *fault);

/* ---- the physmap (physmap.c): guest frames to machine frames ---- */

enum physmap_type {
    PHYSMAP_NONE,      /* nothing there */
    PHYSMAP_RAM,       /* the domain's own */
    PHYSMAP_RAM_RO,    /* its own, writes are dropped */
    PHYSMAP_LOG_DIRTY, /* its own, read-only until the first write is noted */
    PHYSMAP_GRANT, PHYSMAP_GRANT_RO, /* mapped grants: the grant room holds references */
    PHYSMAP_FOREIGN,   /* another domain's: the entry holds a reference */
    PHYSMAP_SHARED,    /* the hypervisor's (shared info, grant frames) */
    PHYSMAP_MMIO,      /* device memory mapped directly */
};

/* Value for the nested base register: machine address of the root. */
maddr_t physmap_root(const struct domain *d);
/*
 * What is behind gfn: its frame (INVALID_MFN none), type, and the order of the mapping it is part of.  No reference is
 * taken: for that, physmap_get_frame() of mm/physmap.h, which works for both kinds of guest.
 */
mfn_t physmap_lookup(struct domain *d, gfn_t gfn, enum physmap_type *type, unsigned *order);
/*
 * Puts 1 << order frames (order 0, 9 or 18; both numbers aligned) in place of whatever was there.  What was there loses its
 * references once the TLBs are flushed.  0, -EINVAL, -ENOMEM (the domain's pool of table pages is used up).
 */
int physmap_set(struct domain *d, gfn_t gfn, mfn_t frame, unsigned order, enum physmap_type type);
int physmap_clear(struct domain *d, gfn_t gfn, unsigned order);
/* Translations of d are forgotten on every CPU before any vcpu of d touches memory again.  Returns when that is so. */
void physmap_flush(struct domain *d);

/* The highest guest frame that was ever mapped. */
uint64_t physmap_max_gfn(struct domain *d);
/*
 * Puts frames just allocated to d at gfn on, where nothing may be yet; any order.  0, -EEXIST, -EINVAL, -ENOMEM: nothing stays
 * mapped.
 */
int physmap_populate(struct domain *d, gfn_t gfn, mfn_t frame, unsigned order);
/* d's own memory at gfn on goes: unmapped, and given up as soon as nobody else refers to it.  0, -EINVAL none, -ENOMEM. */
int physmap_surrender(struct domain *d, gfn_t gfn, unsigned order);
/* Takes a grant's mapping of frame away; the caller holds references until it has flushed.  0; -EINVAL: there is none. */
int physmap_clear_grant(struct domain *d, gfn_t gfn, mfn_t frame);

enum physmap_fault { PHYSMAP_RETRY, PHYSMAP_DROP_WRITE, PHYSMAP_NO_MEMORY };
/* The running vcpu of d had a nested page fault at gfn: what to do. write: it was a store.  Interrupts are on. */
enum physmap_fault physmap_fault(struct domain *d, gfn_t gfn, bool write);

/* Pool of pages the tables are made of (XEN_DOMCTL_set_paging_mempool_size), bytes. 0, -ENOMEM, -ERESTART_LATER. */
int physmap_pool_set(struct domain *d, uint64_t bytes);
uint64_t physmap_pool_get(struct domain *d);

/* ---- log-dirty mode (physmap_dirty.c): preemptible, under the control lock; d is not the caller's ---- */

int hvm_log_dirty_enable(struct domain *d); /* 0, -EINVAL on already, -ENOMEM, -ERESTART_LATER */
int hvm_log_dirty_disable(struct domain *d);
/* d is paused, and a page of bits from guest frame first on was taken: their frames' next writes are to be noted again. */
void hvm_log_dirty_protect(struct domain *d, uint64_t first, const uint64_t *words);

/* ---- the whole state of a domain in records (save.c; xen/hvm/save.h) ---- */

/* Bytes hvm_state_save() takes at most. */
size_t hvm_state_size(const struct domain *d);
/* d is paused.  Bytes written. */
size_t hvm_state_save(struct domain *d, void *buffer);
/* d is paused.  0; -EINVAL a record makes no sense (those before it are in place), -ENODATA there is no end. */
int hvm_state_load(struct domain *d, const void *buffer, size_t size);
/* One record's contents within a saved state: NULL there is none. */
const void *hvm_state_find(const void *state, size_t size, unsigned type, unsigned instance, uint32_t *length);

/* ---- what the tools have of PV guests too ---- */

/* v is paused.  set: registers alone; 0, -EINVAL. */
void hvm_guest_context_get(struct vcpu *v, struct vcpu_guest_context *context);
int hvm_guest_context_set(struct vcpu *v, const struct vcpu_guest_context *context);

/* ---- grants (grant/grant.h): host_addr is guest-physical ---- */
int hvm_grant_map(struct domain *d, uint64_t host_addr, mfn_t frame, unsigned flags);
int hvm_grant_unmap(struct domain *d, uint64_t host_addr, mfn_t frame, unsigned flags, uint64_t new_addr);

/* ---- hypercalls ---- */
long hvm_op(uint64_t cmd, uint64_t arg, uint64_t, uint64_t, uint64_t);
