/* SPDX-License-Identifier: BSD-2-Clause */
/* Dates of the Gregorian calendar, UTC without leap seconds, from 1970 on. */
#pragma once

#include <stdint.h>

struct calendar {
    unsigned year, month, day; /* month and day from 1 */
    unsigned hour, minute, second;
};

/* Seconds since 1970-01-01 00:00:00; the fields must be in their ranges. */
uint64_t calendar_to_seconds(const struct calendar *date);
/* And back: seconds up to the end of the year 9999. */
struct calendar calendar_from_seconds(uint64_t seconds);
