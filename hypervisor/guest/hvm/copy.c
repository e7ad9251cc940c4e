// SPDX-License-Identifier: BSD-2-Clause
/*
 * Copies to and from the running vcpu's memory by linear address: each page is walked for (walk.c) and copied through the
 * direct map, with interrupts off from the one to the other (physmap.h).
 */
#include "guest/hvm/physmap.h"

#include "errno.h"
#include "lib/string.h"
#include "mm/guest_copy.h"

/* Words of constant size are single moves: what other vcpus watch changes at once. */
static void piece_copy(void *to, const void *from, size_t size)
{
    switch (size) {
    case 1:
        __builtin_memcpy(to, from, 1);
        break;
    case 2:
        __builtin_memcpy(to, from, 2);
        break;
    case 4:
        __builtin_memcpy(to, from, 4);
        break;
    case 8:
        __builtin_memcpy(to, from, 8);
        break;
    default:
        memcpy(to, from, size);
    }
}

/* One piece within a page; interrupts are off.  buffer NULL: zeros are written. */
static int piece_do(struct vcpu *v, uint64_t linear, void *buffer, size_t size, unsigned access, uint32_t *error_code)
{
    const struct hvm_translation *t;
    int rc = hvm_reach(v, linear, access, &t, error_code);
    char *at;

    if (unlikely(rc))
        return rc;
    at = t->at + (linear & ~PAGE_MASK);
    if (!(access & HVM_ACCESS_WRITE)) {
        piece_copy(buffer, at, size);
        return 0;
    }
    if (buffer)
        piece_copy(at, buffer, size);
    else
        memset(at, 0, size);
    physmap_written(v->domain, t->gpa, at, t->type);
    return 0;
}

int hvm_copy(uint64_t linear, void *buffer, size_t size, unsigned access, struct hvm_fault *fault)
{
    struct vcpu *v = current;

    while (size) {
        size_t piece = min(size, PAGE_SIZE - (linear & ~PAGE_MASK));
        uint64_t flags = irq_save();
        int rc = piece_do(v, linear, buffer, piece, access, &fault->code);

        irq_restore(flags);
        if (unlikely(rc)) {
            fault->linear = linear;
            return rc;
        }
        linear += piece;
        buffer = buffer ? (char *)buffer + piece : NULL;
        size -= piece;
    }
    return 0;
}

/* ---- hypercalls' arguments (mm/guest_copy.h) ---- */

/* 32-bit code has 4 GiB, whatever an offset is added to. */
static int copy_argument(uint64_t linear, void *buffer, size_t size, unsigned access)
{
    struct hvm_fault fault;

    if (cpu_info()->guest_32bit && (linear > UINT32_MAX || size > (1UL << 32) - linear))
        return -EFAULT;
    return hvm_copy(linear, buffer, size, access, &fault);
}

int guest_read_walked(void *to, uint64_t from, size_t size)
{
    return copy_argument(from, to, size, 0);
}

int guest_write_walked(uint64_t to, const void *from, size_t size)
{
    return copy_argument(to, (void *)(uintptr_t)from, size, HVM_ACCESS_WRITE);
}

int guest_zero_walked(uint64_t to, size_t size)
{
    return copy_argument(to, NULL, size, HVM_ACCESS_WRITE);
}
