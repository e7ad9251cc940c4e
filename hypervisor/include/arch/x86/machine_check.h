/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Machine checks: errors the hardware found (Intel SDM volume 3, chapter 16; AMD APM volume 2, chapter 9).  What
 * the hardware corrected, or what only concerns the guest that was interrupted, does not end the machine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cpu_user_regs;

#define MCG_STATUS_RIPV (1UL << 0) /* the interrupted code can go on */
#define MCG_STATUS_EIPV (1UL << 1) /* the error belongs to it */
#define MCI_STATUS_VALID (1UL << 63)
#define MCI_STATUS_UNCORRECTED (1UL << 61)
#define MCI_STATUS_CONTEXT_CORRUPT (1UL << 57)
#define MCI_STATUS_ACTION_REQUIRED (1UL << 55) /* Intel: AMD uses the bit otherwise */

/* In order of how bad: the worst of all banks counts. */
enum machine_check_verdict { MACHINE_CHECK_GO_ON, MACHINE_CHECK_GUEST, MACHINE_CHECK_FATAL };

/* What one bank says.  in_guest: a guest was interrupted. */
static inline enum machine_check_verdict machine_check_bank(uint64_t mcg_status, uint64_t status, bool in_guest,
                                                            bool amd)
{
    if (!(status & MCI_STATUS_VALID) || !(status & MCI_STATUS_UNCORRECTED))
        return MACHINE_CHECK_GO_ON;
    if (status & MCI_STATUS_CONTEXT_CORRUPT)
        return MACHINE_CHECK_FATAL;
    /* Nobody has used the bad data yet, or it was another CPU that shares the bank. */
    if (!amd && (!(status & MCI_STATUS_ACTION_REQUIRED) || !(mcg_status & MCG_STATUS_EIPV)))
        return MACHINE_CHECK_GO_ON;
    return in_guest ? MACHINE_CHECK_GUEST : MACHINE_CHECK_FATAL;
}

/* What the CPU says as a whole. */
static inline enum machine_check_verdict machine_check_global(uint64_t mcg_status, bool in_guest)
{
    if (mcg_status & MCG_STATUS_RIPV)
        return MACHINE_CHECK_GO_ON;
    return in_guest ? MACHINE_CHECK_GUEST : MACHINE_CHECK_FATAL;
}

/* How many banks this CPU reports errors in; 0: none. */
unsigned machine_check_banks(void);
/* On each CPU, once: switches on the reports of all banks; what they hold from before the start is logged. */
void machine_check_cpu_start(void *unused);
/* Logs and clears the corrected errors of this CPU's banks, and raises SOFTIRQ_MACHINE_CHECK when there were some. */
void machine_check_poll(void *unused);
/* #MC: panics, stops the guest that was interrupted, or returns. */
void machine_check(struct cpu_user_regs *regs);

/*
 * ---- what was found, until domain 0 has read it (machine_check_log.c): a log of errors that raised #MC, and one of corrected
 * ones found by looking ----
 */

#define MACHINE_CHECK_LOG_RECORDS 32u

struct machine_check_record {
    unsigned cpu, bank;
    uint16_t domain, vcpu; /* who ran there */
    bool polled;           /* found by looking, not by #MC */
    uint64_t global_status, status, address, misc, tsc;
};

/* Notes an error; any context, NMIs and #MC too. False: the log is full and it is lost. */
bool machine_check_log_add(const struct machine_check_record *record);
/*
 * The oldest record not given yet, of one log: its number, not 0, with which it is to be given back; 0: none.
 * One reader at a time.
 */
unsigned machine_check_log_take(bool polled, struct machine_check_record *record);
/* The reader is done with a record of that log; other numbers do nothing. */
void machine_check_log_done(bool polled, uint64_t number);
