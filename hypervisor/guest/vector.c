// SPDX-License-Identifier: BSD-2-Clause
/*
 * Vector state that comes from outside, for PV and hardware-assisted guests: an XSAVE area in standard format (Intel SDM
 * volume 1, 13.4).  What the CPU would refuse to load must not come in.
 */
#include "guest/pv.h"

#include "errno.h"
#include "lib/string.h"

#define MXCSR_VALID 0xffffu

/* The least there is of an area; reserved is not zero: compacted format, or nothing known. */
struct vector_area {
    uint8_t x87[24];
    uint32_t mxcsr;
    uint8_t registers[484];
    uint64_t features, reserved[7];
};

int guest_vector_load(struct vcpu *v, uint64_t xcr0, uint64_t accumulated, const void *from, size_t size)
{
    struct vector_area area;
    uint64_t reserved = 0;

    if (size < sizeof(area) || !xcr0_valid(xcr0) || !xcr0_valid(accumulated) || (accumulated & ~xsave_features) ||
        (xcr0 & ~accumulated) || size < xsave_size_of(accumulated))
        return -EINVAL;
    memcpy(&area, from, sizeof(area));
    for (unsigned i = 0; i < ARRAY_SIZE(area.reserved); i++)
        reserved |= area.reserved[i];
    if (reserved || (area.features & ~accumulated) || (area.mxcsr & ~MXCSR_VALID))
        return -EINVAL;
    v->arch.xcr0 = xcr0;
    v->arch.xcr0_accum = accumulated;
    memcpy(v->arch.xsave_area, from, xsave_size_of(accumulated));
    v->arch.fpu_initialised = true;
    return 0;
}

void guest_legacy_load(struct vcpu *v, const void *from)
{
    struct vector_area *area = v->arch.xsave_area;

    memcpy(area, from, offsetof(struct vector_area, features));
    if (xsave_features) {
        area->features = XCR0_X87 | XCR0_SSE;
        area->reserved[0] = 0;
    }
}
