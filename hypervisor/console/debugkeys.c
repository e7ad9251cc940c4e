// SPDX-License-Identifier: BSD-2-Clause
/*
 * Debug keys: single letters that make the hypervisor print its state, from "xl debug-keys" or typed at its
 * console. Rooms register theirs at start-up; later registrations of the same key win.
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
static void keys_all(void);
static void keys_list(void);

/* What rooms registered, and the keys that need no room to do so. */
static struct debug_key keys[128] = {
    ['*'] = {"run all that only look", keys_all, true},
    ['h'] = {"show this message", keys_list, false},
    ['R'] = {"reboot machine", machine_reboot, true},
};

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

static void keys_list(void)
{
    log_error("Debug keys:\n");
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].fn != NULL)
            log_error(" key '%c' (ascii '%02x') => %s\n", (char)i, i, keys[i].what);
}

int debug_key_run(char key)
{
    const struct debug_key *k = &keys[(unsigned char)key % ARRAY_SIZE(keys)];

    if ((unsigned char)key >= ARRAY_SIZE(keys) || k->fn == NULL)
        return -EINVAL;
    log_error("'%c' pressed -> %s\n", key, k->what);
    k->fn();
    return 0;
}
