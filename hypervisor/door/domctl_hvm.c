// SPDX-License-Identifier: BSD-2-Clause
/*
 * Control operations on hardware-assisted guests alone (xen/domctl.h): the state of a domain in records, and the pool its nested
 * page tables are made of.
 */
#include "door/domctl.h"
#include "errno.h"
#include "guest/hvm.h"
#include "mm/heap.h"

/* A guest has 128 vcpus at most, of a few pages each. */
#define STATE_SIZE_MAX (4UL << 20)

/* The state of d in a buffer of its own; *size bytes. NULL when memory is short. */
static void *state_take(struct domain *d, size_t *size)
{
    void *state = mem_alloc(hvm_state_size(d), _Alignof(uint64_t));

    if (!state)
        return NULL;
    domain_pause(d);
    *size = hvm_state_save(d, state);
    domain_unpause(d);
    return state;
}

long domctl_get_hvm_context(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_hvmcontext *c = &op->u.hvmcontext;
    long result = 0;
    void *state;
    size_t size;

    if (!d->is_hvm)
        return -EINVAL;
    if (guest_addr_null(GUEST_HANDLE(c->buffer))) {
        c->size = (uint32_t)hvm_state_size(d);
        return 0;
    }
    state = state_take(d, &size);
    if (!state)
        return -ENOMEM;
    if (c->size < size)
        result = -ENOSPC;
    else if (guest_write(GUEST_HANDLE(c->buffer), state, size))
        result = -EFAULT;
    else
        c->size = (uint32_t)size;
    mem_free(state);
    return result;
}

long domctl_set_hvm_context(struct domain *d, struct xen_domctl *op)
{
    const struct xen_domctl_hvmcontext *c = &op->u.hvmcontext;
    long result;
    void *state;

    if (!d->is_hvm || !c->size)
        return -EINVAL;
    if (c->size > STATE_SIZE_MAX)
        return -E2BIG;
    state = mem_alloc(c->size, _Alignof(uint64_t));
    if (!state)
        return -ENOMEM;
    result = guest_read(state, GUEST_HANDLE(c->buffer), c->size);
    if (!result) {
        domain_pause(d);
        result = hvm_state_load(d, state, c->size);
        domain_unpause(d);
    }
    mem_free(state);
    return result;
}

/* One record, without its descriptor. */
long domctl_get_hvm_record(struct domain *d, struct xen_domctl *op)
{
    struct xen_domctl_hvmcontext_partial *p = &op->u.hvmcontext_partial;
    const void *record;
    uint32_t length;
    long result = 0;
    void *state;
    size_t size;

    if (!d->is_hvm)
        return -EINVAL;
    state = state_take(d, &size);
    if (!state)
        return -ENOMEM;
    record = hvm_state_find(state, size, p->type, p->instance, &length);
    if (!record)
        result = -ENOENT;
    else if (!guest_addr_null(GUEST_HANDLE(p->buffer)) && p->bufsz < length)
        result = -ENOSPC;
    else if (!guest_addr_null(GUEST_HANDLE(p->buffer)))
        result = guest_write(GUEST_HANDLE(p->buffer), record, length);
    if (!result)
        p->bufsz = length;
    mem_free(state);
    return result;
}

long domctl_get_paging_pool(struct domain *d, struct xen_domctl *op)
{
    if (!d->is_hvm)
        return -EOPNOTSUPP;
    op->u.paging_mempool.size = physmap_pool_get(d);
    return 0;
}

long domctl_set_paging_pool(struct domain *d, struct xen_domctl *op)
{
    if (!d->is_hvm)
        return -EOPNOTSUPP;
    if (op->u.paging_mempool.size & ~PAGE_MASK)
        return -EINVAL;
    return physmap_pool_set(d, op->u.paging_mempool.size);
}
