// SPDX-License-Identifier: BSD-2-Clause
/*
 * Control operations on hardware-assisted guests alone (xen/domctl.h): the state of a domain in records, and the pool its nested
 * page tables are made of.
 */
#include "door/domctl.h"
#include "guest/hvm.h"
#include "mm/heap.h"

/* A guest has 128 vcpus at most, of a few pages each. */
#define STATE_SIZE_MAX (4UL << 20)

/* The state of d, which is paused, in a buffer of its own; *size bytes. NULL when memory is short. */
static void *state_take(struct domain *d, size_t *size)
{
    void *state = mem_alloc(hvm_state_size(d), _Alignof(uint64_t));

    if (state)
        *size = hvm_state_save(d, state);
    return state;
}

long domctl_get_hvm_context(struct call *c)
{
    struct xen_domctl_hvmcontext *h = &c->domctl->u.hvmcontext;
    long result = 0;
    void *state;
    size_t size;

    if (!c->d->is_hvm)
        return -EINVAL;
    if (guest_addr_null(GUEST_HANDLE(h->buffer))) {
        h->size = (uint32_t)hvm_state_size(c->d);
        return 0;
    }
    state = state_take(c->d, &size);
    if (!state)
        return -ENOMEM;
    if (h->size < size)
        result = -ENOSPC;
    else if (guest_write(GUEST_HANDLE(h->buffer), state, size))
        result = -EFAULT;
    h->size = (uint32_t)size;
    mem_free(state);
    return result;
}

long domctl_set_hvm_context(struct call *c)
{
    const struct xen_domctl_hvmcontext *h = &c->domctl->u.hvmcontext;
    long result;
    void *state;

    if (!c->d->is_hvm || !h->size)
        return -EINVAL;
    if (h->size > STATE_SIZE_MAX)
        return -E2BIG;
    state = argument_copy(GUEST_HANDLE(h->buffer), h->size, &result);
    if (state)
        result = hvm_state_load(c->d, state, h->size);
    mem_free(state);
    return result;
}

/* One record, without its descriptor. */
long domctl_get_hvm_record(struct call *c)
{
    struct xen_domctl_hvmcontext_partial *p = &c->domctl->u.hvmcontext_partial;
    const guest_addr_t buffer = GUEST_HANDLE(p->buffer);
    const void *record;
    uint32_t length;
    long result = 0;
    void *state;
    size_t size;

    if (!c->d->is_hvm)
        return -EINVAL;
    state = state_take(c->d, &size);
    if (!state)
        return -ENOMEM;
    record = hvm_state_find(state, size, p->type, p->instance, &length);
    if (!record)
        result = -ENOENT;
    else if (!guest_addr_null(buffer))
        result = p->bufsz < length ? -ENOSPC : guest_write(buffer, record, length);
    if (!result)
        p->bufsz = length;
    mem_free(state);
    return result;
}

/* Both ways: what the pool has, and what it shall have. */
long domctl_paging_pool(struct call *c)
{
    struct xen_domctl_paging_mempool *pool = &c->domctl->u.paging_mempool;

    if (!c->d->is_hvm)
        return -EOPNOTSUPP;
    if (c->command == XEN_DOMCTL_set_paging_mempool_size)
        return pool->size & ~PAGE_MASK ? -EINVAL : physmap_pool_set(c->d, pool->size);
    pool->size = physmap_pool_get(c->d);
    return 0;
}
