/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's console: the ring behind "xl dmesg", levels, drivers, and who gets typed input.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct domain;

/* A device that shows text.  write may be called from any context with the console lock held. */
struct console_driver {
    const char *name;
    void (*write)(const struct console_driver *driver, const char *text, size_t length);
    void (*flush)(const struct console_driver *driver); /* before reboot or after panic; may be NULL */
};
int console_register(const struct console_driver *driver);
/* A byte typed at a device: to domain 0 (VIRQ_CONSOLE), or to the hypervisor after three Ctrl-A. */
void console_receive(char byte);

void console_init_early(void); /* com1/com2/vga by the options: before anything can fail */
void console_init_irq(void);   /* once interrupts work */
/* Text of a guest for the console (console_io write): d is privileged or rate limited line by line. */
void console_guest_write(struct domain *d, const char *text, size_t length);
/* Typed bytes for domain 0: up to size; returns how many. */
size_t console_guest_read(char *buffer, size_t size);
/* readconsole: copies from ring position *index; clear empties; incremental continues. Returns bytes. */
size_t console_ring_read(char *buffer, size_t size, uint32_t *index, bool clear, bool incremental);
void console_force_unlock(void); /* panic: never wait for a lock again, print synchronously */
void console_flush(void);        /* pushes out what the devices still hold: before reboot */

/*
 * Emits text that may hold several lines or part of one.  Each line begins with prefix (and the time, when
 * asked for); to the ring always, to the devices when show.
 */
void console_emit(const char *prefix, const char *text, size_t length, bool show);
/* True when a guest's message of this level may go out now; says so once when messages were dropped. */
bool log_guest_allowed(unsigned level);

/* Debug keys (xl debug-keys, or typed at the hypervisor's console). */
void debug_key_register(char key, const char *what, void (*fn)(void));
/* The same for one that does something besides showing: key * passes it by. */
void debug_key_register_action(char key, const char *what, void (*fn)(void));
int debug_key_run(char key); /* -EINVAL unknown */
