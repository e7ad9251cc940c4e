// SPDX-License-Identifier: BSD-2-Clause
/*
 * Instruction decoder for what a PV kernel makes the hypervisor do (decode.h).  It touches no memory but the bytes it is given,
 * which tests and fuzzers feed it too.
 */
#include "guest/pv/decode.h"
#include "errno.h"
#include "guest/instruction.h"
#include "lib/base.h"

#define AT(name) (uint8_t)offsetof(struct cpu_user_regs, name)

uint64_t *decode_register(struct cpu_user_regs *regs, unsigned n)
{
    static const uint8_t at[16] = {AT(rax), AT(rcx), AT(rdx), AT(rbx), AT(rsp), AT(rbp), AT(rsi), AT(rdi),
                                   AT(r8),  AT(r9),  AT(r10), AT(r11), AT(r12), AT(r13), AT(r14), AT(r15)};

    return (uint64_t *)((char *)regs + at[n & 15]);
}

static uint64_t register_value(const struct cpu_user_regs *regs, unsigned n)
{
    return *decode_register((struct cpu_user_regs *)(uintptr_t)regs, n);
}

static uint64_t take_sib(struct instruction *in, const struct cpu_user_regs *regs)
{
    uint8_t sib = take8(in);
    unsigned index = ((sib >> 3) & 7u) | (in->rex & REX_X ? 8u : 0u);
    unsigned base = (sib & 7u) | (in->rex & REX_B ? 8u : 0u);
    uint64_t address = index == 4 ? 0 : register_value(regs, index) << (sib >> 6);

    return address + ((base & 7) == 5 && in->mod == 0 ? take(in, 4) : register_value(regs, base));
}

/* ModRM, SIB and displacement.  A relative address is finished once the length is known. */
static void take_modrm(struct instruction *in, const struct cpu_user_regs *regs)
{
    take_registers(in);
    if (in->mod == 3)
        return;
    if ((in->rm & 7) == 4) {
        in->address = take_sib(in, regs);
    } else if ((in->rm & 7) == 5 && in->mod == 0) {
        in->relative = true;
        in->address = take(in, 4);
    } else {
        in->address = register_value(regs, in->rm);
    }
    if (in->mod == 1)
        in->address += (uint64_t)(int8_t)take8(in);
    else if (in->mod == 2)
        in->address += take(in, 4);
}

static uint64_t final_address(const struct instruction *in, const struct cpu_user_regs *regs)
{
    uint64_t address = in->address + (in->relative ? regs->rip + in->at : 0);

    return in->address_prefix ? address & 0xffffffffUL : address;
}

/* ---- stores ---- */

/* Of the group of arithmetic: adc and sbb need the carry, cmp stores nothing. */
static const uint8_t arithmetic_kinds[8] = {STORE_ADD, STORE_OR, 0, 0, STORE_AND, STORE_SUB, STORE_XOR, 0};
static const uint8_t bit_kinds[8] = {[5] = STORE_BTS, STORE_BTR, STORE_BTC};

/* op r/m, r. */
static enum store_kind register_kind(const struct instruction *in)
{
    switch (in->opcode & ~1u) {
    case 0x00: case 0x08: case 0x20: case 0x28: case 0x30: return arithmetic_kinds[in->opcode >> 3];
    case 0x86: return STORE_XCHG;
    case 0x88: return STORE_WRITE;
    case 0x0fb0: return STORE_CMPXCHG;
    case 0x0fc0: return STORE_XADD;
    case 0x0fc2: return (in->opcode & 1) && !in->operand_prefix ? STORE_WRITE : STORE_NONE; /* movnti */
    default: return STORE_NONE;
    }
}

static enum store_kind store_from_register(struct instruction *in, const struct cpu_user_regs *regs,
                                           struct decoded_store *out)
{
    if (out->size == 1 && !in->rex && in->reg >= 4)
        return STORE_NONE;
    out->register_number = in->reg;
    out->value = register_value(regs, in->reg);
    out->expected = regs->rax;
    return register_kind(in);
}

