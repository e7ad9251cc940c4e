/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Machine memory: a buddy allocator (per node, with address-width limits, claims and scrubbing) and small
 * allocations. All memory is in the direct map, so one heap serves domains and hypervisor.
 */
#pragma once

#include "mm/frame.h"
#include "public.h"

struct boot_info;
struct domain;

#define HEAP_MAX_ORDER 20 /* 4 GiB */
#define HEAP_ANY_WIDTH 64

/* Flags of allocations */
#define HEAP_ZERO       (1u << 0) /* contents are zero */
#define HEAP_NO_OWNER   (1u << 1) /* taken for d (claims, limits) but not yet assigned */
#define HEAP_NO_SCRUB   (1u << 2) /* contents may be anything: the caller overwrites all of it */
#define HEAP_EXTRA      (1u << 3) /* does not count against d's reservation */
#define HEAP_NODE_ONLY  (1u << 4) /* with HEAP_NODE: or nothing */
#define HEAP_NODE_SHIFT 8
#define HEAP_NODE(node) (((node) + 1u) << HEAP_NODE_SHIFT) /* rather from this node than where d likes it */

/*
 * Gives a range of usable memory to the heap, whose frame table entries are mapped and zero.  Boot only;
 * heap_init_done sets out what there is.
 */
void heap_init_range(maddr_t start, maddr_t end);
void heap_init_done(void);
/*
 * Which node's memory a range of frames is; frames in no range are node 0's.  Boot CPU alone, at most once: sorts the
 * free memory again.  ranges: ascending, not overlapping, nodes below MAX_NUMA_NODES; kept.
 */
struct node_range { uint64_t first, end; unsigned node; };
void heap_set_nodes(const struct node_range *ranges, unsigned count);
uint64_t heap_node_free_pages(unsigned node);

/*
 * Hypervisor pages, 1 << order, zeroed when HEAP_ZERO.  NULL when memory is short.  Freed with the same
 * order. Not owned by any domain; share_with_domain() lets a guest map one.
 */
void *heap_alloc(unsigned order, unsigned flags);
void heap_free(void *pages, unsigned order);

/*
 * Frames for a domain: 1 << order contiguous frames below 1 << width_bits, assigned to d (owner, reference,
 * page list, accounting) unless HEAP_NO_OWNER.  NULL when memory is short or d is at its limit or dying.
 */
struct frame *heap_alloc_domain(struct domain *d, unsigned order, unsigned width_bits, unsigned flags);
/* Called by frame_put when the last reference goes; also frees frames of HEAP_NO_OWNER. */
void heap_free_domain(struct frame *f, unsigned order);
/* Makes frames of HEAP_NO_OWNER, or freed by steal, belong to d.  0, -EINVAL dying, -E2BIG over its limit. */
int heap_assign(struct domain *d, struct frame *f, unsigned order, unsigned flags);
/*
 * Takes a frame away from d when nothing but its allocation refers to it (for exchange and transfer).
 * 0 with the frame owned by nobody; -EBUSY when otherwise referenced.
 */
int heap_steal(struct domain *d, struct frame *f);
/*
 * The same for 1 << order frames from each of count numbers (at most 512 frames), which go to the end of `taken` until one
 * is refused: those before it stay there.  0; -EINVAL, no such frame; -EBUSY.
 */
int heap_steal_extents(struct domain *d, const uint64_t *numbers, unsigned count, unsigned order,
                       struct frame_list *taken);
/* Makes stolen frames d's again, and frees those it may no longer have; the list is empty afterwards. */
void heap_give_back(struct domain *d, struct frame_list *frames);
/* Frees frames that nobody owns, those that follow each other as one; the list is empty afterwards. */
void heap_free_list(struct frame_list *frames);

/* A dying domain's frame that others still use leaves its list for relinquish_pages; page_lock is held. */
void heap_set_leaving(struct domain *d, struct frame *f);

/*
 * Lets d map a hypervisor page (shared info, grant frames): d gets it on its xenheap list; writable or
 * read-only by type.
 */
enum share_access { SHARE_READ_WRITE, SHARE_READ_ONLY };
void heap_share(void *page, struct domain *d, enum share_access access);
/*
 * The hypervisor is done with a shared page: it is freed now, or by the last put while somebody still maps
 * it. The caller must not touch it afterwards.
 */
void heap_unshare_release(void *page);

uint64_t heap_total_pages(void);
uint64_t heap_free_pages(void);
uint64_t heap_scrub_pages(void);
uint64_t heap_unclaimed_free_pages(void);
/* Claims (XENMEM_claim_pages): total pages d wants to own at the end; 0 cancels.  0, -ENOMEM, -EINVAL. */
int heap_claim(struct domain *d, uint64_t pages);
uint64_t heap_outstanding_claims(void);
/* Scrubs some free memory when the CPU is idle; true while there is more. */
bool heap_scrub_some(void);

/* Small allocations, zeroed; any size (large ones take whole pages).  NULL when memory is short. */
void *mem_alloc(size_t size, size_t align);
void mem_free(void *p); /* NULL allowed */
void *mem_alloc_array(size_t count, size_t size); /* checked multiplication */
#define mem_new(type) ((type *)mem_alloc(sizeof(type), _Alignof(type)))
#define mem_new_array(type, count) ((type *)mem_alloc_array((count), sizeof(type)))

/* Run-time mappings in VMAP. */
void *vmap_device(maddr_t start, size_t size); /* uncached; any alignment; NULL when out of room */
void vunmap(void *address, size_t pages);

/* The smallest order whose block holds this many bytes. */
static inline unsigned heap_order(uint64_t bytes)
{
    unsigned order = 0;

    while ((PAGE_SIZE << order) < bytes)
        order++;
    return order;
}
