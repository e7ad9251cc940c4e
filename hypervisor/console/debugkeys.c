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
};
static struct debug_key keys[128];

void debug_key_register(char key, const char *what, void (*fn)(void))
{
    BUG_ON((unsigned char)key >= ARRAY_SIZE(keys));
    keys[(unsigned char)key] = (struct debug_key){what, fn};
}

static void keys_list(void)
{
    log_error("Debug keys:\n");
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].fn != NULL)
            log_error(" key '%c' (ascii '%02x') => %s\n", (char)i, i, keys[i].what);
}

/* Keys that need no room to register them. */
static const struct { char key; struct debug_key entry; } common[] = {
    {'h', {"show this message", keys_list}},
    {'R', {"reboot machine", machine_reboot}},
};

int debug_key_run(char key)
{
    unsigned char index = (unsigned char)key;

    if (index >= ARRAY_SIZE(keys))
        return -EINVAL;
    for (unsigned i = 0; i < ARRAY_SIZE(common); i++)
        if (keys[(unsigned char)common[i].key].fn == NULL)
            keys[(unsigned char)common[i].key] = common[i].entry;
    if (keys[index].fn == NULL)
        return -EINVAL;
    log_error("'%c' pressed -> %s\n", key, keys[index].what);
    keys[index].fn();
    return 0;
}
