// SPDX-License-Identifier: BSD-2-Clause
/*
 * Accesses the nested tables do not allow, done for the guest: to the registers of its local APIC, and to memory that is none, where
 * loads get ones and stores do nothing.  The address is the exit's, so of the instruction only the rest counts.
 */
#include "guest/hvm/internal.h"
#include "guest/hvm/lapic.h"
#include "guest/pv/decode.h"

static uint64_t memory_load(struct vcpu *v, uint64_t address, unsigned size)
{
    unsigned offset = (unsigned)(address - APIC_BASE_ADDRESS);
    uint32_t value;

    if (offset >= PAGE_SIZE || size > 4 || (offset & 3) + size > 4)
        return size_mask(size);
    if (lapic_read(v, offset & ~15u, &value) || (offset & 0xc))
        return 0;
    return value >> (offset & 3) * 8 & size_mask(size);
}

static void memory_store(struct vcpu *v, uint64_t address, unsigned size, uint64_t value)
{
    unsigned offset = (unsigned)(address - APIC_BASE_ADDRESS);

    if (offset < PAGE_SIZE && size == 4 && !(offset & 15))
        (void)lapic_write(v, offset, (uint32_t)value);
}

static uint64_t register_get(struct cpu_user_regs *regs, const struct decoded_access *a)
{
    return (*decode_register(regs, a->number) >> (a->high_byte ? 8 : 0)) & size_mask(a->register_size);
}

/* Writing 32 bits clears the upper half; less leaves the rest. */
static void register_put(struct cpu_user_regs *regs, const struct decoded_access *a, uint64_t value)
{
    uint64_t *to = decode_register(regs, a->number), mask = size_mask(a->register_size);
    unsigned shift = a->high_byte ? 8 : 0;

    value &= mask;
    *to = a->register_size == 4 ? value : (*to & ~(mask << shift)) | value << shift;
}

static uint64_t extended(const struct decoded_access *a, uint64_t value)
{
    if (a->sign_extend && value >> (a->size * 8 - 1) & 1)
        value |= ~size_mask(a->size);
    return value;
}

/* One step of stos; with a repeat prefix the instruction goes on until rcx is 0. */
static void string_step(struct vcpu *v, struct cpu_user_regs *regs, const struct decoded_access *a)
{
    uint64_t mask = size_mask(a->address_size);

    if (!a->repeat || (regs->rcx & mask)) {
        add_masked(&regs->rdi, mask, regs->rflags & RFLAGS_DF ? -(uint64_t)a->size : a->size);
        if (a->repeat)
            add_masked(&regs->rcx, mask, ~0UL);
    }
    if (!a->repeat || !(regs->rcx & mask))
        hvm_skip(v, regs, a->length);
}

void hvm_emulate_access(struct vcpu *v, struct cpu_user_regs *regs, uint64_t address)
{
    struct decoded_access a;
    uint8_t code[MAX_INSTRUCTION];
    unsigned have = hvm_fetch(v, regs, code);
    uint64_t old = 0;

    if (!have)
        return;
    if (decode_access(code, have, hvm_vendor->code(v).bits, &a)) {
        hvm_crash(v, "an instruction that is not known for it accesses memory that is none, at", address);
        return;
    }
    if (a.kind != ACCESS_STORE)
        old = extended(&a, memory_load(v, address, a.size));
    if (a.kind != ACCESS_LOAD)
        memory_store(v, address, a.size, a.immediate ? a.value : a.string ? regs->rax : register_get(regs, &a));
    if (a.kind != ACCESS_STORE)
        register_put(regs, &a, old);
    if (a.string)
        string_step(v, regs, &a);
    else
        hvm_skip(v, regs, a.length);
}
