/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decoding of privileged instructions as a PV kernel may still use them.  Pure: bytes in, description out. 
 * 64-bit code segments only.  Format: AMD64 Architecture Programmer's Manual, volume 3.
 */
#ifndef XYLEM_GUEST_PV_DECODE_H
#define XYLEM_GUEST_PV_DECODE_H

#include "guest/decode.h"

enum privileged_kind {
    PRIVILEGED_IN, PRIVILEGED_OUT,       /* size, port */
    PRIVILEGED_INS, PRIVILEGED_OUTS,     /* size, rep, address_size, segment */
    PRIVILEGED_CLI, PRIVILEGED_STI, PRIVILEGED_HLT, PRIVILEGED_CLTS,
    PRIVILEGED_READ_CR, PRIVILEGED_WRITE_CR, PRIVILEGED_READ_DR, PRIVILEGED_WRITE_DR, /* special, general */
    PRIVILEGED_RDMSR, PRIVILEGED_WRMSR, PRIVILEGED_RDTSC, PRIVILEGED_RDTSCP, PRIVILEGED_CPUID,
    PRIVILEGED_XSETBV, PRIVILEGED_INVLPG, PRIVILEGED_CACHE, /* invd, wbinvd */
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

#endif
