/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Typed addresses.  A machine frame, a guest frame, a machine address and a guest virtual address are
 * different C types, in release builds too, so that one cannot be passed where another is meant.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))

typedef struct { uint64_t value; } mfn_t;        /* machine frame number: physical address >> 12 */
typedef struct { uint64_t value; } gfn_t;        /* guest frame number; equals the mfn for a PV guest */
typedef struct { uint64_t value; } maddr_t;      /* machine (physical) byte address */
/* virtual address in the running guest: never dereferenced */
typedef struct { uint64_t value; } guest_addr_t;

#define MFN(n) ((mfn_t){(n)})
#define GFN(n) ((gfn_t){(n)})
#define MADDR(n) ((maddr_t){(n)})
#define GUEST_ADDR(n) ((guest_addr_t){(n)})
#define INVALID_MFN MFN(~0UL)
#define INVALID_GFN GFN(~0UL)

/* The address held by a XEN_GUEST_HANDLE of the public headers. */
#define GUEST_HANDLE(handle) GUEST_ADDR((uint64_t)(handle).p)

static inline bool mfn_equal(mfn_t a, mfn_t b) { return a.value == b.value; }
static inline mfn_t mfn_add(mfn_t m, uint64_t n) { return MFN(m.value + n); }
static inline maddr_t mfn_to_maddr(mfn_t m) { return MADDR(m.value << PAGE_SHIFT); }
static inline mfn_t maddr_to_mfn(maddr_t a) { return MFN(a.value >> PAGE_SHIFT); }

typedef uint64_t nanoseconds_t; /* system time: nanoseconds since boot */
