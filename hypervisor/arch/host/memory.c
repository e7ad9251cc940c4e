// SPDX-License-Identifier: BSD-2-Clause
/*
 * Machine memory of host programs: the array, the frame table, and simple substitutes for the heap and for
 * references and types of frames.
 *
 * The substitutes keep the rules of mm/frame.h that other rooms lean on (owner, references, one type at a
 * time) and nothing of the real allocator's cleverness.  All are weak: link the files of hypervisor/mm to
 * have the real ones.
 */
#include <pthread.h>
#include <stdlib.h>

#include "arch/host/host.h"
#include "arch/host/private.h"
#include "errno.h"
#include "lib/base.h"
#include "lib/string.h"
#include "log.h"
#include "mm/guest_copy.h"
#include "mm/heap.h"
#include "mm/physmap.h"

#ifdef __has_feature /* clang says it this way */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define POISON(p, size) ASAN_POISON_MEMORY_REGION(p, size)
#define UNPOISON(p, size) ASAN_UNPOISON_MEMORY_REGION(p, size)
#else
#define POISON(p, size) ((void)0)
#define UNPOISON(p, size) ((void)0)
#endif

#define WEAK __attribute__((weak))

unsigned char *host_memory;
struct frame *frame_table;
uint64_t *m2p_table;
WEAK uint64_t max_frame;
static size_t host_frames, host_first_free; /* all below are in use */
static bool *in_use;
static pthread_mutex_t heap_mutex = PTHREAD_MUTEX_INITIALIZER;

unsigned long host_allocations;
long host_allocations_live;
static unsigned long fail_at;

void host_fail_allocation(unsigned long nth)
{
    fail_at = nth ? host_allocations + nth : 0;
}

static bool allocation_fails(void)
{
    return __atomic_add_fetch(&host_allocations, 1, __ATOMIC_RELAXED) == fail_at;
}

static void allocation_count(long change)
{
    __atomic_fetch_add(&host_allocations_live, change, __ATOMIC_RELAXED);
}

/* Only there when a program links the real allocator. */
extern __typeof__(heap_init_range) heap_init_range __attribute__((weak));

void host_memory_setup(size_t frames)
{
    host_frames = frames;
    max_frame = frames;
    host_memory = aligned_alloc(PAGE_SIZE, frames * PAGE_SIZE);
    frame_table = calloc(frames, sizeof(*frame_table));
    m2p_table = malloc(frames * sizeof(*m2p_table));
    in_use = calloc(frames, sizeof(*in_use));
    BUG_ON(!host_memory || !frame_table || !m2p_table || !in_use);
    memset(m2p_table, 0xff, frames * sizeof(*m2p_table));
    in_use[0] = true;
    host_first_free = 1;
    fail_at = 0;
    host_allocations_live = 0;
    POISON(host_memory, frames * PAGE_SIZE);
    if (heap_init_range) {
        UNPOISON(host_memory, frames * PAGE_SIZE);
        heap_init_range(MADDR(PAGE_SIZE), MADDR(frames * PAGE_SIZE));
    }
}

void host_memory_teardown(void)
{
    UNPOISON(host_memory, host_frames * PAGE_SIZE);
    free(host_memory);
    free(frame_table);
    free(m2p_table);
    free(in_use);
    host_memory = NULL;
}

/* ---- pages ---- */

static bool run_is_free(size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        if (in_use[i])
            return false;
    }
    return true;
}

static size_t pages_take(unsigned order)
{
    size_t count = 1UL << order, found = 0;

    if (allocation_fails())
        return 0;
    pthread_mutex_lock(&heap_mutex);
    for (size_t first = max(count, host_first_free & ~(count - 1)); first + count <= host_frames && !found;
         first += count) {
        if (run_is_free(first, count))
            found = first;
    }
    for (size_t i = 0; found && i < count; i++)
        in_use[found + i] = true;
    if (found == host_first_free)
        host_first_free += count;
    pthread_mutex_unlock(&heap_mutex);
    if (found) {
        UNPOISON(mfn_to_virt(MFN(found)), count * PAGE_SIZE);
        allocation_count(1);
    }
    return found;
}

