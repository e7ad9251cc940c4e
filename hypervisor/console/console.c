// SPDX-License-Identifier: BSD-2-Clause
/*
 * The console: a ring of everything said (read by "xl dmesg" through sysctl readconsole), devices that show
 * it, and typed input.
 *
 * One lock guards the ring and the devices.  A message printed while this CPU already holds it (a fault
 * inside a driver) is written without it: lines may mix, nothing hangs.  Positions in the ring are
 * free-running 32-bit counters, as the interface passes them.
 */
#include "console/console.h"
#include "arch/devices.h"
#include "domain/state.h"
#include "errno.h"
#include "lib/calendar.h"
#include "lib/print.h"
#include "lib/string.h"
#include "log.h"
#include "mm/heap.h"
#include "options.h"

#define RING_BOOT_SIZE 65536
#define MAX_DRIVERS 4
#define INPUT_SIZE 256
#define GUEST_LINES 16
#define GUEST_LINE_SIZE 128
#define DATE_KNOWN_NS (365UL * 86400 * 1000000000) /* a clock before 1971 is not set */
#define SWITCH_COUNT 3 /* Ctrl-A this often changes who gets the input */

static spinlock_t console_lock = SPINLOCK_INIT(RANK_CONSOLE);
static unsigned lock_owner; /* CPU + 1 */
static bool lock_broken;

static char ring_boot[RING_BOOT_SIZE];
static char *ring = ring_boot;
static uint32_t ring_size = RING_BOOT_SIZE; /* power of two */
static uint32_t ring_produced, ring_consumed;
static bool at_line_start = true;

static const struct console_driver *drivers[MAX_DRIVERS];
static unsigned driver_count;

static char input[INPUT_SIZE];
static uint32_t input_produced, input_consumed;
static bool input_to_hypervisor;
static unsigned switch_seen;
static struct tasklet ring_tasklet, key_tasklet;
static bool tasklets_ready;
static char key_pending;

enum stamp { STAMP_NONE, STAMP_BOOT, STAMP_RAW, STAMP_DATE, STAMP_DATE_MS };
static enum stamp stamp_mode;

static uint64_t wanted_ring_size;
static char console_names[64] = "com1,vga";
static bool sync_wanted;
static char switch_letter[8] = "a";
OPTION_BYTES(conring_size, "conring_size", wanted_ring_size);
OPTION_TEXT(console, "console", console_names);
OPTION_BOOLEAN(sync_console, "sync_console", sync_wanted);
OPTION_TEXT(conswitch, "conswitch", switch_letter);

static int stamp_option(const char *value)
{
    static const struct { const char *name; enum stamp mode; } stamps[] = {
        {"none", STAMP_NONE}, {"0", STAMP_NONE}, {"no", STAMP_NONE},         {"raw", STAMP_RAW},
        {"boot", STAMP_BOOT}, {"date", STAMP_DATE}, {"datems", STAMP_DATE_MS}, {"", STAMP_DATE},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(stamps); i++)
        if (strcmp(value, stamps[i].name) == 0) {
            stamp_mode = stamps[i].mode;
            return 0;
        }
    return -EINVAL;
}
OPTION_FUNCTION(console_timestamps, "console_timestamps", stamp_option);

/* ---- lock ---- */

struct console_hold {
    uint64_t flags;
    bool locked;
};

static struct console_hold console_enter(void)
{
    struct console_hold hold = {.flags = irq_save()};

    if (lock_broken || __atomic_load_n(&lock_owner, __ATOMIC_RELAXED) == cpu_id() + 1)
        return hold;
    spin_lock(&console_lock);
    lock_owner = cpu_id() + 1;
    hold.locked = true;
    return hold;
}

static void console_leave(struct console_hold hold)
{
    if (hold.locked) {
        lock_owner = 0;
        spin_unlock(&console_lock);
    }
    irq_restore(hold.flags);
}

void console_force_unlock(void)
{
    lock_broken = true;
    serial_set_sync(true);
}

/* ---- ring and devices; console entered ---- */

static void ring_put(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ring[ring_produced++ & (ring_size - 1)] = text[i];
    if (ring_produced - ring_consumed > ring_size)
        ring_consumed = ring_produced - ring_size;
}

static void devices_put(const char *text, size_t length)
{
    for (unsigned i = 0; i < driver_count; i++)
        drivers[i]->write(drivers[i], text, length);
}

static void put(const char *text, size_t length, bool show)
{
    ring_put(text, length);
    if (show)
        devices_put(text, length);
}

