// SPDX-License-Identifier: BSD-2-Clause
/*
 * Rules for the entries of a PV guest's page tables, and what each entry holds.
 *
 * An entry that is not present may contain anything and holds nothing.  A present one:
 *
 *   all levels  points to a frame of the machine; bits 9-11 and 52-62 are the guest's own; NX is allowed; USER is forced,
 *               since kernels run in ring 3 too.
 *   L1          maps a frame of the domain, or of the foreign domain the caller names and may use, or I/O memory the
 *               domain is permitted (which holds nothing).  Writable: not a page or descriptor table.  PWT, PCD
 *               and PAT only for domains with devices.  GLOBAL is dropped.
 *   L2 to L4    refers to a table of the next lower level of the same domain, with a type reference.  No large pages,
 *               no cache attributes, no GLOBAL.
 *   linear      instead of the next lower level an L2 to L4 entry may refer to a table of its own level, read-only: a
 *               table to itself (holds nothing), or to another one.  A table that refers to others is referred to by none and
 *               the other way round (frame->linear counts with its sign), so references never form a cycle.
 *   L4          slots 256 to 271 are the hypervisor's: whatever the guest has there is overwritten when the frame
 *               becomes an L4, and they cannot be changed.
 *
 * A foreign frame mapped through a grant is entered by grant_map.c and then is like any other: the entry holds its
 * own references and gives them back when it goes.
 *
 * Fields: Intel SDM volume 3, 4.5; ABI: xen/xen.h (mmu_update), xen/arch-x86/xen-x86_64.h.
 */
#include "arch/x86/msix_table.h"
#include "boot_info.h"
#include "domain/preempt.h"
#include "guest/pv/tables.h"

#define LINEAR_USES_MOST INT16_MIN /* frame->linear of a table that as many entries refer to as can be counted */

static bool domain_has_devices(struct domain *d)
{
    return d->io_memory.count || d->io_ports.count;
}

/* ---- first level ---- */

/* Memory by the firmware's map; what else has a frame table entry (firmware tables, holes) is like I/O memory. */
static bool number_is_ram(uint64_t number)
{
    for (unsigned i = 0; i < boot_info.memory_count; i++) {
        const struct boot_range *r = &boot_info.memory[i];

        if (r->type == BOOT_MEMORY_RAM && number >= r->start >> PAGE_SHIFT && number < r->end >> PAGE_SHIFT)
            return true;
    }
    return false;
}

static int l1_io_get(uint64_t *e, struct domain *d, struct domain *from)
{
    uint64_t number = pte_frame(*e).value;
    struct domain *who = from == domain_io ? d : from;

    if (mfn_valid(MFN(number)) && !frame_owner(mfn_to_frame(MFN(number))) && number_is_ram(number))
        return -EINVAL;
    if (!rangeset_contains(&who->io_memory, number, number))
        return -EPERM;
    if ((*e & PTE_WRITE) && msix_table_pages.count && rangeset_contains(&msix_table_pages, number, number))
        *e &= ~PTE_WRITE;
    return 0;
}

/* Everything but a frame of from, which is not I/O memory, without cache attributes. */
static int l1_get_slow(uint64_t *e, struct domain *d, struct domain *from)
{
    mfn_t m = pte_frame(*e);
    struct frame *f;

    if ((*e & PTE_CACHE_MASK) && !domain_has_devices(d))
        return -EINVAL;
    if (!frame_is_memory(m))
        return l1_io_get(e, d, from);
    f = mfn_to_frame(m);
    if (*e & PTE_WRITE)
        return frame_get_both(f, from, FRAME_WRITABLE);
    return frame_get(f, from) ? 0 : -EINVAL;
}

static ALWAYS_INLINE int l1_get(uint64_t *e, struct domain *d, struct domain *from)
{
    uint64_t entry = *e;
    mfn_t m = pte_frame(entry);
    struct frame *f = mfn_to_frame(m);

    if (unlikely(entry & PTE_CACHE_MASK) || unlikely(!mfn_valid(m)) || unlikely(from == domain_io) ||
        unlikely(!frame_get_fast(f, frame_owner_index(from))))
        return l1_get_slow(e, d, from);
    if ((entry & PTE_WRITE) && unlikely(!frame_get_type_fast(f, FRAME_WRITABLE))) {
        int rc = frame_get_type(f, FRAME_WRITABLE);

        if (rc)
            frame_put(f);
        return rc;
    }
    return 0;
}

