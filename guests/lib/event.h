/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels, two-level (xen/event_channel.h, struct shared_info). Results of hypercalls are passed on.
 */
#ifndef GUEST_EVENT_H
#define GUEST_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include <xen/event_channel.h>
#include <xen/xen.h>

/* Masks every port. */
void event_init(void);
/* Masks all upcalls of this vcpu; true when they were masked before. */
bool event_mask_all(void);
/* Undoes it with the earlier answer; false unmasks, and what is pending is then delivered. */
void event_mask_restore(bool masked);

typedef void event_handler(evtchn_port_t port);
/* Called by upcalls for a port; NULL leaves it counted only. */
void event_handle(evtchn_port_t port, event_handler *handler);
/* How often an upcall found the port pending. */
unsigned int event_count(evtchn_port_t port);
/* The upcall's work: pending, unmasked ports of this vcpu. */
void event_dispatch(void);

bool event_pending(evtchn_port_t port);
void event_clear(evtchn_port_t port);
/* Masking one port; unmasking is a hypercall when the event is pending. */
void event_port_mask(evtchn_port_t port);
void event_port_unmask(evtchn_port_t port);

/* Each returns the port or a negative error. The port is masked and clear. */
int event_bind_ipi(unsigned int vcpu);
int event_bind_virq(unsigned int virq, unsigned int vcpu);
int event_alloc_unbound(domid_t remote);
int event_bind_interdomain(domid_t remote, evtchn_port_t remote_port);

int event_send(evtchn_port_t port);
int event_close(evtchn_port_t port);
int event_bind_vcpu(evtchn_port_t port, unsigned int vcpu);
int event_status(evtchn_port_t port, struct evtchn_status *status);

#endif