/* bts, btr, btc r/m, r: the register is a signed bit offset that moves the operand. */
static enum store_kind store_bit(struct instruction *in, const struct cpu_user_regs *regs, struct decoded_store *out)
{
    unsigned bits = out->size * 8;
    int64_t bit = (int64_t)(register_value(regs, in->reg) << (64 - bits)) >> (64 - bits);

    out->value = (uint64_t)bit & (bits - 1);
    in->address += (uint64_t)((bit - (int64_t)out->value) / 8);
    return bit_kinds[in->opcode >> 3 & 7];
}

static enum store_kind store_pair(struct instruction *in, const struct cpu_user_regs *regs, struct decoded_store *out)
{
    out->value = (regs->rcx << 32) | (uint32_t)regs->rbx;
    out->expected = (regs->rdx << 32) | (uint32_t)regs->rax;
    if ((in->reg & 7) != 1 || out->size == 8) /* 16 bytes are more than one entry */
        return STORE_NONE;
    out->size = 8;
    return STORE_CMPXCHG8B;
}

/* Where the operand is said by ModRM. */
static enum store_kind store_modrm(struct instruction *in, const struct cpu_user_regs *regs, struct decoded_store *out)
{
    take_modrm(in, regs);
    switch (in->opcode) {
    case 0x80: case 0x81: case 0x83: /* op r/m, immediate: byte, full, sign-extended byte */
        out->value = take(in, in->opcode == 0x81 ? min(out->size, 4u) : 1);
        return arithmetic_kinds[in->reg & 7];
    case 0xc6: case 0xc7:
        out->value = take(in, min(out->size, 4u));
        return in->reg & 7 ? STORE_NONE : STORE_WRITE;
    case 0x0fab: case 0x0fb3: case 0x0fbb:
        return store_bit(in, regs, out);
    case 0x0fba:
        out->value = take8(in) & (out->size * 8 - 1);
        return bit_kinds[in->reg & 7];
    case 0x0fc7:
        return store_pair(in, regs, out);
    default:
        return store_from_register(in, regs, out);
    }
}

static enum store_kind store_by_opcode(struct instruction *in, const struct cpu_user_regs *regs,
                                       struct decoded_store *out)
{
    bool byte = !(in->opcode & 1) && in->opcode != 0x0fba;

    out->size = byte ? 1 : operand_size(in);
    out->value = regs->rax;
    switch (in->opcode) {
    case 0xa2: case 0xa3: /* mov to an absolute address */
        in->address = take(in, in->address_prefix ? 4 : 8);
        return STORE_WRITE;
    case 0xaa: case 0xab:
        out->is_stos = true;
        in->address = regs->rdi;
        return in->address_prefix ? STORE_NONE : STORE_WRITE;
    default:
        return store_modrm(in, regs, out);
    }
}

/*
 * What kernels write most entries by: mov or xchg of a 64-bit register with what another one points to, in three bytes.  The general
 * way finds the same, in some 130 instructions more.
 */
static bool store_short(const uint8_t *code, unsigned length, const struct cpu_user_regs *regs,
                        struct decoded_store *out)
{
    unsigned reg, rm;

    if (length < 3 || (code[0] & 0xf8) != (0x40 | REX_W) || (code[1] != 0x87 && code[1] != 0x89))
        return false;
    rm = code[2] & 7;
    if ((code[2] & 0xc0) || rm == 4 || rm == 5) /* more bytes follow, or it is no memory */
        return false;
    reg = (code[2] >> 3 & 7u) | (code[0] & REX_R ? 8u : 0u);
    *out = (struct decoded_store){
        .instruction_length = 3, .size = 8, .kind = code[1] == 0x87 ? STORE_XCHG : STORE_WRITE, .register_number = reg,
        .value = register_value(regs, reg), .address = register_value(regs, rm | (code[0] & REX_B ? 8u : 0u)),
    };
    return true;
}

