// SPDX-License-Identifier: BSD-2-Clause
/* Life of what a hardware-assisted domain has beside its vcpus: its physmap and its parameters. */
#include "guest/hvm/physmap.h"

#include "errno.h"
#include "guest/release.h"
#include "mm/heap.h"
#include <xen/sched.h>

int hvm_domain_init(struct domain *d)
{
    d->hvm = mem_new(struct hvm_domain);
    if (!d->hvm)
        return -ENOMEM;
    d->hvm->params[HVM_PARAM_TRIPLE_FAULT_REASON] = SHUTDOWN_reboot;
    return physmap_init(d);
}

void hvm_domain_free(struct domain *d)
{
    if (!d->hvm)
        return;
    physmap_free(d);
    mem_free(d->hvm);
    d->hvm = NULL;
}

int hvm_release_memory(struct domain *d)
{
    int rc = physmap_teardown(d);

    return rc ? rc : guest_release_memory(d, NULL);
}
