// SPDX-License-Identifier: BSD-2-Clause
/*
 * References and types of frames: the state machine of mm/frame.h.
 *
 * refs and type are changed with compare-and-exchange alone, from any CPU.  The states of a type, besides "in use" (VALIDATED,
 * count of users):
 *
 *   checking    count > 0, neither VALIDATED nor PARTIAL: one CPU is (de)validating; others wait, they hold no lock that CPU needs
 *   partial     PARTIAL, progress entries hold their references.  With count 0 a validation stopped (interrupted or failed)
 *               and the frame holds one reference on its own behalf until somebody goes on with it or cleans it; with
 *               count 1 a devalidation stopped, and whoever dropped the type reference still has it.
 *   idle        count 0 and not PARTIAL: free to become another type, after a flush of what CPUs may still have cached
 *
 * Page-table types are only taken and dropped under the PV tables lock of the frame's owner, which makes their
 * transitions simple; writable and descriptor types come from anywhere.
 */
#include "arch/tlb.h"
#include "errno.h"
#include "log.h"
#include "mm/frame.h"
#include "mm/heap.h"

static inline bool type_swap(struct frame *f, uint64_t *old, uint64_t new)
{
    return __atomic_compare_exchange_n(&f->type, old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static inline bool type_is_table(uint64_t type)
{
    return (type >> FRAME_TYPE_SHIFT) - 1 < 4;
}

/* ---- references ---- */

bool frame_get(struct frame *f, const struct domain *d)
{
    return frame_get_fast(f, frame_owner_index(d));
}

struct domain *frame_get_any_owner(struct frame *f)
{
    struct domain *d;

    if (!frame_ref(f))
        return NULL;
    d = frame_owner(f);
    if (!d)
        frame_put(f);
    return d;
}

void frame_put(struct frame *f)
{
    uint64_t left = __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL);

    if (unlikely(!(left & FRAME_REFS_MASK)))
        heap_free_domain(f, 0);
}

/* ---- taking a type ---- */

/* The check of f for its type ended with rc (0 or an error); had_own: it was partial and held its own reference. */
static int check_end(struct frame *f, int rc, bool had_own, bool leaves_partial)
{
    uint64_t old = __atomic_load_n(&f->type, __ATOMIC_RELAXED), new;

    if (!rc) {
        __atomic_fetch_or(&f->type, FRAME_VALIDATED, __ATOMIC_RELEASE);
        if (had_own)
            frame_put(f);
        return 0;
    }
    if (!leaves_partial)
        f->tlb_stamp = tlb_clock_now();
    do {
        new = old - 1;
        if (leaves_partial)
            new |= FRAME_PARTIAL;
    } while (!type_swap(f, &old, new));
    if (leaves_partial && !had_own && !(new & FRAME_TYPE_COUNT_MASK))
        BUG_ON(!frame_ref(f));
    else if (!leaves_partial && had_own)
        frame_put(f);
    return rc;
}

/* old: what the type was before the caller made it "checking". */
static int type_check(struct frame *f, uint64_t type, uint64_t old)
{
    bool partial = old & FRAME_PARTIAL, table = type_is_table(type);
    uint32_t stamp = partial ? 0 : f->tlb_stamp;
    int rc;

    /* No type but a stamp: a frame that was taken away (heap_steal) and came back. */
    if ((old & FRAME_TYPE_MASK) != type && stamp)
        tlb_flush_older(stamp);
    if (type == FRAME_WRITABLE)
        return check_end(f, 0, false, false);
    if (table && !partial)
        f->progress = 0, f->linear = 0;
    rc = frame_type_ops.validate(f, type);
    /* A failed check of the upper levels is undone step by step: frame_clean_partial().  The first level undoes itself. */
    return check_end(f, rc, partial && !(old & FRAME_TYPE_COUNT_MASK), table && type != FRAME_L1);
}

static int type_get_slow(struct frame *f, uint64_t type)
{
    uint64_t old = __atomic_load_n(&f->type, __ATOMIC_ACQUIRE);

    for (;;) {
        uint64_t count = old & FRAME_TYPE_COUNT_MASK, new = type | (old & FRAME_PINNED) | (count + 1);
        bool same = (old & FRAME_TYPE_MASK) == type;

        if (same && (old & FRAME_VALIDATED)) {
            if (type_swap(f, &old, old + 1))
                return 0;
        } else if (!same && (count || (old & FRAME_PARTIAL))) {
            return -EBUSY;
        } else if (same && count && !(old & FRAME_PARTIAL)) {
            if (!irq_enabled()) /* whoever checks it may be waiting for this CPU to flush */
                smp_poll();
            cpu_relax();
            old = __atomic_load_n(&f->type, __ATOMIC_ACQUIRE);
        } else if (type_swap(f, &old, new)) {
            return type_check(f, type, old);
        }
    }
}

inline int frame_get_type(struct frame *f, uint64_t type)
{
    return likely(frame_get_type_fast(f, type)) ? 0 : type_get_slow(f, type);
}

int frame_get_type_validated(struct frame *f, uint64_t type)
{
    uint64_t old = __atomic_load_n(&f->type, __ATOMIC_RELAXED);

    do {
        if ((old & (FRAME_TYPE_MASK | FRAME_VALIDATED)) != (type | FRAME_VALIDATED))
            return -EBUSY;
    } while (!type_swap(f, &old, old + 1));
    return 0;
}

int frame_get_both(struct frame *f, const struct domain *d, uint64_t type)
{
    int rc;

    if (unlikely(!frame_get_fast(f, frame_owner_index(d))))
        return -EINVAL;
    rc = frame_get_type(f, type);
    if (unlikely(rc))
        frame_put(f);
    return rc;
}

/* ---- dropping a type ---- */

/* f is "checking" with one user, the caller: takes its contents back.  own: that user stands for the frame's own reference. */
static int type_undo(struct frame *f, bool was_partial, bool own)
{
    uint64_t type = frame_type(f);
    int rc;

    if (!was_partial)
        f->progress = PAGE_SIZE / sizeof(uint64_t);
    rc = frame_type_ops.devalidate(f, type);
    if (rc) {
        __atomic_store_n(&f->type, type | FRAME_PARTIAL | (own ? 0 : 1), __ATOMIC_RELEASE);
        return -ERESTART_LATER;
    }
    f->tlb_stamp = tlb_clock_now();
    __atomic_store_n(&f->type, type, __ATOMIC_RELEASE);
    return 0;
}

int frame_put_type_preemptible(struct frame *f)
{
    uint64_t old = __atomic_load_n(&f->type, __ATOMIC_RELAXED);

    for (;;) {
        uint64_t count = old & FRAME_TYPE_COUNT_MASK;

        BUG_ON(count == 0);
        if (likely(count > 1)) {
            if (likely(type_swap(f, &old, old - 1)))
                return 0;
        } else if (type_is_table(old)) {
            if (type_swap(f, &old, (old & FRAME_TYPE_MASK) | 1))
                return type_undo(f, old & FRAME_PARTIAL, false);
        } else {
            /* before the swap: from then on another CPU may turn it into something else */
            if ((old & FRAME_TYPE_MASK) == FRAME_WRITABLE || (old & FRAME_TYPE_MASK) == FRAME_SEGDESC)
                f->tlb_stamp = tlb_clock_now();
            if (likely(type_swap(f, &old, old - 1)))
                return 0;
        }
    }
}

void frame_put_type(struct frame *f)
{
    while (unlikely(frame_put_type_preemptible(f)))
        ;
}

bool frame_is_abandoned(const struct frame *f)
{
    return (__atomic_load_n(&f->type, __ATOMIC_RELAXED) & (FRAME_PARTIAL | FRAME_TYPE_COUNT_MASK)) == FRAME_PARTIAL;
}

int frame_clean_partial(struct frame *f)
{
    int rc;

    if (!frame_is_abandoned(f))
        return 0;
    __atomic_store_n(&f->type, frame_type(f) | 1, __ATOMIC_RELEASE);
    rc = type_undo(f, true, true);
    if (!rc)
        frame_put(f);
    return rc;
}
