/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the grant room share.
 *
 * The shared table belongs to the granter's memory: entries change under our hands, so each is read once. 
 * Beside each entry stands an active entry that only the hypervisor sees: who uses the grant now and how
 * often (pins), and which frame was found when the first of them came.  While pins are not zero the frame
 * does not change, whatever the entry says.
 *
 * Locks, in order:
 *   grant_table.lock     reading: the table keeps its size and version; writing: they change.  Never two tables at once
 *   grant_active.lock    one active entry, and the flags of the mappings made of it
 *   grant_free_list.lock free mappings of one vcpu
 * Page tables are changed without any of these (their lock comes first).
 */
#pragma once

#include "grant/grant.h"
#include "errno.h"
#include "mm/physmap.h"

#define GRANT_DEFAULT_FRAMES 64u
#define GRANT_DEFAULT_MAPTRACK_FRAMES 1024u
#define GRANT_MOST_FRAMES 65536u /* what one domain may be allowed at all */

#define GRANT_V1_PER_PAGE (PAGE_SIZE / sizeof(grant_entry_v1_t))
#define GRANT_V2_PER_PAGE (PAGE_SIZE / sizeof(grant_entry_v2_t))
#define GRANT_STATUS_PER_PAGE (PAGE_SIZE / sizeof(grant_status_t))

/* Pins: four counts of 16 bits in one word. */
#define PIN_DEVICE_READ  (1UL << 0)
#define PIN_DEVICE_WRITE (1UL << 16)
#define PIN_HOST_READ    (1UL << 32)
#define PIN_HOST_WRITE   (1UL << 48)
#define PIN_FIELD        0xffffUL
#define PIN_WRITERS      (PIN_DEVICE_WRITE * PIN_FIELD | PIN_HOST_WRITE * PIN_FIELD)

enum grant_kind { GRANT_FULL, GRANT_SUB_PAGE, GRANT_TRANSITIVE };

struct grant_active {
    spinlock_t lock;        /* RANK_GRANT_ENTRY; guards the rest */
    uint64_t pins;
    uint64_t frame;         /* machine frame; while pinned, unless transitive */
    domid_t domid;          /* who may use it; while pinned */
    uint16_t start, length; /* bytes of the frame; while pinned */
    uint8_t kind;           /* enum grant_kind; while pinned */
};
#define GRANT_ACTIVE_PER_PAGE (PAGE_SIZE / sizeof(struct grant_active))
_Static_assert(sizeof(struct grant_active) == 32, "the active table costs 32 bytes an entry");
/* pages of active entries for a page of the shared table */
#define GRANT_ACTIVE_PAGES (GRANT_V1_PER_PAGE / GRANT_ACTIVE_PER_PAGE)

/* A mapping made by a domain; its index is the handle. */
#define MAPPING_BUSY 0x8000u /* being unmapped: not free yet */
#define MAPPING_IO 0x4000u   /* I/O memory: no references */
struct grant_mapping {
    uint32_t granter;       /* frame number of its struct domain, referenced */
    grant_ref_t ref;
    uint16_t flags;         /* GNTMAP_* (low byte) and MAPPING_*; 0 free; active entry's lock */
    uint16_t pad;
    uint32_t next;          /* free list */
};
#define GRANT_MAPPINGS_PER_PAGE (PAGE_SIZE / sizeof(struct grant_mapping))
#define GRANT_NO_MAPPING UINT32_MAX

struct grant_free_list {
    spinlock_t lock;        /* RANK_GRANT_MAPTRACK */
    uint32_t head;
};

struct grant_table {
    rwlock_t lock;          /* RANK_GRANT */
    uint8_t version;        /* 1 or 2 */
    uint8_t max_version;
    bool released;          /* the domain dies: the shared pages are gone */
    uint32_t entries;       /* references there are: as many as fit on the frames, 0 once released */
    uint32_t frames, status_frames, max_frames;
    void **shared;          /* [max_frames] pages shared with the guest */
    grant_status_t **status;
    struct grant_active **active; /* [frames * GRANT_ACTIVE_PAGES] */

    /* mappings this domain made of other domains' grants */
    spinlock_t grow_lock;   /* RANK_GRANT_MAPTRACK, taken alone */
    struct grant_mapping **mappings;
    uint32_t mapping_pages, max_mapping_pages; /* mapping_pages: atomic, grows */
    struct grant_free_list *free_lists;        /* one for each vcpu */
    uint32_t next_release;  /* where undoing all mappings goes on */
};

static inline struct grant_active *grant_active(const struct grant_table *t, grant_ref_t ref)
{
    return &t->active[ref / GRANT_ACTIVE_PER_PAGE][ref % GRANT_ACTIVE_PER_PAGE];
}

static inline grant_entry_v1_t *grant_entry_v1(const struct grant_table *t, grant_ref_t ref)
{
    return (grant_entry_v1_t *)t->shared[ref / GRANT_V1_PER_PAGE] + ref % GRANT_V1_PER_PAGE;
}

static inline grant_entry_v2_t *grant_entry_v2(const struct grant_table *t, grant_ref_t ref)
{
    return (grant_entry_v2_t *)t->shared[ref / GRANT_V2_PER_PAGE] + ref % GRANT_V2_PER_PAGE;
}

