/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoding of one instruction a PV kernel makes the hypervisor do: one that writes to memory, for its stores into its own page
 * tables, or a privileged one.
 *
 * The decoder knows no memory: it gets the bytes and the registers, and says what would be done.  Who calls
 * it does that and then changes flags, registers and rip (emulate_write.c, privileged.c).  64-bit code segments only.
 * Format: AMD64 Architecture Programmer's Manual, volume 3, chapter 1 and appendix A.
 */
#pragma once

#include "public.h"
#include "types.h"

enum store_kind {
    STORE_NONE,      /* nothing that is decoded here */
    STORE_WRITE,     /* mov r/imm to memory, stos without rep, movnti: memory = value */
    STORE_OR,        /* memory |= value; flags of a logical result */
    STORE_AND,       /* memory &= value; flags of a logical result */
    STORE_XOR,       /* memory ^= value; flags of a logical result */
    STORE_ADD,       /* memory += value */
    STORE_SUB,       /* memory -= value */
    STORE_XADD,      /* register gets the old value, memory += value */
    STORE_XCHG,      /* register gets the old value, memory = value */
    STORE_CMPXCHG,   /* memory == expected: memory = value, ZF = 1; else rax gets the old value, ZF = 0 */
    STORE_CMPXCHG8B, /* the same with edx:eax in expected and ecx:ebx in value; size is 8 */
    STORE_BTS,       /* CF = bit of memory; bit set.  value: bit number inside the operand */
    STORE_BTR,       /* ... cleared */
    STORE_BTC,       /* ... inverted */
};

struct decoded_store {
    unsigned instruction_length; /* bytes, 1 to 15 */
    unsigned size;               /* bytes of the memory operand: 1, 2, 4 or 8 */
    enum store_kind kind;
    bool is_stos;                /* rdi moves by size, as the direction flag says, once done */
    unsigned register_number; /* XADD, XCHG: the register operand, 0 to 15 as encoded (0 rax, 1 rcx, 2 rdx, 3
                                 rbx, 4 rsp...). With size 1 and no REX prefix 4 to 7 would be ah..bh: such
                                 instructions are refused */
    uint64_t value;              /* source operand, truncated to size (immediates sign-extended first) */
    uint64_t expected;           /* CMPXCHG family: truncated to size */
    uint64_t address;            /* linear address of the operand without the base of fs or gs: informative */
};

/*
 * Decodes the instruction at the start of code[length] (up to 15 bytes are looked at) as run with regs.  0;
 * -EOPNOTSUPP not one of the instructions above with a memory destination of 8 bytes at most (rep prefixes, 16-bit
 * addressing, lock where it may not stand included); -EFAULT the bytes end before the instruction does.
 */
int decode_store(const uint8_t *code, unsigned length, const struct cpu_user_regs *regs, struct decoded_store *out);

enum privileged_kind { /* the opcode, with its size bit clear where it has one */
    PRIVILEGED_IN = 0xe4, PRIVILEGED_OUT = 0xe6,    /* size, port */
    PRIVILEGED_INS = 0x6c, PRIVILEGED_OUTS = 0x6e,  /* size, port, repeat, address_size, segment */
    PRIVILEGED_CLI = 0xfa, PRIVILEGED_STI = 0xfb, PRIVILEGED_CLTS = 0x0f06,
    PRIVILEGED_READ_CR = 0x0f20, PRIVILEGED_WRITE_CR = 0x0f22, /* special, general */
    PRIVILEGED_READ_DR = 0x0f21, PRIVILEGED_WRITE_DR = 0x0f23,
    PRIVILEGED_RDMSR = 0x0f32, PRIVILEGED_WRMSR = 0x0f30, PRIVILEGED_RDTSC = 0x0f31, PRIVILEGED_CPUID = 0x0fa2,
    PRIVILEGED_RDTSCP = 0x0f01f9, PRIVILEGED_XSETBV = 0x0f01d1, PRIVILEGED_INVLPG = 0x0f01,
    PRIVILEGED_INVD = 0x0f08, PRIVILEGED_WBINVD = 0x0f09,
};

struct decoded_privileged {
    enum privileged_kind kind;
    unsigned length;        /* bytes, 1 to 15 */
    unsigned size;          /* bytes moved: 1, 2 or 4 */
    unsigned address_size;  /* of string instructions: 4 or 8 */
    unsigned port;
    bool repeat;
    uint8_t segment;        /* overriding: 0 none, 4 fs, 5 gs */
    uint8_t special;        /* control or debug register number */
    uint8_t general;        /* general register number, 0 rax to 15 */
    uint64_t address;       /* INVLPG: linear address without the base of fs or gs */
};

/* As decode_store: 0, -EOPNOTSUPP something else, -EFAULT cut off. */
int decode_privileged(const uint8_t *code, unsigned length, const struct cpu_user_regs *regs,
                      struct decoded_privileged *out);

/* General register number n, 0 rax, 1 rcx, 2 rdx, 3 rbx, 4 rsp ... 15. */
uint64_t *decode_register(struct cpu_user_regs *regs, unsigned n);
/* A write of size bytes, 1, 2, 4 or 8, to a register: 4 clear the upper half, fewer leave the rest. */
static inline void decode_register_write(uint64_t *r, uint64_t value, unsigned size)
{
    uint64_t mask = ~0UL >> (64 - size * 8);

    *r = (size == 4 ? 0 : *r & ~mask) | (value & mask);
}
