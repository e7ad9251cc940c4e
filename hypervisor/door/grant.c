// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hypercall grant_table_op: batches of elements, each with its own status (xen/grant_table.h).
 *
 * A batch that is interrupted is issued again with the pointer advanced and the count reduced: elements that
 * are done carry their status already.
 */
#include "door/handlers.h"
#include "door/hypercall.h"
#include "errno.h"
#include "grant/grant.h"
#include "lib/base.h"
#include "lib/string.h"
#include "mm/guest_form.h"
#include "mm/heap.h"

/* Writes one field of an element back: of one that has two forms, and of one that has not. */
#define WRITE_FIELD_AT(address, offset, what) guest_write(GUEST_ADDR((address).value + (offset)), &(what), sizeof(what))
#define WRITE_FIELD_FORM(address, element, field, form)                                                          \
    WRITE_FIELD_AT(address, guest_form_offset(form, offsetof(__typeof__(element), field)), (element).field)
#define WRITE_FIELD(address, element, field)                                                                     \
    WRITE_FIELD_AT(address, offsetof(__typeof__(element), field), (element).field)

static long continue_batch(unsigned command, guest_addr_t elements, uint64_t done, size_t size,
                           uint64_t count)
{
    return hypercall_continue(__HYPERVISOR_grant_table_op, 3, (uint64_t)command,
                              guest_element(elements, done, size).value, count - done);
}

/* ---- batches ---- */

/* The handle cannot be told. */
static void map_undo(const struct gnttab_map_grant_ref *op)
{
    struct grant_unmap u = {
        .host_addr = op->host_addr, .dev_bus_addr = op->dev_bus_addr, .handle = op->handle};

    if (op->status == GNTST_okay)
        grant_unmap(&u, 1);
}

static long do_map(guest_addr_t elements, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        guest_addr_t address = guest_element(elements, i, sizeof(struct gnttab_map_grant_ref));
        struct gnttab_map_grant_ref op;

        if (i && hypercall_should_stop())
            return continue_batch(GNTTABOP_map_grant_ref, elements, i, sizeof(op), count);
        if (guest_read(&op, address, sizeof(op)))
            return -EFAULT;
        grant_map(&op);
        if (guest_write(address, &op, sizeof(op))) {
            map_undo(&op);
            return -EFAULT;
        }
    }
    return 0;
}

/* The two forms of unmapping differ in their elements only. */
struct unmap_form {
    unsigned command;
    size_t size, status;
    void (*decode)(const void *element, struct grant_unmap *u);
};

static void decode_unmap(const void *element, struct grant_unmap *u)
{
    const struct gnttab_unmap_grant_ref *op = element;

    u->host_addr = op->host_addr;
    u->dev_bus_addr = op->dev_bus_addr;
    u->handle = op->handle;
}

static void decode_replace(const void *element, struct grant_unmap *u)
{
    const struct gnttab_unmap_and_replace *op = element;

    u->host_addr = op->host_addr;
    u->new_addr = op->new_addr;
    u->handle = op->handle;
}

static const struct unmap_form unmap_form = {
    GNTTABOP_unmap_grant_ref, sizeof(struct gnttab_unmap_grant_ref),
    offsetof(struct gnttab_unmap_grant_ref, status), decode_unmap,
};
static const struct unmap_form replace_form = {
    GNTTABOP_unmap_and_replace, sizeof(struct gnttab_unmap_and_replace),
    offsetof(struct gnttab_unmap_and_replace, status), decode_replace,
};

union unmap_element {
    struct gnttab_unmap_grant_ref unmap;
    struct gnttab_unmap_and_replace replace;
};

/*
 * Up to a batch, starting at element `first`: what could be read is carried out even if a later one faults.
 */
static int unmap_some(const struct unmap_form *form, guest_addr_t elements, uint64_t first, unsigned count)
{
    struct grant_unmap ops[GRANT_UNMAP_BATCH];
    unsigned read = 0;
    int rc = 0;

    for (; read < count && !rc; read++) {
        union unmap_element element;

        rc = guest_read(&element, guest_element(elements, first + read, form->size), form->size);
        if (rc)
            break;
        ops[read] = (struct grant_unmap){0};
        form->decode(&element, &ops[read]);
    }
    grant_unmap(ops, read);
    for (unsigned i = 0; i < read; i++) {
        guest_addr_t address = guest_element(elements, first + i, form->size);

        if (guest_write(GUEST_ADDR(address.value + form->status), &ops[i].status, sizeof(ops[i].status)))
            rc = -EFAULT;
    }
    return rc;
}

