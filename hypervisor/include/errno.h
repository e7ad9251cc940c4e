/* SPDX-License-Identifier: BSD-2-Clause */
/* Error numbers of the public ABI (xen/errno.h) under their usual names.  Functions return them negated. */
#pragma once

#ifdef XYLEM_HOST
#include <errno.h>
#else
#define XEN_ERRNO(name, value) name = value,
enum {
#include <xen/errno.h>
};
#endif

/*
 * Never reaches a guest: an operation stopped before its end because work is pending on this CPU and wants to
 * be called again with the state it left behind.  The door turns it into a continuation of the hypercall.
 */
#define ERESTART_LATER 1024
