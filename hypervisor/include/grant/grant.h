/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grant tables: a domain lets another map or copy its frames.  Protocol: xen/grant_table.h (v1, v2).
 */
#pragma once

#include "domain/domain.h"
#include <xen/grant_table.h>

int grant_domain_init(struct domain *d, uint32_t max_frames, uint32_t max_maptrack_frames, unsigned max_version);
/* While dying: undoes every mapping d made (preemptible: 0 or -ERESTART_LATER). */
int grant_domain_release_mappings(struct domain *d);
void grant_domain_free(struct domain *d);

/* One element; the status goes to op->status (GNTST_*).  Called by the door for every element of a batch. */
void grant_map(struct gnttab_map_grant_ref *op);
void grant_transfer(struct gnttab_transfer *op);

/*
 * Unmaps a batch: all mappings are taken away, then the TLB is flushed once, then the granters get their frames back.
 * new_addr as in gnttab_unmap_and_replace, 0 for plain unmapping.
 */
#define GRANT_UNMAP_BATCH 32
struct grant_unmap {
    uint64_t host_addr, dev_bus_addr, new_addr;
    uint32_t handle;
    int16_t status;            /* out */
    /* private to grant/map.c from here on */
    uint8_t undone;            /* GNTMAP_device_map, GNTMAP_host_map */
    uint32_t ref;
    uint64_t frame;
    struct grant_mapping *mapping;
    struct domain *granter;
};
void grant_unmap(struct grant_unmap *ops, unsigned count);

/*
 * Copies a batch one by one; a frame used by consecutive elements stays claimed between them.  Zero the struct before the
 * first; grant_copy_end releases what it holds.
 */
struct grant_copy_end {
    struct domain *domain;     /* referenced unless it is the caller's */
    struct domain *transit;    /* transitive: the domain whose frame it is, referenced */
    uint64_t name;             /* the ABI's ref or gmfn */
    grant_ref_t transit_ref;
    domid_t domid;             /* as the ABI's */
    bool is_grant, claimed, writable;
    uint16_t start, length;
    struct frame *frame;
};
struct grant_copy_batch { struct grant_copy_end source, dest; };
void grant_copy(struct grant_copy_batch *batch, struct gnttab_copy *op);
void grant_copy_finish(struct grant_copy_batch *batch);

int grant_setup_table(struct domain *d, uint32_t nr_frames, uint64_t *frames, int16_t *status); /* frames[nr_frames] */
void grant_query_size(struct domain *d, struct gnttab_query_size *op);
int grant_set_version(struct domain *d, uint32_t *version);
int grant_get_status_frames(struct domain *d, uint32_t nr_frames, uint64_t *frames, int16_t *status);
int grant_get_version(struct domain *d, uint32_t *version);
int grant_swap(struct domain *d, grant_ref_t a, grant_ref_t b);
int grant_cache_flush(struct domain *d, const struct gnttab_cache_flush *op);
/* Frame number idx of the table (status: of the v2 status array), growing it if allowed: for add_to_physmap and acquire_resource. */
int grant_get_table_frame(struct domain *d, uint32_t idx, bool status, mfn_t *frame);
/* Prints what is in use of d's table, and how many mappings d holds. */
void grant_dump(struct domain *d);
/* Registers the debug key that prints all of them.  Boot only. */
void grant_init(void);
/*
 * Notes the frames others may write to now as written (mm/dirty_log.h).  True while there are more entries:
 * *next is where to go on, 0 first.
 */
bool grant_mark_written(struct domain *d, grant_ref_t *next);

/*
 * How a grant is mapped into the address space of a guest: implemented by guest/pv (and hvm), an upward call without any
 * lock held.  The PTE takes and drops references of its own, like any other; the grant room holds one more on the
 * frame, and a FRAME_WRITABLE one unless GNTMAP_readonly (none for I/O memory), from before map until after the TLB was
 * flushed, so that nobody gets the frame while a stale translation may exist.
 */
struct grant_map_ops {
    /* host_addr as in the ABI: a virtual address, or the machine address of the PTE with GNTMAP_contains_pte. GNTST_*. */
    int (*map)(struct domain *d, uint64_t host_addr, mfn_t frame, unsigned flags, unsigned cache);
    /* new_addr: 0 or the address whose PTE is moved in (unmap_and_replace). */
    int (*unmap)(struct domain *d, uint64_t host_addr, mfn_t frame, unsigned flags, uint64_t new_addr);
    void (*flush_tlb)(struct domain *d);
};
extern const struct grant_map_ops grant_map_ops;
