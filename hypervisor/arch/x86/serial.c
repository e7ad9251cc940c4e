// SPDX-License-Identifier: BSD-2-Clause
/*
 * Serial ports of the 16550 family (National Semiconductor PC16550D data sheet) at I/O ports.
 *
 * Options, as documented for Xen: com1=<baud>[/<clock>][,<DPS>[,<io-base>[,<irq>]]] and com2= likewise; baud
 * may be "auto" (leave the firmware's setting); DPS is data bits, parity (n o e m s), stop bits, as in 8n1;
 * irq 0 means poll.
 *
 * Output is written directly until interrupts work (or with sync_console); afterwards it is buffered and sent
 * by the transmit interrupt, or by a timer without one.  No wait is unbounded: a port that does not take a
 * byte within SPIN_LIMIT polls is given up for that byte.
 */
#include "arch/devices.h"
#include "arch/x86/ports.h"
#include "console/console.h"
#include "errno.h"
#include "irq/irq.h"
#include "lib/string.h"
#include "log.h"
#include "options.h"
#include "time/time.h"

enum { DATA = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5, SCR = 7 };
#define LSR_READY 0x01
#define LSR_EMPTY 0x20
#define LSR_IDLE 0x40
#define FIFO_SIZE 16
#define SPIN_LIMIT 200000
#define RECEIVE_LIMIT 256 /* bytes taken per interrupt */
#define BUFFER_SIZE 32768
#define POLL_PERIOD 10000000UL /* ns */

struct serial {
    struct console_driver driver;
    bool wanted, present, by_irq, started;
    uint16_t base;
    unsigned baud, clock, irq;
    uint8_t data_bits, parity, stop_bits;
    spinlock_t lock; /* transmit buffer; taken under the console's lock */
    char *buffer;
    uint32_t produced, consumed;
    struct timer poll;
};

static void serial_write(const struct console_driver *driver, const char *text, size_t length);
static void serial_flush(const struct console_driver *driver);

#define PORT(name, base_, irq_)                                                                                  \
    {                                                                                                            \
        .driver = {name, serial_write, serial_flush}, .base = (base_), .irq = (irq_), .clock = 1843200,          \
        .data_bits = 8, .stop_bits = 1                                                                          \
    }
static char buffers[SERIAL_PORTS][BUFFER_SIZE];
static struct serial ports[SERIAL_PORTS] = {PORT("com1", 0x3f8, 4), PORT("com2", 0x2f8, 3)};
static bool sync_mode = true;

/* ---- options ---- */

static int frame_parse(struct serial *s, const char **text)
{
    static const char parities[] = "noems"; /* none, odd, even, mark, space: as the line control register counts them */
    const char *p = *text;

    if (p[0] < '5' || p[0] > '8' || p[1] == 0 || strchr(parities, p[1]) == NULL || p[2] < '1' || p[2] > '2')
        return -EINVAL;
    s->data_bits = (uint8_t)(p[0] - '0');
    s->parity = (uint8_t)(strchr(parities, p[1]) - parities);
    s->stop_bits = (uint8_t)(p[2] - '0');
    *text = p + 3;
    return 0;
}

static int serial_option(struct serial *s, const char *value)
{
    s->wanted = true;
    if (strncmp(value, "auto", 4) == 0) {
        s->baud = 0;
        value += 4;
    } else {
        s->baud = (unsigned)string_to_u64(value, &value, 10);
        if (*value == '/')
            s->clock = (unsigned)string_to_u64(value + 1, &value, 0) << 4;
    }
    if (*value == ',' && *++value != ',' && *value != 0 && frame_parse(s, &value) != 0)
        return -EINVAL;
    if (*value == ',' && value[1] >= '0' && value[1] <= '9')
        s->base = (uint16_t)string_to_u64(value + 1, &value, 0);
    if (*value == ',')
        s->irq = (unsigned)string_to_u64(value + 1, &value, 10);
    return *value == 0 ? 0 : -EINVAL;
}

static int com1_option(const char *value)
{
    return serial_option(&ports[0], value);
}

static int com2_option(const char *value)
{
    return serial_option(&ports[1], value);
}
OPTION_FUNCTION(com1, "com1", com1_option);
OPTION_FUNCTION(com2, "com2", com2_option);

/* ---- hardware ---- */

static uint8_t reg_in(const struct serial *s, unsigned reg)
{
    return port_in8((uint16_t)(s->base + reg));
}

static void reg_out(const struct serial *s, unsigned reg, uint8_t value)
{
    port_out8((uint16_t)(s->base + reg), value);
}

/* A port that is not there reads as ones; one that is keeps its scratch or interrupt enable bits. */
static bool serial_probe(const struct serial *s)
{
    uint8_t before = reg_in(s, IER), cleared, set;

    reg_out(s, IER, 0);
    cleared = reg_in(s, IER) & 0xf;
    reg_out(s, IER, 0xf);
    set = reg_in(s, IER) & 0xf;
    reg_out(s, IER, before & 0xf);
    return cleared == 0 && set == 0xf;
}

static uint8_t line_control(const struct serial *s)
{
    return (uint8_t)((s->data_bits - 5) | (s->stop_bits - 1) << 2 | (s->parity ? 0x08 | (s->parity - 1) << 4 : 0));
}

