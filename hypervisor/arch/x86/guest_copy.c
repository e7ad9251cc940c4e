// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copies to and from the running guest's memory.  Only addresses outside the hypervisor's range are touched
 * (guest_range_ok), and a fault at any instruction of the copy ends it with -EFAULT through the exception table.  Short
 * sizes that are known when this is compiled do not come here: guest_word.h.
 */
#include "mm/guest_copy.h"

/* Words, then what is left: a string instruction's steps are what a copy costs. */
static int copy(void *to, const void *from, size_t size)
{
    size_t words = size / 8;
    int rc = 0;

    __asm__ volatile("1: rep movsq\n   mov %5, %3\n2: rep movsb\n   jmp 4f\n3: mov %4, %0\n4:\n"
                     EXTABLE(1b, 3b) EXTABLE(2b, 3b)
                     : "+r"(rc), "+D"(to), "+S"(from), "+c"(words)
                     : "i"(-EFAULT), "r"(size % 8)
                     : "memory");
    return rc;
}

int guest_read_bytes(void *to, guest_addr_t from, size_t size)
{
    if (unlikely(cpu_info()->guest_walked))
        return guest_read_walked(to, from.value, size);
    return guest_range_ok(from.value, size) ? copy(to, (const void *)from.value, size) : -EFAULT;
}

int guest_write_bytes(guest_addr_t to, const void *from, size_t size)
{
    if (unlikely(cpu_info()->guest_walked))
        return guest_write_walked(to.value, from, size);
    return guest_range_ok(to.value, size) ? copy((void *)to.value, from, size) : -EFAULT;
}

int guest_zero(guest_addr_t to, size_t size)
{
    int rc = 0;

    if (unlikely(cpu_info()->guest_walked))
        return guest_zero_walked(to.value, size);
    if (!guest_range_ok(to.value, size))
        return -EFAULT;
    __asm__ volatile("1: rep stosb\n   jmp 3f\n2: mov %3, %0\n3:\n" EXTABLE(1b, 2b)
                     : "+r"(rc), "+D"(to.value), "+c"(size)
                     : "i"(-EFAULT), "a"(0)
                     : "memory");
    return rc;
}
