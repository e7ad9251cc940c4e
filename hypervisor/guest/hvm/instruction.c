// SPDX-License-Identifier: BSD-2-Clause
/*
 * The instruction a guest exited on: its bytes, its length where the processor does not tell, and a move between memory and a
 * register, for accesses to the local APIC and to memory that is none.  Nothing more is decoded than these exits need.
 * Format: AMD64 Architecture Programmer's Manual, volume 3, chapter 1 and appendix A.
 */
#include "guest/hvm/internal.h"

#define REX_W 8
#define REX_R 4
#define REX_B 1

unsigned hvm_fetch(struct vcpu *v, const struct cpu_user_regs *regs, uint8_t code[MAX_INSTRUCTION])
{
    struct hvm_code mode = hvm_vendor->code(v);
    uint64_t linear = mode.bits == 64 ? regs->rip : (uint32_t)(mode.base + regs->rip), fault;
    unsigned to_page_end = (unsigned)(PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
    unsigned first = min(to_page_end, (unsigned)MAX_INSTRUCTION);
    unsigned access = HVM_ACCESS_FETCH | (v->hvm->cpl == 3 ? HVM_ACCESS_USER : 0);
    uint32_t error_code;

    if (hvm_copy_from(code, linear, first, access, &fault, &error_code)) {
        if (error_code != ~0u)
            hvm_inject_page_fault(fault, error_code);
        else
            hvm_crash(v, "its instruction is in no memory, at", linear);
        return 0;
    }
    if (first < MAX_INSTRUCTION &&
        hvm_copy_from(code + first, linear + first, MAX_INSTRUCTION - first, access, &fault, &error_code))
        return first;
    return MAX_INSTRUCTION;
}

struct bytes {
    const uint8_t *code;
    unsigned length, at, bits;
    bool failed, operand, address; /* prefixes 0x66, 0x67 */
    bool repeat;
    uint8_t rex;
    uint8_t mod, reg, rm;
};

static uint8_t take8(struct bytes *in)
{
    if (in->at >= in->length) {
        in->failed = true;
        return 0;
    }
    return in->code[in->at++];
}

static uint64_t take(struct bytes *in, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)take8(in) << i * 8;
    return size < 8 && value >> (size * 8 - 1) ? value | ~0UL << size * 8 : value;
}

/* Prefixes; the byte behind them. */
static uint8_t take_prefixes(struct bytes *in)
{
    for (;;) {
        uint8_t byte = take8(in);

        if (in->failed)
            return 0;
        switch (byte) {
        case 0x66: in->operand = true; break;
        case 0x67: in->address = true; break;
        case 0xf2: case 0xf3: in->repeat = true; break;
        case 0xf0: case 0x26: case 0x2e: case 0x36: case 0x3e: case 0x64: case 0x65: break;
        default:
            if (in->bits != 64 || (byte & 0xf0) != 0x40)
                return byte;
            in->rex = byte;
            continue;
        }
        in->rex = 0; /* counts only just before the opcode */
    }
}

static unsigned address_bits(const struct bytes *in)
{
    if (in->bits == 64)
        return in->address ? 32 : 64;
    return (in->bits == 32) != in->address ? 32 : 16;
}

static unsigned operand_size(const struct bytes *in)
{
    if (in->rex & REX_W)
        return 8;
    return (in->bits == 16) != in->operand ? 2 : 4;
}

/* ModRM with what belongs to it; the address itself is known already. */
static void take_modrm(struct bytes *in)
{
    uint8_t byte = take8(in), rm = byte & 7;

    in->mod = byte >> 6;
    in->reg = (uint8_t)((byte >> 3 & 7) | (in->rex & REX_R ? 8 : 0));
    in->rm = (uint8_t)(rm | (in->rex & REX_B ? 8 : 0));
    if (in->mod == 3)
        return;
    if (address_bits(in) == 16) {
        in->at += in->mod == 1 ? 1 : in->mod == 2 || rm == 6 ? 2 : 0;
    } else {
        uint8_t base = rm == 4 ? take8(in) & 7 : rm;

        in->at += in->mod == 1 ? 1 : in->mod == 2 || (in->mod == 0 && base == 5) ? 4 : 0;
    }
    if (in->at > in->length)
        in->failed = true;
}

unsigned decode_opcode_length(const uint8_t *code, unsigned length, unsigned bits, unsigned opcode)
{
    struct bytes in = {.code = code, .length = length, .bits = bits};
    unsigned found = take_prefixes(&in);

    for (unsigned left = opcode > 0xffff ? 2 : opcode > 0xff ? 1 : 0; left; left--)
        found = found << 8 | take8(&in);
    return in.failed || found != opcode ? 0 : in.at;
}

