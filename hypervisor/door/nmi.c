// SPDX-License-Identifier: BSD-2-Clause
/*
 * NMIs for guests: sent by a sibling, by the toolstack, or by the machine, whose own go to domain 0 with their reason in
 * its shared page (xen/nmi.h).  The vcpu takes it on its way into the guest (guest/pv/bounce.c).
 */
#include "arch/interrupts.h"
#include "domain/domain.h"
#include "door/handlers.h"

void nmi_send(struct vcpu *v)
{
    if (!__atomic_exchange_n(&v->nmi_pending, 1, __ATOMIC_SEQ_CST))
        vcpu_kick(v);
}

/* Domain 0 always has its first vcpu; with its handler it reads and clears the reasons. */
static void nmi_pass_on(void)
{
    uint32_t reasons = nmi_reasons_take();
    struct domain *d = domain_zero;

    if (!reasons || !d || !d->shared_info)
        return;
    __atomic_fetch_or(&d->shared_info->arch.nmi_reason, reasons, __ATOMIC_SEQ_CST);
    nmi_send(domain_vcpu(d, 0));
}

void nmi_init(void)
{
    softirq_register(SOFTIRQ_NMI, nmi_pass_on);
}
