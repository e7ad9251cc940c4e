// SPDX-License-Identifier: BSD-2-Clause
/*
 * HYPERVISOR_mmuext_op: pins, base pointers, flushes, the LDT, whole pages.  ABI: xen/xen.h, struct mmuext_op.
 *
 * An operation that was interrupted is tried again as it is, by a continuation that starts with it.
 */
#include "domain/preempt.h"
#include "guest/pv/tables.h"
#include "lib/string.h"
#include "mm/guest_copy.h"

/* ---- pins ---- */

/* The lock is held; both references are, and go to the pin. */
static int pin_set(struct frame *f, struct domain *d)
{
    if (domain_is_dying(d))
        return -EINVAL;
    return __atomic_fetch_or(&f->type, FRAME_PINNED, __ATOMIC_RELAXED) & FRAME_PINNED ? -EINVAL : 0;
}

/* The lock is held: f's reference and type reference, from a pin that went or never came to be. */
static void pin_put(struct frame *f)
{
    if (frame_put_type_preemptible(f))
        pv_old_table_set(f, false);
    else
        frame_put(f);
}

static int table_pin(mfn_t m, uint64_t type, struct domain *d)
{
    struct frame *f = mfn_to_frame(m);
    int rc;

    if (!mfn_valid(m))
        return -EINVAL;
    spin_lock(&d->pv->tables_lock);
    rc = frame_get_both(f, d, type);
    if (!rc) {
        rc = pin_set(f, d);
        dirty_log_frame(f); /* what it is to be at the other end */
        if (rc)
            pin_put(f);
    } else {
        pv_check_failed(f, d, rc);
    }
    spin_unlock(&d->pv->tables_lock);
    if (rc && rc != -ERESTART_LATER)
        log_vcpu(LOG_WARNING, current, "cannot pin %#lx as level %lu: error %d\n", m.value, type >> FRAME_TYPE_SHIFT, rc);
    return rc;
}

static int table_unpin(mfn_t m, struct domain *d)
{
    struct frame *f = mfn_to_frame(m);
    int rc = 0;

    if (!mfn_valid(m) || !frame_get(f, d))
        return -EINVAL;
    spin_lock(&d->pv->tables_lock);
    if (__atomic_fetch_and(&f->type, ~FRAME_PINNED, __ATOMIC_RELAXED) & FRAME_PINNED)
        pin_put(f);
    else
        rc = -EINVAL;
    dirty_log_frame(f);
    spin_unlock(&d->pv->tables_lock);
    frame_put(f);
    if (rc)
        log_vcpu(LOG_WARNING, current, "%#lx is not pinned\n", m.value);
    return rc;
}

/* ---- flushes ---- */

static int flush_cache(bool everywhere)
{
    struct domain *d = current->domain;

    if (!d->io_memory.count && !d->io_ports.count)
        return -EACCES;
    if (everywhere)
        tlb_flush_mask(&cpu_online_mask, TLB_FLUSH_ALL, TLB_FLUSH_CACHE);
    else
        tlb_flush_local(TLB_FLUSH_ALL, TLB_FLUSH_CACHE);
    return 0;
}

/* ---- whole pages ---- */

/* from: NULL for zeros. */
static int page_write(mfn_t to, const void *from, struct domain *d)
{
    struct frame *f = mfn_to_frame(to);

    if (!mfn_valid(to) || frame_get_both(f, d, FRAME_WRITABLE))
        return -EINVAL;
    if (from)
        memcpy(mfn_to_virt(to), from, PAGE_SIZE);
    else
        memset(mfn_to_virt(to), 0, PAGE_SIZE);
    dirty_log_frame(f);
    frame_put_both(f);
    return 0;
}

static int page_copy(mfn_t to, mfn_t from, struct domain *d)
{
    int rc;

    if (!mfn_valid(from) || !frame_get(mfn_to_frame(from), d))
        return -EINVAL;
    rc = page_write(to, mfn_to_virt(from), d);
    frame_put(mfn_to_frame(from));
    return rc;
}

/* Operations on pages that may be another domain's, but never on what belongs to no guest (I/O memory, firmware's tables). */
static int page_op(const struct mmuext_op *op, struct domain *owner)
{
    mfn_t m = MFN(op->arg1.mfn);

    if (unlikely(owner->is_system))
        return -EPERM;
    switch (op->cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
        return owner->pv ? table_pin(m, frame_level_type(op->cmd - MMUEXT_PIN_L1_TABLE + 1), owner) : -EINVAL;
    case MMUEXT_UNPIN_TABLE:
        return owner->pv ? table_unpin(m, owner) : -EINVAL;
    case MMUEXT_CLEAR_PAGE:
        return page_write(m, NULL, owner);
    case MMUEXT_COPY_PAGE:
        return page_copy(m, MFN(op->arg2.src_mfn), owner);
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER:
        return -EOPNOTSUPP;
    default:
        return -ENOSYS;
    }
}

