// SPDX-License-Identifier: BSD-2-Clause
/*
 * HYPERVISOR_multicall: a list of calls in one trap (struct multicall_entry, xen/xen.h).
 *
 * Between entries it looks for pending work and continues later with the rest of the list.  An entry that is
 * itself preempted is written back with the arguments it wants next and issued again as the first of that
 * rest.
 */
#include "door/multicall.h"

#include "door/handlers.h"
#include "door/hypercall.h"
#include "errno.h"
#include "lib/string.h"
#include "mm/guest_form.h"

/* Runs the entry at place.  0; 1 it was continued: written back to be issued again; -EFAULT. */
static int multicall_entry_run(guest_addr_t place)
{
    struct multicall_state *state = &this_cpu(multicall_state);
    struct multicall_entry entry;

    if (guest_read_form(&entry, place, sizeof(entry), FORM_MULTICALL))
        return -EFAULT;
    state->continued = false;
    state->entry = &entry;
    entry.result = (xen_ulong_t)hypercall_run(entry.op, entry.args);
    state->entry = NULL;
    if (state->continued) {
        state->continued = false;
        return guest_write_form(place, &entry, sizeof(entry), FORM_MULTICALL) ? -EFAULT : 1;
    }
    return guest_write_word(place, 1, entry.result);
}

long multicall(uint64_t list, uint64_t count, uint64_t a3, uint64_t a4, uint64_t a5)
{
    const size_t size = guest_form_size(FORM_MULTICALL, sizeof(struct multicall_entry));
    uint32_t calls = (uint32_t)count;

    (void)a3, (void)a4, (void)a5;
    for (uint32_t i = 0; i < calls; i++) {
        guest_addr_t place = guest_element(GUEST_ADDR(list), i, size);
        int result;

        if (i && hypercall_should_stop())
            return hypercall_continue(__HYPERVISOR_multicall, 2, place.value, (uint64_t)(calls - i));
        result = multicall_entry_run(place);
        if (result < 0)
            return result;
        if (result > 0)
            return hypercall_continue(__HYPERVISOR_multicall, 2, place.value, (uint64_t)(calls - i));
    }
    return 0;
}
