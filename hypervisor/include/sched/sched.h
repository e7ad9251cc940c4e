/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler: one core and one policy (sched/policy.h, private to the room), which speaks credit2's interface.
 */
#pragma once

#include "domain/domain.h"

/* What the tools know it as: sched= and xl info; XEN_SCHEDULER_*. */
#define SCHED_NAME "credit2"
#define SCHED_ID XEN_SCHEDULER_CREDIT2

void sched_init(void);                       /* boot CPU; registers SOFTIRQ_SCHEDULE */
int sched_cpu_init(unsigned cpu);            /* each CPU before it goes online */
int sched_domain_init(struct domain *d);
void sched_domain_destroy(struct domain *d);
int sched_vcpu_init(struct vcpu *v);         /* picks a CPU */
void sched_vcpu_destroy(struct vcpu *v);
void sched_yield(void);                      /* current gives way */
/* Hard and soft affinity.  0, -EINVAL no online CPU in mask. */
int sched_set_affinity(struct vcpu *v, const cpu_mask_t *hard, const cpu_mask_t *soft);
void sched_get_affinity(struct vcpu *v, cpu_mask_t *hard, cpu_mask_t *soft);
/* Pins to one CPU until undone with cpu = -1 (SCHEDOP_pin_override).  */
int sched_pin_override(struct vcpu *v, int cpu);
/* XEN_DOMCTL_scheduler_op and XEN_SYSCTL_scheduler_op bodies. */
int sched_domain_adjust(struct domain *d, struct xen_domctl_scheduler_op *op);
int sched_global_adjust(struct xen_sysctl_scheduler_op *op);
uint64_t sched_cpu_idle_ns(unsigned cpu);
