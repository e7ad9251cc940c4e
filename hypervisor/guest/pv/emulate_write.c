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
#include "guest/pv/decode.h"
#include "guest/pv/tables.h"
#include "guest/pv/traps.h"

#define ARITHMETIC_FLAGS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF)

/* Everything about one store after its memory operand was read. */
struct store_result {
    uint64_t memory;     /* new contents of the operand */
    uint64_t flags;      /* those in flags_changed */
    uint64_t flags_changed;
    bool stores;         /* a failed compare stores nothing */
};

static uint64_t size_mask(unsigned size)
{
    return ~0UL >> (64 - size * 8);
}

/*
 * The processor itself executes an instruction, named without the suffix of its size, on memory and value.  Its flags come by
 * ah and al: all but the overflow flag stand in ah as they do in rflags.
 */
#define EXECUTE_SIZED(name, suffix, form)                                                                       \
    __asm__(name suffix " %" form "2, %" form "0; lahf; seto %%al" : "+r"(memory), "=&a"(ax) : "r"(value) : "cc")
#define EXECUTE(name)                                                                                           \
    static uint64_t execute_##name(uint64_t memory, uint64_t value, unsigned size, uint64_t *flags)             \
    {                                                                                                           \
        uint64_t ax;                                                                                            \
                                                                                                                \
        switch (size) {                                                                                         \
        case 1: EXECUTE_SIZED(#name, "b", "b"); break;                                                          \
        case 2: EXECUTE_SIZED(#name, "w", "w"); break;                                                          \
        case 4: EXECUTE_SIZED(#name, "l", "k"); break;                                                          \
        default: EXECUTE_SIZED(#name, "q", "q"); break;                                                         \
        }                                                                                                       \
        *flags = (ax >> 8 & ARITHMETIC_FLAGS) | (ax & 1 ? RFLAGS_OF : 0);                                       \
        return memory;                                                                                          \
    }
EXECUTE(or)
EXECUTE(and)
EXECUTE(xor)
EXECUTE(add)
EXECUTE(sub)

/* What an instruction that is no plain move makes of the operand's old contents. */
static __attribute__((noinline)) struct store_result store_compute(const struct decoded_store *s, uint64_t old)
{
    uint64_t bit = 1UL << (s->value & 63);
    struct store_result r = {.stores = true, .memory = s->value, .flags_changed = ARITHMETIC_FLAGS | RFLAGS_OF};

    switch (s->kind) {
    case STORE_OR:
        r.memory = execute_or(old, s->value, s->size, &r.flags);
        break;
    case STORE_AND:
        r.memory = execute_and(old, s->value, s->size, &r.flags);
        break;
    case STORE_XOR:
        r.memory = execute_xor(old, s->value, s->size, &r.flags);
        break;
    case STORE_ADD:
    case STORE_XADD:
        r.memory = execute_add(old, s->value, s->size, &r.flags);
        break;
    case STORE_SUB:
        r.memory = execute_sub(old, s->value, s->size, &r.flags);
        break;
    case STORE_CMPXCHG:
        (void)execute_sub(s->expected, old, s->size, &r.flags);
        r.stores = old == s->expected;
        break;
    case STORE_CMPXCHG8B:
        r.stores = old == s->expected;
        r.flags = r.stores ? RFLAGS_ZF : 0;
        r.flags_changed = RFLAGS_ZF;
        break;
    default:
        r.memory = s->kind == STORE_BTS ? old | bit : s->kind == STORE_BTR ? old & ~bit : old ^ bit;
        r.flags = old & bit ? RFLAGS_CF : 0;
        r.flags_changed = RFLAGS_CF;
        break;
    }
    r.memory &= size_mask(s->size);
    return r;
}

static ALWAYS_INLINE void registers_finish(struct cpu_user_regs *regs, const struct decoded_store *s,
                             const struct store_result *r, uint64_t old)
{
    if (s->kind == STORE_XADD || s->kind == STORE_XCHG)
        decode_register_write(decode_register(regs, s->register_number), old, s->size);
    if (s->kind == STORE_CMPXCHG && !r->stores)
        decode_register_write(&regs->rax, old, s->size);
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
        struct store_result r = {.stores = true, .memory = s->value};

        if (s->kind != STORE_WRITE && s->kind != STORE_XCHG)
            r = store_compute(s, old);
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
    uint64_t e = pv_kernel_l1e(address);

    if (s->kind != STORE_WRITE || !e || (e & PTE_WRITE) || frame_is_memory(pte_frame(e)) ||
        !rangeset_contains(&msix_table_pages, pte_frame(e).value, pte_frame(e).value))
        return false;
    registers_finish(regs, s, &(struct store_result){.stores = true}, 0);
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
    if (slot && !decode_store(code, length, regs, &s) && !(address & (s.size - 1)))
        rc = entry_store(slot, (unsigned)(address & 7) * 8, &s, d, regs);
    spin_unlock(&d->pv->tables_lock);
    if (likely(!rc))
        return true;
    if (slot)
        log_vcpu(LOG_WARNING, v, "store to page table at %#lx by %#lx refused: error %d\n", address, regs->rip, rc);
    return !slot && msix_table_pages.count && !decode_store(code, length, regs, &s) &&
           io_write_drop(regs, address, &s);
}
