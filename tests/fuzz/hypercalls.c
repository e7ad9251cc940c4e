// SPDX-License-Identifier: BSD-2-Clause
/*
 * The life of two domains as a stream of bytes: each byte picks a step (a hypercall on event channels, grants or page
 * tables, a store into the guest's own memory, an interruption, another vcpu), the next ones its arguments.  A
 * continuation may be made at once, later by another vcpu, or never.  The oracles are the sanitizers, the recount of all
 * references and types of frames, lock ranks, and that nothing is left once both domains are dead.
 */
#include "tests/fuzz/fuzz.h"

#include "arch/host/host.h"
#include "boot_info.h"
#include "console/console.h"
#include "door/handlers.h"
#include "errno.h"
#include "event/event.h"
#include "grant/grant.h"
#include "grant/internal.h"
#include "guest/hvm.h"
#include "guest/hvm/physmap.h"
#include "guest/pv/tables.h"
#include "guest/pv/traps.h"
#include "lib/base.h"
#include "mm/heap.h"
#include "mm/physmap.h"

#define FRAMES 2048
#define DOMAINS 2
#define VCPUS 2
#define POOL 16      /* frames of each domain that steps pick from */
#define STEPS_MAX 600
#define CONTINUED -1025 /* what the host's hypercall_continue answers */

struct boot_info boot_info;
static struct domain *domains[DOMAINS];
static mfn_t pool[DOMAINS * POOL];
static struct input in;
static union {
    uint64_t words[64];
    struct mmu_update updates[4];
    struct mmuext_op ops[4];
    gnttab_map_grant_ref_t maps[4];
    gnttab_unmap_grant_ref_t unmaps[4];
    gnttab_unmap_and_replace_t replaces[4];
    gnttab_copy_t copies[4];
    gnttab_setup_table_t setup;
    gnttab_set_version_t version;
    gnttab_get_status_frames_t status_frames;
    gnttab_swap_grant_ref_t swap;
    gnttab_transfer_t transfers[4];
    struct evtchn_alloc_unbound alloc_unbound;
    struct evtchn_bind_interdomain bind_interdomain;
    struct evtchn_bind_virq bind_virq;
    struct evtchn_bind_ipi bind_ipi;
    struct evtchn_status status;
    struct evtchn_bind_vcpu bind_vcpu;
    struct evtchn_reset reset;
    struct evtchn_init_control init_control;
    struct evtchn_expand_array expand_array;
    struct evtchn_set_priority set_priority;
    evtchn_port_t port;
} args;
static uint64_t frame_list[16];

/* ---- what the rooms around offer ---- */

void tlb_flush_local(uint64_t address, unsigned flags) { (void)address, (void)flags; }
void tlb_flush_mask(const cpu_mask_t *mask, uint64_t address, unsigned flags)
{
    (void)mask, (void)address, (void)flags;
}
void cr3_load(uint64_t cr3) { (void)cr3; }
void paging_copy_hypervisor_slots(pte_t *l4) { memset(&l4[HYPERVISOR_FIRST_SLOT], 0, 16 * sizeof(*l4)); }
void pv_ldt_clear(struct vcpu *v) { (void)v; }
int pv_ldt_set(struct vcpu *v, uint64_t base, unsigned entries)
{
    v->pv->ldt_base = base;
    v->pv->ldt_entries = entries;
    return 0;
}
void debug_key_register(char key, const char *what, void (*fn)(void)) { (void)key, (void)what, (void)fn; }
int pv_validate_segdesc(struct frame *f) { return f->refs ? 0 : -EINVAL; }

/* There are PV guests only. */
int physmap_frame_of(struct domain *d, gfn_t gfn, struct frame **frame) { (void)d, (void)gfn, (void)frame; abort(); }
int hvm_grant_map(struct domain *d, uint64_t address, mfn_t frame, unsigned flags)
{
    (void)d, (void)address, (void)frame, (void)flags;
    abort();
}
int hvm_grant_unmap(struct domain *d, uint64_t address, mfn_t frame, unsigned flags, uint64_t new_address)
{
    (void)d, (void)address, (void)frame, (void)flags, (void)new_address;
    abort();
}
void physmap_flush(struct domain *d) { (void)d; abort(); }

