// SPDX-License-Identifier: BSD-2-Clause
/*
 * Looking into a PV guest's page tables, and which CPUs may have cached what they said.
 *
 * Tables are read through the direct map.  Every present entry of a validated table was checked, so a walk meets no large
 * page and nothing that is not a table; a linear entry only makes it find an entry of a higher level as the last one.
 */
#include "arch/x86/regs.h"
#include "guest/pv/tables.h"
#include "lib/string.h"
#include "mm/guest_copy.h"

uint64_t *pv_walk(mfn_t l4, uint64_t address)
{
    uint64_t *table = mfn_to_virt(l4), e;

    if (unlikely(!guest_range_ok(address, 1) || !address_canonical(address)))
        return NULL;
    e = table[table_index(address, 4)];
    if (unlikely(!(e & PTE_PRESENT)))
        return NULL;
    table = mfn_to_virt(pte_frame(e));
    e = table[table_index(address, 3)];
    if (unlikely(!(e & PTE_PRESENT)))
        return NULL;
    table = mfn_to_virt(pte_frame(e));
    e = table[table_index(address, 2)];
    if (unlikely(!(e & PTE_PRESENT)))
        return NULL;
    table = mfn_to_virt(pte_frame(e));
    return &table[table_index(address, 1)];
}

static mfn_t running_table(const struct vcpu *v)
{
    return v->pv->kernel_mode ? v->pv->kernel_table : v->pv->user_table;
}

bool pv_guest_l1e(uint64_t address, uint64_t *l1e)
{
    struct vcpu *v = current;
    struct domain *d = v->domain;
    uint64_t *slot;

    /* With interrupts off for a page of the LDT: the holder may be waiting for this CPU to flush. */
    if (likely(irq_enabled()))
        spin_lock(&d->pv->tables_lock);
    else
        spin_lock_polling(&d->pv->tables_lock, smp_poll);
    slot = pv_walk(running_table(v), address);
    if (slot)
        *l1e = __atomic_load_n(slot, __ATOMIC_RELAXED);
    spin_unlock(&d->pv->tables_lock);
    return slot && (*l1e & PTE_PRESENT);
}

int pv_vcpu_mask(guest_addr_t bitmap, cpu_mask_t *mask)
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

/* Rights all levels grant: the entries' bits anded (NX inverted); 0 when a level is missing. */
static uint64_t walk_rights(mfn_t l4, uint64_t address)
{
    uint64_t rights = ~PTE_NX, *table = mfn_to_virt(l4);
    bool no_execute = false;

    for (unsigned level = 4; level >= 1; level--) {
        uint64_t e = __atomic_load_n(&table[table_index(address, level)], __ATOMIC_RELAXED);

        if (!(e & PTE_PRESENT))
            return 0;
        rights &= e;
        no_execute |= (e & PTE_NX) != 0;
        table = level > 1 ? mfn_to_virt(pte_frame(e)) : table;
    }
    return rights | (no_execute ? PTE_NX : 0);
}

bool pv_fault_spurious(struct cpu_user_regs *regs, uint64_t address, uint32_t error_code)
{
    struct vcpu *v = current;
    struct domain *d = v->domain;
    uint64_t rights;

    (void)regs;
    if ((error_code & ~(uint32_t)(PF_PRESENT | PF_WRITE | PF_USER | PF_FETCH)) || !address_canonical(address) ||
        !guest_range_ok(address, 1) || mfn_equal(running_table(v), INVALID_MFN))
        return false;
    spin_lock(&d->pv->tables_lock);
    rights = walk_rights(running_table(v), address);
    spin_unlock(&d->pv->tables_lock);
    if (!(rights & PTE_PRESENT) || ((error_code & PF_WRITE) && !(rights & PTE_WRITE)) ||
        ((error_code & PF_FETCH) && (rights & PTE_NX)))
        return false;
    tlb_flush_local(address, 0);
    return true;
}
