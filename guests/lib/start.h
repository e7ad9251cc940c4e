/* SPDX-License-Identifier: BSD-2-Clause */
/* What the domain was started with. */
#ifndef GUEST_START_H
#define GUEST_START_H

#include <stdint.h>

#include <xen/xen.h>

const struct start_info *start_page(void);
struct shared_info *shared_page(void);
/* Our own domain number (events.h knows how it is found out). */
domid_t domain_self(void);

#endif
