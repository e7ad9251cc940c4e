/* SPDX-License-Identifier: BSD-2-Clause */
/* What the domain was started with. */
#ifndef GUEST_START_H
#define GUEST_START_H

#include <stdbool.h>
#include <stdint.h>

#include <xen/xen.h>

/* The kind of guest: PV, or PVH. Tests ask where the interface gives the two different answers. */
extern const bool guest_is_pv;
const struct start_info *start_page(void);
struct shared_info *shared_page(void);
/* Our own domain number (events.h knows how it is found out). */
domid_t domain_self(void);

#endif
