// SPDX-License-Identifier: BSD-2-Clause
/*
 * HYPERVISOR_mmu_update: a batch of checked stores into page tables and into the machine-to-physical table.
 *
 * ABI: xen/xen.h.  The low two bits of a request's address say which kind it is.  The domain argument names whose frames are
 * mapped (low 16 bits) and whose page tables are changed (high 16 bits less one, 0 for the caller's).
 */
#include "domain/preempt.h"
#include "guest/pv/tables.h"
#include "mm/guest_copy.h"
#include "mm/physmap.h"

#define MMU_UPDATE(list, count, done, domid) \
    (&(struct pv_batch){__HYPERVISOR_mmu_update, sizeof(struct mmu_update), list, count, done, domid})
#define CHUNK 16 /* requests copied in at a time */

struct owners {
    struct domain *tables; /* owner of the page tables: its lock is held while requests are done */
    struct domain *frames; /* owner of what is mapped */
    bool translated;       /* whose frames have names of their own */
};

/* ---- whose ---- */

int pv_frames_translate(struct domain *owner, uint64_t *entry, struct frame **held)
{
    int rc;

    *held = NULL;
    if (!owner->is_hvm || !(*entry & PTE_PRESENT))
        return 0;
    rc = physmap_get_frame(owner, GFN(pte_frame(*entry).value), held);
    if (!rc)
        *entry = pte_make(frame_to_mfn(*held), pte_flags(*entry));
    return rc;
}

int pv_frames_other(domid_t id, struct domain **owner)
{
    struct domain *found;
    int rc = 0;

    if (id == DOMID_IO || id == DOMID_XEN) {
        *owner = id == DOMID_IO ? domain_io : domain_xen;
        return id == DOMID_IO ? 0 : permission_privileged();
    }
    found = id == current->domain->id ? NULL : domain_get(id);
    if (!found)
        return -ESRCH;
    rc = permission_control(found);
    if (rc)
        domain_put(found);
    *owner = found;
    return rc;
}

static int owners_get(uint64_t domid, struct owners *b)
{
    uint16_t tables = (uint16_t)(domid >> 16);
    int rc;

    b->tables = current->domain;
    if (unlikely(tables)) {
        rc = (domid_t)(tables - 1) == current->domain->id ? 0 : pv_frames_owner((domid_t)(tables - 1), &b->tables);
        if (rc)
            return rc;
        if (b->tables->is_system)
            return -ESRCH;
        if (b->tables->is_hvm) { /* has none of its own */
            pv_frames_owner_put(b->tables);
            return -EINVAL;
        }
    }
    rc = pv_frames_owner((domid_t)domid, &b->frames);
    if (unlikely(rc))
        pv_frames_owner_put(b->tables);
    else
        b->translated = b->frames->is_hvm;
    return rc;
}

/* ---- one request: the lock is held ---- */

/* Of a frame of d. */
static __attribute__((noinline)) int m2p_store(uint64_t address, uint64_t value, struct domain *d)
{
    mfn_t m = maddr_to_mfn(MADDR(address));

    if (d->is_system || d->is_hvm) /* every guest reads what is written there */
        return -EPERM;
    if (!mfn_valid(m) || !frame_get(mfn_to_frame(m), d))
        return -EINVAL;
    m2p_set(m, value);
    dirty_log_frame(mfn_to_frame(m));
    frame_put(mfn_to_frame(m));
    return 0;
}

/* Of a translated guest the entry names a guest frame, unless the request says otherwise. */
static __attribute__((noinline)) int translated_do(const struct mmu_update *r, const struct owners *b)
{
    uint64_t value = r->val;
    struct frame *held = NULL;
    int rc = (r->ptr & 3) == MMU_PT_UPDATE_NO_TRANSLATE ? 0 : pv_frames_translate(b->frames, &value, &held);

    if (!rc)
        rc = pv_table_store(r->ptr & ~3UL, value, (r->ptr & 3) == MMU_PT_UPDATE_PRESERVE_AD, b->tables, b->frames);
    if (held)
        frame_put(held);
    return rc;
}

static inline int request_do(const struct mmu_update *r, const struct owners *b)
{
    uint64_t kind = r->ptr & 3, address = r->ptr & ~3UL;

    if (unlikely(kind == MMU_MACHPHYS_UPDATE))
        return m2p_store(address, r->val, b->frames);
    if (unlikely(b->translated))
        return translated_do(r, b);
    return pv_table_store(address, r->val, kind == MMU_PT_UPDATE_PRESERVE_AD, b->tables, b->frames);
}

static __attribute__((cold, noinline)) void update_failed(const struct mmu_update *r, int rc)
{
    if (rc != -ERESTART_LATER)
        log_vcpu(LOG_WARNING, current, "mmu_update of %#lx to %#lx: error %d\n", r->ptr, r->val, rc);
}

/* ---- the batch ---- */

