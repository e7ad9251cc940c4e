// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copies to and from the running guest's memory.  Only addresses outside the hypervisor's range are touched (guest_range_ok), and a
 * fault at any instruction of the copy ends it with -EFAULT through the exception table.  Sizes that hypercalls use all the
 * time are copied without a string instruction.
 */
#include "mm/guest_copy.h"

#include "arch/layout.h"
#include "arch/x86/extable.h"
#include "errno.h"

/* One 8-byte move each way; 0 or -EFAULT in rc. */
#define COPY_8(to, from, offset, rc)                                                                             \
    __asm__ volatile("1: mov %c4(%2), %%rax\n2: mov %%rax, %c4(%1)\n   jmp 4f\n3: mov %3, %0\n4:\n"             \
                     EXTABLE(1b, 3b) EXTABLE(2b, 3b)                                                             \
                     : "+r"(rc)                                                                                  \
                     : "r"(to), "r"(from), "i"(-EFAULT), "i"(offset)                                             \
                     : "rax", "memory")

static inline int copy_words(void *to, const void *from, size_t size)
{
    int rc = 0;

    COPY_8(to, from, 0, rc);
    if (size > 8)
        COPY_8(to, from, 8, rc);
    if (size > 16)
        COPY_8(to, from, 16, rc);
    return rc;
}

static int copy_bytes(void *to, const void *from, size_t size)
{
    int rc = 0;

    __asm__ volatile("1: rep movsb\n   jmp 3f\n2: mov %4, %0\n3:\n" EXTABLE(1b, 2b)
                     : "+r"(rc), "+D"(to), "+S"(from), "+c"(size)
                     : "i"(-EFAULT)
                     : "memory");
    return rc;
}

static inline int copy(void *to, const void *from, size_t size)
{
    return size == 8 || size == 16 || size == 24 ? copy_words(to, from, size) : copy_bytes(to, from, size);
}

int guest_read(void *to, guest_addr_t from, size_t size)
{
    return guest_range_ok(from.value, size) ? copy(to, (const void *)from.value, size) : -EFAULT;
}

int guest_write(guest_addr_t to, const void *from, size_t size)
{
    return guest_range_ok(to.value, size) ? copy((void *)to.value, from, size) : -EFAULT;
}

int guest_zero(guest_addr_t to, size_t size)
{
    int rc = 0;

    if (!guest_range_ok(to.value, size))
        return -EFAULT;
    __asm__ volatile("1: rep stosb\n   jmp 3f\n2: mov %3, %0\n3:\n" EXTABLE(1b, 2b)
                     : "+r"(rc), "+D"(to.value), "+c"(size)
                     : "i"(-EFAULT), "a"(0)
                     : "memory");
    return rc;
}
