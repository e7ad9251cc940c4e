// SPDX-License-Identifier: BSD-2-Clause
/*
 * How much memory a domain has: increase, decrease, populate, exchange (xen/memory.h).
 *
 * Batches stop between extents when work is pending and continue with the extent they reached.  Their result
 * is the number of extents done, so a guest that runs out of memory half way knows how far it came.
 */
#include "door/memory.h"

#include "guest/hvm.h"
#include "log.h"
#include "mm/dirty_log.h"
#include "mm/guest_form.h"
#include "mm/heap.h"

/* 2 MiB at once, for every domain: more would be cleared without a look at other work.  Who asks for more is told that
 * nothing was done, and asks for less. */
#define EXTENT_MAX_ORDER 9

struct reservation {
    struct domain *d;
    guest_addr_t extents;
    uint64_t count;
    unsigned order;
    unsigned width_bits;
    unsigned heap_flags; /* which node */
};

static void frames_name(struct frame *f, unsigned order, uint64_t gfn)
{
    for (uint64_t i = 0; i < 1UL << order; i++)
        m2p_set(frame_to_mfn(f + i), gfn == M2P_INVALID ? M2P_INVALID : gfn + i);
    if (frame_owner(f)->dirty_log)
        for (uint64_t i = 0; i < 1UL << order; i++)
            dirty_log_frame(f + i);
}

/* They leave their domain once their last reference goes. */
static void frames_surrender(struct frame *f, unsigned order)
{
    for (struct frame *end = f + (1UL << order); f < end; f++)
        if (__atomic_fetch_and(&f->refs, ~FRAME_ALLOCATED, __ATOMIC_ACQ_REL) & FRAME_ALLOCATED)
            frame_put(f);
}

static int extent_increase(const struct reservation *r, uint64_t index)
{
    struct frame *f = heap_alloc_domain(r->d, r->order, r->width_bits, r->heap_flags);

    if (!f)
        return -ENOMEM;
    frames_name(f, r->order, M2P_INVALID);
    if (r->d->is_hvm)
        return 0; /* without a place: there is no name to tell */
    return r->extents.value ? guest_write_word(r->extents, index, frame_to_mfn(f).value) : 0;
}

static int extent_populate(const struct reservation *r, uint64_t index)
{
    struct frame *f;
    uint64_t gfn;

    if (guest_read_word(&gfn, r->extents, index))
        return -EFAULT;
    f = heap_alloc_domain(r->d, r->order, r->width_bits, r->heap_flags);
    if (!f)
        return -ENOMEM;
    if (r->d->is_hvm) {
        int rc = physmap_populate(r->d, GFN(gfn), frame_to_mfn(f), r->order);

        if (rc)
            frames_surrender(f, r->order);
        return rc;
    }
    frames_name(f, r->order, gfn);
    return guest_write_word(r->extents, index, frame_to_mfn(f).value);
}

static int extent_decrease(const struct reservation *r, uint64_t index)
{
    uint64_t number;

    if (guest_read_word(&number, r->extents, index))
        return -EFAULT;
    if (r->d->is_hvm)
        return physmap_surrender(r->d, GFN(number), r->order);
    for (uint64_t i = 0; i < 1UL << r->order; i++) {
        struct frame *f;

        if (!mfn_valid(MFN(number + i)))
            return -EINVAL;
        f = mfn_to_frame(MFN(number + i));
        if (!frame_get(f, r->d))
            return -EINVAL;
        if (f->refs & FRAME_XEN_HEAP) {
            frame_put(f);
            return -EINVAL;
        }
        m2p_set(MFN(number + i), M2P_INVALID);
        frames_surrender(f, 0);
        frame_put(f);
    }
    return 0;
}

static int extent_do(unsigned command, const struct reservation *r, uint64_t index)
{
    if (command == XENMEM_increase_reservation)
        return extent_increase(r, index);
    return command == XENMEM_populate_physmap ? extent_populate(r, index) : extent_decrease(r, index);
}

