// SPDX-License-Identifier: BSD-2-Clause
/*
 * From a guest's frame numbers to machine frames (mm/physmap.h).  A PV guest's are the machine's own, so what is checked is whose
 * the frame is; a hardware-assisted guest's are translated.
 */
#include "mm/physmap.h"

#include "errno.h"
#include "guest/hvm/physmap.h"

int physmap_get_frame(struct domain *d, gfn_t gfn, struct frame **frame)
{
    mfn_t mfn = MFN(gfn.value);

    if (unlikely(d->is_hvm))
        return physmap_frame_of(d, gfn, frame);
    if (!mfn_valid(mfn) || !frame_get(mfn_to_frame(mfn), d))
        return -EINVAL;
    *frame = mfn_to_frame(mfn);
    return 0;
}

int physmap_get_writable(struct domain *d, gfn_t gfn, struct frame **frame)
{
    int rc = physmap_get_frame(d, gfn, frame);

    if (!rc && frame_get_type(*frame, FRAME_WRITABLE)) {
        frame_put(*frame);
        rc = -EINVAL;
    }
    return rc;
}
