/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: ports, their kinds and bindings (core), and two ways to show pending ports to a guest (2-level, FIFO).
 * Protocol: xen/event_channel.h.  Arguments arrive checked for form; the functions check state and permission.
 */
#pragma once

#include "domain/domain.h"
#include <xen/event_channel.h>

/* max_port: highest port number d may use (createdomain's max_evtchn_port, -1 for no limit but the ABI's). */
int event_domain_init(struct domain *d, uint32_t max_port);
/* Closes every port; preemptible: 0 or -ERESTART_LATER.  Then event_domain_free. */
int event_domain_destroy(struct domain *d);
void event_domain_free(struct domain *d);
int event_vcpu_init(struct vcpu *v);
void event_vcpu_free(struct vcpu *v);

int event_alloc_unbound(struct domain *d, domid_t remote, evtchn_port_t *port);
int event_bind_interdomain(struct domain *d, domid_t remote, evtchn_port_t remote_port, evtchn_port_t *local);
int event_bind_virq(struct domain *d, unsigned virq, unsigned vcpu, evtchn_port_t *port);
int event_bind_ipi(struct domain *d, unsigned vcpu, evtchn_port_t *port);
int event_bind_pirq(struct domain *d, unsigned pirq, unsigned flags, evtchn_port_t *port);
int event_close(struct domain *d, evtchn_port_t port);
/* From a hypercall of d: interrupts are on. */
int event_send(struct domain *d, evtchn_port_t port);
int event_status(struct domain *d, struct evtchn_status *status);
int event_bind_vcpu(struct domain *d, evtchn_port_t port, unsigned vcpu);
int event_unmask(struct domain *d, evtchn_port_t port);
int event_reset(struct domain *d);           /* -ERESTART_LATER possible */
int event_init_control(struct domain *d, struct evtchn_init_control *args);
int event_expand_array(struct domain *d, gfn_t frame);
int event_set_priority(struct domain *d, evtchn_port_t port, unsigned priority);
int event_set_global_virq_handler(struct domain *d, unsigned virq);
/* A vcpu moves to another vcpu_info (register_vcpu_info): everything pending is shown again there. */
void event_vcpu_info_moved(struct vcpu *v);
/* The hypervisor sends on a port of d (the suspend event); nothing happens when it is not interdomain. */
void event_notify_hypervisor(struct domain *d, evtchn_port_t port);
/* Notes the guest's frames event delivery writes to as written (mm/dirty_log.h). */
void event_mark_written(struct domain *d);
/* Offers the dump of all channels as a debug key. */
void event_init(void);
