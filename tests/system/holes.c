// SPDX-License-Identifier: BSD-2-Clause
/*
 * Preloaded into xl, which dumps a PVH guest by asking for each frame from 0 to 4 GiB. Of the million asks all but those for
 * its few MiB of memory are refused, which takes minutes in the emulator. The refusals between the end of a small guest's
 * memory, its ACPI tables and the pages it shares with others are given here; everything else is asked as before.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_END   0x2000ul   /* 32 MiB */
#define TABLES_START 0xfc000ul
#define TABLES_END   0xfc100ul
#define SHARED_START 0xfef00ul

static int empty(uint64_t frame)
{
    return frame >= MEMORY_END && frame < SHARED_START && (frame < TABLES_START || frame >= TABLES_END);
}

typedef void *map_function(void *handle, uint32_t domain, int access, size_t count, const uint64_t *frames, int *errors);
map_function xenforeignmemory_map;

void *xenforeignmemory_map(void *handle, uint32_t domain, int access, size_t count, const uint64_t *frames, int *errors)
{
    static map_function *next;

    if (count == 1 && !errors && empty(*frames)) {
        errno = EINVAL;
        return NULL;
    }
    if (!next)
        next = (map_function *)dlsym(RTLD_NEXT, "xenforeignmemory_map");
    return next(handle, domain, access, count, frames, errors);
}
