// SPDX-License-Identifier: BSD-2-Clause
/*
 * console_io (xen/xen.h): a guest writes to, and domain 0 reads from, the hypervisor's console.  Long texts
 * are written in pieces, with a look at pending work between them.
 */
#include "console/console.h"
#include "domain/preempt.h"
#include "door/handlers.h"
#include "errno.h"
#include "mm/guest_copy.h"

#define PIECE 128

static long write_pieces(uint64_t count, guest_addr_t buffer)
{
    char piece[PIECE];

    while (count > 0) {
        size_t length = min_t(uint64_t, count, sizeof(piece));

        if (guest_read(piece, buffer, length) != 0)
            return -EFAULT;
        console_guest_write(current->domain, piece, length);
        count -= length;
        buffer.value += length;
        if (count > 0 && hypercall_should_stop())
            return hypercall_continue(__HYPERVISOR_console_io, 3, (uint64_t)CONSOLEIO_write, count, buffer.value);
    }
    return 0;
}

long console_io(uint64_t command, uint64_t count, uint64_t buffer, uint64_t, uint64_t)
{
    char text[PIECE];
    size_t length;

    if (count > 0x7fffffff)
        return -E2BIG;
    switch ((unsigned)command) {
    case CONSOLEIO_write:
        return write_pieces(count, GUEST_ADDR(buffer));
    case CONSOLEIO_read:
        if (permission_privileged())
            return -EPERM;
        length = console_guest_read(text, min_t(uint64_t, count, sizeof(text)));
        return guest_write(GUEST_ADDR(buffer), text, length) != 0 ? -EFAULT : (long)length;
    default:
        return -ENOSYS;
    }
}
