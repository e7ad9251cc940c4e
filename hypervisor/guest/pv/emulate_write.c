// SPDX-License-Identifier: BSD-2-Clause
/*
 * A guest kernel's own stores into its page tables.
 *
 * Tables are mapped read-only, so such a store faults.  When it hit a validated L1 of the domain, the
 * instruction is decoded and its effect is brought about as a checked update of that one entry; anything else
 * is the guest's page fault. Only naturally aligned stores of up to 8 bytes are done.  Flags: AMD64 APM
 * volume 3, the instructions' pages.
 */
#include "arch/x86/msix_table.h"
#include "arch/x86/regs.h"
#include "guest/pv/decode.h"
#include "guest/pv/tables.h"
#include "guest/pv/traps.h"

#define ARITHMETIC_FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* Everything about one store after its memory operand was read. */
struct store_result {
    uint64_t memory;     /* new contents of the operand */
    uint64_t flags;      /* of ARITHMETIC_FLAGS, those in flags_changed */
    uint64_t flags_changed;
    bool stores;         /* a failed compare stores nothing */
};

static uint64_t size_mask(unsigned size)
{
    return ~0UL >> (64 - size * 8);
}

static uint64_t flags_of_result(uint64_t result, unsigned size)
{
    uint64_t flags = 0;

    if (!(result & size_mask(size)))
        flags |= RFLAGS_ZF;
    if (result >> (size * 8 - 1) & 1)
        flags |= RFLAGS_SF;
    if (!__builtin_parity((unsigned)(result & 0xff)))
        flags |= RFLAGS_PF;
    return flags;
}

/* Flags of a + b = sum, or with subtract of sum = a - b. */
static uint64_t flags_of_sum(uint64_t a, uint64_t b, uint64_t sum, unsigned size, bool subtract)
{
    unsigned top = size * 8 - 1;
    uint64_t carries = subtract ? (~a & b) | (~(a ^ b) & sum) : (a & b) | ((a | b) & ~sum);
    uint64_t overflow = subtract ? (a ^ b) & (a ^ sum) : ~(a ^ b) & (a ^ sum);

    return flags_of_result(sum, size) | (carries >> top & 1 ? RFLAGS_CF : 0) |
           (carries >> 3 & 1 ? RFLAGS_AF : 0) | (overflow >> top & 1 ? RFLAGS_OF : 0);
}

static void result_logic(struct store_result *r, const struct decoded_store *s, uint64_t memory)
{
    r->memory = memory;
    r->flags = flags_of_result(memory, s->size);
    r->flags_changed = ARITHMETIC_FLAGS;
}

static void result_sum(struct store_result *r, const struct decoded_store *s, uint64_t old, bool subtract)
{
    r->memory = subtract ? old - s->value : old + s->value;
    r->flags = flags_of_sum(old, s->value, r->memory, s->size, subtract);
    r->flags_changed = ARITHMETIC_FLAGS;
}

static void result_bit(struct store_result *r, const struct decoded_store *s, uint64_t old)
{
    uint64_t bit = 1UL << (s->value & (s->size * 8 - 1));

    r->memory = s->kind == STORE_BTS ? old | bit : s->kind == STORE_BTR ? old & ~bit : old ^ bit;
    r->flags = old & bit ? RFLAGS_CF : 0;
    r->flags_changed = RFLAGS_CF;
}

static void result_compare(struct store_result *r, const struct decoded_store *s, uint64_t old)
{
    r->stores = old == s->expected;
    r->memory = s->value;
    if (s->kind == STORE_CMPXCHG) {
        uint64_t mask = size_mask(s->size);

        r->flags = flags_of_sum(s->expected, old, (s->expected - old) & mask, s->size, true);
        r->flags_changed = ARITHMETIC_FLAGS;
    } else {
        r->flags = r->stores ? RFLAGS_ZF : 0;
        r->flags_changed = RFLAGS_ZF;
    }
}

/* What the instruction makes of the operand's old contents.  False: not an instruction done here. */
static bool store_compute(const struct decoded_store *s, uint64_t old, struct store_result *r)
{
    *r = (struct store_result){.stores = true, .memory = s->value};
    switch (s->kind) {
    case STORE_WRITE:
    case STORE_XCHG:
        break;
    case STORE_OR:
        result_logic(r, s, old | s->value);
        break;
    case STORE_AND:
        result_logic(r, s, old & s->value);
        break;
    case STORE_XOR:
        result_logic(r, s, old ^ s->value);
        break;
    case STORE_ADD:
    case STORE_XADD:
        result_sum(r, s, old, false);
        break;
    case STORE_SUB:
        result_sum(r, s, old, true);
        break;
    case STORE_BTS:
    case STORE_BTR:
    case STORE_BTC:
        result_bit(r, s, old);
        break;
    case STORE_CMPXCHG:
    case STORE_CMPXCHG8B:
        result_compare(r, s, old);
        break;
    default:
        return false;
    }
    r->memory &= size_mask(s->size);
    return true;
}