static long do_unmap_form(const struct unmap_form *form, guest_addr_t elements, uint64_t count)
{
    for (uint64_t i = 0; i < count; i += GRANT_UNMAP_BATCH) {
        int rc;

        if (i && hypercall_should_stop())
            return continue_batch(form->command, elements, i, form->size, count);
        rc = unmap_some(form, elements, i, (unsigned)min_t(uint64_t, count - i, GRANT_UNMAP_BATCH));
        if (rc)
            return rc;
    }
    return 0;
}

static long do_unmap(guest_addr_t elements, uint64_t count)
{
    return do_unmap_form(&unmap_form, elements, count);
}

static long do_unmap_and_replace(guest_addr_t elements, uint64_t count)
{
    return do_unmap_form(&replace_form, elements, count);
}

static long do_copy(guest_addr_t elements, uint64_t count)
{
    const size_t size = guest_form_size(FORM_GRANT_COPY, sizeof(struct gnttab_copy));
    struct grant_copy_batch batch;
    long rc = 0;

    batch.source.claimed = batch.dest.claimed = false;
    batch.source.transit = batch.dest.transit = NULL;
    for (uint64_t i = 0; i < count; i++) {
        guest_addr_t address = guest_element(elements, i, size);
        struct gnttab_copy op;

        if (i && hypercall_should_stop()) {
            rc = continue_batch(GNTTABOP_copy, elements, i, size, count);
            break;
        }
        rc = guest_read_form(&op, address, sizeof(op), FORM_GRANT_COPY);
        if (rc)
            break;
        grant_copy(&batch, &op);
        rc = WRITE_FIELD_FORM(address, op, status, FORM_GRANT_COPY);
        if (rc)
            break;
    }
    grant_copy_finish(&batch);
    return rc;
}

static long do_transfer(guest_addr_t elements, uint64_t count)
{
    const size_t size = guest_form_size(FORM_TRANSFER, sizeof(struct gnttab_transfer));

    for (uint64_t i = 0; i < count; i++) {
        guest_addr_t address = guest_element(elements, i, size);
        struct gnttab_transfer op;

        if (i && hypercall_should_stop())
            return continue_batch(GNTTABOP_transfer, elements, i, size, count);
        if (guest_read_form(&op, address, sizeof(op), FORM_TRANSFER))
            return -EFAULT;
        grant_transfer(&op);
        if (WRITE_FIELD_FORM(address, op, status, FORM_TRANSFER))
            return -EFAULT;
    }
    return 0;
}

static long do_swap(guest_addr_t elements, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        guest_addr_t address = guest_element(elements, i, sizeof(struct gnttab_swap_grant_ref));
        struct gnttab_swap_grant_ref op;

        if (i && hypercall_should_stop())
            return continue_batch(GNTTABOP_swap_grant_ref, elements, i, sizeof(op), count);
        if (guest_read(&op, address, sizeof(op)))
            return -EFAULT;
        op.status = (int16_t)grant_swap(current->domain, op.ref_a, op.ref_b);
        if (WRITE_FIELD(address, op, status))
            return -EFAULT;
    }
    return 0;
}

static long do_cache_flush(guest_addr_t elements, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        guest_addr_t address = guest_element(elements, i, sizeof(struct gnttab_cache_flush));
        struct gnttab_cache_flush op;
        int rc;

        if (i && hypercall_should_stop())
            return continue_batch(GNTTABOP_cache_flush, elements, i, sizeof(op), count);
        if (guest_read(&op, address, sizeof(op)))
            return -EFAULT;
        rc = grant_cache_flush(current->domain, &op);
        if (rc)
            return rc;
    }
    return 0;
}

/* ---- the table itself ---- */

/* The domain an operation is about, if the caller may ask; referenced.  GNTST_*. */
static int16_t grant_target(domid_t id, struct domain **d)
{
    int16_t status = GNTST_okay;

    *d = domain_get_or_self(id);
    if (!*d)
        return GNTST_bad_domain;
    if (!(*d)->grant)
        status = GNTST_bad_domain;
    else if (*d != current->domain && permission_control(*d))
        status = GNTST_permission_denied;
    if (status)
        domain_put(*d);
    return status;
}

/* Room for frame numbers; at most what d could ever have. */
static uint64_t *frames_buffer(struct domain *d, uint32_t nr_frames, int16_t *status)
{
    struct gnttab_query_size size;
    uint64_t *frames;

    grant_query_size(d, &size);
    *status = GNTST_general_error;
    if (nr_frames > size.max_nr_frames)
        return NULL;
    frames = mem_new_array(uint64_t, max_t(uint32_t, nr_frames, 1));
    if (frames)
        *status = GNTST_okay;
    return frames;
}

typedef int (*frames_fn)(struct domain *d, uint32_t nr_frames, uint64_t *frames, int16_t *status);