/* Until the clock is set a date says nothing: seconds since boot stand in its place. */
static int stamp_format(char *stamp, size_t size)
{
    nanoseconds_t now = stamp_mode >= STAMP_DATE ? time_wallclock() : 0;
    char milliseconds[8] = "";
    struct calendar t;

    if (stamp_mode == STAMP_NONE)
        return 0;
    if (stamp_mode == STAMP_RAW)
        return print_format(stamp, size, "[%016lx] ", (uint64_t)__builtin_ia32_rdtsc());
    if (stamp_mode == STAMP_BOOT || now < DATE_KNOWN_NS) {
        now = time_now();
        return print_format(stamp, size, "[%5lu.%06lu] ", now / 1000000000, now / 1000 % 1000000);
    }
    t = calendar_from_seconds(now / 1000000000);
    if (stamp_mode == STAMP_DATE_MS)
        print_format(milliseconds, sizeof(milliseconds), ".%03lu", now / 1000000 % 1000);
    return print_format(stamp, size, "[%04u-%02u-%02u %02u:%02u:%02u%s] ", t.year, t.month, t.day, t.hour, t.minute,
                        t.second, milliseconds);
}

static void put_prefix(const char *prefix, bool show)
{
    char stamp[40];

    put(prefix, strlen(prefix), show);
    put(stamp, (size_t)stamp_format(stamp, sizeof(stamp)), show);
}

/* xenconsoled follows the ring: told soon, from a context where sending an event is allowed. */
static void ring_notify(void)
{
    if (tasklets_ready && !lock_broken && domain_zero != NULL)
        tasklet_schedule(&ring_tasklet);
}

static void ring_tell(void *)
{
    event_upcalls.global_virq(VIRQ_CON_RING);
}

void console_emit(const char *prefix, const char *text, size_t length, bool show)
{
    struct console_hold hold = console_enter();

    while (length > 0) {
        const char *end = memchr(text, '\n', length);
        size_t part = end != NULL ? (size_t)(end - text) + 1 : length;

        if (at_line_start)
            put_prefix(prefix, show);
        put(text, part, show);
        at_line_start = end != NULL;
        text += part;
        length -= part;
    }
    console_leave(hold);
    ring_notify();
}

size_t console_ring_read(char *buffer, size_t size, uint32_t *index, bool clear, bool incremental)
{
    struct console_hold hold = console_enter();
    uint32_t from = ring_consumed;
    size_t count;

    if (incremental && (int32_t)(*index - from) > 0)
        from = (int32_t)(ring_produced - *index) < 0 ? ring_produced : *index;
    count = min_t(size_t, ring_produced - from, size);
    for (size_t i = 0; i < count; i++)
        buffer[i] = ring[(from + i) & (ring_size - 1)];
    *index = from + (uint32_t)count;
    if (clear)
        ring_consumed = ring_produced;
    console_leave(hold);
    return count;
}

/* ---- devices ---- */

int console_register(const struct console_driver *driver)
{
    struct console_hold hold = console_enter();
    int error = driver_count == MAX_DRIVERS ? -ENOSPC : 0;

    if (error == 0) {
        drivers[driver_count++] = driver;
        for (uint32_t at = ring_consumed; at != ring_produced;
             at++) /* what was said before there was a device */
            driver->write(driver, &ring[at & (ring_size - 1)], 1);
    }
    console_leave(hold);
    return error;
}

static void console_open(const char *name)
{
    if (strcmp(name, "vga") == 0)
        vga_register();
    else if (strncmp(name, "com", 3) == 0)
        serial_register(name);
    else if (strcmp(name, "none") != 0)
        log_warning("console=%s: no such device (com1, com2, vga, none)\n", name);
}

void console_init_early(void)
{
    char names[sizeof(console_names)];
    char *next = names;

    strlcpy(names, console_names, sizeof(names));
    serial_init_early();
    serial_set_sync(true);
    while (next != NULL) {
        char *name = next, *comma = strchr(next, ',');

        next = comma != NULL ? comma + 1 : NULL;
        if (comma != NULL)
            *comma = 0;
        if (*name != 0)
            console_open(name);
    }
}

/* A larger ring, once there is memory: conring_size=, or the boot-time one stays. */
static void ring_grow(void)
{
    uint64_t want = min_t(uint64_t, wanted_ring_size, MIB(64));
    unsigned order = heap_order(want);
    struct console_hold hold;
    char *larger;

    if (want <= ring_size || (larger = heap_alloc(order, 0)) == NULL)
        return;
    hold = console_enter();
    for (uint32_t i = ring_consumed; i != ring_produced; i++)
        larger[i & ((PAGE_SIZE << order) - 1)] = ring[i & (ring_size - 1)];
    ring = larger;
    ring_size = (uint32_t)(PAGE_SIZE << order);
    console_leave(hold);
}

