// SPDX-License-Identifier: BSD-2-Clause
/*
 * Instruction decoder for what a PV kernel makes the hypervisor do: stores into its page tables
 * (include/guest/decode.h) and privileged instructions (guest/pv/decode.h).  It touches no memory but the
 * bytes it is given, which tests and fuzzers feed it too.  Format: AMD64 Architecture Programmer's Manual,
 * volume 3, chapter 1 and appendix A; 64-bit mode.
 */
#include "guest/pv/decode.h"
#include "errno.h"

#define MAX_LENGTH 15
#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

struct instruction {
    const uint8_t *code;
    unsigned length, at;    /* bytes there are; bytes used */
    bool failed;            /* ran out of bytes */
    bool operand16, address32, lock, rep, repne;
    uint8_t segment;        /* 0, 4 fs, 5 gs: others mean nothing in 64-bit mode */
    uint8_t rex;            /* with its 0x40, 0 none */
    unsigned opcode;        /* 0x0fxx for two bytes */
    uint8_t mod, reg, rm;   /* reg and rm with their REX bits */
    bool relative;          /* address counts from the end of the instruction */
    uint64_t address;
};

static uint8_t take8(struct instruction *in)
{
    if (in->at >= in->length || in->at >= MAX_LENGTH) {
        in->failed = true;
        return 0;
    }
    return in->code[in->at++];
}

/* Little-endian and sign-extended from size bytes. */
static uint64_t take(struct instruction *in, unsigned size)
{
    uint64_t value = 0;
    unsigned shift = 64 - size * 8;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)take8(in) << (i * 8);
    return shift ? (uint64_t)((int64_t)(value << shift) >> shift) : value;
}

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

static uint64_t truncate(uint64_t value, unsigned size)
{
    return size >= 8 ? value : value & ((1UL << (size * 8)) - 1);
}

/* A REX prefix counts only just before the opcode. */
static bool take_prefix(struct instruction *in, uint8_t byte)
{
    switch (byte) {
    case 0x66: in->operand16 = true; break;
    case 0x67: in->address32 = true; break;
    case 0xf0: in->lock = true; break;
    case 0xf2: in->repne = true; in->rep = false; break;
    case 0xf3: in->rep = true; in->repne = false; break;
    case 0x64: in->segment = 4; break;
    case 0x65: in->segment = 5; break;
    case 0x26: case 0x2e: case 0x36: case 0x3e: break;
    default:
        if ((byte & 0xf0) != 0x40)
            return false;
        in->rex = byte;
        return true;
    }
    in->rex = 0;
    return true;
}

static void take_opcode(struct instruction *in)
{
    uint8_t byte;

    do {
        byte = take8(in);
    } while (!in->failed && take_prefix(in, byte));
    in->opcode = byte;
    if (byte == 0x0f)
        in->opcode = 0x0f00u | take8(in);
}

static uint64_t take_sib(struct instruction *in, const struct cpu_user_regs *regs)
{
    uint8_t sib = take8(in);
    unsigned index = ((sib >> 3) & 7u) | (in->rex & REX_X ? 8u : 0u);
    unsigned base = (sib & 7u) | (in->rex & REX_B ? 8u : 0u);
    uint64_t address = index == 4 ? 0 : register_value(regs, index) << (sib >> 6);

    if ((base & 7) == 5 && in->mod == 0)
        return address + take(in, 4);
    return address + register_value(regs, base);
}

/* ModRM, SIB and displacement.  A relative address is finished once the length is known. */
static void take_modrm(struct instruction *in, const struct cpu_user_regs *regs)
{
    uint8_t byte = take8(in);

    in->mod = byte >> 6;
    in->reg = (uint8_t)(((byte >> 3) & 7) | (in->rex & REX_R ? 8 : 0));
    in->rm = (uint8_t)((byte & 7) | (in->rex & REX_B ? 8 : 0));
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
        in->address += take(in, 1);
    else if (in->mod == 2)
        in->address += take(in, 4);
}

static uint64_t final_address(const struct instruction *in, const struct cpu_user_regs *regs)
{
    uint64_t address = in->address + (in->relative ? regs->rip + in->at : 0);

    return in->address32 ? address & 0xffffffffUL : address;
}

/* Of opcodes whose lowest bit tells bytes from words. */
static unsigned operand_size(const struct instruction *in, bool byte)
{
    if (byte)
        return 1;
    if (in->rex & REX_W)
        return 8;
    return in->operand16 ? 2 : 4;
}