int l1_entry_get(uint64_t *e, struct domain *d, struct domain *from)
{
    return l1_get(e, d, from);
}

/* A read-only mapping of descriptors goes: LDT pages mapped on behalf of the guest go with it. */
static void descriptors_unmapped(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu(d, v)
        pv_ldt_clear(v);
}

static ALWAYS_INLINE void l1_put(uint64_t e, struct domain *d)
{
    mfn_t m = pte_frame(e);
    struct frame *f = mfn_to_frame(m);

    if (unlikely(!mfn_valid(m)) || (unlikely(f->owner != frame_owner_index(d)) && !frame_is_memory(m)))
        return;
    if (e & PTE_WRITE) {
        frame_put_type_fast(f);
    } else {
        uint64_t type = __atomic_load_n(&f->type, __ATOMIC_RELAXED);

        if (unlikely((type & FRAME_TYPE_MASK) == FRAME_SEGDESC) && (type & FRAME_TYPE_COUNT_MASK))
            descriptors_unmapped(d);
    }
    frame_put_fast(f);
}

void l1_entry_put(uint64_t e, struct domain *d)
{
    if (e & PTE_PRESENT)
        l1_put(e, d);
}

/* True when none of the 4 entries from number i on is present: whole stretches of most tables. */
static inline bool l1_four_empty(const uint64_t *table, unsigned i)
{
    return !((table[i] | table[i + 1] | table[i + 2] | table[i + 3]) & PTE_PRESENT);
}

static void l1_undo(uint64_t *table, unsigned entries, struct domain *d)
{
    for (unsigned i = 0; i < entries; i++) {
        if (i % 4 == 0 && l1_four_empty(table, i))
            i += 3;
        else if (table[i] & PTE_PRESENT)
            l1_put(table[i], d);
    }
}

static int l1_validate(struct frame *f)
{
    struct domain *d = frame_owner(f);
    uint64_t *table = frame_to_virt(f);

    for (unsigned i = 0; i < PTES_PER_TABLE; i++) {
        uint64_t e = table[i], stored = l1_entry_stored(e);
        int rc;

        if (!(e & PTE_PRESENT)) {
            if (i % 4 == 0 && l1_four_empty(table, i))
                i += 3;
            continue;
        }
        rc = l1_get(&stored, d, d);
        if (unlikely(rc)) {
            log_domain(LOG_DEBUG, d, "L1 %#lx: entry %u %#lx refused: %d\n", frame_to_mfn(f).value, i, e, rc);
            l1_undo(table, i, d);
            return rc;
        }
        if (stored != e)
            table[i] = stored;
    }
    return 0;
}

/* ---- upper levels ---- */

/* A table of level refers to f of the same level.  A reference to f is held; kept only when the entry holds one. */
static int linear_get(unsigned level, uint64_t e, struct frame *f, struct frame *table)
{
    if ((e & PTE_WRITE) || frame_type(f) != frame_level_type(level))
        return -EINVAL;
    if (f == table) {
        frame_put(f);
        return 0;
    }
    if (frame_get_type_validated(f, frame_level_type(level)))
        return -EINVAL;
    /* The count must not wrap either: it would change sign and let references form a cycle. */
    if (f->linear > 0 || table->linear < 0 || f->linear == LINEAR_USES_MOST) {
        frame_put_type(f);
        return -EINVAL;
    }
    f->linear--;
    table->linear++;
    return 0;
}

int table_entry_get(unsigned level, uint64_t e, struct frame *table, struct domain *d)
{
    mfn_t m = pte_frame(e);
    struct frame *f;
    int rc;

    if (unlikely(e & PTE_UPPER_FORBIDDEN) || unlikely(!mfn_valid(m)))
        return -EINVAL;
    f = mfn_to_frame(m);
    if (unlikely(!frame_get(f, d)))
        return -EINVAL;
    rc = frame_get_type(f, frame_level_type(level - 1));
    if (rc == -EBUSY)
        rc = linear_get(level, e, f, table);
    if (unlikely(rc))
        frame_put(f);
    return rc;
}

