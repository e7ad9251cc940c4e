// SPDX-License-Identifier: BSD-2-Clause
/*
 * Hypercall event_channel_op: arguments in, permission, results out (xen/event_channel.h).
 */
#include "door/handlers.h"
#include "door/operation.h"
#include "event/event.h"
#include "lib/string.h"

static long event_run(struct call *c)
{
    __typeof__(((struct evtchn_op *)0)->u) *const a = c->arg; /* the older ones */
    struct evtchn_set_priority *const set = c->arg;
    struct domain *d = c->d;

    switch (c->command) {
    case EVTCHNOP_bind_interdomain:
        return event_bind_interdomain(d, a->bind_interdomain.remote_dom, a->bind_interdomain.remote_port,
                                      &a->bind_interdomain.local_port);
    case EVTCHNOP_bind_virq:
        return event_bind_virq(d, a->bind_virq.virq, a->bind_virq.vcpu, &a->bind_virq.port);
    case EVTCHNOP_bind_pirq:
        return event_bind_pirq(d, a->bind_pirq.pirq, a->bind_pirq.flags, &a->bind_pirq.port);
    case EVTCHNOP_close:
        return event_close(d, a->close.port);
    case EVTCHNOP_status:
        return event_status(d, &a->status);
    case EVTCHNOP_alloc_unbound:
        return event_alloc_unbound(d, a->alloc_unbound.remote_dom == DOMID_SELF ? current->domain->id
                                                                                : a->alloc_unbound.remote_dom,
                                   &a->alloc_unbound.port);
    case EVTCHNOP_bind_ipi:
        return event_bind_ipi(d, a->bind_ipi.vcpu, &a->bind_ipi.port);
    case EVTCHNOP_bind_vcpu:
        return event_bind_vcpu(d, a->bind_vcpu.port, a->bind_vcpu.vcpu);
    case EVTCHNOP_unmask:
        return event_unmask(d, a->unmask.port);
    case EVTCHNOP_reset:
        return event_reset(d);
    case EVTCHNOP_init_control:
        return event_init_control(d, c->arg);
    case EVTCHNOP_expand_array:
        return event_expand_array(d, GFN(((struct evtchn_expand_array *)c->arg)->array_gfn));
    default: /* EVTCHNOP_set_priority */
        return event_set_priority(d, set->port, set->priority);
    }
}

/* The answer could not be written: a port nobody will hear of, always the argument's last field, is closed again. */
static void event_undo(struct call *c)
{
    evtchn_port_t port;

    memcpy(&port, (const char *)c->arg + c->size - sizeof(port), sizeof(port));
    event_close(c->d, port);
}

#define ROW(name, bits, ...) [EVTCHNOP_##name] = OPERATION(event_run, evtchn_##name, bits, __VA_ARGS__)
#define ROW_PORT(name, bits) ROW(name, OP_ANSWER | (bits), .undo = event_undo)

static const struct operation operations[] = {
    ROW_PORT(bind_interdomain, 0),
    ROW_PORT(bind_virq, 0),
    ROW_PORT(bind_pirq, 0),
    ROW(close, 0),
    ROW(status, OP_ANSWER | OP_DOMAIN | OP_OWN),
    ROW_PORT(alloc_unbound, OP_DOMAIN | OP_OWN),
    ROW_PORT(bind_ipi, 0),
    ROW(bind_vcpu, 0),
    ROW(unmask, 0),
    ROW(reset, OP_DOMAIN | OP_OWN),
    ROW(init_control, OP_ANSWER),
    ROW(expand_array, 0),
    ROW(set_priority, 0),
};

/* Out of line, so that sending need not save registers for it. */
static __attribute__((noinline)) long event_operation(uint32_t command, uint64_t arg)
{
    struct call c = {.command = command, .at = GUEST_ADDR(arg)};
    long rc = operation_run(operations, ARRAY_SIZE(operations), &c);

    return rc == -ERESTART_LATER ? hypercall_continue(__HYPERVISOR_event_channel_op, 2, (uint64_t)command, arg) : rc;
}

long event_channel_op(uint64_t command, uint64_t arg, uint64_t, uint64_t, uint64_t)
{
    struct evtchn_send send;

    if (unlikely((uint32_t)command != EVTCHNOP_send))
        return event_operation((uint32_t)command, arg);
    if (unlikely(guest_read(&send, GUEST_ADDR(arg), sizeof(send))))
        return -EFAULT;
    return event_send(current->domain, send.port);
}

/* The first form of the call: command and arguments in one struct, for the operations that existed then. */
long event_channel_op_compat(uint64_t arg, uint64_t, uint64_t, uint64_t, uint64_t)
{
    uint32_t command;

    if (guest_read(&command, GUEST_ADDR(arg), sizeof(command)))
        return -EFAULT;
    if (command > EVTCHNOP_unmask)
        return -ENOSYS;
    return event_channel_op(command, arg + offsetof(struct evtchn_op, u), 0, 0, 0);
}
