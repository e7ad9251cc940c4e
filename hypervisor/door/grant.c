// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hypercall grant_table_op: batches of elements, each with its own status (xen/grant_table.h).
 *
 * A batch that is interrupted is issued again with the pointer advanced and the count reduced: elements that
 * are done carry their status already.
 */
#include "door/handlers.h"
#include "door/operation.h"
#include "grant/grant.h"
#include "mm/guest_form.h"
#include "mm/heap.h"

/* Writes the status of an element at c->at back. */
#define WRITE_STATUS(c, offset, status) guest_write(GUEST_ADDR((c)->at.value + (offset)), &(status), sizeof(status))
#define STATUS_OFFSET(type, form) guest_form_offset(form, offsetof(struct type, status))

/* ---- batches ---- */

/*
 * Does c->count elements of that size, up to most of them at once, and gives way between.  0, an element's error,
 * -ERESTART_LATER with what is left in c.  In line, so that the elements' function is.
 */
static inline __attribute__((always_inline)) long batch_run(struct call *c, size_t size, unsigned most,
                                                            long (*elements)(struct call *, unsigned count))
{
    long rc = 0;

    while (c->count && !rc) {
        unsigned count = (unsigned)min_t(uint64_t, c->count, most);

        rc = elements(c, count);
        c->at = guest_element(c->at, count, size);
        c->count -= count;
        if (!rc && c->count && hypercall_should_stop())
            rc = -ERESTART_LATER;
    }
    return rc;
}

static long map_element(struct call *c, unsigned)
{
    struct gnttab_map_grant_ref op;

    if (guest_read(&op, c->at, sizeof(op)))
        return -EFAULT;
    grant_map(&op);
    if (!guest_write(c->at, &op, sizeof(op)))
        return 0;
    if (op.status == GNTST_okay) /* the handle cannot be told */
        grant_unmap(&(struct grant_unmap){
            .host_addr = op.host_addr, .dev_bus_addr = op.dev_bus_addr, .handle = op.handle}, 1);
    return -EFAULT;
}

/* The two forms of unmapping differ in their second field: another mapping to undo, or the address whose entry is moved in. */
#define SAME_PLACE(field, other)                                                                                 \
    BUILD_ASSERT(offsetof(struct gnttab_unmap_grant_ref, field) == offsetof(struct gnttab_unmap_and_replace, other))
SAME_PLACE(host_addr, host_addr);
SAME_PLACE(dev_bus_addr, new_addr);
SAME_PLACE(handle, handle);
SAME_PLACE(status, status);

/* Up to GRANT_UNMAP_BATCH of them: what could be read is carried out even if a later one faults. */
static long unmap_elements(struct call *c, unsigned count)
{
    const guest_addr_t statuses = guest_element(c->at, offsetof(struct gnttab_unmap_grant_ref, status), 1);
    struct grant_unmap ops[GRANT_UNMAP_BATCH];
    struct gnttab_unmap_grant_ref element;
    unsigned read;
    long rc = 0;

    for (read = 0; read < count; read++) {
        rc = guest_read(&element, guest_element(c->at, read, sizeof(element)), sizeof(element));
        if (rc)
            break;
        ops[read] = (struct grant_unmap){.host_addr = element.host_addr, .handle = element.handle};
        if (c->command == GNTTABOP_unmap_grant_ref)
            ops[read].dev_bus_addr = element.dev_bus_addr;
        else
            ops[read].new_addr = element.dev_bus_addr;
    }
    grant_unmap(ops, read);
    for (unsigned i = 0; i < read; i++)
        if (guest_write(guest_element(statuses, i, sizeof(element)), &ops[i].status, sizeof(ops[i].status)))
            rc = -EFAULT;
    return rc;
}

static long copy_element(struct call *c, unsigned)
{
    struct gnttab_copy op;

    if (guest_read_form(&op, c->at, sizeof(op), FORM_GRANT_COPY))
        return -EFAULT;
    grant_copy(c->arg, &op);
    return WRITE_STATUS(c, STATUS_OFFSET(gnttab_copy, FORM_GRANT_COPY), op.status);
}

static long do_copy(struct call *c)
{
    struct grant_copy_batch batch;
    long rc;

    batch.source.claimed = batch.dest.claimed = false;
    batch.source.transit = batch.dest.transit = NULL;
    c->arg = &batch;
    rc = batch_run(c, guest_form_size(FORM_GRANT_COPY, sizeof(struct gnttab_copy)), 1, copy_element);
    c->arg = NULL;
    grant_copy_finish(&batch);
    return rc;
}

static long transfer_element(struct call *c, unsigned)
{
    struct gnttab_transfer op;

    if (guest_read_form(&op, c->at, sizeof(op), FORM_TRANSFER))
        return -EFAULT;
    grant_transfer(&op);
    return WRITE_STATUS(c, STATUS_OFFSET(gnttab_transfer, FORM_TRANSFER), op.status);
}

static long swap_element(struct call *c, unsigned)
{
    struct gnttab_swap_grant_ref op;

    if (guest_read(&op, c->at, sizeof(op)))
        return -EFAULT;
    op.status = (int16_t)grant_swap(current->domain, op.ref_a, op.ref_b);
    return WRITE_STATUS(c, offsetof(struct gnttab_swap_grant_ref, status), op.status);
}

