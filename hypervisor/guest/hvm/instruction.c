// SPDX-License-Identifier: BSD-2-Clause
/*
 * The instruction a guest exited on: its bytes, its length where the processor does not tell, and a move between memory and a
 * register, for accesses to the local APIC and to memory that is none.  Nothing more is decoded than these exits need.
 * Format: AMD64 Architecture Programmer's Manual, volume 3, chapter 1 and appendix A.
 */
#include "guest/hvm/internal.h"

unsigned hvm_fetch(struct vcpu *v, const struct cpu_user_regs *regs, uint8_t code[MAX_INSTRUCTION])
{
    struct hvm_code mode = hvm_vendor->code(v);
    uint64_t linear = mode.bits == 64 ? regs->rip : (uint32_t)(mode.base + regs->rip);
    unsigned to_page_end = (unsigned)(PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
    unsigned first = min(to_page_end, (unsigned)MAX_INSTRUCTION);
    unsigned access = hvm_fetch_access(v);
    struct hvm_fault fault;

    if (hvm_copy(linear, code, first, access, &fault)) {
        if (fault.code != HVM_NO_MEMORY)
            hvm_inject_page_fault(&fault);
        else
            hvm_crash(v, "its instruction is in no memory, at", linear);
        return 0;
    }
    if (likely(first == MAX_INSTRUCTION) || hvm_copy(linear + first, code + first, MAX_INSTRUCTION - first, access, &fault))
        return first;
    return MAX_INSTRUCTION;
}

static unsigned address_bits(const struct instruction *in)
{
    if (in->bits == 64)
        return in->address_prefix ? 32 : 64;
    return (in->bits == 32) != in->address_prefix ? 32 : 16;
}

/* ModRM with what belongs to it; the address itself is known already. */
static void take_modrm(struct instruction *in)
{
    uint8_t rm;

    take_registers(in);
    rm = in->rm & 7;
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
    struct instruction in = {.code = code, .length = length, .bits = bits};

    take_opcode(&in);
    if (opcode > 0xffff)
        in.opcode = in.opcode << 8 | take8(&in);
    return in.failed || in.opcode != opcode ? 0 : in.at;
}

int decode_control(const uint8_t *code, unsigned length, unsigned bits, struct decoded_control *out)
{
    struct instruction in = {.code = code, .length = length, .bits = bits};

    take_opcode(&in);
    switch (in.opcode) {
    case 0x0f06:
        out->kind = CONTROL_CLTS;
        break;
    case 0x0f01:
        take_modrm(&in);
        if ((in.reg & 7) != 6)
            return in.failed ? -EFAULT : -EOPNOTSUPP;
        out->kind = in.mod == 3 ? CONTROL_LMSW : CONTROL_LMSW_MEMORY;
        out->general = in.rm;
        break;
    case 0x0f20:
    case 0x0f22:
        take_modrm(&in); /* whatever mod says, a register is meant: one that reads as memory is not what compilers make */
        if (in.mod != 3)
            return in.failed ? -EFAULT : -EOPNOTSUPP;
        out->kind = in.opcode == 0x0f20 ? CONTROL_READ : CONTROL_WRITE;
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

/* size: of memory, when it is not the register's; otherwise the opcode's lowest bit tells bytes from words. */
static const struct access_form {
    uint16_t opcode; /* 0x0fNN for two bytes */
    uint8_t size;
    bool sign_extend;
    enum access_kind kind;
    enum { BY_MODRM, BY_OFFSET, IMMEDIATE, STRING } operand;
} access_forms[] = {
    {0x86, 0, false, ACCESS_EXCHANGE, BY_MODRM},
    {0x88, 0, false, ACCESS_STORE, BY_MODRM},
    {0x8a, 0, false, ACCESS_LOAD, BY_MODRM},
    {0xa0, 0, false, ACCESS_LOAD, BY_OFFSET},
    {0xa2, 0, false, ACCESS_STORE, BY_OFFSET},
    {0xaa, 0, false, ACCESS_STORE, STRING},
    {0xc6, 0, false, ACCESS_STORE, IMMEDIATE},
    {0x63, 4, true, ACCESS_LOAD, BY_MODRM}, /* of 64-bit code */
    {0x0fb6, 1, false, ACCESS_LOAD, BY_MODRM},
    {0x0fb7, 2, false, ACCESS_LOAD, BY_MODRM},
    {0x0fbe, 1, true, ACCESS_LOAD, BY_MODRM},
    {0x0fbf, 2, true, ACCESS_LOAD, BY_MODRM},
};

static const struct access_form *access_form(unsigned opcode, unsigned bits)
{
    for (unsigned i = 0; i < ARRAY_SIZE(access_forms); i++)
        if (access_forms[i].opcode == (access_forms[i].size ? opcode : opcode & ~1u) && (opcode != 0x63 || bits == 64))
            return &access_forms[i];
    return NULL;
}

int decode_access(const uint8_t *code, unsigned length, unsigned bits, struct decoded_access *out)
{
    struct instruction in = {.code = code, .length = length, .bits = bits};
    const struct access_form *form;
    bool byte;

    take_opcode(&in);
    form = access_form(in.opcode, bits);
    if (in.failed || !form)
        return in.failed ? -EFAULT : -EOPNOTSUPP;
    byte = !form->size && !(in.opcode & 1);
    *out = (struct decoded_access){.kind = form->kind, .register_size = byte ? 1 : operand_size(&in),
        .sign_extend = form->sign_extend, .immediate = form->operand == IMMEDIATE, .string = form->operand == STRING,
        .repeat = form->operand == STRING && in.repeat, .address_size = address_bits(&in) / 8};
    out->size = form->size ? form->size : out->register_size;
    if (form->operand == BY_OFFSET) {
        (void)take(&in, out->address_size);
    } else if (form->operand != STRING) {
        take_modrm(&in);
        out->high_byte = byte && !in.rex && in.reg >= 4;
        out->number = out->high_byte ? in.reg & 3 : in.reg;
    }
    if (form->operand == IMMEDIATE)
        out->value = take(&in, min(out->size, 4u));
    out->length = in.at;
    if (in.failed)
        return -EFAULT;
    return in.mod == 3 || (form->operand == IMMEDIATE && (in.reg & 7)) ? -EOPNOTSUPP : 0;
}