int decode_control(const uint8_t *code, unsigned length, unsigned bits, struct decoded_control *out)
{
    struct bytes in = {.code = code, .length = length, .bits = bits};
    uint8_t opcode = take_prefixes(&in) == 0x0f ? take8(&in) : 0;

    switch (opcode) {
    case 0x06:
        out->kind = CONTROL_CLTS;
        break;
    case 0x01:
        take_modrm(&in);
        if ((in.reg & 7) != 6)
            return in.failed ? -EFAULT : -EOPNOTSUPP;
        out->kind = in.mod == 3 ? CONTROL_LMSW : CONTROL_LMSW_MEMORY;
        out->general = in.rm;
        break;
    case 0x20:
    case 0x22:
        take_modrm(&in); /* whatever mod says, a register is meant: one that reads as memory is not what compilers make */
        if (in.mod != 3)
            return in.failed ? -EFAULT : -EOPNOTSUPP;
        out->kind = opcode == 0x20 ? CONTROL_READ : CONTROL_WRITE;
        out->number = in.reg;
        out->general = in.rm;
        break;
    default:
        return in.failed ? -EFAULT : -EOPNOTSUPP;
    }
    out->length = in.at;
    return in.failed ? -EFAULT : 0;
}

/* ---- moves ---- */

static void access_modrm(struct bytes *in, struct decoded_access *out, enum access_kind kind, bool byte)
{
    out->kind = kind;
    out->size = out->register_size = byte ? 1 : operand_size(in);
    take_modrm(in);
    out->number = in->reg;
    if (byte && !in->rex && in->reg >= 4) {
        out->high_byte = true;
        out->number = in->reg & 3;
    }
}

/* movzx and movsx: the memory's size is the opcode's, the register's the prefixes'. */
static void access_extend(struct bytes *in, struct decoded_access *out, unsigned size, bool sign)
{
    access_modrm(in, out, ACCESS_LOAD, false);
    out->size = size;
    out->sign_extend = sign;
}

static void access_immediate(struct bytes *in, struct decoded_access *out, bool byte)
{
    access_modrm(in, out, ACCESS_STORE, byte);
    out->immediate = true;
    out->value = take(in, min(out->size, 4u));
}

static void access_offset(struct bytes *in, struct decoded_access *out, enum access_kind kind, bool byte)
{
    out->kind = kind;
    out->size = out->register_size = byte ? 1 : operand_size(in);
    (void)take(in, address_bits(in) / 8);
}

static void access_string(struct bytes *in, struct decoded_access *out, bool byte)
{
    out->kind = ACCESS_STORE;
    out->size = out->register_size = byte ? 1 : operand_size(in);
    out->string = true;
    out->repeat = in->repeat;
}

static int decode_two_byte(struct bytes *in, struct decoded_access *out)
{
    switch (take8(in)) {
    case 0xb6: access_extend(in, out, 1, false); return 0;
    case 0xb7: access_extend(in, out, 2, false); return 0;
    case 0xbe: access_extend(in, out, 1, true); return 0;
    case 0xbf: access_extend(in, out, 2, true); return 0;
    default: return -EOPNOTSUPP;
    }
}

static int decode_one_byte(struct bytes *in, struct decoded_access *out, uint8_t opcode)
{
    bool byte = !(opcode & 1);

    switch (opcode) {
    case 0x86: case 0x87: access_modrm(in, out, ACCESS_EXCHANGE, byte); return 0;
    case 0x88: case 0x89: access_modrm(in, out, ACCESS_STORE, byte); return 0;
    case 0x8a: case 0x8b: access_modrm(in, out, ACCESS_LOAD, byte); return 0;
    case 0xa0: case 0xa1: access_offset(in, out, ACCESS_LOAD, byte); return 0;
    case 0xa2: case 0xa3: access_offset(in, out, ACCESS_STORE, byte); return 0;
    case 0xaa: case 0xab: access_string(in, out, byte); return 0;
    case 0xc6: case 0xc7:
        access_immediate(in, out, byte);
        return in->reg & 7 ? -EOPNOTSUPP : 0;
    case 0x63:
        if (in->bits != 64)
            return -EOPNOTSUPP;
        access_extend(in, out, 4, true);
        return 0;
    default:
        return -EOPNOTSUPP;
    }
}

int decode_access(const uint8_t *code, unsigned length, unsigned bits, struct decoded_access *out)
{
    struct bytes in = {.code = code, .length = length, .bits = bits};
    uint8_t opcode = take_prefixes(&in);
    int rc;

    *out = (struct decoded_access){0};
    rc = opcode == 0x0f ? decode_two_byte(&in, out) : decode_one_byte(&in, out, opcode);
    if (in.failed)
        return -EFAULT;
    if (rc)
        return rc;
    if (in.mod == 3 && !out->string && (opcode & 0xfc) != 0xa0)
        return -EOPNOTSUPP;
    out->address_size = address_bits(&in) / 8;
    out->length = in.at;
    return 0;
}
