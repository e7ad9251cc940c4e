// SPDX-License-Identifier: BSD-2-Clause
//
// Where a PVH guest has its grant table, and its own pages in place of grants: by guest-physical frames. See grant.h.

#include "grant.h"

#include <xen/memory.h>

#include "memory.h"
#include "pvh/machine.h"

long grant_frame_show(void *place, bool status)
{
    return physmap_add(XENMAPSPACE_grant_table, status ? XENMAPIDX_grant_table_status : 0, machine_of(place));
}

long grant_frame_hide(void *place)
{
    return physmap_remove(machine_of(place));
}

long place_take(void *place, void *page)
{
    return physmap_add(XENMAPSPACE_gmfn, machine_of(page), machine_of(place));
}

long place_leave(void *place, void *page)
{
    return physmap_add(XENMAPSPACE_gmfn, machine_of(place), machine_of(page));
}
