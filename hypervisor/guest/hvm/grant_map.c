// SPDX-License-Identifier: BSD-2-Clause
/*
 * Grants mapped by hardware-assisted guests: at a guest frame, in place of whatever is there (xen/grant_table.h).  Memory of
 * its own that the guest maps over stays its own, without an address, until the domain goes.
 */
#include "guest/hvm/physmap.h"

#include "errno.h"

int hvm_grant_map(struct domain *d, uint64_t host_addr, mfn_t frame, unsigned flags)
{
    enum physmap_type type = flags & GNTMAP_readonly ? PHYSMAP_GRANT_RO : PHYSMAP_GRANT;
    int rc;

    if (host_addr & ~PAGE_MASK)
        return GNTST_bad_virt_addr;
    rc = physmap_set(d, GFN(host_addr >> PAGE_SHIFT), frame, 0, type);
    if (rc == -ENOMEM)
        return GNTST_no_space;
    return rc ? GNTST_general_error : GNTST_okay;
}

int hvm_grant_unmap(struct domain *d, uint64_t host_addr, mfn_t frame, unsigned, uint64_t new_addr)
{
    /* The physmap of a dying domain goes as a whole, and with it what its entries hold. */
    if (domain_is_dying(d))
        return GNTST_okay;
    if (new_addr || (host_addr & ~PAGE_MASK))
        return GNTST_general_error;
    return physmap_clear_grant(d, GFN(host_addr >> PAGE_SHIFT), frame) ? GNTST_general_error : GNTST_okay;
}
