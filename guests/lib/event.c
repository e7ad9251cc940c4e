// SPDX-License-Identifier: BSD-2-Clause
//
// Event channels. See event.h.

#include "event.h"

#include <stddef.h>

#include "hypercall.h"
#include "start.h"
#include "vcpu.h"

#define WORD_BITS 64u
#define PORTS 4096u
#define PORTS_HANDLED 512u

static event_handler *handlers[PORTS_HANDLED];
static unsigned int counts[PORTS_HANDLED];

void event_init(void)
{
    for (unsigned int i = 0; i < PORTS / WORD_BITS; i++)
        shared_page()->evtchn_mask[i] = ~0ul;
}

void event_handle(evtchn_port_t port, event_handler *handler)
{
    if (port < PORTS_HANDLED) {
        handlers[port] = handler;
        counts[port] = 0;
    }
}

unsigned int event_count(evtchn_port_t port)
{
    return port < PORTS_HANDLED ? __atomic_load_n(&counts[port], __ATOMIC_RELAXED) : 0;
}

static void port_deliver(evtchn_port_t port)
{
    event_clear(port);
    if (port >= PORTS_HANDLED)
        return;
    __atomic_add_fetch(&counts[port], 1, __ATOMIC_RELAXED);
    if (handlers[port])
        handlers[port](port);
}

void event_dispatch(void)
{
    struct vcpu_info *info = vcpu_self()->info;
    struct shared_info *shared = shared_page();

    while (__atomic_exchange_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) {
        unsigned long words = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);

        for (; words; words &= words - 1) {
            unsigned int word = (unsigned int)__builtin_ctzl(words);
            unsigned long ready = shared->evtchn_pending[word] & ~shared->evtchn_mask[word];

            for (; ready; ready &= ready - 1)
                port_deliver(word * WORD_BITS + (unsigned int)__builtin_ctzl(ready));
        }
    }
}

bool event_pending(evtchn_port_t port)
{
    return __atomic_load_n(&shared_page()->evtchn_pending[port / WORD_BITS], __ATOMIC_SEQ_CST) >>
           (port % WORD_BITS) & 1;
}

void event_clear(evtchn_port_t port)
{
    __atomic_and_fetch(&shared_page()->evtchn_pending[port / WORD_BITS], ~(1ul << port % WORD_BITS),
                       __ATOMIC_SEQ_CST);
}

void event_port_mask(evtchn_port_t port)
{
    __atomic_or_fetch(&shared_page()->evtchn_mask[port / WORD_BITS], 1ul << port % WORD_BITS, __ATOMIC_SEQ_CST);
}

void event_port_unmask(evtchn_port_t port)
{
    struct evtchn_unmask unmask = { .port = port };

    event_op(EVTCHNOP_unmask, &unmask);
}

// A number that was in use before may have been left unmasked.
static int port_result(long result, evtchn_port_t port)
{
    if (result < 0)
        return (int)result;
    event_port_mask(port);
    event_clear(port);
    return (int)port;
}

int event_bind_ipi(unsigned int vcpu)
{
    struct evtchn_bind_ipi bind = { .vcpu = vcpu };
    long result = event_op(EVTCHNOP_bind_ipi, &bind);

    return port_result(result, bind.port);
}

int event_bind_virq(unsigned int virq, unsigned int vcpu)
{
    struct evtchn_bind_virq bind = { .virq = virq, .vcpu = vcpu };
    long result = event_op(EVTCHNOP_bind_virq, &bind);

    return port_result(result, bind.port);
}

int event_alloc_unbound(domid_t remote)
{
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = remote };
    long result = event_op(EVTCHNOP_alloc_unbound, &alloc);

    return port_result(result, alloc.port);
}

int event_bind_interdomain(domid_t remote, evtchn_port_t remote_port)
{
    struct evtchn_bind_interdomain bind = { .remote_dom = remote, .remote_port = remote_port };
    long result = event_op(EVTCHNOP_bind_interdomain, &bind);

    return port_result(result, bind.local_port);
}

int event_send(evtchn_port_t port)
{
    struct evtchn_send send = { .port = port };

    return (int)event_op(EVTCHNOP_send, &send);
}

int event_close(evtchn_port_t port)
{
    struct evtchn_close close = { .port = port };

    return (int)event_op(EVTCHNOP_close, &close);
}

int event_bind_vcpu(evtchn_port_t port, unsigned int vcpu)
{
    struct evtchn_bind_vcpu bind = { .port = port, .vcpu = vcpu };

    return (int)event_op(EVTCHNOP_bind_vcpu, &bind);
}

int event_status(evtchn_port_t port, struct evtchn_status *status)
{
    status->dom = DOMID_SELF;
    status->port = port;
    return (int)event_op(EVTCHNOP_status, status);
}

// An unbound port for "self" names us in its status by number.
domid_t domain_self(void)
{
    static domid_t self = DOMID_SELF;
    struct evtchn_status status;
    int port;

    if (self != DOMID_SELF)
        return self;
    port = event_alloc_unbound(DOMID_SELF);
    if (port >= 0 && event_status((evtchn_port_t)port, &status) == 0)
        self = status.u.unbound.dom;
    if (port >= 0)
        event_close((evtchn_port_t)port);
    return self;
}
