// SPDX-License-Identifier: BSD-2-Clause
/*
 * Messages by level.  Everything of the hypervisor's own goes to the ring; loglvl= says what the devices
 * show.  What guests cause is limited twice: by level (guest_loglvl=), and in number, so that a guest can
 * neither fill the ring nor keep a serial line busy.
 *
 * Syntax as documented for Xen: loglvl=A/B prints up to level A always and levels above A up to B at a
 * limited rate; loglvl=A means A/A.  Levels: none, error, warning, info, debug, all.
 */
#include "domain/state.h"
#include "log.h"
#include "console/console.h"
#include "errno.h"
#include "lib/print.h"
#include "lib/string.h"
#include "options.h"

#define MESSAGE_SIZE 1024
#define BURST 10                       /* messages in one go */
#define REFILL_NS 500000000UL          /* one more each half second */

/* Number of levels shown: always, and at a limited rate (>= always). */
struct thresholds {
    uint8_t always, limited;
};
#ifdef XYLEM_DEBUG
static struct thresholds own = {4, 4}, guest = {4, 4};
#else
static struct thresholds own = {3, 3}, guest = {0, 2};
#endif

struct bucket {
    spinlock_t lock;
    unsigned tokens;
    nanoseconds_t refilled;
    unsigned dropped;
};
static struct bucket guest_bucket = {.lock = SPINLOCK_INIT(RANK_NONE), .tokens = BURST};
static struct bucket own_bucket = {.lock = SPINLOCK_INIT(RANK_NONE), .tokens = BURST};

static const char *const level_names[] = {"none", "error", "warning", "info", "debug", "all"};

/* Reads a level; its count, or -EINVAL. */
static int level_parse(const char *text, size_t length)
{
    for (int i = 0; i < (int)ARRAY_SIZE(level_names); i++)
        if (strlen(level_names[i]) == length && strncmp(text, level_names[i], length) == 0)
            return min(i, LOG_DEBUG + 1);
    return -EINVAL;
}

static int thresholds_parse(struct thresholds *t, const char *value)
{
    const char *slash = strchr(value, '/');
    int always = level_parse(value, slash != NULL ? (size_t)(slash - value) : strlen(value));
    int limited = slash != NULL ? level_parse(slash + 1, strlen(slash + 1)) : always;

    if (always < 0 || limited < 0)
        return -EINVAL;
    *t = (struct thresholds){(uint8_t)always, (uint8_t)max(always, limited)};
    return 0;
}

static int own_option(const char *value)
{
    return thresholds_parse(&own, value);
}

static int guest_option(const char *value)
{
    return thresholds_parse(&guest, value);
}
OPTION_FUNCTION(loglvl, "loglvl", own_option);
OPTION_FUNCTION(guest_loglvl, "guest_loglvl", guest_option);

static bool bucket_take(struct bucket *b, const char *what)
{
    nanoseconds_t now = time_now();
    uint64_t flags = spin_lock_irqsave(&b->lock);
    uint64_t more = (now - b->refilled) / REFILL_NS;
    unsigned dropped = 0;
    bool allowed;

    if (more > 0) {
        b->tokens = (unsigned)min_t(uint64_t, b->tokens + more, BURST);
        b->refilled = now;
    }
    allowed = b->tokens > 0;
    if (allowed) {
        b->tokens--;
        dropped = b->dropped;
        b->dropped = 0;
    } else {
        b->dropped++;
    }
    spin_unlock_irqrestore(&b->lock, flags);
    if (dropped > 0)
        log_warning("%u messages %s were dropped\n", dropped, what);
    return allowed;
}

bool log_guest_allowed(unsigned level)
{
    if (level < guest.always)
        return true;
    return level < guest.limited && bucket_take(&guest_bucket, "caused by guests");
}

static void emit_formatted(const char *about, const char *format, va_list arguments, bool show)
{
    char text[MESSAGE_SIZE];
    int start = print_format(text, sizeof(text), "%s", about);
    int length = start + print_format_v(text + start, sizeof(text) - (size_t)start, format, arguments);

    if (length >= (int)sizeof(text)) {
        length = sizeof(text) - 1;
        text[length - 1] = '\n';
    }
    console_emit("(XEN) ", text, (size_t)length, show);
}

void log_print(enum log_level level, const char *format, ...)
{
    va_list arguments;
    bool show = level < own.always || (level < own.limited && bucket_take(&own_bucket, "above loglvl"));

    va_start(arguments, format);
    emit_formatted("", format, arguments, show);
    va_end(arguments);
}

void log_print_guest(enum log_level level, const struct domain *d, const struct vcpu *v, const char *format,
                     ...)
{
    char about[32] = "";
    va_list arguments;

    if (!log_guest_allowed(level))
        return;
    if (v != NULL)
        print_format(about, sizeof(about), "d%uv%u ", v->domain->id, v->id);
    else if (d != NULL)
        print_format(about, sizeof(about), "d%u ", d->id);
    va_start(arguments, format);
    emit_formatted(about, format, arguments, true);
    va_end(arguments);
}
