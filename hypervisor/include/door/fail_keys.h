/* SPDX-License-Identifier: BSD-2-Clause */
/* Debug keys that make allocations fail; none outside of debug builds. */
#ifndef XYLEM_DOOR_FAIL_KEYS_H
#define XYLEM_DOOR_FAIL_KEYS_H

#ifdef XYLEM_DEBUG
void fail_keys_init(void);
#else
static inline void fail_keys_init(void) {}
#endif

#endif
