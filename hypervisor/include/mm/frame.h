/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame table: one struct frame for each machine frame, with its owner, its references and its type.
 *
 * refs counts everything that keeps the frame from being freed.  A frame owned by a domain holds one
 * reference for being allocated (FRAME_ALLOCATED); the last put gives it back to the heap.
 *
 * type says what the frame is used as while its type count is not zero.  The rules of the PV wall:
 *   - at most one type at a time; only a frame with no type references may change type;
 *   - a frame typed as a page table (FRAME_L1 .. FRAME_L4) or descriptor table (FRAME_SEGDESC) is never
 *     mapped writable by a guest: a writable mapping holds a FRAME_WRITABLE reference, which excludes those
 *     types;
 *   - FRAME_VALIDATED is set once the contents were checked for the type; each entry of a page table holds
 *     one reference and one type reference on what it points to.
 */
#pragma once

#include "arch/layout.h"
#include "lib/base.h"
#include "types.h"

struct domain;

/* refs */
#define FRAME_ALLOCATED   (1UL << 63) /* the owner's own reference is held */
#define FRAME_XEN_HEAP    (1UL << 62) /* hypervisor memory, perhaps shared with a domain */
#define FRAME_EXTRA       (1UL << 60) /* not counted in the owner's total_pages */
#define FRAME_FREE        (1UL << 55) /* on the heap's free lists */
#define FRAME_UNSCRUBBED  (1UL << 54) /* free, but still holds old data */
#define FRAME_LEAVING     (1UL << 53) /* of a dying domain, on its relinquish_pages: others still use it */
#define FRAME_REFS_MASK   ((1UL << 40) - 1)

/* type */
#define FRAME_TYPE_SHIFT  60
#define FRAME_TYPE_MASK   (0xfUL << FRAME_TYPE_SHIFT)
#define FRAME_NONE        (0UL << FRAME_TYPE_SHIFT) /* no special use */
#define FRAME_L1          (1UL << FRAME_TYPE_SHIFT) /* page tables, lowest level first */
#define FRAME_L2          (2UL << FRAME_TYPE_SHIFT)
#define FRAME_L3          (3UL << FRAME_TYPE_SHIFT)
#define FRAME_L4          (4UL << FRAME_TYPE_SHIFT)
#define FRAME_SEGDESC     (5UL << FRAME_TYPE_SHIFT) /* holds guest descriptors */
#define FRAME_WRITABLE    (7UL << FRAME_TYPE_SHIFT) /* may be mapped writable */
#define FRAME_PINNED      (1UL << 59) /* the owner keeps it at this type */
#define FRAME_VALIDATED   (1UL << 58) /* contents checked */
#define FRAME_PARTIAL     (1UL << 57) /* (de)validation was interrupted; frame->progress says where */
#define FRAME_TYPE_COUNT_MASK ((1UL << 40) - 1)

#define FRAME_LIST_END 0xffffffffu

struct frame {
    uint64_t refs;
    uint64_t type;  /* of a free block's first frame: its order */
    uint32_t next;  /* frame number of the next frame on the list this one is on */
    uint32_t prev;
    uint32_t owner; /* frame number of the owner's struct domain, 0 for none: frame_owner() */
    union {
        uint32_t tlb_stamp; /* the TLB-flush clock when it last lost its last type reference or was freed */
        struct {
            uint16_t progress;  /* FRAME_PARTIAL: entries done so far */
            int16_t linear;     /* page tables: linear-map uses (positive: of others, negative: by others) */
        };
    };
};
_Static_assert(sizeof(struct frame) == 32, "the frame table costs 32 bytes a frame");

/* List of frames, linked through next and prev. */
struct frame_list {
    uint32_t head, tail;
    uint64_t count;
};

void frame_list_init(struct frame_list *list);
void frame_list_add(struct frame_list *list, struct frame *f); /* at the tail */
void frame_list_add_head(struct frame_list *list, struct frame *f);
void frame_list_remove(struct frame_list *list, struct frame *f);
struct frame *frame_list_first(const struct frame_list *list); /* NULL when empty */
struct frame *frame_list_next(const struct frame *f);

extern uint64_t max_frame; /* one more than the highest frame number with a frame table entry */

#ifdef XYLEM_HOST
extern struct frame *frame_table;
#else
#define frame_table ((struct frame *)FRAME_TABLE_START)
#endif

static inline struct frame *mfn_to_frame(mfn_t m) { return &frame_table[m.value]; }
static inline mfn_t frame_to_mfn(const struct frame *f) { return MFN((uint64_t)(f - frame_table)); }
static inline struct frame *virt_to_frame(const void *p) { return mfn_to_frame(virt_to_mfn(p)); }
static inline void *frame_to_virt(const struct frame *f)
{
    return (char *)mfn_to_virt(MFN(0)) + ((uint64_t)f - (uint64_t)frame_table) * (PAGE_SIZE / sizeof(*f));
}
/* True for numbers with an entry in the frame table.  Holes in the machine's memory have entries, which belong to domain_io. */
static inline bool mfn_valid(mfn_t m) { return m.value < max_frame; }

