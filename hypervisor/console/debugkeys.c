// SPDX-License-Identifier: BSD-2-Clause
/*
 * Debug keys: single letters that make the hypervisor print its state, from "xl debug-keys" or typed at its
 * console. Rooms register theirs at start-up; later registrations of the same key win, and those of this file
 * over all.
 */
#include "arch/machine.h"
#include "console/console.h"
#include "errno.h"
#include "lib/base.h"
#include "log.h"

struct debug_key {
    const char *what;
    void (*fn)(void);
    bool acts; /* '*' runs only those that look */
};
static struct debug_key keys[128]; /* what rooms registered */

void debug_key_register(char key, const char *what, void (*fn)(void))
{
    BUG_ON((unsigned char)key >= ARRAY_SIZE(keys));
    keys[(unsigned char)key] = (struct debug_key){what, fn, false};
}

void debug_key_register_action(char key, const char *what, void (*fn)(void))
{
    debug_key_register(key, what, fn);
    keys[(unsigned char)key].acts = true;
}

static void keys_all(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
        if (keys[i].fn == NULL || keys[i].acts)
            continue;
        log_error("[%c: %s]\n", (char)i, keys[i].what);
        keys[i].fn();
    }
}

static void keys_list(void);

/* Keys that need no room to register them. */
static const struct debug_key_row {
    char key;
    struct debug_key entry;
} common[] = {
    {'*', {"run all that only look", keys_all, true}},
    {'h', {"show this message", keys_list, false}},
    {'R', {"reboot machine", machine_reboot, true}},
};

static const struct debug_key *key_find(char key)
{
    unsigned char index = (unsigned char)key;

    for (unsigned i = 0; i < ARRAY_SIZE(common); i++)
        if (common[i].key == key)
            return &common[i].entry;
    return index < ARRAY_SIZE(keys) && keys[index].fn != NULL ? &keys[index] : NULL;
}

static void keys_list(void)
{
    log_error("Debug keys:\n");
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
        const struct debug_key *found = key_find((char)i);

        if (found != NULL)
            log_error(" key '%c' (ascii '%02x') => %s\n", (char)i, i, found->what);
    }
}

int debug_key_run(char key)
{
    const struct debug_key *found = key_find(key);

    if (found == NULL)
        return -EINVAL;
    log_error("'%c' pressed -> %s\n", key, found->what);
    found->fn();
    return 0;
}
