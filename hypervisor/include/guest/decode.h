/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoding of one instruction that writes to memory, for a kernel that stores into its own page tables.
 *
 * The decoder knows no memory: it gets the bytes and the registers, and says what would be stored.  Who calls
 * it does the store and then changes flags, registers and rip (guest/pv/emulate_write.c).  64-bit mode only.
 * Format: AMD64 Architecture Programmer's Manual, volume 3, chapter 1 and appendix A.
 */
#ifndef XYLEM_GUEST_DECODE_H
#define XYLEM_GUEST_DECODE_H

#include "public.h"
#include "types.h"

enum store_kind {
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
    STORE_CMPXCHG16B,/* rdx:rax in expected_high:expected, rcx:rbx in value_high:value; size is 16 */
    STORE_BTS,       /* CF = bit of memory; bit set.  value: bit number inside the operand */
    STORE_BTR,       /* ... cleared */
    STORE_BTC,       /* ... inverted */
};

struct decoded_store {
    unsigned instruction_length; /* bytes, 1 to 15 */
    unsigned size;               /* bytes of the memory operand: 1, 2, 4, 8 or 16 */
    enum store_kind kind;
    bool is_stos;                /* rdi moves by size, as the direction flag says, once done */
    unsigned register_number; /* XADD, XCHG: the register operand, 0 to 15 as encoded (0 rax, 1 rcx, 2 rdx, 3
                                 rbx, 4 rsp...). With size 1 and no REX prefix 4 to 7 would be ah..bh: such
                                 instructions are refused */
    uint64_t value;              /* source operand, truncated to size (immediates sign-extended first) */
    uint64_t value_high;
    uint64_t expected;           /* CMPXCHG family: truncated to size */
    uint64_t expected_high;
    uint64_t address;            /* linear address of the operand without the base of fs or gs: informative */
};

/*
 * Decodes the instruction at the start of code[length] (up to 15 bytes are looked at) as run with regs.  0;
 * -EOPNOTSUPP not one of the instructions above with a memory destination (rep prefixes, 16-bit addressing,
 * lock where it may not stand included); -EFAULT the bytes end before the instruction does.
 */
int decode_store(const uint8_t *code, unsigned length, const struct cpu_user_regs *regs,
                 struct decoded_store *out);

#endif
