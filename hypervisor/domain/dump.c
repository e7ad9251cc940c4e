// SPDX-License-Identifier: BSD-2-Clause
/*
 * Debug key 'q': every domain and vcpu, as they are at this moment.  Nothing is stopped for it, so that
 * numbers of a running guest need not agree with each other.
 */
#include "console/console.h"
#include "domain/domain.h"
#include "log.h"

static const char *state_name(const struct domain *d)
{
    static const char *const names[] = {
        [DOMAIN_CREATED] = "being made", [DOMAIN_DYING] = "dying", [DOMAIN_DEAD] = "dead, still referred to"};
    const unsigned state = domain_state(d);

    if (state == DOMAIN_ALIVE)
        return d->is_shut_down ? "shut down" : d->pause_count ? "paused" : "alive";
    return names[state];
}

static void vcpu_dump(struct vcpu *v)
{
    struct vcpu_runstate_info state;

    vcpu_runstate_get(v, &state);
    log_error("  d%uv%u: CPU %u %s%s%s%s, %u pauses, ran %lu ms, waited %lu ms, upcall %s%s\n", v->domain->id,
              v->id, v->cpu,
              v->is_running      ? "running"
              : vcpu_runnable(v) ? "waiting"
                                 : "stopped",
              v->pause_flags & VCPU_DOWN ? ", down" : "", v->pause_flags & VCPU_BLOCKED ? ", blocked" : "",
              v->pause_flags & VCPU_POLLING ? " polling" : "", v->pause_count,
              state.time[RUNSTATE_running] / 1000000, state.time[RUNSTATE_runnable] / 1000000,
              v->info->evtchn_upcall_pending ? "pending" : "none",
              v->info->evtchn_upcall_mask ? ", masked" : "");
}

static void domain_dump(struct domain *d)
{
    struct vcpu *v;

    log_error("d%u: %s, %u references, %u pauses (%d of the toolstack)\n", d->id, state_name(d), d->refs,
              d->pause_count, d->controller_pause_count);
    log_error("  %lu pages of at most %lu, %lu claimed, %lu hypervisor pages shared, %lu kept by others\n",
              d->total_pages, d->max_pages, d->outstanding_claim, d->xenheap_pages.count,
              d->relinquish_pages.count);
    if (d->is_shut_down)
        log_error("  shutdown code %u\n", d->shutdown_code);
    for_each_vcpu (d, v)
        vcpu_dump(v);
}

static void domains_dump(void)
{
    domain_for_each(domain_dump);
}

void domain_dump_init(void)
{
    debug_key_register('q', "dump domains and their vcpus", domains_dump);
}
