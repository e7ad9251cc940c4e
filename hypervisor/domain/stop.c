// SPDX-License-Identifier: BSD-2-Clause
/*
 * Stopping every vcpu of the machine for a moment, for debugging: their registers are saved then, and nothing
 * makes domains, vcpus or mappings.
 */
#include "domain/domain.h"

static bool stopped;

static void stop_domain(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu(d, v)
        if (v != current)
            vcpu_pause(v);
}

static void let_go(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu(d, v)
        if (v != current)
            vcpu_unpause(v);
}

bool domains_stop(void)
{
    /* Two of them would wait for each other's vcpu. */
    if (__atomic_exchange_n(&stopped, true, __ATOMIC_ACQUIRE))
        return false;
    domain_for_each(stop_domain); /* domain 0 first: from then on nobody makes another one */
    return true;
}

void domains_go_on(void)
{
    domain_for_each(let_go);
    __atomic_store_n(&stopped, false, __ATOMIC_RELEASE);
}
