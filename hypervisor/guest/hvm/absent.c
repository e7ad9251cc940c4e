// SPDX-License-Identifier: BSD-2-Clause
/* Until the physmap is there no hardware-assisted guest is made, and nothing of it is reached. */
#include "guest/hvm.h"
#include "errno.h"
#define ABSENT __attribute__((weak))
ABSENT maddr_t physmap_root(const struct domain *d) { (void)d; return MADDR(0); }
ABSENT enum physmap_fault physmap_fault(struct domain *d, gfn_t gfn, bool write) { (void)d, (void)gfn, (void)write; return PHYSMAP_NO_MEMORY; }
ABSENT int hvm_copy_from(void *to, uint64_t linear, size_t size, unsigned access, uint64_t *fault, uint32_t *error_code)
{
    (void)to, (void)size, (void)access;
    *fault = linear, *error_code = ~0u;
    return -EFAULT;
}
ABSENT int hvm_copy_to(uint64_t linear, const void *from, size_t size, unsigned access, uint64_t *fault, uint32_t *error_code)
{
    (void)from, (void)size, (void)access;
    *fault = linear, *error_code = ~0u;
    return -EFAULT;
}
