// SPDX-License-Identifier: BSD-2-Clause
/*
 * The bitmap of written guest frames (mm/dirty_log.h).  Its memory is there in full before anybody can mark:
 * marking never fails.
 */
#include "mm/dirty_log.h"

#include "errno.h"
#include "lib/bitmap.h"
#include "mm/heap.h"

#define ALLOCATE_STEP 64 /* pages cleared in one go */
/* Frame numbers beyond those a guest said it has are possible, but it does not decide how much memory this takes. */
#define SPARE_FRAMES (1UL << 20)

static uint64_t log_pages(const struct dirty_log *log) { return DIV_ROUND_UP(log->limit, DIRTY_LOG_PAGE_BITS); }

static struct dirty_log *log_new(const struct domain *d, uint64_t said)
{
    const uint64_t limit = min(said, min(max(d->max_pages, d->total_pages), max_frame) * 2 + SPARE_FRAMES);
    struct dirty_log *log = mem_alloc(sizeof(*log) + DIV_ROUND_UP(limit, DIRTY_LOG_PAGE_BITS) * sizeof(log->bits[0]),
                                      _Alignof(struct dirty_log));

    if (log)
        log->limit = limit;
    return log;
}

int dirty_log_make(struct domain *d, uint64_t said)
{
    struct dirty_log *log = d->new_dirty_log ? d->new_dirty_log : log_new(d, said);

    d->new_dirty_log = log;
    for (unsigned i = 0; log && i < ALLOCATE_STEP && log->allocated < log_pages(log); i++) {
        uint64_t *page = heap_alloc(0, HEAP_ZERO);

        if (!page) {
            dirty_log_end(d);
            return -ENOMEM;
        }
        log->bits[log->allocated++] = page;
    }
    return log ? log->allocated < log_pages(log) : -ENOMEM;
}

void dirty_log_begin(struct domain *d)
{
    __atomic_store_n(&d->dirty_log, d->new_dirty_log, __ATOMIC_RELEASE);
    d->new_dirty_log = NULL;
}

static void log_free(void *data)
{
    struct dirty_log *log = data;

    while (log->allocated)
        heap_free(log->bits[--log->allocated], 0);
    mem_free(log);
}

void dirty_log_end(struct domain *d)
{
    struct dirty_log *const logs[] = {d->dirty_log, d->new_dirty_log};

    __atomic_store_n(&d->dirty_log, NULL, __ATOMIC_RELEASE);
    d->new_dirty_log = NULL;
    for (unsigned i = 0; i < ARRAY_SIZE(logs); i++)
        if (logs[i])
            quiesce_defer(&logs[i]->quiesce, log_free, logs[i]);
}

uint64_t dirty_log_bytes(const struct dirty_log *log)
{
    return sizeof(*log) + log_pages(log) * (PAGE_SIZE + sizeof(log->bits[0]));
}

static uint64_t *log_word(const struct dirty_log *log, uint64_t gfn)
{
    return &log->bits[gfn / DIRTY_LOG_PAGE_BITS][gfn % DIRTY_LOG_PAGE_BITS / 64];
}

bool dirty_log_mark(struct domain *d, uint64_t gfn)
{
    struct dirty_log *log = __atomic_load_n(&d->dirty_log, __ATOMIC_ACQUIRE);
    uint64_t bit = 1UL << gfn % 64, *word;

    if (!log || gfn >= log->limit)
        return false;
    word = log_word(log, gfn);
    /*
     * Ordered after the store it reports even when the bit is there already: a harvest must not take it
     * before.
     */
    return !(__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST) & bit);
}

bool dirty_log_test(const struct dirty_log *log, uint64_t gfn)
{
    return gfn >= log->limit || (__atomic_load_n(log_word(log, gfn), __ATOMIC_RELAXED) >> gfn % 64 & 1);
}

void dirty_log_frame_slow(struct domain *owner, const struct frame *f)
{
    (void)dirty_log_mark(owner, m2p_get(frame_to_mfn(f)));
}

uint32_t dirty_log_harvest(struct dirty_log *log, uint64_t index, bool clear, uint64_t *words)
{
    uint64_t *bits = log->bits[index];
    uint32_t found = 0;

    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*bits); i++) {
        words[i] = __atomic_load_n(&bits[i], __ATOMIC_RELAXED);
        if (!words[i])
            continue;
        if (clear)
            words[i] = __atomic_exchange_n(&bits[i], 0, __ATOMIC_SEQ_CST);
        found += (uint32_t)bitmap_weight(&words[i], 64);
    }
    return found;
}
