// SPDX-License-Identifier: BSD-2-Clause
/*
 * Identity and life of domains.
 *
 * Look-up is lock-free: a two-level table of pointers by domid.  A struct domain found there stays readable
 * until this CPU next passes a point of rest, because it is freed only after a grace period; domain_hold()
 * then says whether it still lives. Writers of the table hold domain_list_lock.  The table's second level is
 * never given back.
 */
#include "domain/domain.h"

#include <xen/sched.h>

#include "arch/machine.h"
#include "errno.h"
#include "lib/bitmap.h"
#include "lib/print.h"
#include "lib/string.h"
#include "log.h"
#include "mm/heap.h"

#define TABLE_SHIFT 9
#define TABLE_ENTRIES (1u << TABLE_SHIFT)
#define CONTROLLER_PAUSES_MAX 255

struct domain *domain_zero, *domain_io, *domain_xen, *domain_idle;

static spinlock_t domain_list_lock = SPINLOCK_INIT(RANK_DOMAIN_LIST);
static struct domain **domain_table[DOMID_FIRST_RESERVED / TABLE_ENTRIES + 1];
static BITMAP_DECLARE(domids_used, DOMID_FIRST_RESERVED); /* published; domain_list_lock to change */
static domid_t last_picked;

/* ---- references ---- */

