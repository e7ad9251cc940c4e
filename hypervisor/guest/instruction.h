/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The beginning of an instruction, for the decoders of both kinds of guests: prefixes, opcode, ModRM.  No memory is touched but
 * the bytes they are given.  Format: AMD64 Architecture Programmer's Manual, volume 3, chapter 1 and appendix A.
 */
#pragma once

#include "types.h"

#define MAX_INSTRUCTION 15
#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

struct instruction {
    const uint8_t *code;
    unsigned length, at;    /* bytes there are; bytes used */
    unsigned bits;          /* of the code segment: 16, 32, 64 */
    bool failed;            /* ran out of bytes */
    bool operand_prefix, address_prefix, lock, repeat;
    uint8_t segment;        /* 0, 4 fs, 5 gs */
    uint8_t rex;            /* with its 0x40, 0 none */
    unsigned opcode;        /* 0x0fxx for two bytes */
    uint8_t mod, reg, rm;   /* reg and rm with their REX bits */
    bool relative;          /* address counts from the end of the instruction */
    uint64_t address;
};

static inline uint8_t take8(struct instruction *in)
{
    if (in->at >= in->length || in->at >= MAX_INSTRUCTION) {
        in->failed = true;
        return 0;
    }
    return in->code[in->at++];
}

/* Little-endian and sign-extended from size bytes. */
static inline uint64_t take(struct instruction *in, unsigned size)
{
    uint64_t value = 0;
    unsigned shift = 64 - size * 8;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)take8(in) << (i * 8);
    return shift % 64 ? (uint64_t)((int64_t)(value << shift) >> shift) : value; /* nothing, or all of it */
}

/* A REX prefix counts only just before the opcode. */
static inline bool take_prefix(struct instruction *in, uint8_t byte)
{
    switch (byte) {
    case 0x66: in->operand_prefix = true; break;
    case 0x67: in->address_prefix = true; break;
    case 0xf0: in->lock = true; break;
    case 0xf2: case 0xf3: in->repeat = true; break;
    case 0x64: in->segment = 4; break;
    case 0x65: in->segment = 5; break;
    case 0x26: case 0x2e: case 0x36: case 0x3e: break;
    default:
        if (in->bits != 64 || (byte & 0xf0) != 0x40)
            return false;
        in->rex = byte;
        return true;
    }
    in->rex = 0;
    return true;
}

static inline void take_opcode(struct instruction *in)
{
    uint8_t byte;

    do {
        byte = take8(in);
    } while (!in->failed && take_prefix(in, byte));
    in->opcode = byte == 0x0f ? 0x0f00u | take8(in) : byte;
}

static inline void take_registers(struct instruction *in)
{
    uint8_t byte = take8(in);

    in->mod = byte >> 6;
    in->reg = (uint8_t)(((byte >> 3) & 7) | (in->rex & REX_R ? 8 : 0));
    in->rm = (uint8_t)((byte & 7) | (in->rex & REX_B ? 8 : 0));
}

/* Bytes of an operand that is not one byte. */
static inline unsigned operand_size(const struct instruction *in)
{
    return in->rex & REX_W ? 8 : (in->bits == 16) != in->operand_prefix ? 2 : 4;
}
