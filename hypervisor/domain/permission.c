// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who may do what to whom.  The control domain may do everything; a domain with a target (a device model's)
 * may do to that one what a control domain may; nobody else anything.
 */
#include "domain/permission.h"

#include "domain/domain.h"
#include "errno.h"

int permission_privileged(void)
{
    return current->domain->is_privileged ? 0 : -EPERM;
}

int permission_control(const struct domain *target)
{
    const struct domain *self = current->domain;

    return self->is_privileged || (target && self->target == target) ? 0 : -EPERM;
}
