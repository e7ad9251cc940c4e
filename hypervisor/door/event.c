// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hypercall event_channel_op: arguments in, permission, results out (xen/event_channel.h).
 */
#include "door/handlers.h"
#include "door/hypercall.h"
#include "errno.h"
#include "event/event.h"
#include "lib/base.h"
#include "mm/guest_copy.h"

typedef union {
    struct evtchn_alloc_unbound alloc_unbound;
    struct evtchn_bind_interdomain bind_interdomain;
    struct evtchn_bind_virq bind_virq;
    struct evtchn_bind_pirq bind_pirq;
    struct evtchn_bind_ipi bind_ipi;
    struct evtchn_close close;
    struct evtchn_send send;
    struct evtchn_status status;
    struct evtchn_bind_vcpu bind_vcpu;
    struct evtchn_unmask unmask;
    struct evtchn_reset reset;
    struct evtchn_init_control init_control;
    struct evtchn_expand_array expand_array;
    struct evtchn_set_priority set_priority;
} event_args;

/* The domain an argument names, if the caller may act for it; referenced.  0, -ESRCH, -EPERM. */
static int event_target(domid_t id, struct domain **d)
{
    int rc = 0;

    *d = domain_get_or_self(id);
    if (!*d)
        return -ESRCH;
    if (*d != current->domain)
        rc = permission_control(*d);
    if (!rc && !(*d)->event)
        rc = -EINVAL;
    if (rc)
        domain_put(*d);
    return rc;
}

static long do_alloc_unbound(event_args *args)
{
    domid_t remote = args->alloc_unbound.remote_dom;
    struct domain *d;
    int rc = event_target(args->alloc_unbound.dom, &d);

    if (rc)
        return rc;
    if (remote == DOMID_SELF)
        remote = current->domain->id;
    rc = event_alloc_unbound(d, remote, &args->alloc_unbound.port);
    domain_put(d);
    return rc;
}

static long do_bind_interdomain(event_args *args)
{
    return event_bind_interdomain(current->domain, args->bind_interdomain.remote_dom,
                                  args->bind_interdomain.remote_port, &args->bind_interdomain.local_port);
}

static long do_bind_virq(event_args *args)
{
    return event_bind_virq(current->domain, args->bind_virq.virq, args->bind_virq.vcpu, &args->bind_virq.port);
}

static long do_bind_pirq(event_args *args)
{
    return event_bind_pirq(current->domain, args->bind_pirq.pirq, args->bind_pirq.flags, &args->bind_pirq.port);
}

static long do_bind_ipi(event_args *args)
{
    return event_bind_ipi(current->domain, args->bind_ipi.vcpu, &args->bind_ipi.port);
}

static long do_close(event_args *args)
{
    return event_close(current->domain, args->close.port);
}

static long do_status(event_args *args)
{
    struct domain *d;
    int rc = event_target(args->status.dom, &d);

    if (rc)
        return rc;
    rc = event_status(d, &args->status);
    domain_put(d);
    return rc;
}

static long do_bind_vcpu(event_args *args)
{
    return event_bind_vcpu(current->domain, args->bind_vcpu.port, args->bind_vcpu.vcpu);
}

static long do_unmask(event_args *args)
{
    return event_unmask(current->domain, args->unmask.port);
}

static long do_reset(event_args *args)
{
    struct domain *d;
    int rc = event_target(args->reset.dom, &d);

    if (rc)
        return rc;
    rc = event_reset(d);
    domain_put(d);
    return rc;
}

static long do_init_control(event_args *args)
{
    return event_init_control(current->domain, &args->init_control);
}

static long do_expand_array(event_args *args)
{
    return event_expand_array(current->domain, GFN(args->expand_array.array_gfn));
}

static long do_set_priority(event_args *args)
{
    return event_set_priority(current->domain, args->set_priority.port, args->set_priority.priority);
}

