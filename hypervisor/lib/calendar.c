// SPDX-License-Identifier: BSD-2-Clause
/*
 * Dates as days since 1970.  Years are counted from March, so that the leap day is the last one of its year
 * and every month's first day has one number in all years: (153 * month + 2) / 5.
 */
#include "lib/calendar.h"

#define DAY               86400u
#define MARCH_0_TO_1970   719468u /* days from March 1st of year 0 */
#define DAYS_IN_400_YEARS 146097u

static uint64_t days_before_year(uint64_t year)
{
    return 365 * year + year / 4 - year / 100 + year / 400;
}

uint64_t calendar_to_seconds(const struct calendar *date)
{
    uint64_t year = date->month <= 2 ? date->year - 1 : date->year;
    unsigned month = date->month <= 2 ? date->month + 9 : date->month - 3;
    uint64_t days = days_before_year(year) + (153 * month + 2) / 5 + date->day - 1 - MARCH_0_TO_1970;

    return days * DAY + date->hour * 3600u + date->minute * 60u + date->second;
}

struct calendar calendar_from_seconds(uint64_t seconds)
{
    uint64_t days = seconds / DAY + MARCH_0_TO_1970, year = days * 400 / DAYS_IN_400_YEARS;
    unsigned rest = (unsigned)(seconds % DAY), in_year, month;

    while (days_before_year(year + 1) <= days)
        year++;
    while (days_before_year(year) > days)
        year--;
    in_year = (unsigned)(days - days_before_year(year));
    month = (5 * in_year + 2) / 153;
    return (struct calendar){
        .year = (unsigned)year + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = in_year - (153 * month + 2) / 5 + 1,
        .hour = rest / 3600,
        .minute = rest / 60 % 60,
        .second = rest % 60,
    };
}
