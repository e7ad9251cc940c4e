/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables the CPU walks in place of a PV guest's while the guest's writes are tracked
 * (docs/design/log-dirty.md): to the guest they are no more than another translation cache.  v->arch.shadow is
 * NULL while there are none.
 */
#ifndef XYLEM_GUEST_PV_SHADOW_H
#define XYLEM_GUEST_PV_SHADOW_H

#include "arch/x86/entry.h"
#include "domain/domain.h"

struct pv_shadow;

/* Memory for v's shadow.  NULL when it is short. */
struct pv_shadow *pv_shadow_new(struct domain *d);
void pv_shadow_free(struct pv_shadow *s);
uint64_t pv_shadow_bytes(void); /* of one vcpu */

/* Loads the tables of the mode v is in; what they hold is still true. */
void pv_shadow_load(struct vcpu *v);

/* Log-dirty mode.  Preemptible; under the control lock.  d is not the caller's. */
int pv_log_dirty_enable(struct domain *d); /* 0, -EINVAL on already, -ENOMEM, -ERESTART_LATER */
int pv_log_dirty_disable(struct domain *d);

#endif
