// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sets of inclusive number ranges, as sorted arrays: a domain's I/O permissions have a handful of ranges each.
 */
#include "mm/rangeset.h"

#include "errno.h"
#include "mm/heap.h"

void rangeset_init(struct rangeset *r)
{
    *r = (struct rangeset){0};
    spin_init(&r->lock, RANK_NONE);
}

void rangeset_destroy(struct rangeset *r)
{
    mem_free(r->ranges);
    r->ranges = NULL;
    r->count = 0;
}

/* Behind what there is; one that touches the last becomes part of it. */
static void range_append(struct range *ranges, unsigned *count, uint64_t first, uint64_t last)
{
    if (*count && ranges[*count - 1].last + 1 == first)
        ranges[*count - 1].last = last;
    else
        ranges[(*count)++] = (struct range){first, last};
}

/* r less start to end, and with it again if it is to be there.  to has room for one range more than r has. */
static unsigned ranges_make(const struct rangeset *r, uint64_t start, uint64_t end, bool there, struct range *to)
{
    unsigned count = 0;

    for (const struct range *at = r->ranges; at < r->ranges + r->count; at++) {
        if (at->first < start)
            range_append(to, &count, at->first, min(at->last, start - 1));
        if (there && at->last >= start) {
            range_append(to, &count, start, end);
            there = false;
        }
        if (at->last > end)
            range_append(to, &count, max(at->first, end + 1), at->last);
    }
    if (there)
        range_append(to, &count, start, end);
    return count;
}

static int rangeset_change(struct rangeset *r, uint64_t start, uint64_t end, bool there)
{
    struct range *fresh, *old;
    unsigned room;

    if (start > end)
        return -EINVAL;
    for (;;) {
        room = __atomic_load_n(&r->count, __ATOMIC_RELAXED) + 1;
        fresh = mem_new_array(struct range, room);
        if (!fresh)
            return -ENOMEM;
        spin_lock(&r->lock);
        if (r->count < room)
            break;
        spin_unlock(&r->lock); /* it grew meanwhile */
        mem_free(fresh);
    }
    old = r->ranges;
    r->count = ranges_make(r, start, end, there, fresh);
    r->ranges = fresh;
    spin_unlock(&r->lock);
    mem_free(old);
    return 0;
}

int rangeset_add(struct rangeset *r, uint64_t start, uint64_t end)
{
    return rangeset_change(r, start, end, true);
}

int rangeset_remove(struct rangeset *r, uint64_t start, uint64_t end)
{
    return rangeset_change(r, start, end, false);
}

bool rangeset_contains(struct rangeset *r, uint64_t start, uint64_t end)
{
    bool inside = false;

    spin_lock(&r->lock);
    for (unsigned i = 0; i < r->count && !inside; i++)
        inside = r->ranges[i].first <= start && end <= r->ranges[i].last;
    spin_unlock(&r->lock);
    return inside && start <= end;
}