/* One row for each operation.  port: where a result names a port that has to be closed if it cannot be told. */
static const struct event_operation {
    long (*run)(event_args *args);
    uint8_t size;
    bool writes;
    int8_t port;
} event_operations[] = {
#define ROW(name, writes_back, port_offset)                                                                      \
    {do_##name, sizeof(((event_args *)0)->name), writes_back, port_offset}
#define PORT_OF(type, field) (int8_t)offsetof(struct type, field)
    [EVTCHNOP_bind_interdomain] = ROW(bind_interdomain, true, PORT_OF(evtchn_bind_interdomain, local_port)),
    [EVTCHNOP_bind_virq] = ROW(bind_virq, true, PORT_OF(evtchn_bind_virq, port)),
    [EVTCHNOP_bind_pirq] = ROW(bind_pirq, true, PORT_OF(evtchn_bind_pirq, port)),
    [EVTCHNOP_close] = ROW(close, false, -1),
    [EVTCHNOP_status] = ROW(status, true, -1),
    [EVTCHNOP_alloc_unbound] = ROW(alloc_unbound, true, PORT_OF(evtchn_alloc_unbound, port)),
    [EVTCHNOP_bind_ipi] = ROW(bind_ipi, true, PORT_OF(evtchn_bind_ipi, port)),
    [EVTCHNOP_bind_vcpu] = ROW(bind_vcpu, false, -1),
    [EVTCHNOP_unmask] = ROW(unmask, false, -1),
    [EVTCHNOP_reset] = ROW(reset, false, -1),
    [EVTCHNOP_init_control] = ROW(init_control, true, -1),
    [EVTCHNOP_expand_array] = ROW(expand_array, false, -1),
    [EVTCHNOP_set_priority] = ROW(set_priority, false, -1),
#undef PORT_OF
#undef ROW
};

/* The result could not be written: a port nobody will hear of is closed again. */
static void event_undo(uint32_t command, const struct event_operation *op, const event_args *args)
{
    domid_t owner = command == EVTCHNOP_alloc_unbound ? args->alloc_unbound.dom : DOMID_SELF;
    struct domain *d = op->port >= 0 ? domain_get_or_self(owner) : NULL;

    if (!d)
        return;
    event_close(d, *(const evtchn_port_t *)((const char *)args + op->port));
    domain_put(d);
}

/* Out of line, so that sending need not save registers for it. */
static __attribute__((noinline)) long event_run(uint32_t command, uint64_t arg)
{
    const struct event_operation *op = event_operations;
    event_args args;
    long rc;

    if (command >= ARRAY_SIZE(event_operations) || !event_operations[command].run)
        return -ENOSYS;
    op += command;
    if (guest_read(&args, GUEST_ADDR(arg), op->size))
        return -EFAULT;
    rc = op->run(&args);
    if (rc == -ERESTART_LATER)
        return hypercall_continue(__HYPERVISOR_event_channel_op, 2, (uint64_t)command, arg);
    if (!rc && op->writes && guest_write(GUEST_ADDR(arg), &args, op->size)) {
        event_undo(command, op, &args);
        rc = -EFAULT;
    }
    return rc;
}

long event_channel_op(uint64_t command, uint64_t arg, uint64_t a3, uint64_t a4, uint64_t a5)
{
    struct evtchn_send send;

    (void)a3, (void)a4, (void)a5;
    if (unlikely((uint32_t)command != EVTCHNOP_send))
        return event_run((uint32_t)command, arg);
    if (unlikely(guest_read(&send, GUEST_ADDR(arg), sizeof(send))))
        return -EFAULT;
    return event_send(current->domain, send.port);
}

/* The first form of the call: command and arguments in one struct, for the operations that existed then. */
long event_channel_op_compat(uint64_t arg, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    uint32_t command;

    (void)a2, (void)a3;
    if (guest_read(&command, GUEST_ADDR(arg), sizeof(command)))
        return -EFAULT;
    if (command > EVTCHNOP_unmask)
        return -ENOSYS;
    return event_channel_op(command, arg + offsetof(struct evtchn_op, u), 0, a4, a5);
}
