// SPDX-License-Identifier: BSD-2-Clause
//
// From the first C instruction to test_main: console, traps, memory, vcpus.

#include "start.h"

#include "console.h"
#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "trap.h"
#include "vcpu.h"

const bool guest_is_pv = true;
static const struct start_info *start;
static char shared_frame[PAGE_SIZE] __attribute__((aligned(4096), section(".bss.page")));
_Noreturn void guest_start(const struct start_info *info, unsigned long boot_stack);

const struct start_info *start_page(void)
{
    return start;
}

struct shared_info *shared_page(void)
{
    return (struct shared_info *)shared_frame;
}

_Noreturn void guest_start(const struct start_info *info, unsigned long boot_stack)
{
    long mapped;

    start = info;
    mapped = update_va_mapping(shared_frame, info->shared_info | ENTRY_READ_WRITE, UVMF_INVLPG);
    if (mapped < 0)
        test_error("mapping the shared page at %lx gave %ld", info->shared_info, mapped);
    vcpu_init();
    trap_init();
    memory_init(info, boot_stack);
    console_init(info);
    event_init();
    print("TEST: %s\n", test_title);
    test_main();
    test_end();
}
