/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long the hypervisor makes others wait, measured by debug builds: the longest stretch of a hypercall in which it
 * did not look for pending work, and the longest section with interrupts off.  Each CPU keeps its longest; the debug
 * key L shows and forgets them.  In other builds nothing of this is there.
 *
 * What is not counted: instructions of the entry paths themselves, NMIs and machine checks, idling, and work between
 * hypercalls (softirqs), which runs with interrupts on and does not keep anybody from being interrupted.
 */
#pragma once

#include <stdint.h>

#if defined(XYLEM_DEBUG) && !defined(XYLEM_HOST)
/* Around each hypercall, with its number. */
void latency_call_begin(unsigned number);
void latency_call_end(void);
/* The running hypercall looks for pending work here.  Anywhere else: does nothing. */
void latency_look(void);
/* What the running hypercall did since its last look does not count: checks that only debug builds have. */
void latency_forget(void);
/* Interrupts were just turned off, and were as flags say before; they are about to be turned on. */
void latency_irq_off(uint64_t flags);
void latency_irq_on(void);
/* Registers the debug key. */
void latency_init(void);
#else
static inline void latency_call_begin(unsigned number) { (void)number; }
static inline void latency_call_end(void) {}
static inline void latency_look(void) {}
static inline void latency_forget(void) {}
static inline void latency_irq_off(uint64_t flags) { (void)flags; }
static inline void latency_irq_on(void) {}
static inline void latency_init(void) {}
#endif