static int store_any(const uint8_t *code, unsigned length, const struct cpu_user_regs *regs, struct decoded_store *out)
{
    struct instruction in = {.code = code, .length = length, .bits = 64};

    *out = (struct decoded_store){0};
    take_opcode(&in);
    if (!in.failed)
        out->kind = store_by_opcode(&in, regs, out);
    if (in.failed)
        return -EFAULT;
    /* A plain store has no locked form. */
    if (out->kind == STORE_NONE || in.mod == 3 || in.repeat || (in.lock && out->kind == STORE_WRITE))
        return -EOPNOTSUPP;
    out->value &= ~0UL >> (64 - out->size * 8);
    out->expected &= ~0UL >> (64 - out->size * 8);
    out->instruction_length = in.at;
    out->address = final_address(&in, regs);
    return 0;
}

int decode_store(const uint8_t *code, unsigned length, const struct cpu_user_regs *regs, struct decoded_store *out)
{
    return store_short(code, length, regs, out) ? 0 : store_any(code, length, regs, out);
}

/* ---- privileged instructions ---- */

static void privileged_port(struct instruction *in, const struct cpu_user_regs *regs, struct decoded_privileged *out,
                            bool immediate)
{
    out->size = !(in->opcode & 1) ? 1 : in->operand_prefix ? 2 : 4;
    out->port = immediate ? take8(in) : (uint16_t)regs->rdx;
}

/* 0f 01: two with no operand, and one whose operand is in memory. */
static int privileged_group7(struct instruction *in, const struct cpu_user_regs *regs, struct decoded_privileged *out)
{
    take_modrm(in, regs);
    if (in->mod == 3)
        out->kind = in->opcode << 8 | 0xc0u | (in->reg & 7u) << 3 | (in->rm & 7u);
    return (in->mod != 3 && (in->reg & 7) == 7) || out->kind == PRIVILEGED_XSETBV || out->kind == PRIVILEGED_RDTSCP
               ? 0 : -EOPNOTSUPP;
}

static int privileged_by_opcode(struct instruction *in, const struct cpu_user_regs *regs,
                                struct decoded_privileged *out)
{
    out->kind = in->opcode;
    switch (in->opcode) {
    case 0xe4: case 0xe5: case 0xe6: case 0xe7: case 0xec: case 0xed: case 0xee: case 0xef:
        out->kind = in->opcode & 2 ? PRIVILEGED_OUT : PRIVILEGED_IN;
        privileged_port(in, regs, out, !(in->opcode & 8));
        return 0;
    case 0x6c: case 0x6d: case 0x6e: case 0x6f:
        out->kind = in->opcode & 2 ? PRIVILEGED_OUTS : PRIVILEGED_INS;
        privileged_port(in, regs, out, false);
        return 0;
    case PRIVILEGED_READ_CR: case PRIVILEGED_READ_DR: case PRIVILEGED_WRITE_CR: case PRIVILEGED_WRITE_DR:
        take_registers(in); /* mod does not count */
        out->special = in->reg;
        out->general = in->rm;
        return 0;
    case PRIVILEGED_CLI: case PRIVILEGED_STI: case PRIVILEGED_CLTS: case PRIVILEGED_INVD: case PRIVILEGED_WBINVD:
    case PRIVILEGED_WRMSR: case PRIVILEGED_RDTSC: case PRIVILEGED_RDMSR: case PRIVILEGED_CPUID:
        return 0;
    case PRIVILEGED_INVLPG:
        return privileged_group7(in, regs, out);
    default:
        return -EOPNOTSUPP;
    }
}

int decode_privileged(const uint8_t *code, unsigned length, const struct cpu_user_regs *regs,
                      struct decoded_privileged *out)
{
    struct instruction in = {.code = code, .length = length, .bits = 64};
    int rc;

    *out = (struct decoded_privileged){0};
    take_opcode(&in);
    rc = privileged_by_opcode(&in, regs, out);
    if (in.failed)
        return -EFAULT;
    if (rc || in.lock)
        return -EOPNOTSUPP;
    out->repeat = in.repeat;
    out->address_size = in.address_prefix ? 4 : 8;
    out->segment = in.segment;
    out->length = in.at;
    out->address = final_address(&in, regs);
    return 0;
}