static struct instruction instruction_start(const uint8_t *code, unsigned length)
{
    struct instruction in = {.code = code, .length = length};

    take_opcode(&in);
    return in;
}

/* ---- stores ---- */

static bool byte_register_high(const struct instruction *in, unsigned size, unsigned n)
{
    return size == 1 && !in->rex && n >= 4 && n < 8;
}

/* op r/m, r of the arithmetic group: 00 add, 08 or, 20 and, 28 sub, 30 xor. */
static bool arithmetic_kind(unsigned n, enum store_kind *kind)
{
    switch (n) {
    case 0: *kind = STORE_ADD; return true;
    case 1: *kind = STORE_OR; return true;
    case 4: *kind = STORE_AND; return true;
    case 5: *kind = STORE_SUB; return true;
    case 6: *kind = STORE_XOR; return true;
    default: return false; /* adc and sbb need the carry, cmp stores nothing */
    }
}

static int store_from_register(struct instruction *in, const struct cpu_user_regs *regs,
                               struct decoded_store *out, enum store_kind kind, bool byte)
{
    out->kind = kind;
    out->size = operand_size(in, byte);
    take_modrm(in, regs);
    if (byte_register_high(in, out->size, in->reg))
        return -EOPNOTSUPP;
    out->register_number = in->reg;
    out->value = truncate(register_value(regs, in->reg), out->size);
    if (kind == STORE_CMPXCHG)
        out->expected = truncate(regs->rax, out->size);
    return 0;
}

/* Group 1: op r/m, immediate.  80 byte, 81 full, 83 sign-extended byte. */
static int store_group1(struct instruction *in, const struct cpu_user_regs *regs, struct decoded_store *out)
{
    out->size = operand_size(in, in->opcode == 0x80);
    take_modrm(in, regs);
    if (!arithmetic_kind(in->reg & 7, &out->kind))
        return -EOPNOTSUPP;
    if (in->opcode == 0x81)
        out->value = truncate(take(in, out->size == 8 ? 4 : out->size), out->size);
    else
        out->value = truncate(take(in, 1), out->size);
    return 0;
}

static int store_immediate(struct instruction *in, const struct cpu_user_regs *regs,
                           struct decoded_store *out)
{
    out->kind = STORE_WRITE;
    out->size = operand_size(in, in->opcode == 0xc6);
    take_modrm(in, regs);
    if (in->reg & 7)
        return -EOPNOTSUPP;
    out->value = truncate(take(in, out->size == 8 ? 4 : out->size), out->size);
    return 0;
}

/* mov to an absolute 64-bit address from rax. */
static int store_moffs(struct instruction *in, const struct cpu_user_regs *regs, struct decoded_store *out)
{
    out->kind = STORE_WRITE;
    out->size = operand_size(in, in->opcode == 0xa2);
    in->address = in->address32 ? take(in, 4) & 0xffffffffUL : take(in, 8);
    out->value = truncate(regs->rax, out->size);
    return 0;
}

static int store_stos(struct instruction *in, const struct cpu_user_regs *regs, struct decoded_store *out)
{
    if (in->rep || in->repne || in->address32)
        return -EOPNOTSUPP;
    out->kind = STORE_WRITE;
    out->is_stos = true;
    out->size = operand_size(in, in->opcode == 0xaa);
    in->address = regs->rdi;
    in->segment = 0;
    out->value = truncate(regs->rax, out->size);
    return 0;
}

static int store_cmpxchg_wide(struct instruction *in, const struct cpu_user_regs *regs,
                              struct decoded_store *out)
{
    take_modrm(in, regs);
    if ((in->reg & 7) != 1)
        return -EOPNOTSUPP;
    if (in->rex & REX_W) {
        out->kind = STORE_CMPXCHG16B;
        out->size = 16;
        out->value = regs->rbx;
        out->value_high = regs->rcx;
        out->expected = regs->rax;
        out->expected_high = regs->rdx;
    } else {
        out->kind = STORE_CMPXCHG8B;
        out->size = 8;
        out->value = (regs->rcx << 32) | (uint32_t)regs->rbx;
        out->expected = (regs->rdx << 32) | (uint32_t)regs->rax;
    }
    return 0;
}

