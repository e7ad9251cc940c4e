/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Assembly and teardown of a domain from the parts every room keeps for it, in order.
 */
#pragma once

#include "domain/domain.h"

/*
 * Builds and publishes a domain, paused once by its controller.  0 with a reference in *created, or -errno,
 * nothing left over.
 */
int domain_create(domid_t id, const struct xen_domctl_createdomain *config, bool privileged, struct domain **created);
/* Adds vcpu id with all rooms' parts. */
int domain_add_vcpu(struct domain *d, unsigned id);
/* Kills: 0 when nothing is left but references, -ERESTART_LATER to be called again. */
int domain_kill(struct domain *d);
/* The last reference went and the grace period passed: frees every part. */
void domain_free_parts(struct domain *d);