static void key_run(void *)
{
    if (key_pending != 0 && debug_key_run(key_pending) != 0)
        log_info("'%c' is no debug key: 'h' lists them\n", key_pending);
    key_pending = 0;
}

void console_init_irq(void)
{
    ring_grow();
    tasklet_init(&ring_tasklet, ring_tell, NULL);
    tasklet_init(&key_tasklet, key_run, NULL);
    serial_init_irq();
    serial_set_sync(sync_wanted);
    if (sync_wanted)
        log_warning("sync_console: every character is waited for; good for debugging only\n");
    tasklets_ready = true;
}

/* ---- input ---- */

static void input_switch(void)
{
    input_to_hypervisor = !input_to_hypervisor;
    log_print(LOG_ERROR, "*** Console input now goes to %s (Ctrl-%c three times to switch back)\n",
              input_to_hypervisor ? "the hypervisor: 'h' for help" : "domain 0", switch_letter[0]);
}

/* Counts presses of the switch character; true when this byte completed a switch. */
static bool input_is_switch(char byte)
{
    const char wanted = (char)(switch_letter[0] & 0x1f);
    const bool is_one = wanted != 0 && byte == wanted;

    switch_seen = is_one ? (switch_seen + 1) % SWITCH_COUNT : 0;
    return is_one && switch_seen == 0;
}

void console_receive(char byte)
{
    struct console_hold hold;

    if (input_is_switch(byte)) {
        input_switch();
        return;
    }
    if (input_to_hypervisor || domain_zero == NULL) {
        if (tasklets_ready && byte != (switch_letter[0] & 0x1f)) {
            key_pending = byte;
            tasklet_schedule(&key_tasklet);
        }
        return;
    }
    hold = console_enter();
    if (input_produced - input_consumed < INPUT_SIZE)
        input[input_produced++ % INPUT_SIZE] = byte;
    console_leave(hold);
    event_upcalls.global_virq(VIRQ_CONSOLE);
}

size_t console_guest_read(char *buffer, size_t size)
{
    struct console_hold hold = console_enter();
    size_t count = 0;

    while (count < size && input_consumed != input_produced)
        buffer[count++] = input[input_consumed++ % INPUT_SIZE];
    console_leave(hold);
    return count;
}

/* ---- output of guests ---- */

/*
 * The beginning of a line, kept until its end comes.  More guests than slots: the oldest line is shown as it
 * is.
 */
struct guest_line {
    domid_t domain;
    uint16_t length;
    uint64_t used; /* 0: slot free */
    char text[GUEST_LINE_SIZE];
};
static struct guest_line guest_lines[GUEST_LINES]; /* guest_lock */
static uint64_t guest_clock;
static spinlock_t guest_lock = SPINLOCK_INIT(RANK_NONE);

static struct guest_line *guest_line_get(domid_t id)
{
    struct guest_line *oldest = &guest_lines[0];

    for (unsigned i = 0; i < GUEST_LINES; i++) {
        struct guest_line *line = &guest_lines[i];

        if (line->used != 0 && line->domain == id)
            return line;
        if (line->used < oldest->used)
            oldest = line;
    }
    *oldest = (struct guest_line){.domain = id};
    return oldest;
}

static void guest_line_show(struct guest_line *line)
{
    char prefix[16];

    line->text[line->length++] = '\n';
    print_format(prefix, sizeof(prefix), "(d%u) ", line->domain);
    if (log_guest_allowed(LOG_DEBUG))
        console_emit(prefix, line->text, line->length, true);
    line->length = 0;
}

static void guest_byte(struct guest_line *line, char byte)
{
    if (byte == '\n' || line->length == GUEST_LINE_SIZE - 1)
        guest_line_show(line);
    if (byte != '\n' && ((unsigned char)byte >= ' ' || byte == '\t'))
        line->text[line->length++] = byte;
}

void console_guest_write(struct domain *d, const char *text, size_t length)
{
    struct guest_line *line;
    struct console_hold hold;

    if (d->is_privileged) {
        vga_release();
        hold = console_enter();
        devices_put(text, length);
        console_leave(hold);
        return;
    }
    spin_lock(&guest_lock);
    line = guest_line_get(d->id);
    line->used = ++guest_clock;
    for (size_t i = 0; i < length; i++)
        guest_byte(line, text[i]);
    spin_unlock(&guest_lock);
}

void console_flush(void)
{
    for (unsigned i = 0; i < driver_count; i++)
        if (drivers[i]->flush != NULL)
            drivers[i]->flush(drivers[i]);
}