static int reservation_decode(const struct call *c, const struct xen_memory_reservation *in, struct reservation *r)
{
    const unsigned width = XENMEMF_get_address_bits(in->mem_flags), node = XENMEMF_get_node(in->mem_flags);

    if (in->extent_order > EXTENT_MAX_ORDER)
        return -EPERM;
    if (in->nr_extents > (guest_is_32bit() ? UINT32_MAX : UINT64_MAX) >> MEMORY_COMMAND_BITS)
        return -E2BIG;
    if (in->mem_flags & XENMEMF_populate_on_demand)
        log_vcpu(LOG_WARNING, current,
                 "asks to populate domain %u on demand, which is not there: let it have memory as large as maxmem\n",
                 in->domid);
    if (in->mem_flags & (XENMEMF_populate_on_demand | XENMEMF_vnode))
        return -EINVAL;
    if (guest_addr_null(GUEST_HANDLE(in->extent_start)) && c->command != XENMEM_increase_reservation)
        return -EFAULT;
    *r = (struct reservation){
        .d = c->d,
        .extents = GUEST_HANDLE(in->extent_start),
        .count = in->nr_extents,
        .order = in->extent_order,
        .width_bits = width ? width : HEAP_ANY_WIDTH,
    };
    if (node != XENMEMF_get_node(0))
        r->heap_flags = HEAP_NODE(node) | (in->mem_flags & XENMEMF_exact_node_request ? HEAP_NODE_ONLY : 0);
    return 0;
}

/* How many extents were done; an error: nothing, or as many as before. */
long memory_reservation(struct call *c)
{
    struct reservation r;
    int rc = reservation_decode(c, c->arg, &r);

    if (rc || c->start > r.count)
        return rc ? rc : -EINVAL;
    for (; c->start < r.count && !extent_do(c->command, &r, c->start); c->start++)
        if (c->start + 1 < r.count && hypercall_should_stop()) {
            c->start++;
            return -ERESTART_LATER;
        }
    return (long)c->start;
}

/* ---- exchange ---- */

struct exchange {
    struct reservation in, out;
    unsigned chunk_order;  /* frames traded at a time: the larger of the two orders */
    uint64_t in_per_chunk; /* extents */
    uint64_t out_per_chunk;
};

static void extents_free(struct frame_list *extents, unsigned order)
{
    struct frame *f;

    while ((f = frame_list_first(extents)) != NULL) {
        frame_list_remove(extents, f);
        heap_free_domain(f, order);
    }
}

/* Takes the frames of one chunk away from the domain; on errors too, some. */
static int chunk_take(const struct exchange *x, uint64_t chunk, struct frame_list *taken)
{
    uint64_t numbers[64], first = chunk * x->in_per_chunk;
    unsigned count = 0;
    int rc = 0;

    for (uint64_t i = 0; !rc && i < x->in_per_chunk; i += count) {
        count = (unsigned)min(x->in_per_chunk - i, ARRAY_SIZE(numbers));
        rc = guest_read(numbers, guest_element(x->in.extents, first + i, sizeof(xen_pfn_t)), count * sizeof(xen_pfn_t));
        if (!rc)
            rc = heap_steal_extents(x->in.d, numbers, count, x->in.order, taken);
    }
    return rc;
}

/* The extents of one chunk: parts of one block if there is one, which costs least. */
static int chunk_allocate(const struct exchange *x, struct frame_list *fresh)
{
    struct frame *block = NULL;

    if (x->out_per_chunk > 1)
        block = heap_alloc_domain(x->out.d, x->chunk_order, x->out.width_bits, HEAP_NO_OWNER);
    for (uint64_t i = 0; block && i < x->out_per_chunk; i++)
        frame_list_add(fresh, block + (i << x->out.order));
    for (uint64_t i = 0; !block && i < x->out_per_chunk; i++) {
        struct frame *f = heap_alloc_domain(x->out.d, x->out.order, x->out.width_bits, HEAP_NO_OWNER);

        if (!f) {
            extents_free(fresh, x->out.order);
            return -ENOMEM;
        }
        frame_list_add(fresh, f);
    }
    return 0;
}

