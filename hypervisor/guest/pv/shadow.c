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

#include "lib/string.h"
#include "mm/heap.h"

#define SHADOW_TABLES 128
#define SHADOW_TABLE_ENTRY (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED | PTE_DIRTY)

struct pv_shadow {
    bool filled[2];       /* something is in the top level */
    unsigned used;        /* of tables: at least the two top levels, by kernel_mode */
    unsigned allocated;
    uint64_t *tables[SHADOW_TABLES];
};

/* ---- memory ---- */

uint64_t pv_shadow_bytes(void) { return sizeof(struct pv_shadow) + SHADOW_TABLES * PAGE_SIZE; }

void pv_shadow_free(struct pv_shadow *s)
{
    if (!s)
        return;
    while (s->allocated)
        heap_free(s->tables[--s->allocated], 0);
    mem_free(s);
}

struct pv_shadow *pv_shadow_new(struct domain *d)
{
    struct pv_shadow *s = mem_new(struct pv_shadow);

    if (!s)
        return NULL;
    for (; s->allocated < SHADOW_TABLES; s->allocated++) {
        s->tables[s->allocated] = heap_alloc(0, HEAP_ZERO);
        if (!s->tables[s->allocated]) {
            pv_shadow_free(s);
            return NULL;
        }
    }
    for (; s->used < ARRAY_SIZE(s->filled); s->used++)
        pv_init_l4_slots(s->tables[s->used], d);
    return s;
}

/* ---- emptying ---- */

/*
 * Interrupts are off.  The CPU may remember where tables were, so it forgets before they are used for
 * something else.
 */
static void shadow_clear(struct vcpu *v)
{
    struct pv_shadow *s = v->arch.shadow;

    for (unsigned which = 0; which < ARRAY_SIZE(s->filled); which++) {
        uint64_t *root = s->tables[which];

        if (!s->filled[which])
            continue;
        memset(root, 0, HYPERVISOR_FIRST_SLOT * sizeof(*root));
        memset(root + HYPERVISOR_LAST_SLOT + 1, 0, (PTES_PER_TABLE - HYPERVISOR_LAST_SLOT - 1) * sizeof(*root));
        s->filled[which] = false;
    }
    if (v == current)
        write_cr3(read_cr3());
    s->used = ARRAY_SIZE(s->filled);
}

/* The first-level entry for address.  NULL: there is none; with create: the tables ran out. */
static uint64_t *shadow_slot(struct pv_shadow *s, unsigned which, uint64_t address, bool create)
{
    uint64_t *table = s->tables[which];

    for (unsigned level = 4; level > 1; level--) {
        uint64_t *slot = &table[table_index(address, level)];

        if (!(*slot & PTE_PRESENT)) {
            if (!create || s->used == SHADOW_TABLES)
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

void pv_shadow_flush(struct vcpu *v, uint64_t address)
{
    uint64_t irq = irq_save();

    if (address == TLB_FLUSH_ALL) {
        shadow_clear(v);
    } else if (guest_range_ok(address, 1) && address_canonical(address)) {
        for (unsigned which = 0; which < 2; which++) {
            uint64_t *slot = shadow_slot(v->arch.shadow, which, address, false);

            if (slot)
                *slot = 0;
        }
    }
    irq_restore(irq);
}

/* The clock of flushes need not know: nothing is forgotten that it counts on, as the trees are kept. */
void pv_shadow_load(struct vcpu *v)
{
    v->arch.cr3 = virt_to_mfn(v->arch.shadow->tables[v->pv->kernel_mode]).value << PAGE_SHIFT;
    write_cr3(v->arch.cr3);
}

/* ---- filling ---- */

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
    uint64_t *slot = shadow_slot(s, which, address, true), e = w->entries[1];

    if (!slot) {
        shadow_clear(v);
        slot = shadow_slot(s, which, address, true);
    }
    if (!write_allowed(v, w, write))
        e &= ~PTE_WRITE;
    if (w->no_execute)
        e |= PTE_NX;
    if (__atomic_exchange_n(slot, e, __ATOMIC_RELAXED) & PTE_PRESENT)
        invlpg(address);
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
        if (!pv_guest_walk(v, address, &w))
            break;
        *error_code |= PF_PRESENT;
        allowed = walk_allows(&w, *error_code);
    } while (allowed && !walk_mark(&w, write));
    if (allowed)
        shadow_fill(v, address, &w, write);
    irq_restore(irq);
    return allowed;
}
