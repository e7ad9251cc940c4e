// SPDX-License-Identifier: BSD-2-Clause
/*
 * Walking the running vcpu's own page tables, as its CPU would: no paging, two levels of 32-bit entries, PAE, four levels.
 * Formats and rights: AMD APM volume 2, chapter 5.  The tables are guest memory and change meanwhile: each entry is read once,
 * and accessed and dirty bits are set only where it still says the same.
 */
#include "guest/hvm/physmap.h"

#include "arch/x86/msr.h"
#include "arch/x86/regs.h"
#include "errno.h"
#include "mm/dirty_log.h"

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

static inline bool type_is_writable(enum physmap_type type) { return type != PHYSMAP_RAM_RO && type != PHYSMAP_GRANT_RO; }

void *physmap_at(const struct physmap *p, uint64_t gpa, bool write, enum physmap_type *type)
{
    struct physmap_place leaf;
    uint64_t offset;

    if (unlikely(gpa >> PAGE_SHIFT >= PHYSMAP_FRAMES))
        return NULL;
    leaf = physmap_find(p, gpa >> PAGE_SHIFT);
    *type = physmap_entry_type(leaf.entry);
    if (unlikely(*type == PHYSMAP_NONE || *type == PHYSMAP_MMIO) ||
        unlikely(write && !type_is_writable(*type)))
        return NULL;
    offset = gpa & ((PAGE_SIZE << physmap_order(leaf.level)) - 1);
    return (char *)mfn_to_virt(pte_frame(leaf.entry)) + offset;
}

void physmap_written(struct domain *d, uint64_t gpa, const void *at, enum physmap_type type)
{
    if (unlikely(type == PHYSMAP_GRANT || type == PHYSMAP_FOREIGN))
        dirty_log_frame(virt_to_frame(at));
    else if (unlikely(d->dirty_log))
        (void)dirty_log_mark(d, gpa >> PAGE_SHIFT);
}

/* ---- entries ---- */

static uint64_t entry_load(const struct walk_step *s, unsigned size)
{
    return size == 8 ? __atomic_load_n((uint64_t *)s->at, __ATOMIC_RELAXED)
                     : __atomic_load_n((uint32_t *)s->at, __ATOMIC_RELAXED);
}

static bool entry_is_large(const struct hvm_vcpu *h, const struct walk_shape *shape, uint64_t e, unsigned level)
{
    if (!(e & PTE_LARGE) || level == 1)
        return false;
    if (level == 2)
        return shape->entry_size == 8 || (h->cr4 & CR4_PSE);
    return level == 3 && shape->levels == 4;
}

