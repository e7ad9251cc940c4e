// SPDX-License-Identifier: BSD-2-Clause
/*
 * A translation cache in software, for log-dirty mode (docs/design/log-dirty.md).
 *
 * Each vcpu has two trees of tables, for its kernel's and its user space's top level.  The CPU walks these;
 * they start empty, and a fault fills in the one translation that was missed after walking the guest's own
 * tables, which stay as the guest made them but for accessed and dirty bits, set as the CPU would.  A filled
 * entry is writable only when the frame is noted as written.
 *
 * Everything rests on the trees holding nothing a CPU's translation cache could not hold:
 *   - they are filled with interrupts off and without a lock, as a CPU's walker would, by the vcpu they
 *     belong to;
 *   - whatever flushes the CPU the vcpu runs on flushes them (arch/x86/tlb.c), and getting on a CPU flushes
 *     them all;
 *   - so whoever waits for flushes before a frame changes its use (mm/frame.c, mm/heap.c) waits for these
 *     too, and the tables met on a walk cannot change their use before the walk is over.
 * Log-dirty mode is switched, and its bits are taken away, while the vcpus are paused: they come back with
 * empty trees.
 *
 * Paging: AMD64 APM volume 2, chapter 5.
 */
#include "guest/pv/tables.h"

#include "arch/x86/regs.h"
#include "guest/pv/traps.h"
#include "lib/string.h"
#include "mm/heap.h"

#define SHADOW_TABLES 126 /* beside the two top levels */
#define SHADOW_TABLE_ENTRY (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED | PTE_DIRTY)

struct pv_shadow {
    uint64_t *roots[2];   /* by kernel_mode */
    bool filled[2];       /* something is in there */
    unsigned used;        /* of tables */
    unsigned allocated;
    uint64_t *tables[SHADOW_TABLES];
};

/* ---- memory ---- */

uint64_t pv_shadow_bytes(void) { return sizeof(struct pv_shadow) + (SHADOW_TABLES + 2) * PAGE_SIZE; }

void pv_shadow_free(struct pv_shadow *s)
{
    if (!s)
        return;
    while (s->allocated)
        heap_free(s->tables[--s->allocated], 0);
    for (unsigned i = 0; i < 2; i++)
        if (s->roots[i])
            heap_free(s->roots[i], 0);
    mem_free(s);
}

struct pv_shadow *pv_shadow_new(struct domain *d)
{
    struct pv_shadow *s = mem_new(struct pv_shadow);

    if (!s)
        return NULL;
    for (unsigned i = 0; i < 2; i++) {
        s->roots[i] = heap_alloc(0, HEAP_ZERO);
        if (!s->roots[i])
            goto fail;
        pv_init_l4_slots(s->roots[i], d, true);
    }
    for (; s->allocated < SHADOW_TABLES; s->allocated++) {
        s->tables[s->allocated] = heap_alloc(0, HEAP_NO_SCRUB);
        if (!s->tables[s->allocated])
            goto fail;
    }
    return s;
fail:
    pv_shadow_free(s);
    return NULL;
}

/* ---- emptying ---- */

static void root_clear(struct pv_shadow *s, unsigned which)
{
    uint64_t *root = s->roots[which];

    if (!s->filled[which])
        return;
    memset(root, 0, HYPERVISOR_FIRST_SLOT * sizeof(*root));
    memset(root + HYPERVISOR_LAST_SLOT + 1, 0, (PTES_PER_TABLE - HYPERVISOR_LAST_SLOT - 1) * sizeof(*root));
    s->filled[which] = false;
}

/*
 * Interrupts are off.  The CPU may remember where tables were, so it forgets before they are used for
 * something else.
 */
static void shadow_clear(struct vcpu *v)
{
    struct pv_shadow *s = v->arch.shadow;

    root_clear(s, 0);
    root_clear(s, 1);
    if (v == current)
        write_cr3(read_cr3());
    s->used = 0;
}

static void shadow_clear_one(uint64_t *table, uint64_t address)
{
    for (unsigned level = 4; level > 1; level--) {
        uint64_t e = table[table_index(address, level)];

        if (!(e & PTE_PRESENT))
            return;
        table = mfn_to_virt(pte_frame(e));
    }
    table[table_index(address, 1)] = 0;
}

void pv_shadow_flush(struct vcpu *v, uint64_t address)
{
    uint64_t irq = irq_save();

    if (address == TLB_FLUSH_ALL) {
        shadow_clear(v);
    } else if (guest_range_ok(address, 1) && address_canonical(address)) {
        shadow_clear_one(v->arch.shadow->roots[0], address);
        shadow_clear_one(v->arch.shadow->roots[1], address);
    }
    irq_restore(irq);
}

/* The clock of flushes need not know: nothing is forgotten that it counts on, as the trees are kept. */
void pv_shadow_load(struct vcpu *v)
{
    v->arch.cr3 = virt_to_mfn(v->arch.shadow->roots[v->pv->kernel_mode]).value << PAGE_SHIFT;
    write_cr3(v->arch.cr3);
}

