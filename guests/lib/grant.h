/* SPDX-License-Identifier: BSD-2-Clause */
/* Grant tables, version 1 (xen/grant_table.h). */
#ifndef GUEST_GRANT_H
#define GUEST_GRANT_H

#include <stdbool.h>
#include <stdint.h>

#include <xen/grant_table.h>

/* Maps the first frame of our grant table: 512 entries. The hypercall's result. */
long grant_init(void);
/* The first 8 references belong to the tools. */
#define GRANT_FIRST 8u
#define GRANT_COUNT 512u
struct grant_entry_v1 *grant_entry(grant_ref_t reference);
/* Lets a domain access the frame of a page. */
void grant_give(grant_ref_t reference, domid_t domain, const void *page, bool read_only);
/* Takes it back; false while somebody uses it. */
bool grant_take(grant_ref_t reference);

/*
 * What each kind of guest does in its own way, at a page of range_alloc: the first frame of our table, or of the status
 * pages of version 2, appears there and goes; a page of ours takes the place of a grant that is mapped there, and goes
 * back to where it was. 0 or the hypercall's error.
 */
long grant_frame_show(void *place, bool status);
long grant_frame_hide(void *place);
long place_take(void *place, void *page);
long place_leave(void *place, void *page);
/* Of PV guests alone: the machine number of version 2's first status page. 0 or the error. */
long grant_status_frame(uint64_t *machine);

/* Both return the operation's status, GNTST_*. flags: GNTMAP_*. */
int grant_map(const void *address, unsigned int flags, grant_ref_t reference, domid_t domain,
              grant_handle_t *handle);
int grant_unmap(const void *address, grant_handle_t handle);

#endif
