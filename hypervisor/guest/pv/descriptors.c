// SPDX-License-Identifier: BSD-2-Clause
/*
 * Descriptor tables of PV guests.  A frame that holds descriptors has type FRAME_SEGDESC, so the guest cannot write it; what it
 * asks to write there is checked: no system descriptors, and privilege level 3 for everything that is present.
 * The tables are mapped in the per-domain slot (arch/layout.h): GDT frames when they are set, LDT pages when they are
 * first used.  Descriptor format: AMD64 APM volume 2, chapter 4.
 */
#include "guest/pv/traps.h"
#include "mm/dirty_log.h"
#include "mm/heap.h"

#define DESCRIPTORS_PER_PAGE (PAGE_SIZE / 8)
#define LDT_MAX_ENTRIES 8192
#define LDT_PAGES 16
#define PTE_DESCRIPTORS (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY | PTE_NX)
#define DESCRIPTOR_PRESENT (1UL << 47)
#define DESCRIPTOR_CODE_OR_DATA (1UL << 44)
#define DESCRIPTOR_DPL (3UL << 45)
#define DESCRIPTOR_TYPE (0xfUL << 40)

static void *zero_page; /* stands where a GDT has no frame: selectors there are not present, rather than unmapped */

static bool descriptor_ok(uint64_t *descriptor)
{
    uint64_t d = *descriptor;

    if (!(d & DESCRIPTOR_PRESENT))
        return true;
    if (!(d & DESCRIPTOR_CODE_OR_DATA))
        return !(d & DESCRIPTOR_TYPE); /* gates and system segments could change privilege */
    *descriptor = d | DESCRIPTOR_DPL;
    return true;
}

int pv_validate_segdesc(struct frame *f)
{
    uint64_t *table = frame_to_virt(f);

    for (unsigned i = 0; i < DESCRIPTORS_PER_PAGE; i++) {
        uint64_t d = table[i];

        if (!descriptor_ok(&d))
            return -EINVAL;
        if (d != table[i])
            table[i] = d;
    }
    return 0;
}

/* Frame mfn of d as a page of descriptors, with both references; NULL when it cannot be one. */
static struct frame *descriptor_frame_get(struct domain *d, mfn_t mfn)
{
    struct frame *f = mfn_to_frame(mfn);

    return mfn_valid(mfn) && !frame_get_both(f, d, FRAME_SEGDESC) ? f : NULL;
}

/* ---- GDT ---- */

void pv_gdt_clear(struct vcpu *v)
{
    struct pv_vcpu *pv = v->pv;

    for (unsigned i = 0; i < FIRST_RESERVED_GDT_PAGE; i++) {
        pv->descriptor_l1[i] = pte_make(virt_to_mfn(zero_page), PTE_DESCRIPTORS & ~PTE_WRITE);
        if (i * DESCRIPTORS_PER_PAGE < pv->gdt_entries)
            frame_put_both(mfn_to_frame(pv->gdt_frames[i]));
    }
    pv->gdt_entries = 0;
}

int pv_gdt_set(struct vcpu *v, const uint64_t *frames, unsigned entries)
{
    unsigned count = DIV_ROUND_UP(entries, DESCRIPTORS_PER_PAGE), taken = 0;

    if (entries > FIRST_RESERVED_GDT_ENTRY)
        return -EINVAL;
    while (taken < count && descriptor_frame_get(v->domain, MFN(frames[taken])))
        taken++;
    if (taken < count) {
        while (taken--)
            frame_put_both(mfn_to_frame(MFN(frames[taken])));
        return -EINVAL;
    }
    pv_gdt_clear(v);
    for (unsigned i = 0; i < count; i++) {
        v->pv->gdt_frames[i] = MFN(frames[i]);
        v->pv->descriptor_l1[i] = pte_make(MFN(frames[i]), PTE_DESCRIPTORS);
    }
    v->pv->gdt_entries = entries;
    return 0;
}