/* Sets bits of an entry that lacks them.  A guest that changed it meanwhile gets its access as it was. */
static void entry_mark(struct domain *d, const struct walk_step *s, uint64_t bits, unsigned size)
{
    uint64_t e = s->entry;
    uint32_t e32 = (uint32_t)e;
    bool done;

    if ((e & bits) == bits || !type_is_writable(s->type))
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
static ALWAYS_INLINE bool rights_allow(const struct hvm_vcpu *h, uint64_t rights, bool no_execute, unsigned access)
{
    bool user = access & HVM_ACCESS_USER, fetch = access & HVM_ACCESS_FETCH;

    if (user && !(rights & PTE_USER))
        return false;
    if ((access & HVM_ACCESS_WRITE) && !(rights & PTE_WRITE) && (user || (h->cr0 & CR0_WP)))
        return false;
    if (fetch)
        return !no_execute && (user || !(h->cr4 & CR4_SMEP) || !(rights & PTE_USER));
    return user || !(h->cr4 & CR4_SMAP) || !(rights & PTE_USER) || (cpu_info()->guest_regs.rflags & RFLAGS_AC);
}

/* ---- the walk ---- */

/* In line, so that the shape is a constant where it matters: two walks in most hypercalls of a 64-bit guest. */
static ALWAYS_INLINE int walk(struct vcpu *v, struct walk_shape shape, uint64_t linear, unsigned access,
                              struct hvm_translation *t, uint32_t *error_code)
{
    uint32_t code = access & (HVM_ACCESS_WRITE | HVM_ACCESS_USER);
    uint64_t rights = PTE_WRITE | PTE_USER | PTE_ACCESSED, base = shape.root, leaf_bits = PTE_ACCESSED;
    const struct hvm_vcpu *h = v->hvm;
    struct domain *d = v->domain;
    const struct physmap *p = d->hvm->physmap;
    struct walk_step steps[LEVELS_MAX + 1];
    bool no_execute = false;
    unsigned level;

    if ((access & HVM_ACCESS_FETCH) && ((h->efer & EFER_NXE) || (h->cr4 & CR4_SMEP)))
        code |= HVM_ACCESS_FETCH;
    for (level = shape.levels;; level--) {
        unsigned shift = PAGE_SHIFT + shape.index_bits * (level - 1);
        struct walk_step *s = &steps[level];

        s->gpa = base + (linear >> shift & ((1u << shape.index_bits) - 1)) * shape.entry_size;
        s->at = physmap_at(p, s->gpa, false, &s->type);
        if (!s->at) {
            *error_code = HVM_NO_MEMORY;
            return -EFAULT;
        }
        s->entry = entry_load(s, shape.entry_size);
        *error_code = code;
        if (!(s->entry & PTE_PRESENT))
            return -EFAULT;
        if (shape.levels != 3 || level != 3) /* the third level of PAE has no rights */
            rights &= s->entry;
        if (shape.entry_size == 8 && (s->entry & PTE_NX)) {
            *error_code |= PF_PRESENT | PF_RESERVED;
            if (!(h->efer & EFER_NXE))
                return -EFAULT;
            no_execute = true;
        }
        if (level == 1 || entry_is_large(h, &shape, s->entry, level))
            break;
        base = s->entry & PTE_FRAME_MASK;
    }
    *error_code = code | PF_PRESENT;
    if (!rights_allow(h, rights, no_execute, access))
        return -EFAULT;
    if (access & HVM_ACCESS_WRITE)
        leaf_bits |= PTE_DIRTY;
    if (!(rights & PTE_ACCESSED) || (steps[level].entry & leaf_bits) != leaf_bits)
        for (unsigned l = shape.levels; l >= level; l--)
            if (shape.levels != 3 || l != 3)
                entry_mark(d, &steps[l], l == level ? leaf_bits : PTE_ACCESSED, shape.entry_size);
    t->gpa = page_address(&shape, steps[level].entry, level, linear);
    for (unsigned l = 1; shape.levels == 4 && l <= 4; l++) {
        t->slots[4 - l] = steps[max(l, level)].at;
        t->entries[4 - l] = steps[max(l, level)].entry;
    }
    t->rights = rights;
    t->no_execute = no_execute;
    *error_code = 0;
    return 0;
}

static __attribute__((cold)) int walk_narrow(struct vcpu *v, uint64_t linear, unsigned access, struct hvm_translation *t,
                                             uint32_t *error_code)
{
    const struct hvm_vcpu *h = v->hvm;
    struct walk_shape shape = h->cr4 & CR4_PAE ? (struct walk_shape){3, 8, 9, h->cr3 & 0xffffffe0UL}
                                               : (struct walk_shape){2, 4, 10, h->cr3 & 0xfffff000UL};

    if (h->cr0 & CR0_PG)
        return walk(v, shape, linear, access, t, error_code);
    t->gpa = linear;
    *error_code = 0;
    return 0;
}

int hvm_walk(struct vcpu *v, uint64_t linear, unsigned access, struct hvm_translation *t, uint32_t *error_code)
{
    if (unlikely(!(v->hvm->efer & EFER_LMA)))
        return walk_narrow(v, (uint32_t)linear, access, t, error_code);
    if (unlikely(!address_canonical(linear))) {
        *error_code = HVM_NO_MEMORY;
        return -EFAULT;
    }
    return walk(v, (struct walk_shape){4, 8, 9, v->hvm->cr3 & PTE_FRAME_MASK}, linear, access, t, error_code);
}

/* ---- pages walked for before ---- */

/* Would a walk for linear now end as it did when t was made?  Only four levels are remembered, with all bits set that it sets. */
static inline bool translation_holds(const struct hvm_vcpu *h, const struct physmap *p, const struct hvm_translation *t,
                                     uint64_t linear, unsigned access)
{
    if (t->page != linear >> PAGE_SHIFT || t->root != (h->cr3 & PTE_FRAME_MASK) ||
        t->version != __atomic_load_n(&p->version, __ATOMIC_SEQ_CST) || unlikely(!(h->efer & EFER_LMA)))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(t->slots); i++)
        if (unlikely(__atomic_load_n(t->slots[i], __ATOMIC_RELAXED) != t->entries[i]))
            return false;
    if ((access & HVM_ACCESS_WRITE) && (!(t->entries[3] & PTE_DIRTY) || !type_is_writable(t->type)))
        return false;
    return (!t->no_execute || (h->efer & EFER_NXE)) && (t->rights & PTE_ACCESSED) && rights_allow(h, t->rights, t->no_execute, access);
}

/*
 * Flushes move the version on before they wait for this CPU, so what was found with the version that there was before stays good until
 * interrupts are on again.
 */
int hvm_reach(struct vcpu *v, uint64_t linear, unsigned access, const struct hvm_translation **result, uint32_t *error_code)
{
    struct hvm_vcpu *h = v->hvm;
    const struct physmap *p = v->domain->hvm->physmap;
    struct hvm_translation *t = &h->translations[(linear >> PAGE_SHIFT) % HVM_TRANSLATIONS];
    uint64_t version = __atomic_load_n(&p->version, __ATOMIC_SEQ_CST);
    enum physmap_type type;
    int rc;

    *result = t;
    if (likely(translation_holds(h, p, t, linear, access)))
        return 0;
    t->version = 0;
    rc = hvm_walk(v, linear, access, t, error_code);
    if (unlikely(rc))
        return rc;
    t->at = physmap_at(p, t->gpa & PAGE_MASK, access & HVM_ACCESS_WRITE, &type);
    if (unlikely(!t->at)) {
        *error_code = HVM_NO_MEMORY;
        return -EFAULT;
    }
    t->type = (uint8_t)type;
    t->page = linear >> PAGE_SHIFT;
    t->root = h->cr3 & PTE_FRAME_MASK;
    if (h->efer & EFER_LMA)
        t->version = version;
    return 0;
}
