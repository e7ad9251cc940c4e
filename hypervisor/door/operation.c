// SPDX-License-Identifier: BSD-2-Clause
/* What all operations have in common (door/operation.h). */
#include "door/operation.h"

#include "lib/string.h"
#include "mm/guest_form.h"
#include "mm/heap.h"

#define ARGUMENT_MAX UINT8_MAX /* struct operation: size */

static const struct operation *row_find(const struct operation *rows, unsigned count, unsigned command)
{
    const struct operation *op = &rows[command];

    if (command >= count || (!op->run && !op->answer) || ((op->flags & OP_PV) && current->domain->is_hvm))
        return NULL;
    return op;
}

/* Finds whom the argument names; a reference to c->d whenever it is set.  0, -ESRCH, -EINVAL, -EPERM. */
static long names_find(const struct operation *op, struct call *c)
{
    uint32_t vcpu;
    domid_t id;

    memcpy(&id, (const char *)c->arg + op->domain, sizeof(id));
    c->d = op->flags & OP_BY_ID ? domain_get(id) : domain_get_or_self(id);
    if (!c->d)
        return -ESRCH;
    if ((op->flags & (OP_CONTROL | OP_OWN)) && !((op->flags & OP_OWN) && c->d == current->domain) &&
        permission_control(c->d))
        return -EPERM;
    if (((op->flags & OP_OTHERS) && c->d == current->domain) || ((op->flags & OP_ALIVE) && domain_is_dying(c->d)))
        return -EINVAL;
    if (!op->vcpu)
        return 0;
    memcpy(&vcpu, (const char *)c->arg + op->vcpu, sizeof(vcpu));
    c->v = domain_vcpu(c->d, vcpu);
    if (!c->v)
        return op->flags & OP_VCPU_EINVAL ? -EINVAL : -ESRCH;
    return 0;
}

static bool is_answered(const struct operation *op, long rc)
{
    if (rc >= 0)
        return op->flags & OP_ANSWER;
    return op->flags & (rc == -ERESTART_LATER ? OP_REST : OP_EXPLAIN);
}

static int argument_write(const struct operation *op, const struct call *c)
{
    return op->form ? guest_write_form(c->at, c->arg, c->size, op->form) : guest_write(c->at, c->arg, c->size);
}

static long operation_call(const struct operation *op, struct call *c)
{
    long rc;

    if (!op->run)
        return op->answer;
    if (!(op->flags & OP_PAUSED))
        return op->run(c);
    domain_pause(c->d);
    rc = op->run(c);
    domain_unpause(c->d);
    return rc;
}

static long act(const struct operation *op, struct call *c)
{
    long rc = 0;

    c->d = current->domain;
    if (op->flags & OP_DOMAIN)
        rc = names_find(op, c);
    if (!rc) {
        rc = operation_call(op, c);
        if (is_answered(op, rc) && argument_write(op, c)) {
            if (op->undo)
                op->undo(c);
            rc = -EFAULT;
        }
    }
    if ((op->flags & OP_DOMAIN) && c->d)
        domain_put(c->d);
    return rc;
}

long operation_run(const struct operation *rows, unsigned count, struct call *c)
{
    const struct operation *op = row_find(rows, count, c->command);
    uint8_t argument[ARGUMENT_MAX] __attribute__((aligned(sizeof(uint64_t))));

    if (!op)
        return -ENOSYS;
    if ((op->flags & OP_PRIVILEGED) && permission_privileged())
        return -EPERM;
    if ((op->flags & OP_ONE) && c->count != 1)
        return -EINVAL;
    c->arg = argument;
    c->size = op->size;
    if (op->size && (op->form ? guest_read_form(argument, c->at, op->size, op->form)
                              : guest_read(argument, c->at, op->size)))
        return -EFAULT;
    return act(op, c);
}

long operation_run_versioned(const struct operation *rows, unsigned count, struct call *c, uint32_t version)
{
    union {
        struct { uint32_t command, version; }; /* how all of them begin */
        struct xen_domctl domctl;
        struct xen_sysctl sysctl;
        struct xen_platform_op platform;
    } argument;
    const struct operation *op;

    c->arg = &argument; /* cppcheck-suppress autoVariables ; the caller looks at it no more */
    if (guest_read(&argument, c->at, c->size))
        return -EFAULT;
    if (argument.version != version)
        return -EACCES;
    if (permission_privileged())
        return -EPERM;
    c->command = argument.command;
    op = row_find(rows, count, c->command);
    return op ? act(op, c) : -ENOSYS;
}

void *argument_copy(guest_addr_t from, size_t size, long *error)
{
    void *copy = mem_alloc(size, _Alignof(uint64_t));

    *error = copy ? guest_read(copy, from, size) : -ENOMEM;
    if (!*error)
        return copy;
    mem_free(copy);
    return NULL;
}
