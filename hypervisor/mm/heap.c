// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who owns memory: hypervisor pages, frames of domains, pages shared between the two, and claims.
 *
 * A domain's frames stand on one of its lists (pages: counted against its reservation; extra_pages: not;
 * xenheap_pages: hypervisor pages shared with it) under its page_lock.  A domain is referenced once while any
 * of the three is not empty, so that frame_owner() never dangles.
 *
 * A claim (XENMEM_claim_pages) sets free memory aside for one domain without choosing frames; every page it
 * is then given uses the claim up.
 */
#include "mm/heap.h"

#include "arch/machine.h"
#include "arch/tlb.h"
#include "domain/state.h"
#include "errno.h"
#include "log.h"
#include "mm/buddy.h"
#include "mm/fail.h"

static spinlock_t claim_lock = SPINLOCK_INIT(RANK_HEAP);
static uint64_t claimed_pages; /* claim_lock to write: sum of all outstanding claims */

/* ---- hypervisor pages ---- */

void *heap_alloc(unsigned order, unsigned flags)
{
    struct frame *f;

    if (allocation_fails())
        return NULL;
    f = buddy_take(order, HEAP_ANY_WIDTH, claimed_pages, flags & HEAP_ZERO, BIT(machine_node(cpu_id())), false);
    if (!f)
        return NULL;
    for (uint64_t i = 0; i < 1UL << order; i++)
        f[i].refs = FRAME_XEN_HEAP;
    return frame_to_virt(f);
}

void heap_free(void *pages, unsigned order)
{
    struct frame *f;

    if (!pages)
        return;
    f = virt_to_frame(pages);
    for (uint64_t i = 0; i < 1UL << order; i++)
        BUG_ON((f[i].refs & (FRAME_XEN_HEAP | FRAME_REFS_MASK)) != FRAME_XEN_HEAP);
    buddy_give(f, order);
}

/* ---- ownership: the domain's page_lock held ---- */

static struct frame_list *owner_list(struct domain *d, uint64_t refs)
{
    if (refs & FRAME_LEAVING)
        return &d->relinquish_pages;
    if (refs & FRAME_XEN_HEAP)
        return &d->xenheap_pages;
    return refs & FRAME_EXTRA ? &d->extra_pages : &d->pages;
}

static bool owns_nothing(const struct domain *d)
{
    return d->pages.count + d->extra_pages.count + d->xenheap_pages.count + d->relinquish_pages.count == 0;
}

static void claim_use(struct domain *d, uint64_t pages)
{
    uint64_t used;

    if (!d->outstanding_claim)
        return;
    spin_lock(&claim_lock);
    used = min(pages, d->outstanding_claim);
    d->outstanding_claim -= used;
    claimed_pages -= used;
    spin_unlock(&claim_lock);
}

static void frame_adopt(struct domain *d, struct frame *f, uint64_t flags)
{
    frame_set_owner(f, d);
    __atomic_store_n(&f->refs, FRAME_ALLOCATED | flags | 1, __ATOMIC_RELEASE);
    frame_list_add(owner_list(d, flags), f);
}

int heap_assign(struct domain *d, struct frame *f, unsigned order, unsigned flags)
{
    uint64_t pages = 1UL << order, frame_flags = flags & HEAP_EXTRA ? FRAME_EXTRA : 0;
    bool first;
    int rc = 0;

    spin_lock(&d->page_lock);
    first = owns_nothing(d);
    if (domain_is_dying(d))
        rc = -EINVAL;
    else if (!frame_flags && (d->total_pages > d->max_pages || d->max_pages - d->total_pages < pages))
        rc = -E2BIG;
    else if (first && !domain_hold(d))
        rc = -EINVAL;
    if (!rc) {
        if (!frame_flags) {
            d->total_pages += pages;
            claim_use(d, pages);
        }
        for (uint64_t i = 0; i < pages; i++)
            frame_adopt(d, &f[i], frame_flags);
    }
    spin_unlock(&d->page_lock);
    return rc;
}

/*
 * Takes f off d's books.  Returns true when it was the last thing d owned: the caller drops that reference.
 */
static bool frame_disown(struct domain *d, struct frame *f, uint64_t refs)
{
    ASSERT(d != NULL);
    frame_list_remove(owner_list(d, refs), f);
    if (!(refs & (FRAME_EXTRA | FRAME_XEN_HEAP)))
        d->total_pages--;
    frame_set_owner(f, NULL);
    return owns_nothing(d);
}

void heap_set_leaving(struct domain *d, struct frame *f)
{
    frame_list_remove(owner_list(d, f->refs), f);
    __atomic_fetch_or(&f->refs, FRAME_LEAVING, __ATOMIC_RELAXED);
    frame_list_add(&d->relinquish_pages, f);
}

/* ---- frames of domains ---- */

struct frame *heap_alloc_domain(struct domain *d, unsigned order, unsigned width_bits, unsigned flags)
{
    uint64_t reserved = __atomic_load_n(&claimed_pages, __ATOMIC_RELAXED) - (d ? d->outstanding_claim : 0);
    unsigned node = flags >> HEAP_NODE_SHIFT;
    uint64_t nodes = node > MAX_NUMA_NODES ? 0 : node ? BIT(node - 1) : d ? d->node_affinity : ~0UL;
    struct frame *f = allocation_fails() ? NULL
                                         : buddy_take(order, width_bits, reserved, !(flags & HEAP_NO_SCRUB), nodes,
                                                      flags & HEAP_NODE_ONLY);

