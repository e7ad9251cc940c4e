/* SPDX-License-Identifier: BSD-2-Clause */
/* Who may do what to whom: asked by the door, and by the guest room's hypercalls that name another domain. */
#ifndef XYLEM_DOMAIN_PERMISSION_H
#define XYLEM_DOMAIN_PERMISSION_H

struct domain;

/*
 * The running domain: 0 or -EPERM.  Only the control domain, or a domain over its target, controls another.
 */
int permission_control(const struct domain *target);
int permission_privileged(void);

#endif