long pv_set_gdt(uint64_t list, uint64_t entries, uint64_t, uint64_t, uint64_t)
{
    uint64_t frames[FIRST_RESERVED_GDT_PAGE];
    unsigned n = (unsigned)entries;
    int rc;

    if (n > FIRST_RESERVED_GDT_ENTRY)
        return -EINVAL;
    if (guest_read(frames, GUEST_ADDR(list), DIV_ROUND_UP(n, DESCRIPTORS_PER_PAGE) * sizeof(frames[0])))
        return -EFAULT;
    rc = pv_gdt_set(current, frames, n);
    if (!rc)
        tlb_flush_local(TLB_FLUSH_ALL, 0);
    return rc;
}

long pv_update_descriptor(uint64_t maddr, uint64_t descriptor, uint64_t, uint64_t, uint64_t)
{
    mfn_t mfn = maddr_to_mfn(MADDR(maddr));
    struct frame *f = mfn_to_frame(mfn);

    if ((maddr & 7) || !mfn_valid(mfn) || !descriptor_ok(&descriptor) ||
        frame_get_both(f, current->domain, frame_type(f) == FRAME_SEGDESC ? FRAME_SEGDESC : FRAME_WRITABLE))
        return -EINVAL;
    __atomic_store_n((uint64_t *)maddr_to_virt(MADDR(maddr)), descriptor, __ATOMIC_RELEASE);
    dirty_log_frame(f);
    frame_put_both(f);
    return 0;
}

/* ---- LDT ---- */

void pv_ldt_clear(struct vcpu *v)
{
    struct pv_vcpu *pv = v->pv;
    unsigned mapped;

    if (!__atomic_load_n(&pv->ldt_mapped, __ATOMIC_SEQ_CST)) /* most vcpus, asked for every unmapped page of descriptors */
        return;
    spin_lock(&pv->ldt_lock);
    mapped = pv->ldt_mapped;
    pv->ldt_mapped = 0;
    for (unsigned i = 0; i < LDT_PAGES; i++) {
        uint64_t *entry = &pv->descriptor_l1[LDT_PAGES + i];
        mfn_t mfn = pte_frame(*entry);

        if (!(mapped & 1u << i))
            continue;
        *entry = 0;
        frame_put_both(mfn_to_frame(mfn));
    }
    spin_unlock(&pv->ldt_lock);
    if (mapped && v == current)
        tlb_flush_local(TLB_FLUSH_ALL, 0);
}

int pv_ldt_set(struct vcpu *v, uint64_t base, unsigned entries)
{
    if (entries > LDT_MAX_ENTRIES || (entries && ((base & ~PAGE_MASK) || !guest_range_ok(base, entries * 8UL))))
        return -EINVAL;
    if (v->pv->ldt_base == base && v->pv->ldt_entries == entries)
        return 0;
    pv_ldt_clear(v);
    v->pv->ldt_base = entries ? base : 0;
    v->pv->ldt_entries = entries;
    if (v == current)
        ldt_load(PERDOMAIN_LDT(v->id), entries);
    return 0;
}

bool pv_map_ldt_page(uint64_t offset)
{
    struct vcpu *v = current;
    struct pv_vcpu *pv = v->pv;
    unsigned page = (unsigned)(offset >> PAGE_SHIFT);
    struct frame *f;
    uint64_t e;
    bool fresh;

    if (!pv || offset >= (uint64_t)pv->ldt_entries * 8)
        return false;
    e = pv_kernel_l1e(pv->ldt_base + (offset & PAGE_MASK));
    f = e ? descriptor_frame_get(v->domain, pte_frame(e)) : NULL;
    if (!f)
        return false;
    spin_lock(&pv->ldt_lock);
    fresh = !(pv->ldt_mapped & 1u << page);
    if (fresh) {
        pv->descriptor_l1[LDT_PAGES + page] = pte_make(frame_to_mfn(f), PTE_DESCRIPTORS);
        pv->ldt_mapped |= 1u << page;
    }
    spin_unlock(&pv->ldt_lock);
    if (!fresh)
        frame_put_both(f);
    return true;
}

int pv_descriptors_init(void)
{
    if (zero_page)
        return 0;
    zero_page = heap_alloc(0, HEAP_ZERO);
    if (!zero_page)
        return -ENOMEM;
    idt_set_gate(VECTOR_INT80, pv_int80_entry, 3, IST_NONE);
    return 0;
}