/* ---- arguments ---- */

static mfn_t any_frame(void)
{
    uint64_t byte = input_take(&in, 1);

    return byte < 4 ? MFN(byte * FRAMES / 3) : pool[byte % ARRAY_SIZE(pool)];
}

static domid_t any_domain(void)
{
    static const domid_t ids[] = {1, 2, DOMID_SELF, 1, 2, DOMID_IO, DOMID_XEN, 77};

    return ids[input_take(&in, 1) % ARRAY_SIZE(ids)];
}

static uint64_t any_index(void)
{
    static const uint64_t indexes[] = {0, 1, 2, 3, 255, 256, 260, 271, 272, 511};

    return indexes[input_take(&in, 1) % ARRAY_SIZE(indexes)];
}

static uint64_t any_entry(void)
{
    static const uint64_t flags[] = {0x67, 0x65, 0x27, 0x25, 0, 0xe7, 0x77, 0x167, PTE_NX | 0x65};

    return pte_make(any_frame(), flags[input_take(&in, 1) % ARRAY_SIZE(flags)]);
}

static uint32_t any_small(void)
{
    uint32_t byte = (uint32_t)input_take(&in, 1);

    return byte < 250 ? byte % 24 : (uint32_t)input_take(&in, 4);
}

static uint64_t any_entry_address(void) { return mfn_to_maddr(any_frame()).value + any_index() * 8; }

/* A linear address that the current tables may map. */
static uint64_t any_address(void) { return (any_small() % 12) << PAGE_SHIFT; }

/* ---- steps ---- */

static void continue_or_not(long rc)
{
    unsigned patience = 64;

    while (rc == CONTINUED && patience-- && input_take(&in, 1) % 8) {
        const uint64_t *a = host_continuation.args;

        this_cpu(softirq_pending_bits) = input_take(&in, 1) % 4 == 0;
        switch (host_continuation.op) {
        case __HYPERVISOR_mmu_update:
            rc = pv_mmu_update(a[0], a[1], a[2], a[3], 0);
            break;
        case __HYPERVISOR_mmuext_op:
            rc = pv_mmuext_op(a[0], a[1], a[2], a[3], 0);
            break;
        case __HYPERVISOR_grant_table_op:
            rc = grant_table_op(a[0], a[1], a[2], 0, 0);
            break;
        case __HYPERVISOR_event_channel_op:
            rc = event_channel_op(a[0], a[1], 0, 0, 0);
            break;
        default:
            return;
        }
    }
}

static void step_event(void)
{
    unsigned command = (unsigned)input_take(&in, 1) % 15;

    switch (command) {
    case EVTCHNOP_alloc_unbound:
        args.alloc_unbound = (struct evtchn_alloc_unbound){.dom = any_domain(), .remote_dom = any_domain()};
        break;
    case EVTCHNOP_bind_interdomain:
        args.bind_interdomain =
            (struct evtchn_bind_interdomain){.remote_dom = any_domain(), .remote_port = any_small()};
        break;
    case EVTCHNOP_bind_virq:
        args.bind_virq = (struct evtchn_bind_virq){.virq = any_small(), .vcpu = any_small() % 3};
        break;
    case EVTCHNOP_bind_ipi:
        args.bind_ipi = (struct evtchn_bind_ipi){.vcpu = any_small() % 3};
        break;
    case EVTCHNOP_status:
        args.status = (struct evtchn_status){.dom = any_domain(), .port = any_small()};
        break;
    case EVTCHNOP_bind_vcpu:
        args.bind_vcpu = (struct evtchn_bind_vcpu){.port = any_small(), .vcpu = any_small() % 3};
        break;
    case EVTCHNOP_reset:
        args.reset = (struct evtchn_reset){.dom = any_domain()};
        break;
    case EVTCHNOP_init_control:
        args.init_control = (struct evtchn_init_control){
            .control_gfn = any_frame().value, .offset = any_small() * 8, .vcpu = any_small() % 3};
        break;
    case EVTCHNOP_expand_array:
        args.expand_array = (struct evtchn_expand_array){.array_gfn = any_frame().value};
        break;
    case EVTCHNOP_set_priority:
        args.set_priority = (struct evtchn_set_priority){.port = any_small(), .priority = any_small()};
        break;
    default: /* close, send, unmask: a port */
        args.port = any_small();
        break;
    }
    continue_or_not(event_channel_op(command, (uint64_t)&args, 0, 0, 0));
}

