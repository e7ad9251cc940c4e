/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options of the command line: each is declared where it is used, OPTION_xxx(name, variable), and set before
 * anything but the earliest console runs (boot/options.c).  Unknown options are reported once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum option_kind { OPTION_BOOL, OPTION_UNSIGNED, OPTION_SIZE, OPTION_STRING, OPTION_CALL };
struct option {
    const char *name;
    enum option_kind kind;
    void *target;                        /* bool, unsigned, uint64_t (bytes), char[size], or the function */
    unsigned size;
};
#define OPTION_DEFINE(id, option_name, option_kind, option_target, option_size)                              \
    static const struct option option_entry_##id __attribute__((used, section(".options"), aligned(8))) = {  \
        option_name, option_kind, option_target, option_size}
#define OPTION_BOOLEAN(id, option_name, variable) OPTION_DEFINE(id, option_name, OPTION_BOOL, &(variable), 0)
#define OPTION_UINT(id, option_name, variable) OPTION_DEFINE(id, option_name, OPTION_UNSIGNED, &(variable), 0)
#define OPTION_BYTES(id, option_name, variable) OPTION_DEFINE(id, option_name, OPTION_SIZE, &(variable), 0)
#define OPTION_TEXT(id, option_name, array) OPTION_DEFINE(id, option_name, OPTION_STRING, array, sizeof(array))
/* int fn(const char *value): 0, or -EINVAL when it makes no sense */
#define OPTION_FUNCTION(id, option_name, fn) OPTION_DEFINE(id, option_name, OPTION_CALL, (void *)(fn), 0)

/* "", 1, yes, on, true, enable, and their opposites; -EINVAL anything else. */
int option_parse_bool(const char *value, bool *result);
int option_parse_unsigned(const char *value, unsigned *result); /* the whole of value; -EINVAL none, or too large */
/* A size in bytes, written with a unit of B K M G T or in KiB; *end: what follows. -EINVAL none, or too large. */
int option_parse_size(const char *value, const char **end, uint64_t *result);
/* Sets every option a command line names. */
void options_parse(const char *cmdline);
