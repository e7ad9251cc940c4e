// SPDX-License-Identifier: BSD-2-Clause
/*
 * Mappings a domain has made: handles, and free lists for each vcpu so that vcpus do not wait for each other.
 *
 * The table grows by a page at a time up to the limit of the domain's creation.  A vcpu that has none left
 * grows the table; at the limit it takes one from another's list.
 */
#include "grant/internal.h"

#include "mm/heap.h"

int grant_mappings_init(struct domain *d, uint32_t max_pages)
{
    struct grant_table *t = d->grant;

    t->max_mapping_pages = max_pages;
    spin_init(&t->grow_lock, RANK_GRANT_MAPTRACK);
    t->mappings = mem_new_array(struct grant_mapping *, max_pages);
    t->free_lists = mem_new_array(struct grant_free_list, d->max_vcpus ? d->max_vcpus : 1);
    if ((max_pages && !t->mappings) || !t->free_lists)
        return -ENOMEM; /* the caller frees both */
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        spin_init(&t->free_lists[i].lock, RANK_GRANT_MAPTRACK);
        t->free_lists[i].head = GRANT_NO_MAPPING;
    }
    return 0;
}

void grant_mappings_free(struct grant_table *t)
{
    for (uint32_t i = 0; i < t->mapping_pages; i++)
        heap_free(t->mappings[i], 0);
    mem_free(t->mappings);
    mem_free(t->free_lists);
}

static uint32_t list_pop_mapping(struct grant_table *t, unsigned vcpu)
{
    struct grant_free_list *list = &t->free_lists[vcpu];
    uint32_t handle;

    spin_lock(&list->lock);
    handle = list->head;
    if (handle != GRANT_NO_MAPPING)
        list->head = grant_mapping(t, handle)->next;
    spin_unlock(&list->lock);
    return handle;
}

static void list_push_mappings(struct grant_table *t, unsigned vcpu, uint32_t first, struct grant_mapping *last)
{
    struct grant_free_list *list = &t->free_lists[vcpu];

    spin_lock(&list->lock);
    last->next = list->head;
    list->head = first;
    spin_unlock(&list->lock);
}

/* Adds a page: its first mapping is the caller's, the rest go to the vcpu's list. */
static uint32_t grow_mappings(struct grant_table *t, unsigned vcpu)
{
    struct grant_mapping *page = heap_alloc(0, HEAP_ZERO);
    uint32_t first;

    if (!page)
        return GRANT_NO_MAPPING;
    spin_lock(&t->grow_lock);
    if (t->mapping_pages >= t->max_mapping_pages) {
        spin_unlock(&t->grow_lock);
        heap_free(page, 0);
        return GRANT_NO_MAPPING;
    }
    first = t->mapping_pages * (uint32_t)GRANT_MAPPINGS_PER_PAGE;
    for (uint32_t i = 1; i < GRANT_MAPPINGS_PER_PAGE - 1; i++)
        page[i].next = first + i + 1;
    t->mappings[t->mapping_pages] = page;
    __atomic_store_n(&t->mapping_pages, t->mapping_pages + 1, __ATOMIC_RELEASE);
    spin_unlock(&t->grow_lock);
    list_push_mappings(t, vcpu, first + 1, &page[GRANT_MAPPINGS_PER_PAGE - 1]);
    return first;
}

static unsigned caller_list(const struct domain *d)
{
    return current->domain == d ? current->id : 0;
}

uint32_t grant_mapping_allocate(struct domain *d)
{
    struct grant_table *t = d->grant;
    unsigned own = caller_list(d);
    uint32_t handle = list_pop_mapping(t, own);

    if (handle == GRANT_NO_MAPPING && t->mapping_pages < t->max_mapping_pages)
        handle = grow_mappings(t, own);
    for (unsigned i = 0; handle == GRANT_NO_MAPPING && i < d->max_vcpus; i++)
        handle = list_pop_mapping(t, i);
    return handle;
}

void grant_mapping_release(struct domain *d, uint32_t handle)
{
    list_push_mappings(d->grant, caller_list(d), handle, grant_mapping(d->grant, handle));
}