/* Hands the new extents over: each to the guest frame number its list names. */
static int chunk_deliver(const struct exchange *x, uint64_t chunk, struct frame_list *fresh)
{
    int rc = 0;

    for (uint64_t i = 0; i < x->out_per_chunk; i++) {
        uint64_t index = chunk * x->out_per_chunk + i, gfn;
        struct frame *f = frame_list_first(fresh);

        frame_list_remove(fresh, f);
        if (guest_read_word(&gfn, x->out.extents, index)) {
            rc = -EFAULT;
            gfn = M2P_INVALID;
        }
        if (heap_assign(x->out.d, f, x->out.order, 0)) {
            heap_free_domain(f, x->out.order);
            rc = -EINVAL;
            continue;
        }
        frames_name(f, x->out.order, gfn);
        if (!rc)
            rc = guest_write_word(x->out.extents, index, frame_to_mfn(f).value);
    }
    return rc;
}

static int chunk_exchange(const struct exchange *x, uint64_t chunk)
{
    struct frame_list taken, fresh;
    struct frame *f;
    int rc;

    frame_list_init(&taken);
    frame_list_init(&fresh);
    rc = chunk_take(x, chunk, &taken);
    if (!rc)
        rc = chunk_allocate(x, &fresh);
    if (rc) {
        heap_give_back(x->in.d, &taken);
        return rc;
    }
    for (f = frame_list_first(&taken); f; f = frame_list_next(f))
        m2p_set(frame_to_mfn(f), M2P_INVALID);
    heap_free_list(&taken);
    return chunk_deliver(x, chunk, &fresh);
}

static int exchange_decode(const struct call *c, struct exchange *x)
{
    const struct xen_memory_exchange *args = c->arg;
    int rc;

    if (args->in.domid != args->out.domid || args->in.extent_order > EXTENT_MAX_ORDER ||
        args->out.extent_order > EXTENT_MAX_ORDER || args->in.nr_extents > UINT64_MAX >> args->in.extent_order ||
        args->in.nr_extents << args->in.extent_order != args->out.nr_extents << args->out.extent_order)
        return -EINVAL;
    rc = reservation_decode(c, &args->in, &x->in);
    if (!rc)
        rc = reservation_decode(c, &args->out, &x->out);
    if (rc)
        return rc;
    x->chunk_order = max(x->in.order, x->out.order);
    x->in_per_chunk = 1UL << (x->chunk_order - x->in.order);
    x->out_per_chunk = 1UL << (x->chunk_order - x->out.order);
    if (args->nr_exchanged > x->in.count || args->nr_exchanged & (x->in_per_chunk - 1) ||
        x->in.count & (x->in_per_chunk - 1))
        return -EINVAL;
    return c->d->is_hvm ? -EOPNOTSUPP : 0;
}

/* The argument tells how many extents were taken, whatever comes then. */
long memory_exchange(struct call *c)
{
    struct xen_memory_exchange *args = c->arg;
    struct exchange x;
    long rc = exchange_decode(c, &x);

    if (rc)
        return rc;
    while (!rc && args->nr_exchanged < x.in.count) {
        rc = chunk_exchange(&x, args->nr_exchanged / x.in_per_chunk);
        if (!rc)
            args->nr_exchanged += x.in_per_chunk;
        if (!rc && args->nr_exchanged < x.in.count && hypercall_should_stop())
            rc = -ERESTART_LATER;
    }
    if (guest_write(guest_element(c->at, offsetof(struct xen_memory_exchange, nr_exchanged), 1), &args->nr_exchanged,
                    sizeof(args->nr_exchanged)))
        return -EFAULT;
    return rc;
}