/* A write of size bytes to a register: 4 bytes clear the upper half, fewer leave the rest. */
static void register_write(uint64_t *r, uint64_t value, unsigned size)
{
    uint64_t mask = size_mask(size);

    *r = size == 4 ? value & mask : (*r & ~mask) | (value & mask);
}

static void registers_finish(struct cpu_user_regs *regs, const struct decoded_store *s,
                             const struct store_result *r, uint64_t old)
{
    if (s->kind == STORE_XADD || s->kind == STORE_XCHG)
        register_write(decode_register(regs, s->register_number), old, s->size);
    if (s->kind == STORE_CMPXCHG && !r->stores)
        register_write(&regs->rax, old, s->size);
    if (s->kind == STORE_CMPXCHG8B && !r->stores) {
        regs->rax = (uint32_t)old;
        regs->rdx = old >> 32;
    }
    if (s->is_stos)
        regs->rdi += regs->rflags & RFLAGS_DF ? -(uint64_t)s->size : s->size;
    regs->rflags = (regs->rflags & ~(r->flags_changed | RFLAGS_RF)) | r->flags;
    regs->rip += s->instruction_length;
}

/* The lock is held.  Does s on the entry at slot, shift bits into it. */
static int entry_store(uint64_t *slot, unsigned shift, const struct decoded_store *s, struct domain *d,
                       struct cpu_user_regs *regs)
{
    uint64_t mask = size_mask(s->size) << shift;
    int rc;

    do {
        uint64_t entry = __atomic_load_n(slot, __ATOMIC_RELAXED), old = (entry & mask) >> shift;
        struct store_result r;

        if (!store_compute(s, old, &r))
            return -EOPNOTSUPP;
        rc = 0;
        if (r.stores)
            rc = l1_entry_update(slot, (entry & ~mask) | r.memory << shift, d, d, ENTRY_EXPECT, entry);
        if (!rc)
            registers_finish(regs, s, &r, old);
    } while (unlikely(rc == -EAGAIN));
    return rc;
}

/*
 * The lock is held: the entry of one of d's own L1s that address, mapped read-only, lies in; NULL when it is
 * none.
 */
static uint64_t *entry_at(struct vcpu *v, uint64_t address)
{
    uint64_t *map = pv_walk(v->pv->kernel_table, address), e;
    struct frame *f;

    if (!map)
        return NULL;
    e = __atomic_load_n(map, __ATOMIC_RELAXED);
    if ((e & (PTE_PRESENT | PTE_WRITE)) != PTE_PRESENT || !mfn_valid(pte_frame(e)))
        return NULL;
    f = mfn_to_frame(pte_frame(e));
    if (frame_owner(f) != v->domain || frame_table_level(f) != 1)
        return NULL;
    return (uint64_t *)((char *)mfn_to_virt(pte_frame(e)) + (address & (PAGE_SIZE - 1) & ~7UL));
}

/* A write to I/O memory that is read-only for everybody is dropped. */
static bool io_write_drop(struct cpu_user_regs *regs, uint64_t address, const struct decoded_store *s)
{
    uint64_t e;

    if (!msix_table_pages.count || !pv_guest_l1e(address, &e) || (e & PTE_WRITE) ||
        frame_is_memory(pte_frame(e)) ||
        !rangeset_contains(&msix_table_pages, pte_frame(e).value, pte_frame(e).value))
        return false;
    if (s->kind != STORE_WRITE)
        return false;
    if (s->is_stos)
        regs->rdi += regs->rflags & RFLAGS_DF ? -(uint64_t)s->size : s->size;
    regs->rip += s->instruction_length;
    return true;
}

/*
 * The instruction is fetched before the lock is taken, as that may fault; it is decoded only when it hit a
 * table.
 */
bool pv_fault_emulate_write(struct cpu_user_regs *regs, uint64_t address, uint32_t error_code)
{
    struct vcpu *v = current;
    struct domain *d = v->domain;
    struct decoded_store s;
    uint8_t code[15];
    uint64_t *slot;
    unsigned length;
    int rc = -EINVAL;

    if ((error_code & (PF_PRESENT | PF_WRITE | PF_RESERVED | PF_FETCH)) != (PF_PRESENT | PF_WRITE) ||
        !v->pv->kernel_mode)
        return false;
    length = pv_fetch(regs, code);
    if (unlikely(!length))
        return false;
    spin_lock(&d->pv->tables_lock);
    slot = entry_at(v, address);
    if (slot && !decode_store(code, length, regs, &s) && s.size <= 8 && !(address & (s.size - 1)))
        rc = entry_store(slot, (unsigned)(address & 7) * 8, &s, d, regs);
    spin_unlock(&d->pv->tables_lock);
    if (likely(!rc))
        return true;
    if (slot)
        log_vcpu(LOG_WARNING, v, "store to page table at %#lx by %#lx refused: error %d\n", address,
                 regs->rip, rc);
    return !slot && msix_table_pages.count && !decode_store(code, length, regs, &s) &&
           io_write_drop(regs, address, &s);
}