/* Does up to CHUNK requests at address; *did counts them. */
static int chunk_do(uint64_t address, uint64_t count, const struct owners *b, uint64_t *did)
{
    struct mmu_update requests[CHUNK], *r = requests, *end = r + min_t(uint64_t, count, CHUNK);
    const struct pv_vcpu *pv = current->pv;
    int rc = 0;

    if (guest_read(requests, GUEST_ADDR(address), (size_t)(end - r) * sizeof(*r)))
        return -EFAULT;
    spin_lock(&b->tables->pv->tables_lock);
    while (r < end) {
        rc = request_do(r, b);
        if (unlikely(rc))
            break;
        r++;
        if (unlikely(pv->old_table)) {
            rc = -ERESTART_LATER;
            break;
        }
    }
    spin_unlock(&b->tables->pv->tables_lock);
    /* Which frames a translated guest has is found out by trying, a million times by a dump of its memory. */
    if (unlikely(rc) && !b->translated)
        update_failed(r, rc);
    *did += (uint64_t)(r - requests);
    return rc;
}

static int done_report(uint64_t done, bool continued, uint64_t did)
{
    uint32_t total = 0;

    if (continued && guest_read(&total, GUEST_ADDR(done), sizeof(total)))
        return -EFAULT;
    total += (uint32_t)did;
    return guest_write(GUEST_ADDR(done), &total, sizeof(total));
}

long pv_batch_end(const struct pv_batch *b, uint64_t did, int rc)
{
    uint64_t left = ((uint32_t)b->count & ~MMU_UPDATE_PREEMPTED) - did;

    if (b->done && done_report(b->done, b->count & MMU_UPDATE_PREEMPTED, did))
        return -EFAULT;
    if (rc != -ERESTART_LATER)
        return rc;
    return hypercall_continue(b->hypercall, 4, b->list + did * b->size, left | MMU_UPDATE_PREEMPTED, b->done, b->domid);
}

static int batch_do(uint64_t requests, uint64_t count, const struct owners *b, uint64_t *did)
{
    int rc = 0;

    while (*did < count && !rc) {
        if (*did && hypercall_should_stop())
            return -ERESTART_LATER;
        rc = chunk_do(requests + *did * sizeof(struct mmu_update), count - *did, b, did);
    }
    return rc;
}

/* Whatever the batch is. */
static __attribute__((noinline)) long any_do(const struct pv_batch *batch)
{
    uint64_t did = 0, n = (uint32_t)batch->count & ~MMU_UPDATE_PREEMPTED;
    struct owners owners;
    int rc;

    if (pv_put_old_table(current))
        return pv_batch_end(batch, 0, -ERESTART_LATER);
    if (unlikely(!guest_range_ok(batch->list, n * sizeof(struct mmu_update))))
        return -EFAULT;
    rc = owners_get(batch->domid, &owners);
    if (unlikely(rc))
        return rc;
    rc = batch_do(batch->list, n, &owners, &did);
    pv_frames_owner_put(owners.frames);
    pv_frames_owner_put(owners.tables);
    return pv_batch_end(batch, did, rc);
}

/* It failed, or is not over: rc, or an old table to put away. */
static __attribute__((cold, noinline)) long single_end(uint64_t address, const struct mmu_update *r, int rc)
{
    if (rc && rc != -EFAULT)
        update_failed(r, rc);
    return pv_batch_end(MMU_UPDATE(address, 1, 0, DOMID_SELF), !rc, rc || !current->pv->old_table ? rc : -ERESTART_LATER);
}

/* One request of a domain on its own memory, most calls by far.  -EFAULT alone leaves *r without it. */
static ALWAYS_INLINE int single_do(uint64_t address, struct mmu_update *r, struct domain *d)
{
    int rc;

    if (unlikely(guest_read(r, GUEST_ADDR(address), sizeof(*r))))
        return -EFAULT;
    spin_lock(&d->pv->tables_lock);
    if (unlikely((r->ptr & 3) == MMU_MACHPHYS_UPDATE))
        rc = m2p_store(r->ptr & ~3UL, r->val, d);
    else
        rc = pv_table_store(r->ptr & ~3UL, r->val, (r->ptr & 3) == MMU_PT_UPDATE_PRESERVE_AD, d, d);
    spin_unlock(&d->pv->tables_lock);
    return rc;
}

long pv_mmu_update(uint64_t requests, uint64_t count, uint64_t done, uint64_t domid, uint64_t)
{
    struct vcpu *v = current;
    struct mmu_update r;
    int rc;

    if (unlikely(count != 1) || unlikely(domid != DOMID_SELF) || unlikely(done) || unlikely(v->pv->old_table))
        return any_do(MMU_UPDATE(requests, count, done, domid));
    rc = single_do(requests, &r, v->domain);
    return likely(!rc && !v->pv->old_table) ? 0 : single_end(requests, &r, rc);
}