bool domain_hold(struct domain *d)
{
    uint32_t refs = __atomic_load_n(&d->refs, __ATOMIC_RELAXED);

    do {
        if (refs == 0)
            return false;
    } while (!__atomic_compare_exchange_n(&d->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
    return true;
}

static void domain_free(void *data)
{
    struct domain *d = data;

    domain_upcalls.free_parts(d);
    mem_free(d->vcpus);
    rangeset_destroy(&d->io_ports);
    rangeset_destroy(&d->io_memory);
    rangeset_destroy(&d->irqs);
    heap_free(d, 0);
}

static struct domain *domain_peek(domid_t id)
{
    struct domain **page = __atomic_load_n(&domain_table[id >> TABLE_SHIFT], __ATOMIC_ACQUIRE);

    return page ? __atomic_load_n(&page[id & (TABLE_ENTRIES - 1)], __ATOMIC_ACQUIRE) : NULL;
}

static void domain_unpublish(struct domain *d)
{
    if (d->id >= DOMID_FIRST_RESERVED)
        return;
    spin_lock(&domain_list_lock);
    if (domain_peek(d->id) == d) {
        __atomic_store_n(&domain_table[d->id >> TABLE_SHIFT][d->id & (TABLE_ENTRIES - 1)], NULL, __ATOMIC_RELEASE);
        bitmap_atomic_clear(domids_used, d->id);
    }
    spin_unlock(&domain_list_lock);
}

void domain_put(struct domain *d)
{
    if (__atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    domain_unpublish(d);
    quiesce_defer(&d->quiesce, domain_free, d);
}

struct domain *domain_get(domid_t id)
{
    struct domain *d;

    if (id >= DOMID_FIRST_RESERVED)
        return NULL;
    d = domain_peek(id);
    return d && domain_hold(d) ? d : NULL;
}

struct domain *domain_get_or_self(domid_t id)
{
    struct domain *self = current->domain;

    if (id != DOMID_SELF && id != self->id)
        return domain_get(id);
    return domain_hold(self) ? self : NULL;
}

struct domain *domain_next(domid_t from)
{
    const size_t end = DOMID_FIRST_RESERVED;
    struct domain *d = NULL;

    for (size_t id = from; !d && (id = bitmap_find_next(domids_used, end, id)) < end; id++)
        d = domain_get((domid_t)id);
    return d;
}

/* ---- who may do what to whom ---- */

int permission_privileged(void)
{
    return permission_control(NULL);
}

int permission_control(const struct domain *target)
{
    const struct domain *self = current->domain;

    return self->is_privileged || (target && self->target == target) ? 0 : -EPERM;
}

/* ---- making and finding ---- */

static void domain_init_fields(struct domain *d, domid_t id, unsigned max_vcpus)
{
    static const struct frame_list empty = {FRAME_LIST_END, FRAME_LIST_END, 0};

    d->id = id;
    d->state = DOMAIN_CREATED;
    d->refs = 1;
    d->shutdown_code = SHUTDOWN_CODE_NONE;
    d->max_vcpus = max_vcpus;
    spin_init(&d->lock, RANK_DOMAIN);
    spin_init(&d->page_lock, RANK_PAGE_LIST);
    d->pages = d->extra_pages = d->xenheap_pages = d->relinquish_pages = empty;
    rangeset_init(&d->io_ports);
    rangeset_init(&d->io_memory);
    rangeset_init(&d->irqs);
}

struct domain *domain_alloc(domid_t id, unsigned max_vcpus)
{
    struct domain *d = heap_alloc(0, HEAP_ZERO);

    if (!d)
        return NULL;
    domain_init_fields(d, id, max_vcpus);
    if (max_vcpus) {
        d->vcpus = mem_alloc_array(max_vcpus, sizeof(struct vcpu *));
        if (!d->vcpus) {
            heap_free(d, 0);
            return NULL;
        }
    }
    return d;
}

void domain_publish(struct domain *d)
{
    struct domain ***slot = &domain_table[d->id >> TABLE_SHIFT];
    struct domain **fresh = NULL;

    if (d->id >= DOMID_FIRST_RESERVED)
        return;
    if (!*slot)
        fresh = heap_alloc(0, HEAP_ZERO); /* TABLE_ENTRIES pointers are one page */
    spin_lock(&domain_list_lock);
    if (!*slot) {
        BUG_ON(!fresh); /* the domain itself was just allocated */
        __atomic_store_n(slot, fresh, __ATOMIC_RELEASE);
        fresh = NULL;
    }
    __atomic_store_n(&d->state, DOMAIN_ALIVE, __ATOMIC_RELEASE);
    __atomic_store_n(&(*slot)[d->id & (TABLE_ENTRIES - 1)], d, __ATOMIC_RELEASE);
    bitmap_atomic_set(domids_used, d->id);
    spin_unlock(&domain_list_lock);
    heap_free(fresh, 0);
}

domid_t domain_pick_id(void)
{
    size_t id;

    spin_lock(&domain_list_lock);
    id = bitmap_find_next_zero(domids_used, DOMID_FIRST_RESERVED, (size_t)last_picked + 1);
    if (id >= DOMID_FIRST_RESERVED)
        id = bitmap_find_next_zero(domids_used, DOMID_FIRST_RESERVED, 1);
    if (id < DOMID_FIRST_RESERVED)
        last_picked = (domid_t)id;
    spin_unlock(&domain_list_lock);
    return id < DOMID_FIRST_RESERVED ? (domid_t)id : DOMID_INVALID;
}

static struct domain *domain_make_system(domid_t id, unsigned max_vcpus)
{
    struct domain *d = domain_alloc(id, max_vcpus);

    if (!d)
        panic("no memory for system domain %#x\n", id);
    d->is_system = true;
    d->state = DOMAIN_ALIVE;
    return d;
}

void domain_system_init(void)
{
    if (domain_idle)
        return;
    domain_idle = domain_make_system(DOMID_IDLE, MAX_CPUS);
    domain_io = domain_make_system(DOMID_IO, 0);
    domain_xen = domain_make_system(DOMID_XEN, 0);
}

/* ---- pausing ---- */

void domain_pause(struct domain *d)
{
    struct vcpu *v;

    ASSERT(d != current->domain);
    __atomic_add_fetch(&d->pause_count, 1, __ATOMIC_SEQ_CST);
    for_each_vcpu(d, v)
        sched_upcalls.sleep(v);
    for_each_vcpu(d, v)
        vcpu_sleep_sync(v);
}

void domain_unpause(struct domain *d)
{
    struct vcpu *v;

    if (__atomic_sub_fetch(&d->pause_count, 1, __ATOMIC_SEQ_CST) == 0)
        for_each_vcpu(d, v)
            vcpu_wake(v);
}

/* The toolstack's pauses become so many more; false: there are too many or too few of them. */
static bool controller_pauses_add(struct domain *d, int more)
{
    int count;

    spin_lock(&d->lock);
    count = d->controller_pause_count + more;
    if (count >= 0 && count <= CONTROLLER_PAUSES_MAX)
        d->controller_pause_count = count;
    spin_unlock(&d->lock);
    return count >= 0 && count <= CONTROLLER_PAUSES_MAX;
}

int domain_pause_by_controller(struct domain *d)
{
    if (!controller_pauses_add(d, 1))
        return -EBUSY;
    domain_pause(d);
    return 0;
}

int domain_unpause_by_controller(struct domain *d)
{
    if (!controller_pauses_add(d, -1))
        return -EINVAL;
    domain_unpause(d);
    return 0;
}

void domain_running_cpus(struct domain *d, cpu_mask_t *mask)
{
    struct vcpu *v;

    memset(mask, 0, sizeof(*mask));
    /* Entries were changed before this looks at who runs: a vcpu that starts later loads cr3 and sees them. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for_each_vcpu(d, v) {
        unsigned cpu = __atomic_load_n(&v->cpu, __ATOMIC_RELAXED);

        if (__atomic_load_n(&v->is_running, __ATOMIC_RELAXED))
            mask->bits[cpu / 64] |= 1UL << (cpu % 64);
    }
}

/* ---- the guest's end ---- */

/* Domain 0 takes the machine with it. */
static _Noreturn void domain_zero_shutdown(uint8_t reason)
{
    if (reason == SHUTDOWN_poweroff) {
        log_info("domain 0 powers the machine off\n");
        machine_power_off();
    }
    if (reason == SHUTDOWN_reboot) {
        log_info("domain 0 restarts the machine\n");
    } else if (reason == SHUTDOWN_watchdog) {
        log_error("domain 0's watchdog expired: restarting the machine\n");
    } else {
        log_error("domain 0 %s: %s\n", reason == SHUTDOWN_crash ? "crashed" : "shut down with an unknown reason",
                  opt_noreboot ? "'noreboot' is set, halting" : "restarting the machine");
        if (opt_noreboot)
            machine_halt();
    }
    machine_reboot();
}

void domain_shutdown(struct domain *d, uint8_t reason)
{
    struct vcpu *v;

    if (d == domain_zero)
        domain_zero_shutdown(reason);
    spin_lock(&d->lock);
    if (d->is_shutting_down) {
        spin_unlock(&d->lock);
        return;
    }
    d->is_shutting_down = true;
    if (d->shutdown_code == SHUTDOWN_CODE_NONE)
        d->shutdown_code = reason;
    reason = d->shutdown_code;
    for_each_vcpu(d, v) {
        vcpu_pause_nosync(v);
        v->paused_for_shutdown = true;
    }
    d->is_shut_down = true;
    spin_unlock(&d->lock);
    if (reason != SHUTDOWN_suspend || !domain_upcalls.suspended(d))
        event_upcalls.global_virq(VIRQ_DOM_EXC);
}

void domain_resume(struct domain *d)
{
    struct vcpu *v;

    domain_pause(d);
    spin_lock(&d->lock);
    d->is_shutting_down = d->is_shut_down = d->crash_reported = false;
    d->shutdown_code = SHUTDOWN_CODE_NONE;
    for_each_vcpu(d, v) {
        if (v->paused_for_shutdown)
            vcpu_unpause(v);
        v->paused_for_shutdown = false;
    }
    spin_unlock(&d->lock);
    domain_unpause(d);
}

void domain_crash(struct domain *d, const char *format, ...)
{
    char reason[160];
    va_list arguments;

    va_start(arguments, format);
    print_format_v(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    if (strlen(reason) && reason[strlen(reason) - 1] == '\n')
        reason[strlen(reason) - 1] = 0;
    if (!d->is_shutting_down && !__atomic_exchange_n(&d->crash_reported, true, __ATOMIC_RELAXED)) {
        const struct vcpu *v = current->domain == d ? current : domain_vcpu(d, 0);

        log_error("domain %u crashed: %s (CPU %u)\n", d->id, reason, cpu_id());
        if (v)
            domain_upcalls.crash_report(v);
    }
    domain_shutdown(d, SHUTDOWN_crash);
}
