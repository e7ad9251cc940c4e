// SPDX-License-Identifier: BSD-2-Clause
/*
 * HYPERVISOR_update_va_mapping: one first-level entry named by the address it maps in the kernel's tables,
 * with the flush the caller wants. ABI: xen/xen.h, UVMF_*.
 */
#include "domain/preempt.h"
#include "guest/pv/tables.h"

static int mapping_update(uint64_t va, uint64_t value, struct domain *from)
{
    struct vcpu *v = current;
    struct domain *d = v->domain;
    uint64_t *slot;
    int rc = -EINVAL;

    spin_lock(&d->pv->tables_lock);
    slot = pv_walk(v->pv->kernel_table, va);
    /* Through a linear entry the slot found lies in a table of a higher level: not for this call. */
    if (likely(slot) && likely(frame_table_level(virt_to_frame(slot)) == 1))
        rc = l1_entry_update(slot, value, d, from, ENTRY_PLAIN, 0);
    spin_unlock(&d->pv->tables_lock);
    return rc;
}

static int mapping_flush(uint64_t va, uint64_t flags)
{
    uint64_t kind = flags & UVMF_FLUSHTYPE_MASK, where = flags & ~(uint64_t)UVMF_FLUSHTYPE_MASK;

    if (kind != UVMF_INVLPG && kind != UVMF_TLB_FLUSH)
        return 0;
    if (unlikely(where != UVMF_LOCAL))
        return pv_flush(where == UVMF_ALL, GUEST_ADDR(where), kind == UVMF_INVLPG ? va : TLB_FLUSH_ALL);
    if (likely(kind == UVMF_INVLPG))
        flush_page_here(va);
    else
        cr3_load(current->arch.cr3);
    return 0;
}

long pv_update_va_mapping(uint64_t va, uint64_t value, uint64_t flags, uint64_t, uint64_t)
{
    int rc;

    if (unlikely(pv_put_old_table(current)))
        return hypercall_continue(__HYPERVISOR_update_va_mapping, 3, va, value, flags);
    rc = mapping_update(va, value, current->domain);
    if (unlikely(rc)) {
        log_vcpu(LOG_WARNING, current, "update_va_mapping of %#lx to %#lx: error %d\n", va, value, rc);
        return rc;
    }
    return mapping_flush(va, flags);
}

long pv_update_va_mapping_otherdomain(uint64_t va, uint64_t value, uint64_t flags, uint64_t domid, uint64_t)
{
    struct frame *held;
    struct domain *from;
    int rc = pv_frames_owner((domid_t)domid, &from);

    if (rc)
        return rc;
    rc = pv_frames_translate(from, &value, &held);
    if (!rc)
        rc = mapping_update(va, value, from);
    if (held)
        frame_put(held);
    pv_frames_owner_put(from);
    return rc ? rc : mapping_flush(va, flags);
}