static inline struct domain *frame_owner(const struct frame *f)
{
    return f->owner ? (struct domain *)mfn_to_virt(MFN(f->owner)) : NULL;
}
static inline void frame_set_owner(struct frame *f, const struct domain *d)
{
    f->owner = d ? (uint32_t)virt_to_mfn(d).value : 0;
}
static inline uint64_t frame_type(const struct frame *f)
{
    return __atomic_load_n(&f->type, __ATOMIC_RELAXED) & FRAME_TYPE_MASK;
}

/* Takes a reference if the frame is in use, whoever owns it. */
static inline bool frame_ref(struct frame *f)
{
    uint64_t old = __atomic_load_n(&f->refs, __ATOMIC_RELAXED);

    do {
        if (unlikely(!(old & FRAME_REFS_MASK)))
            return false;
    } while (unlikely(!__atomic_compare_exchange_n(&f->refs, &old, old + 1, false, __ATOMIC_ACQ_REL,
                                                   __ATOMIC_RELAXED)));
    return true;
}
/* Takes a reference if the frame is in use and owned by d; false otherwise. */
bool frame_get(struct frame *f, const struct domain *d);
/* Takes a reference to whatever domain owns it and returns that domain (not referenced); NULL if none. */
struct domain *frame_get_any_owner(struct frame *f);
/* Drops a reference; frees the frame when it was the last. */
void frame_put(struct frame *f);

/*
 * Takes a type reference (a FRAME_Ln, SEGDESC or WRITABLE).  The caller holds a reference.  0; -EBUSY another
 * type in use (retry makes no sense); -EINVAL contents not valid for the type; -ERESTART_LATER work is
 * pending: the validation is kept as partial and the same call continues it.
 */
int frame_get_type(struct frame *f, uint64_t type);
/* Drops a type reference; devalidates on the last.  0 or -ERESTART_LATER (only from _preemptible). */
void frame_put_type(struct frame *f);
int frame_put_type_preemptible(struct frame *f);

/* Takes a type reference only if the contents were checked for that type already.  0 or -EBUSY. */
int frame_get_type_validated(struct frame *f, uint64_t type);
/*
 * True for a page table whose validation stopped and which nobody uses (FRAME_PARTIAL, no type references).
 */
bool frame_is_abandoned(const struct frame *f);
/* Undoes such a validation; no-op for others.  Owner's tables lock held.  0 or -ERESTART_LATER. */
int frame_clean_partial(struct frame *f);

/* Reference and type reference together, for frames owned by d. */
int frame_get_both(struct frame *f, const struct domain *d, uint64_t type);
static inline void frame_put_both(struct frame *f)
{
    frame_put_type(f);
    frame_put(f);
}

/* What frames of d name as their owner. */
static inline uint32_t frame_owner_index(const struct domain *d) { return (uint32_t)virt_to_mfn(d).value; }

/*
 * In line, for fast paths: frame_get() of d's frames by frame_owner_index(d), frame_put(), frame_put_type(), and a further
 * reference of a type the frame has, when that takes no more than counting (false: it takes frame_get_type()).
 */
static inline bool frame_get_fast(struct frame *f, uint32_t owner)
{
    if (unlikely(!frame_ref(f)))
        return false;
    if (likely(f->owner == owner))
        return true;
    frame_put(f);
    return false;
}

static inline void frame_put_fast(struct frame *f)
{
    uint64_t old = __atomic_load_n(&f->refs, __ATOMIC_RELAXED);

    if (likely((old & FRAME_REFS_MASK) > 1) &&
        likely(__atomic_compare_exchange_n(&f->refs, &old, old - 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)))
        return;
    frame_put(f);
}

static inline void frame_put_type_fast(struct frame *f)
{
    uint64_t old = __atomic_load_n(&f->type, __ATOMIC_RELAXED);

    if (likely((old & FRAME_TYPE_COUNT_MASK) > 1) &&
        likely(__atomic_compare_exchange_n(&f->type, &old, old - 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)))
        return;
    frame_put_type(f);
}

static inline bool frame_get_type_fast(struct frame *f, uint64_t type)
{
    uint64_t old = __atomic_load_n(&f->type, __ATOMIC_RELAXED);

    return (old & (FRAME_TYPE_MASK | FRAME_VALIDATED)) == (type | FRAME_VALIDATED) &&
           __atomic_compare_exchange_n(&f->type, &old, old + 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* How page-table rooms check contents: registered once, an upward call. */
struct frame_type_ops {
    /* both: 0, -EINVAL, -ERESTART_LATER with f->progress saying how far they came */
    int (*validate)(struct frame *f, uint64_t type);
    int (*devalidate)(struct frame *f, uint64_t type);
};
extern const struct frame_type_ops frame_type_ops;

/* Machine-to-physical table: the gfn its owner gave a frame.  Readable by every PV guest. */
#define M2P_INVALID ((uint64_t)-1)
#ifdef XYLEM_HOST
extern uint64_t *m2p_table;
#else
#define m2p_table ((uint64_t *)M2P_WRITE_START) /* guests see it read-only at M2P_START */
#endif
/*
 * The first of the 512 frames that hold the table's 2 MiB number index (arch: the table is mapped in 2 MiB
 * pages).
 */
mfn_t m2p_backing(uint64_t index);
static inline void m2p_set(mfn_t m, uint64_t gfn) { m2p_table[m.value] = gfn; }
static inline uint64_t m2p_get(mfn_t m) { return m2p_table[m.value]; }
