/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text to the guest's console: the ring of xen/io/console.h, or the hypervisor's own log (console_io) before
 * the ring is there and when the command line has the word "log".
 */
#ifndef GUEST_CONSOLE_H
#define GUEST_CONSOLE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <xen/xen.h>

/* Finds the ring; every earlier text went to the hypervisor's log. */
void console_init(const struct start_info *info);
/* Prints like printf; knows %d %u %x %s %c %% with l and with a width, zero filled when it begins with 0. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_list(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
/* Waits until the console daemon has read everything, for a minute or so at most. */
void console_drain(void);
/* Around a reset of all event channels: what the port is bound to, and bound to that again. The end of a test does the
   second by itself, so that what it says in between is read. */
void console_port_save(void);
void console_port_restore(void);

#endif