static inline grant_status_t *grant_status(const struct grant_table *t, grant_ref_t ref)
{
    return &t->status[ref / GRANT_STATUS_PER_PAGE][ref % GRANT_STATUS_PER_PAGE];
}

/* First word of an entry of either version: flags and domid, changed together. */
union grant_word {
    uint32_t raw;
    struct {
        uint16_t flags;
        domid_t domid;
    };
};

static inline uint32_t *grant_word(const struct grant_table *t, grant_ref_t ref)
{
    return t->version == 1 ? (uint32_t *)grant_entry_v1(t, ref) : (uint32_t *)grant_entry_v2(t, ref);
}

static inline void grant_set_frame(const struct grant_table *t, grant_ref_t ref, uint64_t frame)
{
    if (t->version == 1)
        __atomic_store_n(&grant_entry_v1(t, ref)->frame, (uint32_t)frame, __ATOMIC_RELAXED);
    else
        __atomic_store_n(&grant_entry_v2(t, ref)->full_page.frame, frame, __ATOMIC_RELAXED);
}

/* physmap_get_frame(), in line for guests whose frame numbers are the machine's. */
static inline int grant_get_frame(struct domain *d, gfn_t gfn, struct frame **frame)
{
    if (unlikely(d->is_hvm))
        return physmap_get_frame(d, gfn, frame);
    *frame = mfn_to_frame(MFN(gfn.value));
    return mfn_valid(MFN(gfn.value)) && frame_get_fast(*frame, frame_owner_index(d)) ? 0 : -EINVAL;
}

/* ---- entry.c: using an entry ---- */
struct grant_use {
    domid_t to;       /* who wants it */
    bool readonly, for_map;
    uint64_t pins;    /* to add */
    /* out */
    struct frame *frame; /* with a reference; NULL for I/O memory or a transitive grant */
    unsigned cache;      /* GTF_PWT, PCD, PAT of the entry */
    domid_t transit;     /* transitive: whose, which */
    grant_ref_t transit_ref;
    const struct grant_active *active; /* what is valid while pinned may be read now */
};
/* Checks the grant, tells the granter that it is in use and pins it.  GNTST_*. */
int grant_pin(struct domain *granter, grant_ref_t ref, struct grant_use *use);

/* An entry of a number that was in use, with the table held for reading and the entry's lock; and back. */
static inline struct grant_active *grant_lock(struct domain *granter, grant_ref_t ref)
{
    struct grant_active *a;

    read_lock(&granter->grant->lock);
    a = grant_active(granter->grant, ref);
    spin_lock(&a->lock);
    return a;
}

static inline void grant_unlock(struct domain *granter, struct grant_active *a)
{
    spin_unlock(&a->lock);
    read_unlock(&granter->grant->lock);
}

static inline void grant_clear_flags(uint16_t *flags, uint16_t which)
{
    __atomic_fetch_and(flags, (uint16_t)~which, __ATOMIC_SEQ_CST);
}

/* Clears the flags the granter sees that the pins no longer justify. */
static inline void grant_reduce_flags(const struct grant_table *t, const struct grant_active *a, grant_ref_t ref)
{
    uint16_t which = (uint16_t)((a->pins & PIN_WRITERS ? 0 : GTF_writing) | (a->pins ? 0 : GTF_reading));

    /* The table may be gone, or was converted to one with fewer entries. */
    if (which && likely(ref < t->entries))
        grant_clear_flags(t->version == 1 ? &grant_entry_v1(t, ref)->flags : grant_status(t, ref), which);
}

/* Takes pins off and tells the granter what is no longer in use.  Both locks held. */
static inline void grant_unpin_locked(struct domain *granter, struct grant_active *a, grant_ref_t ref, uint64_t pins)
{
    a->pins -= pins;
    grant_reduce_flags(granter->grant, a, ref);
}

static ALWAYS_INLINE void grant_unpin(struct domain *granter, grant_ref_t ref, uint64_t pins)
{
    struct grant_active *a = grant_lock(granter, ref);

    grant_unpin_locked(granter, a, ref, pins);
    grant_unlock(granter, a);
}

/* ---- table.c ---- */
/* Makes the table at least this large; its lock is held for writing.  0, -EINVAL over the limit, -ENOMEM. */
int grant_grow(struct domain *d, uint32_t frames);
/*
 * The shared pages go back: from here on the table has no entries.  Active entries stay for those who still
 * use grants.
 */
void grant_table_release(struct domain *d);

/* ---- maptrack.c ---- */
int grant_mappings_init(struct domain *d, uint32_t max_pages);
void grant_mappings_free(struct grant_table *t);
/* A free mapping, or GRANT_NO_MAPPING. */
uint32_t grant_mapping_allocate(struct domain *d);
void grant_mapping_release(struct domain *d, uint32_t handle);
static inline struct grant_mapping *grant_mapping(const struct grant_table *t, uint32_t handle)
{
    if (handle / GRANT_MAPPINGS_PER_PAGE >= __atomic_load_n(&t->mapping_pages, __ATOMIC_ACQUIRE))
        return NULL;
    return &t->mappings[handle / GRANT_MAPPINGS_PER_PAGE][handle % GRANT_MAPPINGS_PER_PAGE];
}