/* The frames some operation lists go here, and stay in its bounds. */
static void step_grant_table(unsigned command)
{
    memset(&args, 0, sizeof(args));
    switch (command) {
    case GNTTABOP_setup_table:
        args.setup = (gnttab_setup_table_t){.dom = any_domain(), .nr_frames = any_small() % ARRAY_SIZE(frame_list)};
        set_xen_guest_handle(args.setup.frame_list, (xen_pfn_t *)frame_list);
        break;
    case GNTTABOP_get_status_frames:
        args.status_frames =
            (gnttab_get_status_frames_t){.dom = any_domain(), .nr_frames = any_small() % ARRAY_SIZE(frame_list)};
        set_xen_guest_handle(args.status_frames.frame_list, frame_list);
        break;
    case GNTTABOP_set_version:
        args.version.version = any_small() % 4;
        break;
    default:
        args.swap = (gnttab_swap_grant_ref_t){.ref_a = any_small(), .ref_b = any_small()};
        break;
    }
    continue_or_not(grant_table_op(command, (uint64_t)&args, 1, 0, 0));
}

static struct gnttab_copy any_copy(void)
{
    struct gnttab_copy c = {
        .flags = (uint16_t)(any_small() & 3), .len = (uint16_t)(input_take(&in, 1) * 17),
        .source = {.domid = any_domain(), .offset = (uint16_t)(input_take(&in, 1) * 17)},
        .dest = {.domid = any_domain(), .offset = (uint16_t)(input_take(&in, 1) * 17)},
    };

    if (c.flags & GNTCOPY_source_gref)
        c.source.u.ref = any_small();
    else
        c.source.u.gmfn = any_frame().value;
    if (c.flags & GNTCOPY_dest_gref)
        c.dest.u.ref = any_small();
    else
        c.dest.u.gmfn = any_frame().value;
    return c;
}

static void step_grant(void)
{
    unsigned kind = (unsigned)input_take(&in, 1), count = 1 + any_small() % 3, command;

    for (unsigned i = 0; i < count; i++) {
        switch (kind % 8) {
        case 0:
        case 1:
            command = GNTTABOP_map_grant_ref;
            args.maps[i] = (gnttab_map_grant_ref_t){.host_addr = any_address(), .ref = any_small(), .dom = any_domain(),
                                                    .flags = (uint32_t)input_take(&in, 1) & 0x1f};
            if (args.maps[i].flags & GNTMAP_contains_pte)
                args.maps[i].host_addr = any_entry_address();
            break;
        case 2:
            command = GNTTABOP_unmap_grant_ref;
            args.unmaps[i] = (gnttab_unmap_grant_ref_t){.host_addr = input_take(&in, 1) % 4 ? any_address()
                                                                                         : any_entry_address(),
                                                        .dev_bus_addr = any_small() % 2 * any_frame().value << PAGE_SHIFT,
                                                        .handle = any_small()};
            break;
        case 3:
            command = GNTTABOP_unmap_and_replace;
            args.replaces[i] = (gnttab_unmap_and_replace_t){
                .host_addr = any_address(), .new_addr = any_address(), .handle = any_small()};
            break;
        case 4:
        case 5:
            command = GNTTABOP_copy;
            args.copies[i] = any_copy();
            break;
        case 6:
            command = GNTTABOP_transfer;
            args.transfers[i] =
                (gnttab_transfer_t){.mfn = any_frame().value, .domid = any_domain(), .ref = any_small()};
            break;
        default:
            step_grant_table(kind / 8 % 14);
            return;
        }
    }
    continue_or_not(grant_table_op(command, (uint64_t)&args, count, 0, 0));
}

