// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pages that hold the MSI-X tables and pending bits of devices in use (PCI Local Bus 3.0, 6.8.2). A guest
 * that wrote there would send interrupts of its choice to any CPU: no guest may map them writable, not even
 * domain 0, and stores through what is mapped read-only are dropped (guest/pv/entries.c, emulate_write.c).
 *
 * A device's pages are protected while one of its entries is in use.
 */
#include "arch/x86/msix_table.h"

#include "errno.h"
#include "mm/heap.h"

struct protected_device {
    struct protected_device *next;
    uint32_t device;
    unsigned uses;
    struct msix_pages pages[2];
};

struct rangeset msix_table_pages = {.lock = SPINLOCK_INIT(RANK_NONE)};
static spinlock_t lock = SPINLOCK_INIT(RANK_PCI); /* the list, and changes of msix_table_pages */
static struct protected_device *devices;

/* Where the device stands in the list, or would: at its end. */
static struct protected_device **find(uint32_t device)
{
    struct protected_device **at = &devices;

    while (*at && (*at)->device != device)
        at = &(*at)->next;
    return at;
}

static int pages_add(const struct protected_device *p)
{
    int error = rangeset_add(&msix_table_pages, p->pages[0].first, p->pages[0].last);

    return error ? error : rangeset_add(&msix_table_pages, p->pages[1].first, p->pages[1].last);
}

/* What else is in those pages, another device's, is protected again. */
static void pages_remove(struct protected_device *p)
{
    for (unsigned i = 0; i < 2; i++)
        (void)rangeset_remove(&msix_table_pages, p->pages[i].first, p->pages[i].last);
    for (const struct protected_device *other = devices; other; other = other->next)
        (void)pages_add(other);
}

int msix_table_protect(uint32_t device, const struct msix_pages pages[2])
{
    struct protected_device **at, *fresh = mem_new(struct protected_device);
    int error = 0;

    if (!fresh)
        return -ENOMEM;
    spin_lock(&lock);
    at = find(device);
    if (!*at) {
        *fresh = (struct protected_device){.device = device, .pages = {pages[0], pages[1]}};
        error = pages_add(fresh);
        if (error) {
            pages_remove(fresh);
        } else {
            *at = fresh;
            fresh = NULL;
        }
    }
    if (*at)
        (*at)->uses++;
    spin_unlock(&lock);
    mem_free(fresh);
    return error;
}

void msix_table_release(uint32_t device)
{
    struct protected_device **at, *p;

    spin_lock(&lock);
    at = find(device);
    p = *at;
    if (p && --p->uses == 0) {
        *at = p->next;
        pages_remove(p);
    } else {
        p = NULL;
    }
    spin_unlock(&lock);
    mem_free(p);
}
