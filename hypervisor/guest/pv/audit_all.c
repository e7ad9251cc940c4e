// SPDX-License-Identifier: BSD-2-Clause
/*
 * The audit of frames (audit.c) on a running machine: by debug key, and in debug builds when a domain has
 * been torn down.  Every vcpu but the calling one is stopped meanwhile, for as long as reading the frame
 * table and all page tables takes: some milliseconds for each GiB.
 */
#include "console/console.h"
#include "guest/pv/tables.h"

unsigned pv_audit_all(void)
{
    unsigned bad;

    if (!domains_stop()) {
        log_error("audit of frames: not now, another CPU has stopped all vcpus\n");
        return 0;
    }
    bad = pv_audit(false);
    domains_go_on();
    log_error("audit of frames: %u wrong\n", bad);
    return bad;
}

static void audit_key(void)
{
    (void)pv_audit_all();
}

void pv_audit_init(void)
{
    debug_key_register('F', "recount references and types of all frames", audit_key);
}