static void step_tables(void)
{
    unsigned kind = (unsigned)input_take(&in, 1), count = 1 + any_small() % 3;

    switch (kind % 3) {
    case 0:
        for (unsigned i = 0; i < count; i++)
            args.updates[i] = (struct mmu_update){.ptr = any_entry_address() | (kind / 3 % 4), .val = any_entry()};
        continue_or_not(pv_mmu_update((uint64_t)args.updates, count, 0, any_domain(), 0));
        break;
    case 1:
        for (unsigned i = 0; i < count; i++)
            args.ops[i] = (struct mmuext_op){.cmd = (unsigned)input_take(&in, 1) % 22, .arg1.mfn = any_frame().value,
                                             .arg2.src_mfn = any_frame().value};
        continue_or_not(pv_mmuext_op((uint64_t)args.ops, count, 0, any_domain(), 0));
        break;
    default:
        (void)pv_update_va_mapping(any_address(), any_entry(), kind / 3 % 6, 0, 0);
        break;
    }
}

/* The running guest stores into a page it could have mapped writable, or one the hypervisor shares with it. */
static void step_store(void)
{
    struct domain *d = current->domain;
    unsigned where = (unsigned)input_take(&in, 1);
    struct grant_table *t = d->grant;
    uint64_t offset, value;
    mfn_t m = pool[where % ARRAY_SIZE(pool)];
    void *page = NULL;

    if (where >= 192 && !t->released)
        page = t->shared[where % t->frames];
    else if (where >= 176)
        page = d->shared_info;
    else if (frame_owner(mfn_to_frame(m)) == d && (frame_type(mfn_to_frame(m)) == FRAME_WRITABLE ||
                                                   !(mfn_to_frame(m)->type & FRAME_TYPE_COUNT_MASK)))
        page = mfn_to_virt(m);
    if (!page)
        return;
    if (where >= 192) { /* a grant entry that makes sense */
        offset = any_small() % 24 * (t->version == 1 ? 8 : 16);
        if (t->version == 1) {
            *(volatile uint64_t *)((char *)page + offset) =
                (uint64_t)(input_take(&in, 1) & 0x3f) | (uint64_t)any_domain() << 16 | any_frame().value << 32;
            return;
        }
        *(volatile uint64_t *)((char *)page + offset) = input_take(&in, 2) | (uint64_t)any_domain() << 16 | input_take(&in, 4) << 32;
        *(volatile uint64_t *)((char *)page + offset + 8) = input_take(&in, 1) % 4 ? any_frame().value : input_take(&in, 8);
        return;
    }
    offset = input_take(&in, 1) % 8 ? any_index() : input_take(&in, 2) % (PAGE_SIZE / 8);
    value = input_take(&in, 1) % 4 ? any_entry() : input_take(&in, 8);
    ((volatile uint64_t *)page)[offset] = value;
}

static void step(void)
{
    unsigned what = (unsigned)input_take(&in, 1);

    switch (what % 16) {
    case 0 ... 2:
        step_event();
        break;
    case 3 ... 6:
        step_grant();
        break;
    case 7 ... 9:
        step_tables();
        break;
    case 10 ... 12:
        step_store();
        break;
    case 13:
        host_set_current(domains[what / 16 % DOMAINS]->vcpus[what / 32 % VCPUS]);
        break;
    case 14:
        this_cpu(softirq_pending_bits) = what / 16 % 2;
        break;
    default:
        host_fail_allocation(what / 16);
        break;
    }
}

/* ---- life ---- */

static void pv_parts_make(struct domain *d)
{
    struct vcpu *v;

    rangeset_init(&d->io_memory);
    rangeset_init(&d->io_ports);
    d->max_pages = 256;
    d->pv = calloc(1, sizeof(*d->pv));
    spin_init(&d->pv->tables_lock, RANK_PV_TABLES);
    d->pv->perdomain_l3 = heap_alloc(0, HEAP_ZERO);
    for_each_vcpu(d, v) {
        v->pv = calloc(1, sizeof(*v->pv));
        v->pv->kernel_table = v->pv->user_table = INVALID_MFN;
        v->pv->kernel_mode = true;
        REQUIRE(event_vcpu_init(v) == 0);
    }
}

