// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a batch does what its calls would do one after another, each with its own result, a failing one not stopping
// the rest; a batch in a batch is refused. It matters because guest kernels batch what they have to do often.
//
// kinds: pv pvh

#include <stdint.h>

#include <xen/errno.h>
#include <xen/sched.h>
#include <xen/version.h>

#include "event.h"
#include "hypercall.h"
#include "result.h"

const char test_title[] = "multicall: results, errors, nesting, many entries";

#define MANY 128u

static struct multicall_entry entries[MANY];

void test_main(void)
{
    struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    struct multicall_entry nested = { .op = __HYPERVISOR_xen_version };

    entries[0] = (struct multicall_entry) { .op = __HYPERVISOR_xen_version, .args = { XENVER_version, 0 } };
    entries[1] = (struct multicall_entry) { .op = 63 };
    entries[2] = (struct multicall_entry) {
        .op = __HYPERVISOR_event_channel_op, .args = { EVTCHNOP_alloc_unbound, (unsigned long)&alloc },
    };
    entries[3] = (struct multicall_entry) { .op = __HYPERVISOR_multicall, .args = { (unsigned long)&nested, 1 } };
    entries[4] = (struct multicall_entry) { .op = __HYPERVISOR_sched_op, .args = { SCHEDOP_yield, 0 } };
    CHECK_EQUAL(multicall(entries, 5), 0);
    CHECK_EQUAL(entries[0].result, 4 << 16 | 17);
    CHECK_EQUAL(entries[1].result, -XEN_ENOSYS);
    CHECK_EQUAL(entries[2].result, 0);
    CHECK_EQUAL(event_close(alloc.port), 0);
    CHECK((long)entries[3].result < 0);
    CHECK_EQUAL(entries[4].result, 0);
    CHECK_EQUAL(multicall(entries, 0), 0);
    CHECK_EQUAL(multicall(0xffff830000000000ul, 1), -XEN_EFAULT);
    for (unsigned int i = 0; i < MANY; i++)
        entries[i] = (struct multicall_entry) { .op = __HYPERVISOR_xen_version, .args = { i % 2 ? 1000 : 0, 0 } };
    CHECK_EQUAL(multicall(entries, MANY), 0);
    for (unsigned int i = 0; i < MANY; i++)
        CHECK_EQUAL(entries[i].result, i % 2 ? -XEN_ENOSYS : (4 << 16 | 17));
}
