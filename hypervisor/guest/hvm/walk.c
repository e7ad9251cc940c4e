// SPDX-License-Identifier: BSD-2-Clause
/*
 * Walking the running vcpu's own page tables, as its CPU would: no paging, two levels of 32-bit entries, PAE, four levels.
 * Formats and rights: AMD APM volume 2, chapter 5.  The tables are guest memory and change meanwhile: each entry is read once,
 * and accessed and dirty bits are set only where it still says the same.
 */
#include "guest/hvm/physmap.h"

#include "arch/x86/msr.h"
#include "errno.h"
#include "mm/dirty_log.h"

#define PF_PRESENT 1u
#define PF_RESERVED 8u
#define NO_MEMORY (~0u)

#define LEVELS_MAX 4

struct walk_shape {
    unsigned levels, entry_size, index_bits;
    uint64_t root;
};

struct walk_step {
    void *at;
    uint64_t gpa, entry;
    enum physmap_type type;
};

/* ---- guest-physical memory ---- */

void *physmap_at(const struct physmap *p, uint64_t gpa, bool write, enum physmap_type *type)
{
    uint64_t gfn = gpa >> PAGE_SHIFT, e;
    unsigned level;

    if (unlikely(gfn >= PHYSMAP_FRAMES))
        return NULL;
    e = __atomic_load_n(physmap_slot(p, gfn, &level), __ATOMIC_RELAXED);
    *type = physmap_entry_type(e);
    /* The slot may have become a table since it was found: then its type is NONE. */
    if (unlikely(*type == PHYSMAP_NONE || *type == PHYSMAP_MMIO) ||
        unlikely(write && (*type == PHYSMAP_RAM_RO || *type == PHYSMAP_GRANT_RO)))
        return NULL;
    gfn = pte_frame(e).value + (gfn & ((1UL << physmap_order(level)) - 1));
    return (char *)mfn_to_virt(MFN(gfn)) + (gpa & ~PAGE_MASK);
}

void physmap_written(struct domain *d, uint64_t gpa, const void *at, enum physmap_type type)
{
    if (unlikely(type == PHYSMAP_GRANT || type == PHYSMAP_FOREIGN))
        dirty_log_frame(virt_to_frame(at));
    else if (unlikely(d->dirty_log))
        (void)dirty_log_mark(d, gpa >> PAGE_SHIFT);
}

/* ---- entries ---- */

static struct walk_shape shape_of(const struct hvm_paging *g)
{
    if (g->efer & EFER_LMA)
        return (struct walk_shape){4, 8, 9, g->cr3 & PTE_FRAME_MASK};
    if (g->cr4 & CR4_PAE)
        return (struct walk_shape){3, 8, 9, g->cr3 & 0xffffffe0UL};
    return (struct walk_shape){2, 4, 10, g->cr3 & 0xfffff000UL};
}

static uint64_t entry_load(const struct walk_step *s, unsigned size)
{
    return size == 8 ? __atomic_load_n((uint64_t *)s->at, __ATOMIC_RELAXED)
                     : __atomic_load_n((uint32_t *)s->at, __ATOMIC_RELAXED);
}

static bool entry_is_large(const struct hvm_paging *g, const struct walk_shape *shape, uint64_t e, unsigned level)
{
    if (!(e & PTE_LARGE) || level == 1)
        return false;
    if (level == 2)
        return shape->entry_size == 8 || (g->cr4 & CR4_PSE);
    return level == 3 && shape->levels == 4;
}