/* A tree of tables over the first frames, so that addresses from 0 up mean something. */
static void tree_make(struct domain *d, const mfn_t *frames)
{
    struct mmuext_op *op = &args.ops[0];

    *op = (struct mmuext_op){.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = frames[0].value};
    for (unsigned i = 0; i < 3; i++)
        *(uint64_t *)mfn_to_virt(frames[i]) = pte_make(frames[i + 1], 0x67);
    for (unsigned i = 0; i < 6; i++)
        ((uint64_t *)mfn_to_virt(frames[3]))[i] = pte_make(frames[4 + i], 0x67);
    host_set_current(d->vcpus[0]);
    REQUIRE(pv_mmuext_op((uint64_t)op, 1, 0, DOMID_SELF, 0) == 0);
    for (unsigned i = 0; i < VCPUS; i++) {
        host_set_current(d->vcpus[i]);
        op->cmd = MMUEXT_NEW_BASEPTR;
        REQUIRE(pv_mmuext_op((uint64_t)op, 1, 0, DOMID_SELF, 0) == 0);
    }
}

static void domain_make(unsigned n)
{
    struct domain *d = host_domain_new((domid_t)(n + 1), VCPUS);

    domains[n] = d;
    frame_list_init(&d->pages);
    frame_list_init(&d->extra_pages);
    frame_list_init(&d->xenheap_pages);
    frame_list_init(&d->relinquish_pages);
    REQUIRE(event_domain_init(d, 2000) == 0);
    REQUIRE(grant_domain_init(d, 3, 2, 2) == 0);
    pv_parts_make(d);
    for (unsigned i = 0; i < POOL; i++)
        pool[n * POOL + i] = host_domain_page(d);
    tree_make(d, &pool[n * POOL]);
}

static void put_table(struct vcpu *v, mfn_t *table)
{
    while (pv_put_old_table(v))
        ;
    if (mfn_equal(*table, INVALID_MFN) || !table->value)
        return;
    v->pv->old_table = mfn_to_frame(*table);
    v->pv->old_table_partial = false;
    *table = INVALID_MFN;
    while (pv_put_old_table(v))
        ;
}

/* What door/domain_life.c does in this order. */
static void domain_end(struct domain *d)
{
    struct vcpu *v;

    d->state = DOMAIN_DYING;
    while (event_domain_destroy(d) == -ERESTART_LATER)
        ;
    while (grant_domain_release_mappings(d) == -ERESTART_LATER)
        ;
    for_each_vcpu(d, v) {
        put_table(v, &v->pv->kernel_table);
        put_table(v, &v->pv->user_table);
    }
    while (pv_release_memory(d))
        ;
}

static void domain_gone(struct domain *d)
{
    struct vcpu *v;

    REQUIRE(d->total_pages == 0);
    REQUIRE(d->refs == 1);
    heap_free(d->pv->perdomain_l3, 0);
    free(d->pv);
    for_each_vcpu(d, v) {
        free(v->pv);
        event_vcpu_free(v);
    }
    grant_domain_free(d);
    event_domain_free(d);
    host_domain_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 8)
        return 0;
    in = (struct input){data, data + size};
    host_setup(FRAMES);
    rangeset_init(&domain_io->io_memory);
    rangeset_init(&domain_xen->io_memory);
    host_guest_ranges_clear();
    host_guest_range(&args, sizeof(args));
    host_guest_range(frame_list, sizeof(frame_list));
    for (unsigned i = 0; i < DOMAINS; i++)
        domain_make(i);
    domains[0]->is_privileged = input_take(&in, 1) & 1;
    host_set_current(domains[0]->vcpus[0]);
    for (unsigned i = 0; i < STEPS_MAX && in.at < in.end; i++)
        step();
    host_fail_allocation(0);
    this_cpu(softirq_pending_bits) = 0;
    REQUIRE(pv_audit(false) == 0);
    host_set_current(idle_vcpu[0]);
    for (unsigned i = 0; i < DOMAINS; i++)
        domain_end(domains[i]);
    host_quiesce_run();
    for (unsigned i = 0; i < DOMAINS; i++)
        domain_gone(domains[i]);
    host_teardown();
    return 0;
}