int table_entry_put(unsigned level, uint64_t e, struct frame *table, bool later)
{
    struct frame *f = mfn_to_frame(pte_frame(e));
    bool linear = frame_type(f) == frame_level_type(level);
    int rc;

    if (f == table)
        return 0;
    if (unlikely(linear)) { /* while f has its type: what follows is another use of that word */
        f->linear++;
        table->linear--;
    }
    rc = frame_put_type_preemptible(f);
    if (!rc) {
        frame_put(f);
    } else if (later) {
        pv_old_table_set(f, false);
        rc = 0;
    } else if (linear) {
        f->linear--;
        table->linear++;
    }
    return rc;
}

static int table_validate(struct frame *f, unsigned level)
{
    struct domain *d = frame_owner(f);
    uint64_t *table = frame_to_virt(f);

    for (unsigned i = f->progress; i < PTES_PER_TABLE; i++) {
        int rc;

        if (!(table[i] & PTE_PRESENT) || !table_slot_is_guest(level, i))
            continue;
        rc = table_entry_get(level, table[i], f, d);
        if (unlikely(rc)) {
            if (rc != -ERESTART_LATER)
                log_domain(LOG_DEBUG, d, "L%u %#lx: entry %u %#lx refused: %d\n", level, frame_to_mfn(f).value, i,
                           table[i], rc);
            f->progress = (uint16_t)i;
            return rc;
        }
        table[i] |= PTE_USER;
        if (i + 1 < PTES_PER_TABLE && hypercall_should_stop()) {
            f->progress = (uint16_t)(i + 1);
            return -ERESTART_LATER;
        }
    }
    if (level == 4)
        pv_init_l4_slots(table, d);
    return 0;
}

/* A lower table whose own validation stopped while this one was waiting for it. */
static int abandoned_entry_clean(struct frame *f, unsigned level, uint64_t e)
{
    mfn_t m = pte_frame(e);
    struct frame *below = mfn_to_frame(m);

    if (!(e & PTE_PRESENT) || !mfn_valid(m) || frame_type(below) != frame_level_type(level - 1) ||
        !frame_is_abandoned(below) || frame_owner(below) != frame_owner(f))
        return 0;
    return frame_clean_partial(below);
}

static int table_devalidate(struct frame *f, unsigned level)
{
    uint64_t *table = frame_to_virt(f);
    unsigned i = f->progress;
    int rc = i < PTES_PER_TABLE && table_slot_is_guest(level, i) ? abandoned_entry_clean(f, level, table[i]) : 0;

    if (rc)
        return rc;
    while (i-- > 0) {
        if (!(table[i] & PTE_PRESENT) || !table_slot_is_guest(level, i))
            continue;
        rc = table_entry_put(level, table[i], f, false);
        if (rc) {
            f->progress = (uint16_t)(i + 1);
            return rc;
        }
        if (i && hypercall_should_stop()) {
            f->progress = (uint16_t)i;
            return -ERESTART_LATER;
        }
    }
    return 0;
}

/* ---- frames becoming tables (mm/frame.h) ---- */

static int frame_validate(struct frame *f, uint64_t type)
{
    dirty_log_frame(f); /* its kind changes, and bits of its entries */
    if (type == FRAME_SEGDESC)
        return pv_validate_segdesc(f);
    if (type == FRAME_L1)
        return l1_validate(f);
    return table_validate(f, (unsigned)(type >> FRAME_TYPE_SHIFT));
}

static int frame_devalidate(struct frame *f, uint64_t type)
{
    dirty_log_frame(f);
    if (type == FRAME_L1) {
        l1_undo(frame_to_virt(f), PTES_PER_TABLE, frame_owner(f));
        return 0;
    }
    return table_devalidate(f, (unsigned)(type >> FRAME_TYPE_SHIFT));
}

const struct frame_type_ops frame_type_ops = {.validate = frame_validate, .devalidate = frame_devalidate};

void pv_init_l4_slots(uint64_t *l4, struct domain *d)
{
    paging_copy_hypervisor_slots(l4);
    l4[PERDOMAIN_SLOT] = pte_make(virt_to_mfn(d->pv->perdomain_l3), PTE_HYPERVISOR_TABLE);
}
