/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the page-table files of the PV room share.
 *
 * "Lock" below is the tables lock of the domain that owns the table: every change of an entry, and every type reference to a
 * page table taken or dropped, happens under it.
 */
#pragma once

#include "arch/x86/entry.h"
#include "arch/x86/paging.h"
#include "arch/x86/regs.h"
#include "errno.h"
#include "guest/pv.h"
#include "log.h"
#include "mm/dirty_log.h"

/* Software bits a guest may use as it likes: 11-9 and 62-52. */
#define PTE_GUEST_AVAIL (PTE_AVAIL | 0x7ff0000000000000UL)
/* Changes of an entry that do not change what it refers to, nor with which rights beyond execution. */
#define PTE_SOFT_BITS (PTE_GUEST_AVAIL | PTE_ACCESSED | PTE_DIRTY | PTE_NX)
/* Entries above the first level are never large or global, and have no cache attributes. */
#define PTE_UPPER_FORBIDDEN (PTE_PWT | PTE_PCD | PTE_LARGE | PTE_GLOBAL)

static inline uint64_t frame_level_type(unsigned level) { return (uint64_t)level << FRAME_TYPE_SHIFT; }

/* Of a table of that level: the others are the hypervisor's. */
static inline bool table_slot_is_guest(unsigned level, unsigned slot)
{
    return level < 4 || slot < HYPERVISOR_FIRST_SLOT || slot > HYPERVISOR_LAST_SLOT;
}

/* The level 1 to 4 a frame is validated as; 0 for anything else.  Stable under the lock. */
static inline unsigned frame_table_level(const struct frame *f)
{
    uint64_t type = __atomic_load_n(&f->type, __ATOMIC_RELAXED), level = type >> FRAME_TYPE_SHIFT;

    return level - 1 < 4 && (type & FRAME_VALIDATED) ? (unsigned)level : 0;
}

static inline bool frame_is_l1(const struct frame *f)
{
    return (__atomic_load_n(&f->type, __ATOMIC_RELAXED) & (FRAME_TYPE_MASK | FRAME_VALIDATED)) == (FRAME_L1 | FRAME_VALIDATED);
}

/*
 * Memory whose mappings hold references; otherwise I/O memory, or nobody's.  The answer does not change while a mapping
 * exists: a referenced frame keeps its owner.
 */
static inline bool frame_is_memory(mfn_t m)
{
    const struct domain *owner;

    if (unlikely(!mfn_valid(m)))
        return false;
    owner = frame_owner(mfn_to_frame(m));
    return likely(owner) && likely(owner != domain_io);
}

/* On this CPU alone; the flush clock need not know of one page. */
static inline void flush_page_here(uint64_t address)
{
#ifdef XYLEM_HOST
    tlb_flush_local(address, 0);
#else
    if (unlikely(current->arch.shadow))
        pv_shadow_flush(current, address);
    invlpg(address);
#endif
}

/* ---- entries.c: what an entry holds ---- */

/* A present first-level entry as it is stored: ring 3 may use it, and it is not global (cr3 alone separates modes). */
static inline uint64_t l1_entry_stored(uint64_t e) { return (e | PTE_USER) & ~PTE_GLOBAL; }

/*
 * Takes what a present, stored-form entry of a table of d refers to: a reference, and a writable type reference when it
 * maps writable.  from owns the frame (d itself in most cases).  *e may lose PTE_WRITE (read-only I/O memory).
 * 0; -EINVAL, -EPERM, -EBUSY.
 */
int l1_entry_get(uint64_t *e, struct domain *d, struct domain *from);
/* Drops it again. */
void l1_entry_put(uint64_t e, struct domain *d);
/* The same for entries of levels 2 to 4 in table (of d); the first also -ERESTART_LATER. */
int table_entry_get(unsigned level, uint64_t e, struct frame *table, struct domain *d);
/* later: what takes long is left to pv_put_old_table() of the running vcpu; otherwise also -ERESTART_LATER. */
int table_entry_put(unsigned level, uint64_t e, struct frame *table, bool later);

/* ---- base.c ---- */

/* The top-level table of the mode v is in: INVALID_MFN when it has none. */
static inline mfn_t *pv_running_table(struct vcpu *v)
{
    return v->pv->kernel_mode ? &v->pv->kernel_table : &v->pv->user_table;
}

/* Leaves a table to be put away before the running vcpu's next page-table operation: with its reference and type reference, or (partial)
 * as an abandoned validation, for which it takes a reference. */
