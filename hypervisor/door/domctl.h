/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the door: the control interface (xen/domctl.h, xen/sysctl.h).  Operations are rows of tables (door/operation.h).
 */
#pragma once

#include "door/operation.h"

/* Bitmaps of the ABI: bits beyond ours are ignored coming in, cleared going out.  0 or -EFAULT. */
int domctl_bitmap_in(uint64_t *bits, unsigned nr_bits, const struct xenctl_bitmap *from);
int domctl_bitmap_out(struct xenctl_bitmap *to, const uint64_t *bits, unsigned nr_bits);

/* Fills what the tools see of a domain. */
void domctl_fill_info(struct domain *d, struct xen_domctl_getdomaininfo *info);

/* domctl_vcpu.c */
long domctl_set_context(struct call *c);
long domctl_get_context(struct call *c);
long domctl_set_extended_context(struct call *c);
long domctl_get_extended_context(struct call *c);
long domctl_set_vector_state(struct call *c);
long domctl_get_vector_state(struct call *c);
long domctl_get_msrs(struct call *c);
long domctl_set_msrs(struct call *c);
long domctl_get_vcpu_info(struct call *c);
long domctl_affinity(struct call *c);
long domctl_send_trigger(struct call *c);
long domctl_max_vcpus(struct call *c);

/* domctl_log_dirty.c */
long domctl_log_dirty(struct call *c);

/* domctl_hvm.c */
long domctl_get_hvm_context(struct call *c);
long domctl_set_hvm_context(struct call *c);
long domctl_get_hvm_record(struct call *c);
long domctl_paging_pool(struct call *c);

/*
 * The policy of d, or of the system's by the index of sysctl (d NULL), into the caller's lists; a null list asks for its length alone.
 * The counts: room coming in, entries going out, on -ENOBUFS too.  0, -ENOBUFS, -EINVAL, -ENOMEM, -EFAULT.
 */
long policy_answer(struct domain *d, unsigned which, guest_addr_t leaves, uint32_t *nr_leaves, guest_addr_t msrs,
                   uint32_t *nr_msrs);
