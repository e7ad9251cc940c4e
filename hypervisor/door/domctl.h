/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the door: the control interface (xen/domctl.h, xen/sysctl.h).  An operation is a row of a table; its function gets the domain it names
 * (referenced) and the hypervisor's copy of the argument, which goes back to the caller when the row says so.
 */
#ifndef XYLEM_DOOR_DOMCTL_H
#define XYLEM_DOOR_DOMCTL_H

#include "domain/domain.h"
#include "mm/guest_copy.h"

typedef long (*domctl_fn)(struct domain *d, struct xen_domctl *op);

#define DOMCTL_COPY_BACK 1u  /* on success */
#define DOMCTL_COPY_ALWAYS 2u /* on errors too, which it explains */
#define DOMCTL_OTHERS 4u     /* not on oneself: -EINVAL */
#define DOMCTL_NO_DOMAIN 8u  /* finds its domain itself */
#define DOMCTL_DYING_OK 16u  /* makes sense on a domain that is being killed */

struct domctl_row {
    domctl_fn fn;
    unsigned flags;
};

/* The vcpu an operation names, or NULL. */
static inline struct vcpu *domctl_vcpu(const struct domain *d, uint32_t id) { return domain_vcpu(d, id); }

/* Bitmaps of the ABI: bits beyond ours are ignored coming in, cleared going out.  0 or -EFAULT. */
int domctl_bitmap_in(uint64_t *bits, unsigned nr_bits, const struct xenctl_bitmap *from);
int domctl_bitmap_out(struct xenctl_bitmap *to, const uint64_t *bits, unsigned nr_bits);

/* Fills what the tools see of a domain. */
void domctl_fill_info(struct domain *d, struct xen_domctl_getdomaininfo *info);

/* domctl_vcpu.c */
long domctl_set_context(struct domain *d, struct xen_domctl *op);
long domctl_get_context(struct domain *d, struct xen_domctl *op);
long domctl_set_extended_context(struct domain *d, struct xen_domctl *op);
long domctl_get_extended_context(struct domain *d, struct xen_domctl *op);
long domctl_set_vector_state(struct domain *d, struct xen_domctl *op);
long domctl_get_vector_state(struct domain *d, struct xen_domctl *op);
long domctl_get_msrs(struct domain *d, struct xen_domctl *op);
long domctl_set_msrs(struct domain *d, struct xen_domctl *op);
long domctl_get_vcpu_info(struct domain *d, struct xen_domctl *op);
long domctl_set_affinity(struct domain *d, struct xen_domctl *op);
long domctl_get_affinity(struct domain *d, struct xen_domctl *op);
long domctl_send_trigger(struct domain *d, struct xen_domctl *op);
long domctl_max_vcpus(struct domain *d, struct xen_domctl *op);

/* domctl_domain.c */
long domctl_page_info(struct domain *d, struct xen_domctl *op);
long domctl_max_mem(struct domain *d, struct xen_domctl *op);
long domctl_irq_permission(struct domain *d, struct xen_domctl *op);
long domctl_memory_permission(struct domain *d, struct xen_domctl *op);
long domctl_port_permission(struct domain *d, struct xen_domctl *op);
long domctl_hypercall_page(struct domain *d, struct xen_domctl *op);
long domctl_time_offset(struct domain *d, struct xen_domctl *op);
long domctl_set_tsc(struct domain *d, struct xen_domctl *op);
long domctl_get_tsc(struct domain *d, struct xen_domctl *op);
long domctl_set_address_size(struct domain *d, struct xen_domctl *op);
long domctl_get_address_size(struct domain *d, struct xen_domctl *op);
long domctl_set_policy(struct domain *d, struct xen_domctl *op);
long domctl_get_policy(struct domain *d, struct xen_domctl *op);
long domctl_set_nodes(struct domain *d, struct xen_domctl *op);
long domctl_get_nodes(struct domain *d, struct xen_domctl *op);

/* domctl_log_dirty.c */
long domctl_log_dirty(struct domain *d, struct xen_domctl *op);

/* domctl_hvm.c */
long domctl_get_hvm_context(struct domain *d, struct xen_domctl *op);
long domctl_set_hvm_context(struct domain *d, struct xen_domctl *op);
long domctl_get_hvm_record(struct domain *d, struct xen_domctl *op);
long domctl_get_paging_pool(struct domain *d, struct xen_domctl *op);
long domctl_set_paging_pool(struct domain *d, struct xen_domctl *op);

/* Copies between a hypervisor's buffer of policy entries and the caller's; shared with sysctl. */
struct policy_buffers {
    xen_cpuid_leaf_t *leaves;
    xen_msr_entry_t *msrs;
    uint32_t nr_leaves, nr_msrs;
};
int policy_buffers_alloc(struct policy_buffers *b, uint32_t nr_leaves, uint32_t nr_msrs);
void policy_buffers_free(struct policy_buffers *b);

#endif
