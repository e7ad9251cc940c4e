// SPDX-License-Identifier: BSD-2-Clause
//
// The console ring (xen/io/console.h): we add to "out" at out_prod, the daemon in domain 0 takes at out_cons, and an
// event tells it. Several vcpus may print; a spin lock keeps lines whole.

#include "console.h"

#include <stdint.h>

#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/io/console.h>
#include <xen/sched.h>

#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "string.h"
#include "timer.h"

/* For what domain 0 has to do: it may be busy. In ticks of the counter, a minute or so: a test may do anything to the page
   that system time is in. */
#define PATIENCE 200000000000ul

static struct xencons_interface *ring;
static evtchn_port_t ring_port;
static bool also_log;
static bool busy;

struct line {
    char text[256];
    unsigned int used;
};

static void log_write(const char *text, unsigned int length)
{
    hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, length, text);
}

static void ring_notify(void)
{
    struct evtchn_send send = { .port = ring_port };

    event_op(EVTCHNOP_send, &send);
}

static void ring_write(const char *text, unsigned int length)
{
    uint64_t end = tsc_read() + PATIENCE;

    for (unsigned int i = 0; i < length; i++) {
        while (ring->out_prod - *(volatile XENCONS_RING_IDX *)&ring->out_cons >= sizeof(ring->out)) {
            ring_notify();
            sched_op(SCHEDOP_yield, 0);
            if (tsc_read() > end)
                return;
        }
        ring->out[MASK_XENCONS_IDX(ring->out_prod, ring->out)] = text[i];
        __asm__ volatile("" : : : "memory");
        ring->out_prod++;
    }
    ring_notify();
}

static void line_flush(struct line *line)
{
    if (!ring || also_log)
        log_write(line->text, line->used);
    if (ring)
        ring_write(line->text, line->used);
    line->used = 0;
}

static void line_add(struct line *line, char c)
{
    if (line->used == sizeof(line->text))
        line_flush(line);
    line->text[line->used++] = c;
}

static void line_text(struct line *line, const char *text, unsigned int width)
{
    for (size_t length = strlen(text); length < width; length++)
        line_add(line, ' ');
    while (*text)
        line_add(line, *text++);
}

static void line_number(struct line *line, uint64_t value, unsigned int base, bool negative, unsigned int width,
                        bool zeros)
{
    char digits[24];
    unsigned int count = sizeof(digits) - 1;

    digits[count] = 0;
    do {
        digits[--count] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (zeros && width < sizeof(digits) && sizeof(digits) - 1 - count < width)
        digits[--count] = '0';
    if (negative)
        digits[--count] = '-';
    line_text(line, digits + count, width);
}

static const char *line_format(struct line *line, const char *format, va_list *arguments)
{
    bool zeros = *format == '0', is_long = false;
    unsigned int width = 0;

    while (*format >= '0' && *format <= '9')
        width = width * 10 + (unsigned int)(*format++ - '0');
    while (*format == 'l' || *format == 'z') {
        is_long = true;
        format++;
    }
    if (*format == 'd') {
        int64_t value = is_long ? va_arg(*arguments, int64_t) : va_arg(*arguments, int);

        line_number(line, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, value < 0, width, zeros);
    } else if (*format == 'u' || *format == 'x') {
        uint64_t value = is_long ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned int);

        line_number(line, value, *format == 'u' ? 10 : 16, false, width, zeros);
    } else if (*format == 's') {
        line_text(line, va_arg(*arguments, const char *), width);
    } else if (*format == 'c') {
        line_add(line, (char)va_arg(*arguments, int));
    } else {
        line_add(line, *format);
    }
    return format + 1;
}

void print_list(const char *format, va_list arguments)
{
    struct line line = { .used = 0 };
    va_list copy;

    va_copy(copy, arguments);
    while (__atomic_test_and_set(&busy, __ATOMIC_ACQUIRE))
        sched_op(SCHEDOP_yield, 0);
    while (*format) {
        if (*format == '%')
            format = line_format(&line, format + 1, &copy);
        else
            line_add(&line, *format++);
    }
    line_flush(&line);
    __atomic_clear(&busy, __ATOMIC_RELEASE);
    va_end(copy);
}

void print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_list(format, arguments);
    va_end(arguments);
}

void console_init(const struct start_info *info)
{
    also_log = strstr((const char *)info->cmd_line, "log") != NULL;
    if (info->flags & SIF_INITDOMAIN || !info->console.domU.mfn)
        return;
    ring = page_of_frame(frame_of_machine(info->console.domU.mfn));
    ring_port = info->console.domU.evtchn;
}

void console_drain(void)
{
    uint64_t end = tsc_read() + PATIENCE;

    while (ring && *(volatile XENCONS_RING_IDX *)&ring->out_cons != ring->out_prod && tsc_read() < end)
        sched_op(SCHEDOP_yield, 0);
}

static struct evtchn_status saved_port;
static bool saved;

// The daemon binds its end some time after we were started: when it has read something, it has.
void console_port_save(void)
{
    console_drain();
    saved_port = (struct evtchn_status) { .dom = DOMID_SELF, .port = ring_port };
    if (event_op(EVTCHNOP_status, &saved_port) || (ring && saved_port.status != EVTCHNSTAT_interdomain))
        test_error("nobody is bound to the console's port %u", ring_port);
    saved = true;
}

void console_port_restore(void)
{
    struct evtchn_bind_interdomain bind = {
        .remote_dom = saved_port.u.interdomain.dom, .remote_port = saved_port.u.interdomain.port,
    };
    uint64_t end = tsc_read() + PATIENCE;
    long rc;

    if (!saved)
        return;
    saved = false;
    while ((rc = event_op(EVTCHNOP_bind_interdomain, &bind)) == -XEN_ENOMEM && tsc_read() < end)
        sched_op(SCHEDOP_yield, 0);
    if (rc) {           /* the daemon looked, found nobody and closed its end: the hypervisor's log is what is left */
        ring = NULL;
        print("domain %u's port %u for our console cannot be bound: error %d\n", bind.remote_dom, bind.remote_port,
              (int)rc);
        return;
    }
    ring_port = bind.local_port;
    ring_notify();
}
