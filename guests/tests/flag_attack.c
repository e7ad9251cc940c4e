// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: each bit of a live entry, flipped at any level and by any way to write it (a request, a request that keeps the
// accessed bits, a plain store that is emulated, a mapping named by its address), leaves an entry that was checked as a
// new one is: what it refers to is a table of the next level or a frame of ours, and it is never a large page. It
// matters because a short cut for "only flags changed" let guests make large and writable entries without a check.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "trap.h"

const char test_title[] = "every bit of live entries flipped, at every level, by every way to write them";

#define TOP_SLOT 6u
#define PRESERVE 2u                     /* MMU_PT_UPDATE_PRESERVE_AD */
#define PRESENT_USER_FORBIDDEN(level) ((level) == 1 ? 0x18ul | ENTRY_LARGE : ENTRY_LARGE)

static uint64_t *tables[5];             /* by level; 0 is the page */
static uint64_t live[5];
static const uint64_t *slots[5];
static unsigned long taken, refused;

enum way { REQUEST, KEEPING, STORE, BY_ADDRESS, WAYS };
static const char *const way_names[] = { "mmu_update", "preserving mmu_update", "store", "update_va_mapping" };

static void tree_make(void)
{
    for (unsigned int level = 0; level < 4; level++)
        tables[level] = page_alloc();
    for (unsigned int level = 1; level <= 4; level++) {
        uint64_t value = machine_of(tables[level - 1]) << PAGE_SHIFT | ENTRY_TABLE;

        if (level == 4)
            slots[4] = entry_find((void *)((unsigned long)TOP_SLOT << 39), 4);
        else
            slots[level] = &tables[level][0];
        live[level] = value;
        if (level < 4) {
            tables[level][0] = value;
            NEED(page_protect(tables[level], false));
        }
    }
    NEED(entry_update(entry_machine(slots[4]), live[4]));
    *(volatile uint64_t *)((unsigned long)TOP_SLOT << 39) = 1;
}

struct store {
    uint64_t *slot, value;
};

static void store_do(void *argument)
{
    const struct store *store = argument;

    *(volatile uint64_t *)store->slot = store->value;
}

static bool entry_write(unsigned int level, enum way way, uint64_t value)
{
    struct mmu_update request = { .ptr = entry_machine(slots[level]) | (way == KEEPING ? PRESERVE : 0), .val = value };
    struct store store = { .slot = (uint64_t *)slots[level], .value = value };
    struct trap_seen seen;

    if (way == STORE)
        return !trap_catch(store_do, &store, &seen);
    if (way == BY_ADDRESS)
        return level == 1 &&
               update_va_mapping((unsigned long)TOP_SLOT << 39, value, UVMF_INVLPG | UVMF_ALL) == 0;
    return mmu_update(&request, 1, 0, DOMID_SELF) == 0;
}

static bool frame_is_ours(unsigned long machine)
{
    unsigned long frame = frame_of_machine(machine);

    return frame < memory_frames() && machine_of_frame(frame) == machine;
}

static void entry_judge(unsigned int level, enum way way, uint64_t wanted)
{
    uint64_t now = *(volatile const uint64_t *)slots[level];
    unsigned long was = ENTRY_FRAME(live[level]);

    if (!(now & ENTRY_PRESENT))
        return;
    if (now & PRESENT_USER_FORBIDDEN(level))
        test_failure("level %u, %s of %lx: the entry is %lx", level, way_names[way], wanted, now);
    if (!frame_is_ours(ENTRY_FRAME(now)))
        test_failure("level %u, %s of %lx: refers to %lx, which is not ours", level, way_names[way], wanted, now);
    else if (level > 1 && ENTRY_FRAME(now) != was &&
             page_protect(page_of_frame(frame_of_machine(ENTRY_FRAME(now))), true) == 0)
        test_failure("level %u, %s of %lx: refers to %lx, which we may write", level, way_names[way], wanted, now);
}

static void value_check(unsigned int level, enum way way, uint64_t value)
{
    if (entry_write(level, way, value)) {
        taken++;
        entry_judge(level, way, value);
    } else {
        refused++;
    }
    if (*(volatile const uint64_t *)slots[level] != live[level])
        CHECK_EQUAL(entry_update(entry_machine(slots[level]), live[level]), 0);
}

static void level_check(unsigned int level, enum way way)
{
    for (unsigned int bit = 0; bit < 64; bit++) {
        uint64_t flipped = live[level] ^ 1ul << bit;

        value_check(level, way, flipped);
        value_check(level, way, flipped | ENTRY_LARGE);
        value_check(level, way, (flipped & ~ENTRY_WRITABLE) | ENTRY_GLOBAL);
        value_check(level, way, flipped & ~ENTRY_USER);
        value_check(level, way, flipped ^ ENTRY_PRESENT);
    }
}

void test_main(void)
{
    tree_make();
    for (unsigned int level = 1; level <= 4; level++) {
        for (enum way way = REQUEST; way < WAYS; way++)
            level_check(level, way);
    }
    print("%lu taken, %lu refused\n", taken, refused);
    CHECK(taken > 100 && refused > 100);
    CHECK_EQUAL(*(volatile uint64_t *)((unsigned long)TOP_SLOT << 39), 1);
    CHECK_EQUAL(entry_update(entry_machine(slots[4]), 0), 0);
    for (unsigned int level = 1; level < 4; level++)
        CHECK_EQUAL(page_protect(tables[level], true), 0);
    CHECK_EQUAL(page_protect(tables[0], false), 0);
    CHECK_EQUAL(mmuext(MMUEXT_PIN_L1_TABLE, machine_of(tables[0])) < 0, true);  /* holds 1: no entry */
}