static void pages_give(size_t first, unsigned order)
{
    size_t count = 1UL << order;

    pthread_mutex_lock(&heap_mutex);
    for (size_t i = first; i < first + count; i++) {
        BUG_ON(!in_use[i]);
        in_use[i] = false;
        frame_table[i] = (struct frame){0};
    }
    host_first_free = min(host_first_free, first);
    POISON(mfn_to_virt(MFN(first)), count * PAGE_SIZE);
    pthread_mutex_unlock(&heap_mutex);
    allocation_count(-1);
}

WEAK void *heap_alloc(unsigned order, unsigned flags)
{
    size_t first = pages_take(order);

    if (!first)
        return NULL;
    memset(mfn_to_virt(MFN(first)), flags & HEAP_ZERO ? 0 : 0xa5, PAGE_SIZE << order);
    for (size_t i = 0; i < 1UL << order; i++)
        frame_table[first + i].refs = FRAME_XEN_HEAP;
    return mfn_to_virt(MFN(first));
}

WEAK void heap_free(void *pages, unsigned order)
{
    if (pages)
        pages_give(virt_to_mfn(pages).value, order);
}

WEAK struct frame *heap_alloc_domain(struct domain *d, unsigned order, unsigned width_bits, unsigned flags)
{
    size_t first = pages_take(order);

    (void)width_bits;
    if (!first)
        return NULL;
    memset(mfn_to_virt(MFN(first)), 0, PAGE_SIZE << order);
    for (size_t i = 0; i < 1UL << order && !(flags & HEAP_NO_OWNER); i++) {
        frame_table[first + i].refs = FRAME_ALLOCATED | 1;
        frame_set_owner(&frame_table[first + i], d);
    }
    if (!(flags & HEAP_NO_OWNER))
        __atomic_fetch_add(&d->total_pages, 1UL << order, __ATOMIC_RELAXED);
    return &frame_table[first];
}

WEAK void heap_free_domain(struct frame *f, unsigned order)
{
    struct domain *d = frame_owner(f);

    if (d)
        __atomic_fetch_sub(&d->total_pages, 1UL << order, __ATOMIC_RELAXED);
    pages_give(frame_to_mfn(f).value, order);
}

WEAK int heap_assign(struct domain *d, struct frame *f, unsigned order, unsigned flags)
{
    (void)flags;
    if (domain_is_dying(d))
        return -EINVAL;
    if (d->max_pages && d->total_pages + (1UL << order) > d->max_pages)
        return -E2BIG;
    for (size_t i = 0; i < 1UL << order; i++) {
        f[i].refs = FRAME_ALLOCATED | 1;
        frame_set_owner(&f[i], d);
    }
    d->total_pages += 1UL << order;
    return 0;
}

WEAK int heap_steal(struct domain *d, struct frame *f)
{
    if (frame_owner(f) != d || (f->refs & FRAME_REFS_MASK) != 1 || (f->type & FRAME_TYPE_COUNT_MASK))
        return -EBUSY;
    f->refs = 0;
    frame_set_owner(f, NULL);
    d->total_pages--;
    return 0;
}

WEAK void heap_share(void *page, struct domain *d, enum share_access access)
{
    struct frame *f = virt_to_frame(page);

    f->type = access == SHARE_READ_WRITE ? FRAME_WRITABLE | FRAME_VALIDATED | 1 : FRAME_NONE | 1;
    frame_set_owner(f, d);
    __atomic_store_n(&f->refs, FRAME_XEN_HEAP | FRAME_ALLOCATED | 1, __ATOMIC_RELEASE);
}

WEAK void heap_unshare_release(void *page)
{
    struct frame *f = virt_to_frame(page);

    __atomic_fetch_and(&f->refs, ~FRAME_ALLOCATED, __ATOMIC_SEQ_CST);
    frame_put(f);
}

/* ---- small allocations: the C library's, so that AddressSanitizer watches each ---- */

WEAK void *mem_alloc(size_t size, size_t align)
{
    void *p = NULL;

    if (allocation_fails() || posix_memalign(&p, align < 16 ? 16 : align, size ? size : 1))
        return NULL;
    memset(p, 0, size);
    allocation_count(1);
    return p;
}

WEAK void mem_free(void *p)
{
    if (p)
        allocation_count(-1);
    free(p);
}

WEAK void *mem_alloc_array(size_t count, size_t size)
{
    size_t bytes;

    return __builtin_mul_overflow(count, size, &bytes) ? NULL : mem_alloc(bytes, 16);
}

