/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages of MSI-X tables, which no guest may write (arch/x86/msix_table.c). */
#pragma once

#include "mm/rangeset.h"

/* Frame numbers. count is 0 until the first is in use. */
extern struct rangeset msix_table_pages;

/* Frame numbers, inclusive. */
struct msix_pages {
    uint64_t first, last;
};
/*
 * One more entry of a device (any number that names it) is in use; the first protects the pages of its table
 * and of its pending bits. 0, -ENOMEM; no lock held.
 */
int msix_table_protect(uint32_t device, const struct msix_pages pages[2]);
/* One less; no lock held. */
void msix_table_release(uint32_t device);