static void serial_program(struct serial *s)
{
    uint8_t control = line_control(s);

    reg_out(s, IER, 0);
    if (s->baud != 0) {
        unsigned divisor = max_t(unsigned, s->clock / (s->baud << 4), 1);

        reg_out(s, LCR, control | 0x80);
        reg_out(s, DATA, (uint8_t)divisor);
        reg_out(s, IER, (uint8_t)(divisor >> 8));
    }
    reg_out(s, LCR, control);
    reg_out(s, MCR, 0x0b); /* DTR, RTS, OUT2: the interrupt line is driven */
    reg_out(s, FCR, 0x07); /* FIFOs on and emptied, interrupt at one byte */
}

static bool serial_wait(const struct serial *s, uint8_t bits)
{
    for (unsigned i = 0; i < SPIN_LIMIT; i++) {
        if (reg_in(s, LSR) & bits)
            return true;
        cpu_relax();
    }
    return false;
}

/* Lock held (or the machine is dying): moves up to a FIFO's worth from the buffer; waits first when asked. */
static void serial_push(struct serial *s, bool wait)
{
    if (wait ? !serial_wait(s, LSR_EMPTY) : !(reg_in(s, LSR) & LSR_EMPTY)) {
        if (wait)
            s->consumed = s->produced; /* nobody listens */
        return;
    }
    for (unsigned n = 0; n < FIFO_SIZE && s->consumed != s->produced; n++)
        reg_out(s, DATA, (uint8_t)s->buffer[s->consumed++ % BUFFER_SIZE]);
}

static void serial_drain(struct serial *s)
{
    while (s->consumed != s->produced)
        serial_push(s, true);
}

static void buffer_put(struct serial *s, char byte)
{
    if (s->produced - s->consumed == BUFFER_SIZE)
        serial_push(s, true);
    s->buffer[s->produced++ % BUFFER_SIZE] = byte;
}

/* What the interrupt enable register should say: transmit only while there is something to send. */
static void serial_set_interrupts(struct serial *s)
{
    if (s->by_irq)
        reg_out(s, IER, s->consumed != s->produced ? 0x03 : 0x01);
}

static void serial_write(const struct console_driver *driver, const char *text, size_t length)
{
    struct serial *s = container_of(driver, struct serial, driver);
    uint64_t flags = irq_save();
    bool locked = sync_mode ? spin_trylock(&s->lock) : (spin_lock(&s->lock), true);

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            buffer_put(s, '\r');
        buffer_put(s, text[i]);
    }
    if (sync_mode || !s->started)
        serial_drain(s);
    else
        serial_push(s, false);
    serial_set_interrupts(s);
    if (locked)
        spin_unlock(&s->lock);
    irq_restore(flags);
}

static void serial_service(struct serial *s)
{
    uint64_t flags;

    for (unsigned n = 0; n < RECEIVE_LIMIT && (reg_in(s, LSR) & LSR_READY); n++)
        console_receive((char)reg_in(s, DATA));
    flags = spin_lock_irqsave(&s->lock);
    serial_push(s, false);
    serial_set_interrupts(s);
    spin_unlock_irqrestore(&s->lock, flags);
}

static void serial_interrupt(void *data)
{
    struct serial *s = data;

    for (unsigned n = 0; n < 8 && !(reg_in(s, IIR) & 1); n++)
        serial_service(s);
}

static void serial_poll(void *data)
{
    struct serial *s = data;

    serial_service(s);
    timer_set(&s->poll, time_now() + POLL_PERIOD);
}

/* ---- the console's view ---- */

static void serial_flush(const struct console_driver *driver)
{
    struct serial *s = container_of(driver, struct serial, driver);

    serial_drain(s);
    serial_wait(s, LSR_IDLE);
}

void serial_init_early(void)
{
    for (unsigned i = 0; i < SERIAL_PORTS; i++) {
        struct serial *s = &ports[i];

        spin_init(&s->lock, RANK_NONE);
        s->buffer = buffers[i];
        if (!s->wanted || s->base == 0 || !serial_probe(s))
            continue;
        s->present = true;
        serial_program(s);
    }
}

bool serial_register(const char *name)
{
    for (unsigned i = 0; i < SERIAL_PORTS; i++)
        if (strncmp(name, ports[i].driver.name, 4) == 0 && ports[i].present)
            return console_register(&ports[i].driver) == 0;
    return false;
}

void serial_init_irq(void)
{
    for (unsigned i = 0; i < SERIAL_PORTS; i++) {
        struct serial *s = &ports[i];

        if (!s->present)
            continue;
        s->by_irq =
            s->irq != 0 && irq_request(isa_irq_to_gsi(s->irq), serial_interrupt, s) == 0;
        if (!s->by_irq) {
            timer_init(&s->poll, serial_poll, s, 0);
            timer_set(&s->poll, time_now() + POLL_PERIOD);
        }
        s->started = true;
        serial_set_interrupts(s);
        log_debug("%s at port %#x: %s\n", s->driver.name, s->base, s->by_irq ? "by interrupt" : "polled");
    }
}

void serial_set_sync(bool sync)
{
    sync_mode = sync;
}

void devices_reserved_ports(void (*deny)(unsigned first, unsigned last, void *data), void *data)
{
    deny(0x20, 0x21, data); /* interrupt controllers and timer: driven here or switched off */
    deny(0xa0, 0xa1, data);
    deny(0x40, 0x43, data);
    deny(0x61, 0x61, data);
    for (unsigned i = 0; i < SERIAL_PORTS; i++)
        if (ports[i].present)
            deny(ports[i].base, ports[i].base + 7u, data);
}