/* ---- references and types ---- */

WEAK bool frame_get(struct frame *f, const struct domain *d)
{
    uint64_t old = __atomic_load_n(&f->refs, __ATOMIC_RELAXED);

    do {
        if (!(old & FRAME_REFS_MASK) || frame_owner(f) != d)
            return false;
    } while (
        !__atomic_compare_exchange_n(&f->refs, &old, old + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    return true;
}

WEAK struct domain *frame_get_any_owner(struct frame *f)
{
    struct domain *d = frame_owner(f);

    return d && frame_get(f, d) ? d : NULL;
}

WEAK void frame_put(struct frame *f)
{
    uint64_t left = __atomic_sub_fetch(&f->refs, 1, __ATOMIC_SEQ_CST);

    if (left & FRAME_REFS_MASK)
        return;
    if (left & FRAME_XEN_HEAP)
        heap_free(frame_to_virt(f), 0);
    else
        heap_free_domain(f, 0);
}

WEAK int frame_get_type(struct frame *f, uint64_t type)
{
    uint64_t old = __atomic_load_n(&f->type, __ATOMIC_RELAXED), new;

    do {
        if ((old & FRAME_TYPE_COUNT_MASK) && (old & FRAME_TYPE_MASK) != type)
            return -EBUSY;
        new = (old & FRAME_TYPE_COUNT_MASK) ? old + 1 : (type | FRAME_VALIDATED | 1);
    } while (!__atomic_compare_exchange_n(&f->type, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    return 0;
}

WEAK void frame_put_type(struct frame *f)
{
    BUG_ON(!(__atomic_fetch_sub(&f->type, 1, __ATOMIC_SEQ_CST) & FRAME_TYPE_COUNT_MASK));
}

WEAK int frame_put_type_preemptible(struct frame *f)
{
    frame_put_type(f);
    return 0;
}

WEAK int frame_get_both(struct frame *f, const struct domain *d, uint64_t type)
{
    int rc;

    if (!frame_get(f, d))
        return -EINVAL;
    rc = frame_get_type(f, type);
    if (rc)
        frame_put(f);
    return rc;
}

WEAK int physmap_get_frame(struct domain *d, gfn_t gfn, struct frame **frame)
{
    if (!mfn_valid(MFN(gfn.value)) || !frame_get(&frame_table[gfn.value], d))
        return -EINVAL;
    *frame = &frame_table[gfn.value];
    return 0;
}

WEAK int physmap_get_writable(struct domain *d, gfn_t gfn, struct frame **frame)
{
    int rc = physmap_get_frame(d, gfn, frame);

    if (!rc && frame_get_type(*frame, FRAME_WRITABLE)) {
        frame_put(*frame);
        rc = -EINVAL;
    }
    return rc;
}

/* ---- guest memory ---- */

#define MAX_RANGES 8
static struct { uint64_t start, end; } guest_ranges[MAX_RANGES];
static unsigned guest_range_count;

void host_guest_range(const void *start, size_t size)
{
    BUG_ON(guest_range_count == MAX_RANGES);
    guest_ranges[guest_range_count].start = (uint64_t)start;
    guest_ranges[guest_range_count++].end = (uint64_t)start + size;
}

void host_guest_ranges_clear(void)
{
    guest_range_count = 0;
}

static bool guest_may(guest_addr_t a, size_t size)
{
    if (!guest_range_ok(a.value, size) || !a.value)
        return false;
    for (unsigned i = 0; i < guest_range_count; i++) {
        if (a.value >= guest_ranges[i].start && a.value + size <= guest_ranges[i].end)
            return true;
    }
    return guest_range_count == 0;
}

WEAK int guest_read(void *to, guest_addr_t from, size_t size)
{
    if (!guest_may(from, size))
        return -EFAULT;
    memcpy(to, (const void *)from.value, size);
    return 0;
}

WEAK int guest_write(guest_addr_t to, const void *from, size_t size)
{
    if (!guest_may(to, size))
        return -EFAULT;
    memcpy((void *)to.value, from, size);
    return 0;
}

WEAK int guest_zero(guest_addr_t to, size_t size)
{
    if (!guest_may(to, size))
        return -EFAULT;
    memset((void *)to.value, 0, size);
    return 0;
}
