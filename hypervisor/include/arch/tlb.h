/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translations a CPU may still hold after they were taken away.  A clock ticks with flushes; each CPU
 * remembers the clock at its last full flush.  A frame stamped with tlb_clock_now() when its last writable
 * mapping went (or when it was freed) is safe to reuse once every CPU has flushed since.  Stamps are never 0.
 */
#pragma once

#include "arch/cpu.h"

uint32_t tlb_clock_now(void);
/*
 * Makes every online CPU flush that has not flushed since the clock showed stamp; waits for them.  Interrupts
 * may be off.
 */
void tlb_flush_older(uint32_t stamp);