static long flush_element(struct call *c, unsigned)
{
    struct gnttab_cache_flush op;

    return guest_read(&op, c->at, sizeof(op)) ? -EFAULT : grant_cache_flush(current->domain, &op);
}

/* ---- the table itself ---- */

/* The domain an operation is about, if the caller may ask; referenced.  GNTST_*. */
static int16_t grant_target(domid_t id, struct domain **d)
{
    *d = domain_get_or_self(id);
    if (!*d)
        return GNTST_bad_domain;
    if (*d == current->domain || !permission_control(*d))
        return GNTST_okay;
    domain_put(*d);
    return GNTST_permission_denied;
}

typedef int (*frames_fn)(struct domain *d, uint32_t nr_frames, uint64_t *frames, int16_t *status);

/*
 * Frame numbers of the table or its status array, at most what d could ever have, into the guest's list, of width bytes each.
 * 0 or -ERESTART_LATER.
 */
static int list_frames(domid_t id, uint32_t nr_frames, guest_addr_t list, size_t width, frames_fn fn, int16_t *status)
{
    struct gnttab_query_size size;
    uint64_t *frames = NULL;
    struct domain *d;
    int rc = 0;

    *status = grant_target(id, &d);
    if (*status)
        return 0;
    grant_query_size(d, &size);
    if (nr_frames <= size.max_nr_frames)
        frames = mem_new_array(uint64_t, max_t(uint32_t, nr_frames, 1));
    *status = GNTST_general_error;
    if (frames)
        rc = fn(d, nr_frames, frames, status);
    for (uint32_t i = 0; !rc && *status == GNTST_okay && i < nr_frames; i++)
        if (guest_write(guest_element(list, i, width), &frames[i], width))
            *status = GNTST_bad_virt_addr;
    mem_free(frames);
    domain_put(d);
    return rc;
}

static long setup_table(struct call *c)
{
    struct gnttab_setup_table *op = c->arg;

    return list_frames(op->dom, op->nr_frames, GUEST_HANDLE(op->frame_list), guest_word_size(), grant_setup_table,
                       &op->status);
}

static long get_status_frames(struct call *c)
{
    struct gnttab_get_status_frames *op = c->arg;

    return list_frames(op->dom, op->nr_frames, GUEST_HANDLE(op->frame_list), sizeof(uint64_t), grant_get_status_frames,
                       &op->status);
}

static long query_size(struct call *c)
{
    struct gnttab_query_size *op = c->arg;
    struct domain *d;

    op->status = grant_target(op->dom, &d);
    if (!op->status) {
        grant_query_size(d, op);
        domain_put(d);
    }
    return 0;
}

static long set_version(struct call *c)
{
    return grant_set_version(c->d, &((struct gnttab_set_version *)c->arg)->version);
}

static long get_version(struct call *c)
{
    return grant_get_version(c->d, &((struct gnttab_get_version *)c->arg)->version);
}

static const struct operation operations[] = {
    [GNTTABOP_setup_table] = OPERATION(setup_table, gnttab_setup_table, OP_ONE | OP_ANSWER, .form = FORM_SETUP_TABLE),
    [GNTTABOP_query_size] = OPERATION(query_size, gnttab_query_size, OP_ONE | OP_ANSWER),
    [GNTTABOP_set_version] = OPERATION(set_version, gnttab_set_version, OP_ANSWER | OP_EXPLAIN),
    [GNTTABOP_get_status_frames] =
        OPERATION(get_status_frames, gnttab_get_status_frames, OP_ONE | OP_ANSWER, .form = FORM_STATUS_FRAMES),
    [GNTTABOP_get_version] = OPERATION(get_version, gnttab_get_version, OP_ANSWER | OP_DOMAIN | OP_OWN),
};

static long grant_operation(struct call *c)
{
    switch (c->command) {
    case GNTTABOP_map_grant_ref:
        return batch_run(c, sizeof(struct gnttab_map_grant_ref), 1, map_element);
    case GNTTABOP_unmap_grant_ref:
    case GNTTABOP_unmap_and_replace:
        return batch_run(c, sizeof(struct gnttab_unmap_grant_ref), GRANT_UNMAP_BATCH, unmap_elements);
    case GNTTABOP_copy:
        return do_copy(c);
    case GNTTABOP_transfer:
        return batch_run(c, guest_form_size(FORM_TRANSFER, sizeof(struct gnttab_transfer)), 1, transfer_element);
    case GNTTABOP_swap_grant_ref:
        return batch_run(c, sizeof(struct gnttab_swap_grant_ref), 1, swap_element);
    case GNTTABOP_cache_flush:
        return batch_run(c, sizeof(struct gnttab_cache_flush), 1, flush_element);
    default:
        return operation_run(operations, ARRAY_SIZE(operations), c);
    }
}

long grant_table_op(uint64_t command, uint64_t elements, uint64_t count, uint64_t, uint64_t)
{
    struct call c; /* the rest is for operation_run() */
    long rc;

    c.command = (uint32_t)command;
    c.at = GUEST_ADDR(elements);
    c.count = (uint32_t)count;
    if ((int32_t)c.count < 0)
        return -EINVAL;
    rc = grant_operation(&c);
    return rc == -ERESTART_LATER
               ? hypercall_continue(__HYPERVISOR_grant_table_op, 3, (uint64_t)c.command, c.at.value, c.count) : rc;
}
