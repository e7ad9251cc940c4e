/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions that may fault in the hypervisor, and where to go on then.  After a fault at the first address
 * execution continues at the second with every register and the stack pointer as they were at the fault (rsp
 * too: nothing stays pushed).  Nothing says which fault it was, except EXTABLE_NOTE entries: (error code << 32 | vector) is in
 * this CPU's extable_noted.
 */
#pragma once

#ifdef __ASSEMBLER__
.macro EXTABLE_NOTE fault, fixup
    .pushsection .extable, "a"
    .balign 4
    .long \fault - ., \fixup - ., 1
    .popsection
.endm
#else
#include "arch/percpu.h"

#define EXTABLE(fault, fixup)                                                                                    \
    ".pushsection .extable, \"a\"\n .balign 4\n .long " #fault " - ., " #fixup " - ., 0\n .popsection\n"

struct extable_entry {
    int32_t fault, fixup; /* each relative to its own address */
    uint32_t note;        /* 1: extable_noted tells which fault it was */
};

PER_CPU_DECLARE(uint64_t, extable_noted);

struct cpu_user_regs;
/* Rewrites regs to go on at the fix-up; false when the faulting address has none. */
bool extable_fixup(struct cpu_user_regs *regs);
#endif
