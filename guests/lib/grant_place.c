// SPDX-License-Identifier: BSD-2-Clause
//
// Where a PV guest has its grant table, and its own pages in place of grants: by page-table entries. See grant.h.

#include <stdint.h>

#include "grant.h"
#include "hypercall.h"
#include "memory.h"

static long table_frame(uint64_t *machine)
{
    struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 1 };
    long result;

    set_xen_guest_handle(setup.frame_list, machine);
    result = grant_op(GNTTABOP_setup_table, &setup, 1);
    return result ? result : setup.status;
}

long grant_status_frame(uint64_t *machine)
{
    struct gnttab_get_status_frames get = { .nr_frames = 1, .dom = DOMID_SELF };
    long result;

    set_xen_guest_handle(get.frame_list, machine);
    result = grant_op(GNTTABOP_get_status_frames, &get, 1);
    return result ? result : get.status;
}

static long entry_set(const void *place, uint64_t entry)
{
    return update_va_mapping(place, entry, UVMF_INVLPG | UVMF_ALL);
}

long grant_frame_show(void *place, bool status)
{
    uint64_t machine = 0;
    long result = status ? grant_status_frame(&machine) : table_frame(&machine);

    return result ? result : entry_set(place, machine << PAGE_SHIFT | (status ? ENTRY_READ_ONLY : ENTRY_READ_WRITE));
}

long grant_frame_hide(void *place)
{
    return entry_set(place, 0);
}

long place_take(void *place, void *page)
{
    return entry_set(place, machine_of(page) << PAGE_SHIFT | ENTRY_READ_WRITE);
}

long place_leave(void *place, void *page)
{
    (void)page;
    return entry_set(place, 0);
}
