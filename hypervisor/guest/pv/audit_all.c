// SPDX-License-Identifier: BSD-2-Clause
/*
 * The audit of frames (audit.c) on a running machine: by debug key, and in debug builds when a domain has
 * been torn down.  Every vcpu but the calling one is stopped meanwhile, for as long as reading the frame
 * table and all page tables takes: some milliseconds for each GiB.
 */
#include "console/console.h"
#include "domain/domain.h"
#include "guest/pv/tables.h"
#include "log.h"

/* Domain 0 first, so that from then on nothing makes domains, vcpus or mappings. */
static void vcpus_stop(void)
{
    struct domain *d = domain_next(0), *next;
    struct vcpu *v;

    for (; d; d = next) {
        for_each_vcpu (d, v)
            if (v != current)
                vcpu_pause(v);
        next = domain_next((domid_t)(d->id + 1));
        domain_put(d);
    }
}

static void vcpus_go_on(void)
{
    struct domain *d = domain_next(0), *next;
    struct vcpu *v;

    for (; d; d = next) {
        for_each_vcpu (d, v)
            if (v != current)
                vcpu_unpause(v);
        next = domain_next((domid_t)(d->id + 1));
        domain_put(d);
    }
}

unsigned pv_audit_all(void)
{
    static bool running;
    unsigned bad;

    /* Two of them would wait for each other's vcpu. */
    if (__atomic_exchange_n(&running, true, __ATOMIC_ACQUIRE)) {
        log_error("audit of frames: another one runs\n");
        return 0;
    }
    vcpus_stop();
    bad = pv_audit(false);
    vcpus_go_on();
    __atomic_store_n(&running, false, __ATOMIC_RELEASE);
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
