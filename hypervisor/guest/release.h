/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking back the memory of a dying domain: what both kinds of guests share. */
#pragma once

#include "domain/domain.h"

/* untype, when given, undoes what keeps a frame's type: 0 or -ERESTART_LATER.  0 or -ERESTART_LATER. */
int guest_release_memory(struct domain *d, int (*untype)(struct domain *d, struct frame *f));
