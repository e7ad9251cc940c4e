/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the files of this room. */
#ifndef XYLEM_CONSOLE_PRIVATE_H
#define XYLEM_CONSOLE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Emits text that may hold several lines or part of one.  Each line begins with prefix (and the time, when
 * asked for); to the ring always, to the devices when show.
 */
void console_emit(const char *prefix, const char *text, size_t length, bool show);

/* True when a guest's message of this level may go out now; says so once when messages were dropped. */
bool log_guest_allowed(unsigned level);

#endif
