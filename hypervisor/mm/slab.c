// SPDX-License-Identifier: BSD-2-Clause
/*
 * Small allocations.  Sizes are rounded up to a power of two; each size class cuts pages into equal objects. 
 * What is known about a page lives in its struct frame, whose fields nobody else uses for hypervisor pages
 * that are not shared: type holds struct slab_state, next and prev the place on the class's list of pages
 * with room.  A free object's first two bytes name the next free one.  Sizes over half a page take whole
 * pages.
 */
#include "lib/string.h"
#include "log.h"
#include "mm/fail.h"
#include "mm/heap.h"
#include "sync/spinlock.h"

#define SLAB_MIN_SHIFT 4
#define SLAB_MAX_SHIFT 11
#define SLAB_CLASSES (SLAB_MAX_SHIFT - SLAB_MIN_SHIFT + 1)
#define SLAB_NO_OBJECT 0xffff
#define SLAB_PAGE 0x5ab1  /* kind: cut into objects */
#define SLAB_WHOLE 0x5ab2 /* kind: one allocation of 1 << shift pages */

struct slab_state {
    uint16_t kind;
    uint16_t shift;
    uint16_t used;       /* objects in use */
    uint16_t first_free;
};
_Static_assert(sizeof(struct slab_state) == sizeof(uint64_t), "lives in struct frame's type");

static spinlock_t slab_lock = SPINLOCK_INIT(RANK_SLAB);
static struct frame_list slab_room[SLAB_CLASSES]; /* pages with a free object; slab_lock */

static struct slab_state *slab_state(struct frame *f)
{
    return (struct slab_state *)&f->type;
}

static uint16_t *slab_object(const struct frame *f, unsigned shift, unsigned index)
{
    return (uint16_t *)((char *)frame_to_virt(f) + ((size_t)index << shift));
}

static struct frame_list *slab_list(unsigned shift)
{
    return &slab_room[shift - SLAB_MIN_SHIFT];
}

static struct frame *slab_page_new(unsigned shift)
{
    unsigned objects = (unsigned)(PAGE_SIZE >> shift);
    void *page = heap_alloc(0, 0);
    struct frame *f;

    if (!page)
        return NULL;
    f = virt_to_frame(page);
    for (unsigned i = 0; i < objects; i++)
        *slab_object(f, shift, i) = (uint16_t)(i + 1 < objects ? i + 1 : SLAB_NO_OBJECT);
    *slab_state(f) = (struct slab_state){.kind = SLAB_PAGE, .shift = (uint16_t)shift};
    return f;
}

static void *slab_take(struct frame *f, unsigned shift)
{
    struct slab_state *state = slab_state(f);
    uint16_t *object = slab_object(f, shift, state->first_free);

    state->first_free = *object;
    state->used++;
    if (state->first_free == SLAB_NO_OBJECT)
        frame_list_remove(slab_list(shift), f);
    return object;
}

static void *whole_alloc(size_t size)
{
    unsigned order = 0;
    void *pages;

    while (order < HEAP_MAX_ORDER && (PAGE_SIZE << order) < size)
        order++;
    if ((PAGE_SIZE << order) < size)
        return NULL;
    pages = heap_alloc(order, HEAP_ZERO);
    if (pages)
        *slab_state(virt_to_frame(pages)) = (struct slab_state){.kind = SLAB_WHOLE, .shift = (uint16_t)order};
    return pages;
}

void *mem_alloc(size_t size, size_t align)
{
    size_t need = max(size, align);
    unsigned shift = SLAB_MIN_SHIFT;
    struct frame *f;
    uint64_t flags;
    void *object;

    while (shift <= SLAB_MAX_SHIFT && (1UL << shift) < need)
        shift++;
    if (shift > SLAB_MAX_SHIFT)
        return whole_alloc(need);
    if (allocation_fails())
        return NULL;
    flags = spin_lock_irqsave(&slab_lock);
    f = frame_list_first(slab_list(shift));
    if (!f) {
        spin_unlock_irqrestore(&slab_lock, flags);
        f = slab_page_new(shift);
        if (!f)
            return NULL;
        flags = spin_lock_irqsave(&slab_lock);
        frame_list_add(slab_list(shift), f);
    }
    object = slab_take(f, shift);
    spin_unlock_irqrestore(&slab_lock, flags);
    memset(object, 0, 1UL << shift);
    return object;
}

void mem_free(void *p)
{
    struct slab_state *state;
    unsigned index, shift;
    struct frame *f;
    bool empty;
    uint64_t flags;

    if (!p)
        return;
    f = virt_to_frame(p);
    state = slab_state(f);
    if (state->kind == SLAB_WHOLE) {
        heap_free(p, state->shift);
        return;
    }
    BUG_ON(state->kind != SLAB_PAGE);
    shift = state->shift;
    index = (unsigned)(((uint64_t)p & (PAGE_SIZE - 1)) >> shift);
    flags = spin_lock_irqsave(&slab_lock);
    BUG_ON(state->used == 0);
    if (state->first_free == SLAB_NO_OBJECT)
        frame_list_add(slab_list(shift), f);
    *slab_object(f, shift, index) = state->first_free;
    state->first_free = (uint16_t)index;
    empty = --state->used == 0;
    if (empty)
        frame_list_remove(slab_list(shift), f);
    spin_unlock_irqrestore(&slab_lock, flags);
    if (empty)
        heap_free((void *)((uint64_t)p & PAGE_MASK), 0);
}

void *mem_alloc_array(size_t count, size_t size)
{
    size_t total;

    return __builtin_mul_overflow(count, size, &total) ? NULL : mem_alloc(total, 16);
}
