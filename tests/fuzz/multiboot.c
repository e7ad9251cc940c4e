// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a boot loader left in memory: the first byte chooses the protocol, the rest lies at 1 MiB, where the first word of
 * Multiboot 1 or the tags of Multiboot 2 may point anywhere below 4 GiB.  The memory map is sorted and does not overlap,
 * texts end.
 */
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>

#include "arch/layout.h"
#include "arch/x86/start.h"
#include "boot_info.h"

#define LOW_MEMORY (1ul << 32)
#define PLACE (1ul << 20)
#define SIZE_MAX_HERE (64ul << 10)

unsigned char *host_memory;

static void low_memory_make(void)
{
    host_memory = mmap(NULL, LOW_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(host_memory != MAP_FAILED);
    /* what lies behind is nobody's */
}

static void check(void)
{
    REQUIRE(boot_info.memory_count <= BOOT_MAX_RANGES && boot_info.module_count <= BOOT_MAX_MODULES);
    REQUIRE(memchr(boot_info.cmdline, 0, sizeof(boot_info.cmdline)));
    REQUIRE(memchr(boot_info.loader, 0, sizeof(boot_info.loader)));
    for (unsigned i = 1; i < boot_info.memory_count; i++)
        REQUIRE(boot_info.memory[i - 1].end <= boot_info.memory[i].start);
    for (unsigned i = 0; i < boot_info.module_count; i++)
        REQUIRE(strlen(boot_info.modules[i].cmdline) < sizeof(boot_info.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!host_memory)
        low_memory_make();
    if (size < 1 || size > SIZE_MAX_HERE)
        return 0;
    memset(&boot_info, 0, sizeof(boot_info));
    memset(host_memory + PLACE, 0, SIZE_MAX_HERE);
    memcpy(host_memory + PLACE, data + 1, size - 1);
    multiboot_parse(data[0] & 1 ? 0x36d76289 : 0x2badb002, PLACE);
    check();
    return 0;
}