/* Operations on the running vcpu and its domain. */
static int own_op(const struct mmuext_op *op)
{
    switch (op->cmd) {
    case MMUEXT_NEW_BASEPTR:
        return pv_new_kernel_table(current, MFN(op->arg1.mfn));
    case MMUEXT_NEW_USER_BASEPTR:
        return pv_new_user_table(current, MFN(op->arg1.mfn));
    case MMUEXT_TLB_FLUSH_LOCAL:
        cr3_load(current->arch.cr3);
        return 0;
    case MMUEXT_INVLPG_LOCAL:
        flush_page_here(op->arg1.linear_addr); /* of an address that is not canonical: does nothing */
        return 0;
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_TLB_FLUSH_ALL:
        return pv_flush(op->cmd == MMUEXT_TLB_FLUSH_ALL, GUEST_HANDLE(op->arg2.vcpumask), TLB_FLUSH_ALL);
    case MMUEXT_INVLPG_MULTI:
    case MMUEXT_INVLPG_ALL:
        if (!address_canonical(op->arg1.linear_addr))
            return 0;
        return pv_flush(op->cmd == MMUEXT_INVLPG_ALL, GUEST_HANDLE(op->arg2.vcpumask), op->arg1.linear_addr);
    case MMUEXT_FLUSH_CACHE:
        return flush_cache(false);
    case MMUEXT_FLUSH_CACHE_GLOBAL:
        return flush_cache(true);
    default:
        return pv_ldt_set(current, op->arg1.linear_addr, op->arg2.nr_ents);
    }
}

static bool op_is_own(unsigned cmd)
{
    return (cmd >= MMUEXT_NEW_BASEPTR && cmd <= MMUEXT_SET_LDT) || cmd == MMUEXT_NEW_USER_BASEPTR ||
           cmd == MMUEXT_FLUSH_CACHE_GLOBAL;
}

/* self: the owner is known to be the running domain. */
static ALWAYS_INLINE int op_do(uint64_t address, struct domain *owner, bool self)
{
    struct mmuext_op op;

    if (unlikely(guest_read(&op, GUEST_ADDR(address), sizeof(op))))
        return -EFAULT;
    if (!op_is_own(op.cmd))
        return page_op(&op, owner);
    return self || likely(owner == current->domain) ? own_op(&op) : -EPERM;
}

static int ops_do(uint64_t ops, uint64_t count, struct domain *owner, uint64_t *did)
{
    int rc = 0;

    while (*did < count) {
        if (*did && hypercall_should_stop())
            return -ERESTART_LATER;
        rc = op_do(ops + *did * sizeof(struct mmuext_op), owner, false);
        if (unlikely(rc))
            return rc;
        ++*did;
        if (unlikely(current->pv->old_table))
            return -ERESTART_LATER;
    }
    return 0;
}

long pv_mmuext_op(uint64_t ops, uint64_t count, uint64_t done, uint64_t domid, uint64_t)
{
    uint64_t did = 0, n = (uint32_t)count & ~MMU_UPDATE_PREEMPTED;
    struct domain *owner;
    int rc;

    if (likely(count == 1 && domid == DOMID_SELF && !current->pv->old_table)) {
        rc = op_do(ops, current->domain, true);
        if (likely(!rc && !done && !current->pv->old_table))
            return 0;
        did = !rc;
        rc = rc || !current->pv->old_table ? rc : -ERESTART_LATER;
    } else if (pv_put_old_table(current)) {
        rc = -ERESTART_LATER;
    } else {
        if (unlikely(!guest_range_ok(ops, n * sizeof(struct mmuext_op))))
            return -EFAULT;
        rc = pv_frames_owner((domid_t)domid, &owner);
        if (unlikely(rc))
            return rc;
        /* nothing here is for frames that have other names */
        rc = likely(!owner->is_hvm) ? ops_do(ops, n, owner, &did) : -EOPNOTSUPP;
        pv_frames_owner_put(owner);
    }
    return pv_batch_end(&(struct pv_batch){__HYPERVISOR_mmuext_op, sizeof(struct mmuext_op), ops, count, done, domid}, did, rc);
}