void pv_old_table_set(struct frame *f, bool partial);
/*
 * After a frame_get_type(f) of a page-table type that said rc, d's lock held: what is left of a failed check is put away.  Another
 * domain's frame, though it looks the same, is under another lock.
 */
void pv_check_failed(struct frame *f, const struct domain *d, int rc);

/* ---- update.c: changing an entry; the lock is held ---- */

enum entry_mode {
    ENTRY_PLAIN,       /* store */
    ENTRY_PRESERVE_AD, /* accessed and dirty bits found there stay */
    ENTRY_EXPECT,      /* only if it still holds the expected value: -EAGAIN otherwise */
};
/* slot: in a validated L1 of d, direct map.  from: owner of the frame a new entry maps.  0, -EINVAL, -EPERM, -EBUSY, -EAGAIN. */
int l1_entry_update(uint64_t *slot, uint64_t value, struct domain *d, struct domain *from, enum entry_mode mode,
                    uint64_t expected);
/* slot in table, a validated table of level 2 to 4 of d.  The same errors and -ERESTART_LATER. */
int table_entry_update(uint64_t *slot, uint64_t value, struct frame *table, unsigned level, struct domain *d,
                       bool preserve_ad);

/*
 * One store of HYPERVISOR_mmu_update at a machine address: into a page table of d, or into its ordinary memory.  from: owner of
 * the frame a new entry maps.  The same errors.
 */
int pv_table_store(uint64_t address, uint64_t value, bool preserve_ad, struct domain *d, struct domain *from);

/* ---- walk.c ---- */

/* The first-level slot for address in the tables under l4; NULL when a level is missing.  Stable under the lock. */
uint64_t *pv_walk(mfn_t l4, uint64_t address);
/*
 * Flushes address, or TLB_FLUSH_ALL, of the running domain: where any of its vcpus runs, or one of those in the guest's bitmap.
 * 0 or -EFAULT.
 */
int pv_flush(bool all, guest_addr_t bitmap, uint64_t address);

struct guest_walk {
    uint64_t *slots[5], entries[5]; /* by level 1 to 4 */
    uint64_t rights;                /* entries anded */
    bool no_execute;
};
/* All levels of the tables of the mode v is in.  False: an entry is missing.  Interrupts are off, or the lock is held. */
bool pv_guest_walk(struct vcpu *v, uint64_t address, struct guest_walk *w);
/* Would the CPU allow the access a fault reports? */
static inline bool walk_allows(const struct guest_walk *w, uint32_t error_code)
{
    return (!(error_code & PF_WRITE) || (w->rights & PTE_WRITE)) && (!(error_code & PF_FETCH) || !w->no_execute);
}

/* ---- mmu_update.c ---- */

/* In the count of a batch: it is a continuation (what Xen's ABI leaves to the hypervisor). */
#define MMU_UPDATE_PREEMPTED 0x80000000u
/* A hypercall on a list of structs of one size, with its arguments as they came. */
struct pv_batch {
    unsigned hypercall, size;
    uint64_t list, count, done, domid;
};
/* Adds what was done to the guest's count of it, and goes on later when rc is -ERESTART_LATER.  The hypercall's result. */
long pv_batch_end(const struct pv_batch *b, uint64_t did, int rc);

/* Whose frames: DOMID_SELF, DOMID_IO, DOMID_XEN or a domain the running one controls.  Referenced.  0, -ESRCH, -EPERM. */
int pv_frames_other(domid_t id, struct domain **owner); /* not DOMID_SELF */
static inline int pv_frames_owner(domid_t id, struct domain **owner)
{
    *owner = current->domain;
    return likely(id == DOMID_SELF) ? 0 : pv_frames_other(id, owner);
}
static inline void pv_frames_owner_put(struct domain *owner)
{
    if (unlikely(owner != current->domain) && !owner->is_system)
        domain_put(owner);
}
/*
 * An entry that is to map a frame of owner, a translated guest, names a guest frame: *entry gets the machine frame, which *held is a
 * reference to (NULL none).  0, -EINVAL.
 */
int pv_frames_translate(struct domain *owner, uint64_t *entry, struct frame **held);

/* ---- audit.c ---- */

/* Recounts references and types; returns the number of frames that are wrong.  exact: nothing but page tables, pins and
 * base pointers may hold references (tests).  Domains are to be paused. */
unsigned pv_audit(bool exact);
