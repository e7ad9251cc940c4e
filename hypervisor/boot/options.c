// SPDX-License-Identifier: BSD-2-Clause
/*
 * The command line, in the syntax of the reference's command-line manual: words separated by spaces, each
 * name, name=value or no-name; values may be quoted with ' or ".  A word "--" ends the hypervisor's part. 
 * Sizes take B K M G T and mean KiB without.
 */
#include "errno.h"
#include "lib/base.h"
#include "lib/string.h"
#include "log.h"
#include "options.h"

extern const struct option options_start[], options_end[];

#define VALUE_SIZE 1024
static char unknown[256];

int option_parse_bool(const char *value, bool *result)
{
    static const struct { const char *word; bool means; } words[] = {
        {"", true},    {"1", true},  {"yes", true}, {"on", true},     {"true", true},     {"enable", true},
        {"0", false}, {"no", false}, {"off", false}, {"false", false}, {"disable", false},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        if (string_equal_ignoring_case(value, words[i].word)) {
            *result = words[i].means;
            return 0;
        }
    return -EINVAL;
}

int option_parse_size(const char *value, const char **end, uint64_t *result)
{
    static const char letters[] = "bkmgt";
    uint64_t n = string_to_u64(value, end, 0);
    const char *unit = **end ? strchr(letters, **end | 0x20) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - letters) : 10;

    if (*end == value || n > UINT64_MAX >> shift)
        return -EINVAL;
    *end += unit != NULL;
    *result = n << shift;
    return 0;
}

int option_parse_unsigned(const char *value, unsigned *result)
{
    const char *end;
    uint64_t n = string_to_u64(value, &end, 0);

    if (end == value || *end != '\0' || n > UINT32_MAX)
        return -EINVAL;
    *result = (unsigned)n;
    return 0;
}

static int option_set(const struct option *o, const char *value, bool negated)
{
    int (*fn)(const char *) = (int (*)(const char *))o->target;
    uint64_t bytes;
    const char *end;
    int rc;

    switch (o->kind) {
    case OPTION_BOOL:
        rc = option_parse_bool(value, o->target);
        if (rc == 0 && negated)
            *(bool *)o->target = !*(bool *)o->target;
        return rc;
    case OPTION_UNSIGNED:
        return negated ? (*(unsigned *)o->target = 0, 0) : option_parse_unsigned(value, o->target);
    case OPTION_SIZE:
        if (negated || option_parse_size(value, &end, &bytes) || *end)
            return -EINVAL;
        *(uint64_t *)o->target = bytes;
        return 0;
    case OPTION_STRING:
        return strlcpy(o->target, negated ? "no" : value, o->size) < o->size ? 0 : -EINVAL;
    case OPTION_CALL:
        return fn(negated ? "no" : value);
    }
    return -EINVAL;
}

/* Every declaration of the name gets the value; false when there is none. */
static bool option_apply(const char *name, const char *value, bool negated)
{
    bool found = false;

    for (const struct option *o = options_start; o < options_end; o++) {
        if (strcmp(o->name, name) != 0)
            continue;
        found = true;
        if (option_set(o, value, negated) != 0)
            log_warning("Option %s%s: the value \"%s\" makes no sense\n", negated ? "no-" : "", name, value);
    }
    return found;
}

static void option_word(char *word)
{
    char *value = strchr(word, '=');

    if (value)
        *value++ = '\0';
    if (option_apply(word, value ? value : "", false))
        return;
    if (string_starts_with(word, "no-") && !value && option_apply(word + 3, "", true))
        return;
    if (!strstr(unknown, word)) {
        strlcat(unknown, " ", sizeof(unknown));
        strlcat(unknown, word, sizeof(unknown));
    }
}

/* Copies one word without its quotes; returns where the next begins. */
static const char *next_word(const char *p, char *word, size_t size)
{
    char quote = '\0';
    size_t length = 0;

    for (; *p != '\0' && (quote || *p != ' '); p++) {
        if (quote ? *p == quote : *p == '"' || *p == '\'')
            quote = quote ? '\0' : *p;
        else if (length + 1 < size)
            word[length++] = *p;
    }
    word[length] = '\0';
    while (*p == ' ')
        p++;
    return p;
}

void options_parse(const char *cmdline)
{
    static char word[VALUE_SIZE];

    while (*cmdline == ' ')
        cmdline++;
    while (*cmdline != '\0') {
        cmdline = next_word(cmdline, word, sizeof(word));
        if (strcmp(word, "--") == 0)
            break;
        option_word(word);
    }
    if (unknown[0] != '\0')
        log_warning("Options not known here:%s\n", unknown);
}
