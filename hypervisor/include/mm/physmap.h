/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a guest's frame numbers to machine frames.  For a PV guest the two are the same and ownership is what
 * is checked; for a hardware-assisted guest a table translates.
 */
#pragma once

#include "mm/frame.h"

/* The frame behind gfn with a reference taken, owned by d.  0, -EINVAL no such frame or not d's. */
int physmap_get_frame(struct domain *d, gfn_t gfn, struct frame **frame);
/* The same, with a FRAME_WRITABLE type reference too. */
int physmap_get_writable(struct domain *d, gfn_t gfn, struct frame **frame);
