/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the physmap: the nested page tables of one domain.
 *
 * Format of an entry: that of long-mode page tables, which SVM's nested paging walks (AMD APM volume 2, 15.25.5); bits 55-52,
 * which the CPU ignores, hold the type (enum physmap_type) of a leaf.  Four levels: guest frames below PHYSMAP_FRAMES.
 *
 * What an entry holds: one reference on every frame it maps, and a FRAME_WRITABLE type reference for frames of other domains it
 * maps writable.  They are dropped after the flush that follows its removal.
 *
 * Who looks: under the lock, from anywhere; without it, for the running vcpu's own domain with interrupts off, as a CPU's
 * walker would.  A removal waits for a flush on every CPU that runs the domain (physmap_flush), so neither a table nor a frame
 * goes to somebody else while it is being looked at.  The lock is therefore never taken with interrupts off.
 */
#pragma once

#include "arch/x86/paging.h"
#include "guest/hvm.h"

#define PHYSMAP_LEVELS 4
#define PHYSMAP_FRAMES (1UL << (9 * PHYSMAP_LEVELS))
#define PHYSMAP_TYPE_SHIFT 52
#define PHYSMAP_TYPE_MASK (0xfUL << PHYSMAP_TYPE_SHIFT)
#define PHYSMAP_TABLE_ENTRY (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED)

struct physmap {
    spinlock_t lock;        /* RANK_PHYSMAP: everything below */
    uint64_t *root;
    uint64_t version;       /* of what leaves say: changes with every flush, before it; atomic */
    uint64_t max_gfn;       /* highest guest frame that was ever mapped */
    uint64_t *free_tables;  /* linked through their first words */
    uint64_t pool_pages;    /* the free ones and those in use, beside the root */
    bool protecting;        /* and entries are being write-protected, */
    uint64_t protect_next;  /* from this guest frame on */
};

/* Guest frames an entry of level maps, as a power of two. */
static inline unsigned physmap_order(unsigned level) { return 9 * (level - 1); }
static inline enum physmap_type physmap_entry_type(uint64_t e)
{
    return e & PTE_PRESENT ? (enum physmap_type)((e & PHYSMAP_TYPE_MASK) >> PHYSMAP_TYPE_SHIFT) : PHYSMAP_NONE;
}
static inline bool physmap_entry_is_table(uint64_t e, unsigned level)
{
    return level > 1 && (e & (PTE_PRESENT | PTE_LARGE)) == PTE_PRESENT;
}
static inline bool physmap_type_is_ram(enum physmap_type type)
{
    return type == PHYSMAP_RAM || type == PHYSMAP_RAM_RO || type == PHYSMAP_LOG_DIRTY;
}

/* The entry that decides about a guest frame: a leaf, or nothing present. */
struct physmap_place {
    uint64_t *slot, entry; /* where it is, and as it was found */
    unsigned level;
};

/* A step down; true when it is not the last. */
static ALWAYS_INLINE bool physmap_descend(struct physmap_place *at, uint64_t *table, uint64_t gfn, unsigned level)
{
    at->slot = &table[gfn >> physmap_order(level) & (PTES_PER_TABLE - 1)];
    at->entry = __atomic_load_n(at->slot, __ATOMIC_ACQUIRE);
    at->level = level;
    return physmap_entry_is_table(at->entry, level);
}

static inline uint64_t *physmap_below(const struct physmap_place *at)
{
    return mfn_to_virt(pte_frame(at->entry));
}

/* gfn is below PHYSMAP_FRAMES.  Not a loop, so that shifts and masks are constants. */
static inline struct physmap_place physmap_find(const struct physmap *p, uint64_t gfn)
{
    struct physmap_place at;

    _Static_assert(PHYSMAP_LEVELS == 4, "a step each");
    (void)(physmap_descend(&at, p->root, gfn, 4) && physmap_descend(&at, physmap_below(&at), gfn, 3) &&
           physmap_descend(&at, physmap_below(&at), gfn, 2) && physmap_descend(&at, physmap_below(&at), gfn, 1));
    return at;
}

/* What the leaf maps gfn to. */
static inline mfn_t physmap_place_frame(const struct physmap_place *at, uint64_t gfn)
{
    return mfn_add(pte_frame(at->entry), gfn & ((1UL << physmap_order(at->level)) - 1));
}

/* A leaf entry. */
uint64_t physmap_entry(mfn_t frame, enum physmap_type type, unsigned level);
/* The lock is held.  slot's superpage becomes a table of smaller ones that map the same.  0, -ENOMEM: the pool is used up. */
int physmap_shatter(struct physmap *p, uint64_t *slot, unsigned level);

/* What mm/physmap.h says, of a hardware-assisted guest. */
int physmap_frame_of(struct domain *d, gfn_t gfn, struct frame **frame);

/* ---- life ---- */
int physmap_init(struct domain *d); /* 0, -ENOMEM: physmap_free takes what there is */
/* The domain is dying: everything mapped is let go and the pool given back.  0 or -ERESTART_LATER. */
int physmap_teardown(struct domain *d);
void physmap_free(struct domain *d);

/* ---- physmap_pool.c: the lock is held ---- */
uint64_t *physmap_table_new(struct physmap *p); /* contents: anything. NULL: the pool is used up */
void physmap_table_free(struct physmap *p, uint64_t *table);
/* Gives pages of the pool that are not in use back to the heap, a few at a time; true when there are none. */
bool physmap_pool_drain(struct physmap *p);

/* ---- physmap_dirty.c ---- */
/* The lock is held.  A store to gfn, whose leaf is of PHYSMAP_LOG_DIRTY. */
void physmap_first_write(struct domain *d, struct physmap_place at, uint64_t gfn);

/* ---- walk.c ---- */
/*
 * The running vcpu's memory at a guest-physical address, up to the end of its page; interrupts are off and stay off while it
 * is used.  NULL: none there, or not to be written. *type: whose it is.
 */
void *physmap_at(const struct physmap *p, uint64_t gpa, bool write, enum physmap_type *type);
/* After a store there. */
void physmap_written(struct domain *d, uint64_t gpa, const void *at, enum physmap_type type);
/*
 * Where a linear address of the running vcpu v leads, walking its tables with the rights of access and setting accessed and
 * dirty bits; interrupts are off.  Fills t's gpa (of the address) and what of it comes from the tables.  0; -EFAULT with *error_code
 * as hvm_copy has it in its fault.
 */
int hvm_walk(struct vcpu *v, uint64_t linear, unsigned access, struct hvm_translation *t, uint32_t *error_code);
/* The same and the memory there, remembering the last pages: *t is good while interrupts are off.  The same errors. */
int hvm_reach(struct vcpu *v, uint64_t linear, unsigned access, const struct hvm_translation **t, uint32_t *error_code);