/* Sets bits of an entry that lacks them.  A guest that changed it meanwhile gets its access as it was. */
static void entry_mark(struct domain *d, const struct walk_step *s, uint64_t bits, unsigned size)
{
    uint64_t e = s->entry;
    uint32_t e32 = (uint32_t)e;
    bool done;

    if ((e & bits) == bits || s->type == PHYSMAP_RAM_RO || s->type == PHYSMAP_GRANT_RO)
        return;
    if (size == 8)
        done = __atomic_compare_exchange_n((uint64_t *)s->at, &e, e | bits, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    else
        done = __atomic_compare_exchange_n((uint32_t *)s->at, &e32, e32 | (uint32_t)bits, false, __ATOMIC_ACQ_REL,
                                           __ATOMIC_RELAXED);
    if (done)
        physmap_written(d, s->gpa, s->at, s->type);
}

static uint64_t page_address(const struct walk_shape *shape, uint64_t e, unsigned level, uint64_t linear)
{
    uint64_t offset = (1UL << (PAGE_SHIFT + shape->index_bits * (level - 1))) - 1;

    if (shape->entry_size == 4 && level > 1) /* bits 20-13 are 39-32 of the address */
        return (e & 0xffc00000UL) | (e >> 13 & 0xff) << 32 | (linear & offset);
    return (e & PTE_FRAME_MASK & ~offset) | (linear & offset);
}

/* May a page with these rights be accessed so? */
static bool rights_allow(const struct hvm_paging *g, uint64_t rights, bool no_execute, unsigned access)
{
    bool user = access & HVM_ACCESS_USER, fetch = access & HVM_ACCESS_FETCH;

    if (user && !(rights & PTE_USER))
        return false;
    if ((access & HVM_ACCESS_WRITE) && !(rights & PTE_WRITE) && (user || (g->cr0 & CR0_WP)))
        return false;
    if (fetch)
        return !no_execute && (user || !(g->cr4 & CR4_SMEP) || !(rights & PTE_USER));
    return user || !(g->cr4 & CR4_SMAP) || !(rights & PTE_USER) || g->ac;
}

/* ---- the walk ---- */

int hvm_walk(struct domain *d, const struct hvm_paging *g, uint64_t linear, unsigned access, uint64_t *gpa,
             uint32_t *error_code)
{
    const struct physmap *p = d->hvm->physmap;
    uint32_t code = access & (HVM_ACCESS_WRITE | HVM_ACCESS_USER);
    struct walk_step steps[LEVELS_MAX + 1];
    uint64_t rights = PTE_WRITE | PTE_USER, base;
    struct walk_shape shape;
    bool no_execute = false;
    unsigned level;

    *error_code = NO_MEMORY;
    if (!(g->efer & EFER_LMA))
        linear = (uint32_t)linear;
    else if (!address_canonical(linear))
        return -EFAULT;
    if (!(g->cr0 & CR0_PG)) {
        *gpa = linear;
        *error_code = 0;
        return 0;
    }
    if ((access & HVM_ACCESS_FETCH) && ((g->efer & EFER_NXE) || (g->cr4 & CR4_SMEP)))
        code |= HVM_ACCESS_FETCH;
    shape = shape_of(g);
    base = shape.root;
    for (level = shape.levels;; level--) {
        unsigned shift = PAGE_SHIFT + shape.index_bits * (level - 1);
        struct walk_step *s = &steps[level];

        s->gpa = base + (linear >> shift & ((1u << shape.index_bits) - 1)) * shape.entry_size;
        s->at = physmap_at(p, s->gpa, false, &s->type);
        if (!s->at)
            return -EFAULT;
        s->entry = entry_load(s, shape.entry_size);
        *error_code = code;
        if (!(s->entry & PTE_PRESENT))
            return -EFAULT;
        if (shape.levels != 3 || level != 3) /* the third level of PAE has no rights */
            rights &= s->entry;
        if (shape.entry_size == 8 && (s->entry & PTE_NX)) {
            *error_code |= PF_PRESENT | PF_RESERVED;
            if (!(g->efer & EFER_NXE))
                return -EFAULT;
            no_execute = true;
        }
        if (level == 1 || entry_is_large(g, &shape, s->entry, level))
            break;
        base = s->entry & PTE_FRAME_MASK;
        *error_code = NO_MEMORY;
    }
    *error_code = code | PF_PRESENT;
    if (!rights_allow(g, rights, no_execute, access))
        return -EFAULT;
    for (unsigned l = shape.levels; l >= level; l--)
        if (shape.levels != 3 || l != 3)
            entry_mark(d, &steps[l], PTE_ACCESSED | (l == level && (access & HVM_ACCESS_WRITE) ? PTE_DIRTY : 0),
                       shape.entry_size);
    *gpa = page_address(&shape, steps[level].entry, level, linear);
    *error_code = 0;
    return 0;
}
