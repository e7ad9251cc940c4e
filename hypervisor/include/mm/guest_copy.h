/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies between the hypervisor and the memory of the running guest, by its virtual addresses: the only
 * way any code reaches guest memory by pointer, and only the door and guest rooms do.  Every address is checked
 * to lie outside the hypervisor's range; faults end the copy.  All return 0 or -EFAULT.
 */
#pragma once

#include "types.h"

/* Of a hardware-assisted guest, whose tables the CPU does not use now: implemented by guest/hvm. */
int guest_read_walked(void *to, uint64_t from, size_t size);
int guest_write_walked(uint64_t to, const void *from, size_t size);
int guest_zero_walked(uint64_t to, size_t size);

#ifdef XYLEM_HOST
int guest_read(void *to, guest_addr_t from, size_t size);
int guest_write(guest_addr_t to, const void *from, size_t size);
#else
#include "arch/cpu.h"
#include "arch/guest_word.h"
#include "lib/base.h"

int guest_read_bytes(void *to, guest_addr_t from, size_t size);
int guest_write_bytes(guest_addr_t to, const void *from, size_t size);

/* Small sizes the compiler knows become a few moves in line. */
static inline __attribute__((always_inline)) int guest_read(void *to, guest_addr_t from, size_t size)
{
    if (!__builtin_constant_p(size) || !guest_size_is_short(size))
        return guest_read_bytes(to, from, size);
    return unlikely(cpu_info()->guest_walked) ? guest_read_walked(to, from.value, size)
                                              : guest_read_short(to, from.value, size);
}

static inline __attribute__((always_inline)) int guest_write(guest_addr_t to, const void *from, size_t size)
{
    if (!__builtin_constant_p(size) || !guest_size_is_short(size))
        return guest_write_bytes(to, from, size);
    return unlikely(cpu_info()->guest_walked) ? guest_write_walked(to.value, from, size)
                                              : guest_write_short(to.value, from, size);
}
#endif
int guest_zero(guest_addr_t to, size_t size);

/* Address of element index of an array; saturates to an address every copy refuses when it would wrap. */
static inline guest_addr_t guest_element(guest_addr_t base, uint64_t index, size_t size)
{
    uint64_t offset, address;

    if (__builtin_mul_overflow(index, (uint64_t)size, &offset) || __builtin_add_overflow(base.value, offset, &address))
        return GUEST_ADDR(0xffff800000000000UL);
    return GUEST_ADDR(address);
}

static inline bool guest_addr_null(guest_addr_t a) { return a.value == 0; }
