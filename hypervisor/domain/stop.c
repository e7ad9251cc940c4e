// SPDX-License-Identifier: BSD-2-Clause
/*
 * Stopping every vcpu of the machine for a moment, for debugging: their registers are saved then, and nothing
 * makes domains, vcpus or mappings.
 */
#include "domain/domain.h"

static bool stopped;

static void others_each(void (*fn)(struct vcpu *v))
{
    struct vcpu *v;

    for (struct domain *d = domain_next(0); d; d = domain_after(d))
        for_each_vcpu(d, v)
            if (v != current)
                fn(v);
}

bool domains_stop(void)
{
    /* Two of them would wait for each other's vcpu. */
    if (__atomic_exchange_n(&stopped, true, __ATOMIC_ACQUIRE))
        return false;
    others_each(vcpu_pause); /* domain 0 first: from then on nobody makes another one */
    return true;
}

void domains_go_on(void)
{
    others_each(vcpu_unpause);
    __atomic_store_n(&stopped, false, __ATOMIC_RELEASE);
}