/* Frame numbers of the table or its status array into the guest's list, of width bytes each.  0 or -ERESTART_LATER. */
static int list_frames(domid_t id, uint32_t nr_frames, guest_addr_t list, size_t width, frames_fn fn, int16_t *status)
{
    uint64_t *frames;
    struct domain *d;
    int rc = 0;

    *status = grant_target(id, &d);
    if (*status)
        return 0;
    frames = frames_buffer(d, nr_frames, status);
    if (frames)
        rc = fn(d, nr_frames, frames, status);
    for (uint32_t i = 0; !rc && *status == GNTST_okay && i < nr_frames; i++)
        if (guest_write(guest_element(list, i, width), &frames[i], width))
            *status = GNTST_bad_virt_addr;
    mem_free(frames);
    domain_put(d);
    return rc;
}

static long do_setup_table(guest_addr_t address, uint64_t count)
{
    struct gnttab_setup_table op;

    if (count != 1)
        return -EINVAL;
    if (guest_read_form(&op, address, sizeof(op), FORM_SETUP_TABLE))
        return -EFAULT;
    if (list_frames(op.dom, op.nr_frames, GUEST_HANDLE(op.frame_list), guest_word_size(), grant_setup_table, &op.status))
        return continue_batch(GNTTABOP_setup_table, address, 0, 0, count);
    return WRITE_FIELD(address, op, status);
}

static long do_get_status_frames(guest_addr_t address, uint64_t count)
{
    struct gnttab_get_status_frames op;

    if (count != 1)
        return -EINVAL;
    if (guest_read_form(&op, address, sizeof(op), FORM_STATUS_FRAMES))
        return -EFAULT;
    list_frames(op.dom, op.nr_frames, GUEST_HANDLE(op.frame_list), sizeof(uint64_t), grant_get_status_frames, &op.status);
    return WRITE_FIELD(address, op, status);
}

static long do_query_size(guest_addr_t address, uint64_t count)
{
    struct gnttab_query_size op;
    struct domain *d;

    if (count != 1)
        return -EINVAL;
    if (guest_read(&op, address, sizeof(op)))
        return -EFAULT;
    op.status = grant_target(op.dom, &d);
    if (!op.status) {
        grant_query_size(d, &op);
        domain_put(d);
    }
    return guest_write(address, &op, sizeof(op));
}

static long do_set_version(guest_addr_t address, uint64_t count)
{
    struct gnttab_set_version op;
    int rc;

    (void)count;
    if (guest_read(&op, address, sizeof(op)))
        return -EFAULT;
    rc = grant_set_version(current->domain, &op.version);
    if ((!rc || rc == -EBUSY || rc == -ERANGE) && guest_write(address, &op, sizeof(op)))
        return -EFAULT;
    return rc;
}

static long do_get_version(guest_addr_t address, uint64_t count)
{
    struct gnttab_get_version op;
    struct domain *d;
    int rc;

    (void)count;
    if (guest_read(&op, address, sizeof(op)))
        return -EFAULT;
    d = domain_get_or_self(op.dom);
    if (!d)
        return -ESRCH;
    rc = d == current->domain ? 0 : permission_control(d);
    if (!rc)
        rc = d->grant ? grant_get_version(d, &op.version) : -EINVAL;
    domain_put(d);
    if (!rc && WRITE_FIELD(address, op, version))
        rc = -EFAULT;
    return rc;
}

static long (*const grant_operations[])(guest_addr_t elements, uint64_t count) = {
    [GNTTABOP_map_grant_ref] = do_map,
    [GNTTABOP_unmap_grant_ref] = do_unmap,
    [GNTTABOP_setup_table] = do_setup_table,
    [GNTTABOP_transfer] = do_transfer,
    [GNTTABOP_copy] = do_copy,
    [GNTTABOP_query_size] = do_query_size,
    [GNTTABOP_unmap_and_replace] = do_unmap_and_replace,
    [GNTTABOP_set_version] = do_set_version,
    [GNTTABOP_get_status_frames] = do_get_status_frames,
    [GNTTABOP_get_version] = do_get_version,
    [GNTTABOP_swap_grant_ref] = do_swap,
    [GNTTABOP_cache_flush] = do_cache_flush,
};

long grant_table_op(uint64_t command, uint64_t elements, uint64_t count, uint64_t a4, uint64_t a5)
{
    uint32_t number = (uint32_t)command, elements_count = (uint32_t)count;

    (void)a4, (void)a5;
    if ((int32_t)elements_count < 0)
        return -EINVAL;
    if (number >= ARRAY_SIZE(grant_operations) || !grant_operations[number])
        return -ENOSYS;
    return grant_operations[number](GUEST_ADDR(elements), elements_count);
}
