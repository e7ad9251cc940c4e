// SPDX-License-Identifier: BSD-2-Clause
/*
 * Recount of frames: what page tables, pins, base pointers and allocation say each frame's references and
 * types must be, against what the frame table says.  A frame with fewer than counted is broken; more is
 * normal (grants, shared pages, descriptor tables, operations under way) unless the caller knows that there
 * are none.
 *
 * The domains whose tables are read are paused or otherwise still; nothing here changes anything.
 */
#include "guest/pv/tables.h"
#include "mm/heap.h"

struct audit {
    uint32_t *refs, *types; /* expected, by frame number */
    unsigned bad;
};

static void audit_expect(struct audit *a, mfn_t m, unsigned refs, unsigned types)
{
    if (mfn_equal(m, INVALID_MFN))
        return;
    a->refs[m.value] += refs;
    a->types[m.value] += types;
}

static void audit_l1(struct audit *a, const uint64_t *table)
{
    for (unsigned i = 0; i < PTES_PER_TABLE; i++) {
        uint64_t e = table[i];

        if ((e & PTE_PRESENT) && frame_is_memory(pte_frame(e)))
            audit_expect(a, pte_frame(e), 1, e & PTE_WRITE ? 1 : 0);
    }
}

/* Entries below limit hold references; a table referring to itself holds none. */
static void audit_upper(struct audit *a, mfn_t self, unsigned level, unsigned limit)
{
    const uint64_t *table = mfn_to_virt(self);

    for (unsigned i = 0; i < limit; i++) {
        uint64_t e = table[i];

        if ((e & PTE_PRESENT) && table_slot_is_guest(level, i) && !mfn_equal(pte_frame(e), self))
            audit_expect(a, pte_frame(e), 1, 1);
    }
}

static void audit_frame(struct audit *a, struct frame *f)
{
    uint64_t type = f->type;
    unsigned level = (unsigned)(type >> FRAME_TYPE_SHIFT);
    mfn_t m = frame_to_mfn(f);

    if (!(f->refs & FRAME_REFS_MASK) || !frame_owner(f) || frame_owner(f)->is_system)
        return;
    if (f->refs & FRAME_ALLOCATED)
        audit_expect(a, m, 1, f->refs & FRAME_XEN_HEAP ? 1 : 0);
    if (type & FRAME_PINNED)
        audit_expect(a, m, 1, 1);
    if (frame_is_abandoned(f))
        audit_expect(a, m, 1, 0);
    if (level < 1 || level > 4 || !(type & (FRAME_VALIDATED | FRAME_PARTIAL)))
        return;
    if (level == 1)
        audit_l1(a, frame_to_virt(f));
    else
        audit_upper(a, m, level, type & FRAME_PARTIAL ? f->progress : PTES_PER_TABLE);
}

static void audit_vcpus(struct audit *a)
{
    struct vcpu *v;

    for (struct domain *d = domain_next(0); d; d = domain_after(d))
        for_each_vcpu(d, v) {
            if (!v->pv)
                continue;
            audit_expect(a, v->pv->kernel_table, 1, 1);
            audit_expect(a, v->pv->user_table, 1, 1);
            if (v->pv->old_table)
                audit_expect(a, frame_to_mfn(v->pv->old_table), 1, v->pv->old_table_partial ? 0 : 1);
        }
}

static void audit_compare(struct audit *a, struct frame *f, bool exact)
{
    uint64_t refs = f->refs & FRAME_REFS_MASK, types = f->type & FRAME_TYPE_COUNT_MASK,
             n = frame_to_mfn(f).value;
    const struct domain *owner = frame_owner(f);

    if (!owner || owner->is_system || f->refs & FRAME_FREE)
        return;
    if (refs >= a->refs[n] && types >= a->types[n] && (!exact || (refs == a->refs[n] && types == a->types[n])))
        return;
    if (a->bad++ < 20)
        log_error("frame %#lx of d%u: refs %#lx type %#lx, counted %u and %u\n", n, owner->id, f->refs,
                  f->type, a->refs[n], a->types[n]);
}

unsigned pv_audit(bool exact)
{
    struct audit a = {.refs = mem_alloc_array(max_frame, sizeof(uint32_t)),
                      .types = mem_alloc_array(max_frame, sizeof(uint32_t))};

    if (a.refs && a.types) {
        audit_vcpus(&a);
        for (uint64_t n = 0; n < max_frame; n++)
            if (mfn_valid(MFN(n)))
                audit_frame(&a, mfn_to_frame(MFN(n)));
        for (uint64_t n = 0; n < max_frame; n++)
            if (mfn_valid(MFN(n)))
                audit_compare(&a, mfn_to_frame(MFN(n)), exact);
    } else {
        log_error("audit of frames: no memory for its counters\n");
    }
    mem_free(a.refs);
    mem_free(a.types);
    return a.bad;
}
