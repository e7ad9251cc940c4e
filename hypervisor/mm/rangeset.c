// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sets of inclusive number ranges, as sorted lists: a domain's I/O permissions have a handful of ranges each.
 */
#include "mm/rangeset.h"

#include "errno.h"
#include "lib/base.h"
#include "log.h"
#include "mm/heap.h"

struct range {
    struct list_node link;
    uint64_t first, last;
};

void rangeset_init(struct rangeset *r)
{
    spin_init(&r->lock, RANK_NONE);
    list_init(&r->ranges);
    r->count = 0;
}

void rangeset_destroy(struct rangeset *r)
{
    struct range *range;

    list_for_each_entry_safe(range, &r->ranges, link) {
        list_remove(&range->link);
        mem_free(range);
    }
    r->count = 0;
}

/* Takes [first, last] out; *spare serves the one case where a range is cut in two. */
static void range_cut(struct rangeset *r, uint64_t first, uint64_t last, struct range **spare)
{
    struct range *range;

    list_for_each_entry_safe(range, &r->ranges, link) {
        if (range->last < first || range->first > last)
            continue;
        if (range->first < first && range->last > last) {
            ASSERT(*spare != NULL);
            (*spare)->first = last + 1;
            (*spare)->last = range->last;
            range->last = first - 1;
            list_insert_after(&range->link, &(*spare)->link);
            r->count++;
            *spare = NULL;
        } else if (range->first < first) {
            range->last = first - 1;
        } else if (range->last > last) {
            range->first = last + 1;
        } else {
            list_remove(&range->link);
            r->count--;
            mem_free(range);
        }
    }
}

/* Widens *fresh by the neighbours it touches, which go. */
static void range_absorb(struct rangeset *r, struct range *fresh)
{
    struct range *range;

    list_for_each_entry_safe(range, &r->ranges, link) {
        bool below = range->last < fresh->first && range->last + 1 != fresh->first;
        bool above = range->first > fresh->last && fresh->last + 1 != range->first;

        if (below || above)
            continue;
        fresh->first = min(fresh->first, range->first);
        fresh->last = max(fresh->last, range->last);
        list_remove(&range->link);
        r->count--;
        mem_free(range);
    }
}

int rangeset_add(struct rangeset *r, uint64_t start, uint64_t end)
{
    struct list_node *before;
    struct range *fresh, *range;

    if (start > end)
        return -EINVAL;
    fresh = mem_new(struct range);
    if (!fresh)
        return -ENOMEM;
    fresh->first = start;
    fresh->last = end;
    spin_lock(&r->lock);
    range_absorb(r, fresh);
    before = &r->ranges.head;
    list_for_each_entry(range, &r->ranges, link) {
        if (range->first > fresh->first)
            break;
        before = &range->link;
    }
    list_insert_after(before, &fresh->link);
    r->count++;
    spin_unlock(&r->lock);
    return 0;
}

int rangeset_remove(struct rangeset *r, uint64_t start, uint64_t end)
{
    struct range *spare;

    if (start > end)
        return -EINVAL;
    spare = mem_new(struct range);
    if (!spare)
        return -ENOMEM;
    spin_lock(&r->lock);
    range_cut(r, start, end, &spare);
    spin_unlock(&r->lock);
    mem_free(spare);
    return 0;
}

bool rangeset_contains(struct rangeset *r, uint64_t start, uint64_t end)
{
    struct range *range;
    bool inside = false;

    spin_lock(&r->lock);
    list_for_each_entry(range, &r->ranges, link)
        if (range->first <= start && end <= range->last)
            inside = true;
    spin_unlock(&r->lock);
    return inside && start <= end;
}
