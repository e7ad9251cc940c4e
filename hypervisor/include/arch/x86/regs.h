/* SPDX-License-Identifier: BSD-2-Clause */
/* Flags, exception vectors, error codes of page faults, segment registers. */
#pragma once

#define RFLAGS_CF   0x00000001
#define RFLAGS_MBS  0x00000002 /* always one */
#define RFLAGS_PF   0x00000004
#define RFLAGS_AF   0x00000010
#define RFLAGS_ZF   0x00000040
#define RFLAGS_SF   0x00000080
#define RFLAGS_TF   0x00000100
#define RFLAGS_IF   0x00000200
#define RFLAGS_DF   0x00000400
#define RFLAGS_OF   0x00000800
#define RFLAGS_IOPL 0x00003000
#define RFLAGS_NT   0x00004000
#define RFLAGS_RF   0x00010000
#define RFLAGS_VM   0x00020000
#define RFLAGS_AC   0x00040000
#define RFLAGS_VIF  0x00080000
#define RFLAGS_VIP  0x00100000
#define RFLAGS_ID   0x00200000

#define VECTOR_DE 0
#define VECTOR_DB 1
#define VECTOR_NMI 2
#define VECTOR_BP 3
#define VECTOR_OF 4
#define VECTOR_BR 5
#define VECTOR_UD 6
#define VECTOR_NM 7
#define VECTOR_DF 8
#define VECTOR_TS 10
#define VECTOR_NP 11
#define VECTOR_SS 12
#define VECTOR_GP 13
#define VECTOR_PF 14
#define VECTOR_MF 16
#define VECTOR_AC 17
#define VECTOR_MC 18
#define VECTOR_XM 19
/* vectors whose exception pushes an error code */
#define VECTORS_WITH_ERROR_CODE 0x60227d00

#define PF_PRESENT 0x01
#define PF_WRITE   0x02
#define PF_USER    0x04
#define PF_RESERVED 0x08
#define PF_FETCH   0x10

/* Bits of debug registers 6 and 7 */
#define DR6_DEFAULT 0xffff0ff0UL
#define DR7_DEFAULT 0x00000400UL
#define DR6_BS 0x4000

#ifndef __ASSEMBLER__
#include <stdbool.h>

#include "public.h"

static inline bool regs_from_guest(const struct cpu_user_regs *regs) { return regs->cs & 3; }

#define DEFINE_SEGMENT_READ(name)                                                                                \
    static inline uint16_t read_##name(void)                                                                     \
    {                                                                                                            \
        uint16_t v;                                                                                              \
                                                                                                                 \
        __asm__ volatile("mov %%" #name ", %w0" : "=r"(v));                                                      \
        return v;                                                                                                \
    }
DEFINE_SEGMENT_READ(ds)
DEFINE_SEGMENT_READ(es)
DEFINE_SEGMENT_READ(fs)
DEFINE_SEGMENT_READ(gs)
#undef DEFINE_SEGMENT_READ

static inline uint64_t read_dr6(void) { uint64_t v; __asm__ volatile("mov %%dr6, %0" : "=r"(v)); return v; }
static inline void write_dr6(uint64_t v) { __asm__ volatile("mov %0, %%dr6" ::"r"(v)); }
static inline void write_dr7(uint64_t v) { __asm__ volatile("mov %0, %%dr7" ::"r"(v)); }
static inline void write_xcr0(uint64_t v)
{
    __asm__ volatile("xsetbv" ::"a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(0));
}
#endif
