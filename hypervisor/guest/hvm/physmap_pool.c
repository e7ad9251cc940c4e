// SPDX-License-Identifier: BSD-2-Clause
/*
 * The pages a domain's nested page tables are made of: a number the toolstack sets (XEN_DOMCTL_set_paging_mempool_size), so
 * that what a guest does with its memory map takes no more of the machine than was meant for it.
 */
#include "guest/hvm/physmap.h"

#include "domain/preempt.h"
#include "errno.h"
#include "mm/heap.h"

#define DRAIN_STEP 64

uint64_t *physmap_table_new(struct physmap *p)
{
    uint64_t *table = p->free_tables;

    if (!table)
        return NULL;
    p->free_tables = (uint64_t *)table[0];
    return table;
}

void physmap_table_free(struct physmap *p, uint64_t *table)
{
    table[0] = (uint64_t)p->free_tables;
    p->free_tables = table;
}

static bool pool_shrink(struct physmap *p)
{
    uint64_t *table = physmap_table_new(p);

    if (!table)
        return false;
    p->pool_pages--;
    heap_free(table, 0);
    return true;
}

bool physmap_pool_drain(struct physmap *p)
{
    for (unsigned i = 0; i < DRAIN_STEP; i++)
        if (!pool_shrink(p))
            return true;
    return false;
}

static bool pool_grow(struct physmap *p)
{
    uint64_t *page = heap_alloc(0, HEAP_NO_SCRUB);

    if (!page)
        return false;
    p->pool_pages++;
    physmap_table_free(p, page);
    return true;
}

int physmap_pool_set(struct domain *d, uint64_t bytes)
{
    struct physmap *p = d->hvm->physmap;
    uint64_t wanted = bytes >> PAGE_SHIFT;
    bool done, moved;

    for (;;) {
        spin_lock(&p->lock);
        done = p->pool_pages == wanted;
        moved = done || (p->pool_pages < wanted ? pool_grow(p) : pool_shrink(p));
        spin_unlock(&p->lock);
        if (done)
            return 0;
        if (!moved)
            return -ENOMEM;
        if (domain_state(d) != DOMAIN_CREATED && hypercall_should_stop())
            return -ERESTART_LATER;
    }
}

uint64_t physmap_pool_get(struct domain *d)
{
    return d->hvm->physmap->pool_pages << PAGE_SHIFT;
}
