// SPDX-License-Identifier: BSD-2-Clause
/*
 * Looking into a PV guest's page tables, and which CPUs may have cached what they said.
 *
 * Tables are read through the direct map.  Every present entry of a validated table was checked, so a walk meets no large
 * page and nothing that is not a table; a linear entry only makes it find an entry of a higher level as the last one.
 */
#include "guest/pv/tables.h"
#include "lib/string.h"
#include "mm/guest_copy.h"

uint64_t *pv_walk(mfn_t l4, uint64_t address)
{
    uint64_t *table = mfn_to_virt(l4), e;

    if (unlikely(!guest_range_ok(address, 1) || !address_canonical(address)))
        return NULL;
#pragma GCC unroll 3
    for (unsigned level = 4; level > 1; level--) {
        e = table[table_index(address, level)];
        if (unlikely(!(e & PTE_PRESENT)))
            return NULL;
        table = mfn_to_virt(pte_frame(e));
    }
    return &table[table_index(address, 1)];
}

uint64_t pv_kernel_l1e(uint64_t address)
{
    struct vcpu *v = current;
    struct domain *d = v->domain;
    uint64_t *slot, e;

    /* With interrupts off for a page of the LDT: the holder may be waiting for this CPU to flush. */
    if (likely(irq_enabled()))
        spin_lock(&d->pv->tables_lock);
    else
        spin_lock_polling(&d->pv->tables_lock, smp_poll);
    slot = pv_walk(v->pv->kernel_table, address);
    e = slot ? __atomic_load_n(slot, __ATOMIC_RELAXED) : 0;
    spin_unlock(&d->pv->tables_lock);
    return e & PTE_PRESENT ? e : 0;
}

/* CPUs on which vcpus of the bitmap at address run. */
static int vcpu_mask(guest_addr_t bitmap, cpu_mask_t *mask)
{
    struct domain *d = current->domain;
    unsigned bytes = (d->max_vcpus + 7) / 8;
    uint8_t bits[(MAX_VCPUS_PV + 7) / 8];
    struct vcpu *v;

    if (bytes > sizeof(bits) || guest_read(bits, bitmap, bytes))
        return -EFAULT;
    memset(mask, 0, sizeof(*mask));
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for_each_vcpu(d, v) {
        unsigned cpu = __atomic_load_n(&v->cpu, __ATOMIC_RELAXED);

        if ((bits[v->id / 8] >> (v->id % 8) & 1) && __atomic_load_n(&v->is_running, __ATOMIC_RELAXED))
            mask->bits[cpu / 64] |= 1UL << (cpu % 64);
    }
    return 0;
}

int pv_flush(bool all, guest_addr_t bitmap, uint64_t address)
{
    cpu_mask_t mask;

    if (all)
        domain_running_cpus(current->domain, &mask);
    else if (vcpu_mask(bitmap, &mask))
        return -EFAULT;
    tlb_flush_mask(&mask, address, 0);
    return 0;
}

bool pv_guest_walk(struct vcpu *v, uint64_t address, struct guest_walk *w)
{
    mfn_t m = *pv_running_table(v);

    w->rights = ~0UL;
    w->no_execute = false;
    if (mfn_equal(m, INVALID_MFN))
        return false;
    for (unsigned level = 4; level >= 1; level--) {
        uint64_t *slot = (uint64_t *)mfn_to_virt(m) + table_index(address, level);
        uint64_t e = __atomic_load_n(slot, __ATOMIC_RELAXED);

        if (!(e & PTE_PRESENT))
            return false;
        w->slots[level] = slot;
        w->entries[level] = e;
        w->rights &= e;
        w->no_execute |= (e & PTE_NX) != 0;
        m = pte_frame(e);
    }
    return true;
}

bool pv_fault_spurious(uint64_t address, uint32_t error_code)
{
    struct vcpu *v = current;
    struct guest_walk w;
    bool found;

    if ((error_code & ~(uint32_t)(PF_PRESENT | PF_WRITE | PF_USER | PF_FETCH)) || !address_canonical(address) ||
        !guest_range_ok(address, 1))
        return false;
    spin_lock(&v->domain->pv->tables_lock);
    found = pv_guest_walk(v, address, &w);
    spin_unlock(&v->domain->pv->tables_lock);
    if (!found || !walk_allows(&w, error_code))
        return false;
    tlb_flush_local(address, 0);
    return true;
}