static enum store_kind bit_kind(unsigned n)
{
    return n == 5 ? STORE_BTS : n == 6 ? STORE_BTR : STORE_BTC;
}

/* bts, btr, btc r/m, r: the register is a signed bit offset that moves the operand. */
static int store_bit_register(struct instruction *in, const struct cpu_user_regs *regs,
                              struct decoded_store *out)
{
    int64_t bit;
    unsigned bits;

    out->kind = bit_kind((in->opcode >> 3) & 7);
    out->size = operand_size(in, false);
    bits = out->size * 8;
    take_modrm(in, regs);
    bit = (int64_t)register_value(regs, in->reg);
    if (out->size == 4)
        bit = (int32_t)bit;
    else if (out->size == 2)
        bit = (int16_t)bit;
    out->value = (uint64_t)bit & (bits - 1);
    in->address += (uint64_t)((bit - (int64_t)out->value) / 8);
    return 0;
}

static int store_bit_immediate(struct instruction *in, const struct cpu_user_regs *regs,
                               struct decoded_store *out)
{
    out->size = operand_size(in, false);
    take_modrm(in, regs);
    if ((in->reg & 7) < 5)
        return -EOPNOTSUPP;
    out->kind = bit_kind(in->reg & 7);
    out->value = take8(in) & (out->size * 8 - 1);
    return 0;
}

static int store_movnti(struct instruction *in, const struct cpu_user_regs *regs, struct decoded_store *out)
{
    if (in->operand16 || in->rep || in->repne)
        return -EOPNOTSUPP;
    return store_from_register(in, regs, out, STORE_WRITE, false);
}

static int store_by_opcode(struct instruction *in, const struct cpu_user_regs *regs,
                           struct decoded_store *out)
{
    enum store_kind kind;

    switch (in->opcode) {
    case 0x00:
    case 0x01:
    case 0x08:
    case 0x09:
    case 0x20:
    case 0x21:
    case 0x28:
    case 0x29:
    case 0x30:
    case 0x31:
        if (!arithmetic_kind(in->opcode >> 3, &kind))
            return -EOPNOTSUPP;
        return store_from_register(in, regs, out, kind, !(in->opcode & 1));
    case 0x80: case 0x81: case 0x83: return store_group1(in, regs, out);
    case 0x86: case 0x87: return store_from_register(in, regs, out, STORE_XCHG, in->opcode == 0x86);
    case 0x88: case 0x89: return store_from_register(in, regs, out, STORE_WRITE, in->opcode == 0x88);
    case 0xa2: case 0xa3: return store_moffs(in, regs, out);
    case 0xaa: case 0xab: return store_stos(in, regs, out);
    case 0xc6: case 0xc7: return store_immediate(in, regs, out);
    case 0x0fab: case 0x0fb3: case 0x0fbb: return store_bit_register(in, regs, out);
    case 0x0fba: return store_bit_immediate(in, regs, out);
    case 0x0fb0: case 0x0fb1: return store_from_register(in, regs, out, STORE_CMPXCHG, in->opcode == 0x0fb0);
    case 0x0fc0: case 0x0fc1: return store_from_register(in, regs, out, STORE_XADD, in->opcode == 0x0fc0);
    case 0x0fc3: return store_movnti(in, regs, out);
    case 0x0fc7: return store_cmpxchg_wide(in, regs, out);
    default: return -EOPNOTSUPP;
    }
}

/* A plain store has no locked form. */
static bool lock_allowed(const struct decoded_store *s)
{
    return s->kind != STORE_WRITE;
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
    struct instruction in = instruction_start(code, length);
    int rc;

    *out = (struct decoded_store){0};
    if (in.failed)
        return -EFAULT;
    rc = store_by_opcode(&in, regs, out);
    if (rc)
        return in.failed ? -EFAULT : rc;
    if (in.failed)
        return -EFAULT;
    if (in.mod == 3 || in.rep || in.repne || (in.lock && !lock_allowed(out)))
        return -EOPNOTSUPP;
    out->instruction_length = in.at;
    out->address = final_address(&in, regs);
    return 0;
}

int decode_store(const uint8_t *code, unsigned length, const struct cpu_user_regs *regs,
                 struct decoded_store *out)
{
    return store_short(code, length, regs, out) ? 0 : store_any(code, length, regs, out);
}

/* ---- privileged instructions ---- */

static int privileged_port(struct instruction *in, const struct cpu_user_regs *regs,
                           struct decoded_privileged *out)
{
    bool byte = !(in->opcode & 1);

