/* SPDX-License-Identifier: BSD-2-Clause */
/* Non-maskable interrupts (arch/x86/nmi.c). */
#ifndef XYLEM_ARCH_X86_NMI_H
#define XYLEM_ARCH_X86_NMI_H

struct cpu_user_regs;
/* An NMI of this CPU.  Does not return when it is told to stop, or when nmi=fatal. */
void nmi_arrived(struct cpu_user_regs *regs);

#endif