/* ---- filling ---- */

struct guest_walk {
    uint64_t *slots[5], entries[5]; /* by level 1 to 4 */
    uint64_t rights;                /* entries anded */
    bool no_execute;
};

static bool guest_walk(struct vcpu *v, uint64_t address, struct guest_walk *w)
{
    mfn_t m = v->pv->kernel_mode ? v->pv->kernel_table : v->pv->user_table;

    w->rights = ~0UL;
    w->no_execute = false;
    if (mfn_equal(m, INVALID_MFN))
        return false;
    for (unsigned level = 4; level >= 1; level--) {
        uint64_t *slot = (uint64_t *)mfn_to_virt(m) + table_index(address, level);
        uint64_t e = __atomic_load_n(slot, __ATOMIC_RELAXED);

        if (!(e & PTE_PRESENT))
            return false;
        w->slots[level] = slot;
        w->entries[level] = e;
        w->rights &= e;
        w->no_execute |= (e & PTE_NX) != 0;
        m = pte_frame(e);
    }
    return true;
}

/* Sets bits of the entry of level.  False: the guest changed it meanwhile. */
static bool entry_mark(struct guest_walk *w, unsigned level, uint64_t bits)
{
    uint64_t e = w->entries[level];

    if ((e & bits) == bits)
        return true;
    if (!__atomic_compare_exchange_n(w->slots[level], &e, e | bits, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return false;
    w->entries[level] = e | bits;
    dirty_log_frame(virt_to_frame(w->slots[level]));
    return true;
}

static bool walk_mark(struct guest_walk *w, bool write)
{
    for (unsigned level = 4; level > 1; level--)
        if (!entry_mark(w, level, PTE_ACCESSED))
            return false;
    return entry_mark(w, 1, PTE_ACCESSED | (write ? PTE_DIRTY : 0));
}

/* The shadow's first-level entry for address; NULL when the tables ran out. */
static uint64_t *shadow_slot(struct pv_shadow *s, unsigned which, uint64_t address)
{
    uint64_t *table = s->roots[which];

    for (unsigned level = 4; level > 1; level--) {
        uint64_t *slot = &table[table_index(address, level)];

        if (!(*slot & PTE_PRESENT)) {
            if (s->used == SHADOW_TABLES)
                return NULL;
            table = s->tables[s->used++];
            memset(table, 0, PAGE_SIZE);
            s->filled[which] = true;
            *slot = pte_make(virt_to_mfn(table), SHADOW_TABLE_ENTRY);
        }
        table = mfn_to_virt(pte_frame(*slot));
    }
    return &table[table_index(address, 1)];
}

/* A mapping may be writable here: what it maps is noted as written, or is not ours to note. */
static bool write_allowed(struct vcpu *v, const struct guest_walk *w, bool write)
{
    struct domain *d = v->domain;
    mfn_t m = pte_frame(w->entries[1]);
    uint64_t gfn;

    if (!(w->rights & PTE_WRITE) || !(w->entries[1] & PTE_DIRTY))
        return false;
    if (!mfn_valid(m) || frame_owner(mfn_to_frame(m)) != d || (mfn_to_frame(m)->refs & FRAME_XEN_HEAP))
        return true;
    gfn = m2p_get(m);
    if (!write)
        return dirty_log_test(d->dirty_log, gfn);
    if (dirty_log_mark(d, gfn))
        d->dirty_log->faults++;
    return true;
}

static void shadow_fill(struct vcpu *v, uint64_t address, const struct guest_walk *w, bool write)
{
    struct pv_shadow *s = v->arch.shadow;
    unsigned which = v->pv->kernel_mode;
    uint64_t *slot = shadow_slot(s, which, address), e = w->entries[1];

    if (!slot) {
        shadow_clear(v);
        slot = shadow_slot(s, which, address);
    }
    if (!write_allowed(v, w, write))
        e &= ~PTE_WRITE;
    if (w->no_execute)
        e |= PTE_NX;
    if (*slot & PTE_PRESENT) {
        *slot = e;
        invlpg(address);
    } else {
        *slot = e;
    }
}

bool pv_shadow_fault(struct vcpu *v, uint64_t address, uint32_t *error_code)
{
    bool write = *error_code & PF_WRITE, allowed = false;
    uint64_t irq;
    struct guest_walk w;

    if ((*error_code & PF_RESERVED) || !guest_range_ok(address, 1) || !address_canonical(address))
        return false;
    irq = irq_save();
    do {
        *error_code &= ~(uint32_t)PF_PRESENT;
        if (!guest_walk(v, address, &w))
            break;
        *error_code |= PF_PRESENT;
        allowed = !(write && !(w.rights & PTE_WRITE)) && !((*error_code & PF_FETCH) && w.no_execute);
    } while (allowed && !walk_mark(&w, write));
    if (allowed)
        shadow_fill(v, address, &w, write);
    irq_restore(irq);
    return allowed;
}