    out->size = byte ? 1 : in->operand16 ? 2 : 4;
    out->port = in->opcode & 8 ? (uint16_t)regs->rdx : take8(in);
    out->kind = in->opcode & 2 ? PRIVILEGED_OUT : PRIVILEGED_IN;
    return 0;
}

static int privileged_string(struct instruction *in, const struct cpu_user_regs *regs,
                             struct decoded_privileged *out)
{
    out->size = !(in->opcode & 1) ? 1 : in->operand16 ? 2 : 4;
    out->port = (uint16_t)regs->rdx;
    out->repeat = in->rep || in->repne;
    out->address_size = in->address32 ? 4 : 8;
    out->segment = in->segment;
    out->kind = in->opcode & 2 ? PRIVILEGED_OUTS : PRIVILEGED_INS;
    return 0;
}

/* mov between general and control or debug registers: mod does not count. */
static int privileged_move(struct instruction *in, struct decoded_privileged *out)
{
    static const enum privileged_kind kinds[4] = {PRIVILEGED_READ_CR, PRIVILEGED_READ_DR, PRIVILEGED_WRITE_CR,
                                                  PRIVILEGED_WRITE_DR};
    uint8_t byte = take8(in);

    out->kind = kinds[in->opcode & 3];
    out->special = (uint8_t)(((byte >> 3) & 7) | (in->rex & REX_R ? 8 : 0));
    out->general = (uint8_t)((byte & 7) | (in->rex & REX_B ? 8 : 0));
    return 0;
}

static int privileged_group7(struct instruction *in, const struct cpu_user_regs *regs,
                             struct decoded_privileged *out)
{
    take_modrm(in, regs);
    if (in->mod == 3) {
        uint8_t low = (uint8_t)((in->reg & 7) << 3 | (in->rm & 7));

        if (low == 021) /* 0f 01 d1 */
            out->kind = PRIVILEGED_XSETBV;
        else if (low == 071) /* 0f 01 f9 */
            out->kind = PRIVILEGED_RDTSCP;
        else
            return -EOPNOTSUPP;
        return 0;
    }
    if ((in->reg & 7) != 7)
        return -EOPNOTSUPP;
    out->kind = PRIVILEGED_INVLPG;
    out->segment = in->segment;
    return 0;
}

static int privileged_by_opcode(struct instruction *in, const struct cpu_user_regs *regs,
                                struct decoded_privileged *out)
{
    switch (in->opcode) {
    case 0xe4: case 0xe5: case 0xe6: case 0xe7: case 0xec: case 0xed: case 0xee: case 0xef:
        return privileged_port(in, regs, out);
    case 0x6c: case 0x6d: case 0x6e: case 0x6f: return privileged_string(in, regs, out);
    case 0xfa: out->kind = PRIVILEGED_CLI; return 0;
    case 0xfb: out->kind = PRIVILEGED_STI; return 0;
    case 0xf4: out->kind = PRIVILEGED_HLT; return 0;
    case 0x0f06: out->kind = PRIVILEGED_CLTS; return 0;
    case 0x0f08: case 0x0f09: out->kind = PRIVILEGED_CACHE; return 0;
    case 0x0f20: case 0x0f21: case 0x0f22: case 0x0f23: return privileged_move(in, out);
    case 0x0f30: out->kind = PRIVILEGED_WRMSR; return 0;
    case 0x0f31: out->kind = PRIVILEGED_RDTSC; return 0;
    case 0x0f32: out->kind = PRIVILEGED_RDMSR; return 0;
    case 0x0fa2: out->kind = PRIVILEGED_CPUID; return 0;
    case 0x0f01: return privileged_group7(in, regs, out);
    default: return -EOPNOTSUPP;
    }
}

int decode_privileged(const uint8_t *code, unsigned length, const struct cpu_user_regs *regs,
                      struct decoded_privileged *out)
{
    struct instruction in = instruction_start(code, length);
    int rc;

    *out = (struct decoded_privileged){0};
    if (in.failed)
        return -EFAULT;
    rc = privileged_by_opcode(&in, regs, out);
    if (in.failed)
        return -EFAULT;
    if (rc)
        return rc;
    if (in.lock)
        return -EOPNOTSUPP;
    out->length = in.at;
    out->address = final_address(&in, regs);
    return 0;
}
