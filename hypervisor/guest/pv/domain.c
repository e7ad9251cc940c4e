// SPDX-License-Identifier: BSD-2-Clause
/*
 * What PV adds to a domain and its vcpus: the page tables of the per-domain slot, where each vcpu's descriptor tables
 * are mapped (arch/layout.h), and the state of the trap side.
 */
#include "guest/pv/traps.h"
#include "mm/dirty_log.h"
#include "mm/heap.h"

#define DESCRIPTOR_PAGES (1u << (PERDOMAIN_VCPU_SHIFT - PAGE_SHIFT)) /* of one vcpu */
#define VCPUS_PER_L1 (PTES_PER_TABLE / DESCRIPTOR_PAGES)

static uint64_t *domain_l2(const struct domain *d)
{
    return d->pv->perdomain_l3 + PTES_PER_TABLE;
}

int pv_domain_init(struct domain *d)
{
    struct pv_domain *pv;
    int rc = pv_descriptors_init();

    if (rc)
        return rc;
    pv = mem_new(struct pv_domain);
    if (!pv)
        return -ENOMEM;
    pv->perdomain_l3 = heap_alloc(1, HEAP_ZERO);
    if (!pv->perdomain_l3) {
        mem_free(pv);
        return -ENOMEM;
    }
    spin_init(&pv->tables_lock, RANK_PV_TABLES);
    d->pv = pv;
    pv->perdomain_l3[0] = pte_make(virt_to_mfn(domain_l2(d)), PTE_HYPERVISOR_TABLE);
    return 0;
}

void pv_domain_free(struct domain *d)
{
    uint64_t *l2;

    if (!d->pv)
        return;
    dirty_log_end(d);
    l2 = domain_l2(d);
    for (unsigned i = 0; i < PTES_PER_TABLE; i++)
        if (l2[i] & PTE_PRESENT)
            heap_free(mfn_to_virt(pte_frame(l2[i])), 0);
    heap_free(d->pv->perdomain_l3, 1);
    mem_free(d->pv);
    d->pv = NULL;
}

/* The 32 entries that map this vcpu's tables; the table they are in is shared by neighbours and goes with the domain. */
static uint64_t *vcpu_descriptor_entries(struct vcpu *v)
{
    uint64_t *l2 = domain_l2(v->domain), *l1;
    unsigned slot = v->id / VCPUS_PER_L1;

    if (slot >= PTES_PER_TABLE)
        return NULL;
    if (!(l2[slot] & PTE_PRESENT)) {
        l1 = heap_alloc(0, HEAP_ZERO);
        if (!l1)
            return NULL;
        l2[slot] = pte_make(virt_to_mfn(l1), PTE_HYPERVISOR_TABLE);
    }
    l1 = mfn_to_virt(pte_frame(l2[slot]));
    return l1 + (v->id % VCPUS_PER_L1) * DESCRIPTOR_PAGES;
}

int pv_vcpu_init(struct vcpu *v)
{
    struct pv_vcpu *pv;

    if (v->domain->dirty_log)
        return -EBUSY; /* log-dirty mode gave all vcpus their part when it was switched on */
    pv = mem_new(struct pv_vcpu);
    if (!pv)
        return -ENOMEM;
    pv->descriptor_l1 = vcpu_descriptor_entries(v);
    if (!pv->descriptor_l1) {
        mem_free(pv);
        return -ENOMEM;
    }
    pv->kernel_table = INVALID_MFN;
    pv->user_table = INVALID_MFN;
    pv->kernel_mode = true;
    pv->cr0_guest = CR0_PV;
    pv->debug[6] = DR6_DEFAULT;
    pv->debug[7] = DR7_DEFAULT;
    spin_init(&pv->ldt_lock, RANK_NONE);
    v->pv = pv;
    pv->cr4_guest = pv_cr4_guest(0);
    pv_gdt_clear(v);
    v->arch.enter = pv_exit_to_guest;
    return 0;
}

void pv_vcpu_free(struct vcpu *v)
{
    if (!v->pv)
        return;
    pv_gdt_clear(v);
    pv_ldt_clear(v);
    v->arch.shadow = NULL;
    pv_shadow_free(v->pv->shadow);
    mem_free(v->pv);
    v->pv = NULL;
}