    if (!f)
        return NULL;
    if (d && !(flags & HEAP_NO_OWNER) && heap_assign(d, f, order, flags)) {
        buddy_give(f, order);
        return NULL;
    }
    return f;
}

void heap_free_domain(struct frame *f, unsigned order)
{
    struct domain *d = frame_owner(f);
    bool last = false;

    if (d) {
        ASSERT(order == 0);
        spin_lock(&d->page_lock);
        last = frame_disown(d, f, f->refs);
        spin_unlock(&d->page_lock);
    }
    f->tlb_stamp = d ? tlb_clock_now() : f->tlb_stamp;
    buddy_give(f, order);
    if (last)
        domain_put(d);
}

/* With d's page_lock.  *last: it was the last thing d owned, and the caller drops the reference that came with that. */
static int frame_steal(struct domain *d, struct frame *f, bool *last)
{
    uint64_t expected = __atomic_load_n(&f->refs, __ATOMIC_RELAXED);

    if (frame_owner(f) != d || (expected & FRAME_REFS_MASK) != 1 || !(expected & FRAME_ALLOCATED) ||
        expected & FRAME_XEN_HEAP || f->type & FRAME_TYPE_COUNT_MASK ||
        !__atomic_compare_exchange_n(&f->refs, &expected, expected & ~(FRAME_ALLOCATED | FRAME_REFS_MASK), false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return -EBUSY;
    *last = frame_disown(d, f, expected);
    f->refs = 0;
    f->type = 0;
    f->tlb_stamp = tlb_clock_now();
    return 0;
}

int heap_steal(struct domain *d, struct frame *f)
{
    uint64_t number = frame_to_mfn(f).value;
    struct frame_list taken = {0};
    int rc = heap_steal_extents(d, &number, 1, 0, &taken);

    if (!rc)
        frame_list_remove(&taken, f);
    return rc;
}

int heap_steal_extents(struct domain *d, const uint64_t *numbers, unsigned count, unsigned order,
                       struct frame_list *taken)
{
    bool last = false;
    int rc = 0;

    ASSERT(d != NULL);
    spin_lock(&d->page_lock);
    for (uint64_t i = 0; !rc && i < (uint64_t)count << order; i++) {
        uint64_t number = numbers[i >> order] + (i & ((1UL << order) - 1));

        rc = mfn_valid(MFN(number)) ? frame_steal(d, mfn_to_frame(MFN(number)), &last) : -EINVAL;
        if (!rc)
            frame_list_add(taken, mfn_to_frame(MFN(number)));
    }
    spin_unlock(&d->page_lock);
    if (last)
        domain_put(d);
    return rc;
}

void heap_give_back(struct domain *d, struct frame_list *frames)
{
    struct frame *f = frame_list_first(frames);

    spin_lock(&d->page_lock);
    if (f && !domain_is_dying(d) && d->total_pages < d->max_pages && (!owns_nothing(d) || domain_hold(d)))
        for (; f && d->total_pages < d->max_pages; f = frame_list_first(frames)) {
            frame_list_remove(frames, f);
            d->total_pages++;
            claim_use(d, 1);
            frame_adopt(d, f, 0);
        }
    spin_unlock(&d->page_lock);
    heap_free_list(frames);
}

/* ---- sharing ---- */

void heap_share(void *page, struct domain *d, enum share_access access)
{
    struct frame *f = virt_to_frame(page);

    BUG_ON(f->refs != FRAME_XEN_HEAP);
    /* One type reference for good: a read-only page can never become writable, nor either a page table. */
    f->type = (access == SHARE_READ_WRITE ? FRAME_WRITABLE : FRAME_NONE) | FRAME_VALIDATED | 1;
    spin_lock(&d->page_lock);
    if (owns_nothing(d))
        BUG_ON(!domain_hold(d));
    frame_adopt(d, f, FRAME_XEN_HEAP);
    spin_unlock(&d->page_lock);
}

void heap_unshare_release(void *page)
{
    struct frame *f = virt_to_frame(page);

    BUG_ON(!(__atomic_fetch_and(&f->refs, ~FRAME_ALLOCATED, __ATOMIC_ACQ_REL) & FRAME_ALLOCATED));
    frame_put(f);
}

/* ---- figures and claims ---- */

uint64_t heap_outstanding_claims(void)
{
    return __atomic_load_n(&claimed_pages, __ATOMIC_RELAXED);
}

uint64_t heap_unclaimed_free_pages(void)
{
    uint64_t free = heap_free_pages(), claimed = heap_outstanding_claims();

    return free > claimed ? free - claimed : 0;
}

int heap_claim(struct domain *d, uint64_t pages)
{
    int rc = 0;

    spin_lock(&d->page_lock);
    spin_lock(&claim_lock);
    if (pages == 0) {
        claimed_pages -= d->outstanding_claim;
        d->outstanding_claim = 0;
    } else if (d->outstanding_claim || pages < d->total_pages || pages > d->max_pages || domain_is_dying(d)) {
        rc = -EINVAL;
    } else if (pages - d->total_pages > heap_unclaimed_free_pages()) {
        rc = -ENOMEM;
    } else {
        d->outstanding_claim = pages - d->total_pages;
        claimed_pages += d->outstanding_claim;
    }
    spin_unlock(&claim_lock);
    spin_unlock(&d->page_lock);
    return rc;
}
