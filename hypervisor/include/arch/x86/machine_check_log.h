/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What machine checks were found, until domain 0 has read them (arch/x86/machine_check_log.c). Two logs: of
 * errors that raised #MC, and of corrected ones found by looking.
 */
#ifndef XYLEM_ARCH_X86_MACHINE_CHECK_LOG_H
#define XYLEM_ARCH_X86_MACHINE_CHECK_LOG_H

#include <stdbool.h>
#include <stdint.h>

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

#endif
