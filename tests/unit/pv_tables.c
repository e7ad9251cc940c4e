// SPDX-License-Identifier: BSD-2-Clause
/*
 * Page tables of PV guests: single rules, and random sequences of operations, interrupted anywhere, after which a recount of all
 * references and types still agrees and no table is writable.
 */
#include <errno.h>

#include "arch/host/host.h"
#include "boot_info.h"
#include "guest/pv/tables.h"
#include "guest/pv/traps.h"
#include "lib_test.h"
#include "grant/grant.h"
#include "mm/heap.h"
#include "mm/physmap.h"

#define FRAMES 4096
#define POOL 40       /* frames of the guest that operations pick from */
#define FOREIGN 8     /* frames of the other domain */

struct boot_info boot_info;
static struct domain *guest, *other;
static struct vcpu *v;
static mfn_t pool[POOL + FOREIGN];
static uint64_t random_state;
static unsigned flushes;
static uint64_t loaded_cr3;

/* ---- what the rooms around offer ---- */

void tlb_flush_local(uint64_t address, unsigned flags)
{
    (void)address;
    (void)flags;
    flushes++;
}

void tlb_flush_mask(const cpu_mask_t *mask, uint64_t address, unsigned flags)
{
    (void)mask;
    (void)address;
    (void)flags;
    flushes++;
}

void cr3_load(uint64_t cr3)
{
    loaded_cr3 = cr3;
}

void paging_copy_hypervisor_slots(pte_t *l4)
{
    memset(&l4[HYPERVISOR_FIRST_SLOT], 0, 16 * sizeof(*l4));
}

void pv_ldt_clear(struct vcpu *vcpu)
{
    (void)vcpu;
}

int pv_ldt_set(struct vcpu *vcpu, uint64_t base, unsigned entries)
{
    vcpu->pv->ldt_base = base;
    vcpu->pv->ldt_entries = entries;
    return 0;
}

int pv_validate_segdesc(struct frame *f)
{
    (void)f;
    return 0;
}

/* ---- fixture ---- */

static void pv_make(struct domain *d)
{
    d->max_pages = 1024;
    frame_list_init(&d->pages);
    frame_list_init(&d->extra_pages);
    frame_list_init(&d->xenheap_pages);
    frame_list_init(&d->relinquish_pages);
    rangeset_init(&d->io_memory);
    rangeset_init(&d->io_ports);
    d->pv = calloc(1, sizeof(*d->pv));
    spin_init(&d->pv->tables_lock, RANK_PV_TABLES);
    d->pv->perdomain_l3 = heap_alloc(0, HEAP_ZERO);
    d->vcpus[0]->pv = calloc(1, sizeof(struct pv_vcpu));
    d->vcpus[0]->pv->kernel_table = d->vcpus[0]->pv->user_table = INVALID_MFN;
    d->vcpus[0]->pv->kernel_mode = true;
}

static int machine_make(void **state)
{
    (void)state;
    host_setup(FRAMES);
    return 0;
}

static int machine_unmake(void **state)
{
    (void)state;
    host_teardown();
    return 0;
}

static int setup(void **state)
{
    (void)state;
    guest = host_domain_new(1, 1);
    other = host_domain_new(2, 1);
    pv_make(guest);
    pv_make(other);
    guest->is_privileged = true; /* it may map the other's frames */
    v = guest->vcpus[0];
    host_set_current(v);
    for (unsigned i = 0; i < POOL + FOREIGN; i++)
        pool[i] = host_domain_page(i < POOL ? guest : other);
    random_state = 12345;
    return 0;
}

static void stop_always(bool stop)
{
    this_cpu(softirq_pending_bits) = stop;
}

static uint64_t *entry(mfn_t table, unsigned index)
{
    return (uint64_t *)mfn_to_virt(table) + index;
}

static uint64_t entry_address(mfn_t table, unsigned index)
{
    return mfn_to_maddr(table).value + index * 8;
}

static long update(uint64_t ptr, uint64_t val, uint64_t domid)
{
    struct mmu_update request = {.ptr = ptr, .val = val};
    long rc = pv_mmu_update((uint64_t)&request, 1, 0, domid, 0);

    while (rc == -1025 && random_next(&random_state) % 16) {
        if (random_next(&random_state) % 4 == 0)
            stop_always(false);
        rc = pv_mmu_update(host_continuation.args[0], host_continuation.args[1], 0, host_continuation.args[3], 0);
    }
    return rc;
}

/* abandon: a continuation is now and then never made, as by a guest that changes its registers. */
static long mmuext(unsigned cmd, uint64_t arg1, uint64_t arg2, uint64_t domid, bool abandon)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.mfn = arg1, .arg2.src_mfn = arg2};
    long rc = pv_mmuext_op((uint64_t)&op, 1, 0, domid, 0);

    while (rc == -1025 && !(abandon && random_next(&random_state) % 16 == 0))
        rc = pv_mmuext_op(host_continuation.args[0], host_continuation.args[1], 0, host_continuation.args[3], 0);
    return rc;
}

static long pin(unsigned level, mfn_t m)
{
    return mmuext(MMUEXT_PIN_L1_TABLE + level - 1, m.value, 0, DOMID_SELF, false);
}

static long unpin(mfn_t m)
{
    return mmuext(MMUEXT_UNPIN_TABLE, m.value, 0, DOMID_SELF, false);
}

/* pool[0] an L4 over pool[1] L3, pool[2] L2, pool[3] L1, with pool[4] on mapped from address 0 up. */
static void tree_make(unsigned pages)
{
    for (unsigned i = 0; i < 3; i++)
        *entry(pool[i], 0) = pte_make(pool[i + 1], 0x67);
    for (unsigned i = 0; i < pages; i++)
        *entry(pool[3], i) = pte_make(pool[4 + i], 0x67);
    assert_int_equal(pin(4, pool[0]), 0);
    assert_int_equal(mmuext(MMUEXT_NEW_BASEPTR, pool[0].value, 0, DOMID_SELF, false), 0);
}

static void release_all(struct domain *d)
{
    struct pv_vcpu *pv = d->vcpus[0]->pv;

    d->state = DOMAIN_DYING;
    while (pv_put_old_table(d->vcpus[0]))
        ;
    if (!mfn_equal(pv->kernel_table, INVALID_MFN)) {
        pv->old_table = mfn_to_frame(pv->kernel_table);
        pv->old_table_partial = false;
        pv->kernel_table = INVALID_MFN;
        while (pv_put_old_table(d->vcpus[0]))
            ;
    }
    if (!mfn_equal(pv->user_table, INVALID_MFN)) {
        pv->old_table = mfn_to_frame(pv->user_table);
        pv->old_table_partial = false;
        pv->user_table = INVALID_MFN;
        while (pv_put_old_table(d->vcpus[0]))
            ;
    }
    while (pv_release_memory(d))
        ;
}

static void pv_unmake(struct domain *d)
{
    if (d->state != DOMAIN_DYING)
        release_all(d);
    assert_int_equal(d->total_pages, 0);
    heap_free(d->pv->perdomain_l3, 0);
    free(d->pv);
    free(d->vcpus[0]->pv);
    host_domain_free(d);
}

static int teardown(void **state)
{
    (void)state;
    stop_always(false);
    release_all(guest);
    release_all(other);
    host_set_current(idle_vcpu[0]);
    pv_unmake(guest);
    pv_unmake(other);
    return 0;
}

/* ---- single rules ---- */

static void a_tree_is_validated_pinned_and_taken_back(void **state)
{
    (void)state;
    tree_make(4);
    assert_int_equal(loaded_cr3, mfn_to_maddr(pool[0]).value);
    assert_int_equal(frame_type(mfn_to_frame(pool[3])), FRAME_L1);
    assert_int_equal(frame_type(mfn_to_frame(pool[4])), FRAME_WRITABLE);
    assert_int_equal(pv_audit(true), 0);
    assert_int_equal(unpin(pool[0]), 0);
    assert_int_equal(unpin(pool[0]), -EINVAL);
    assert_int_equal(pv_audit(true), 0);
    release_all(guest);
    assert_int_equal(guest->total_pages, 0);
}

static void the_audit_finds_a_reference_and_a_type_that_are_missing(void **state)
{
    struct frame *data, *table;

    (void)state;
    tree_make(4);
    data = mfn_to_frame(pool[4]);
    table = mfn_to_frame(pool[3]);
    assert_int_equal(pv_audit(false), 0);
    data->refs--;
    assert_int_equal(pv_audit(false), 1);
    table->type--;
    assert_int_equal(pv_audit(false), 2);
    data->refs += 2; /* one more than page tables explain: somebody else's, unless there is nobody else */
    table->type++;
    assert_int_equal(pv_audit(false), 0);
    assert_int_equal(pv_audit(true), 1);
    data->refs--;
    assert_int_equal(pv_audit(true), 0);
}

static void a_table_cannot_be_mapped_writable_nor_a_writable_page_become_a_table(void **state)
{
    (void)state;
    tree_make(4);
    assert_int_equal(update(entry_address(pool[3], 9), pte_make(pool[3], 0x67), DOMID_SELF), -EBUSY);
    assert_int_equal(update(entry_address(pool[3], 9), pte_make(pool[3], 0x65), DOMID_SELF), 0);
    assert_int_equal(pin(1, pool[4]), -EBUSY);
    assert_int_equal(update(entry_address(pool[3], 0), 0, DOMID_SELF), 0);
    assert_int_equal(pin(1, pool[4]), 0);
    assert_int_equal(update(entry_address(pool[3], 0), pte_make(pool[4], 0x67), DOMID_SELF), -EBUSY);
    assert_int_equal(pv_audit(true), 0);
}

static void entries_of_forbidden_kinds_are_refused(void **state)
{
    (void)state;
    tree_make(4);
    assert_int_equal(update(entry_address(pool[3], 9), pte_make(pool[4], 0x77), DOMID_SELF), -EINVAL); /* cache bits */
    assert_int_equal(update(entry_address(pool[3], 9), pte_make(pool[POOL], 0x65), DOMID_SELF), -EINVAL); /* not its own */
    assert_int_equal(update(entry_address(pool[3], 9), pte_make(MFN(FRAMES + 5), 0x65), DOMID_SELF), -EPERM);
    assert_int_equal(update(entry_address(pool[2], 9), pte_make(pool[9], 0xe7), DOMID_SELF), -EINVAL); /* large */
    assert_int_equal(update(entry_address(pool[0], 256), pte_make(pool[1], 0x67), DOMID_SELF), -EINVAL);
    assert_int_equal(update(entry_address(pool[0], 260), 0, DOMID_SELF), -EINVAL);
    assert_int_equal(update(entry_address(pool[3], 0) + 4, 0, DOMID_SELF), -EINVAL);
    assert_int_equal(update(entry_address(pool[POOL], 0), 0, DOMID_SELF), -EINVAL);
    assert_int_equal(pv_audit(true), 0);
}

static void a_stored_entry_is_for_ring_three_and_not_global(void **state)
{
    (void)state;
    tree_make(4);
    assert_int_equal(update(entry_address(pool[3], 9), pte_make(pool[8], 0x163), DOMID_SELF), 0);
    assert_int_equal(*entry(pool[3], 9) & 0xfff, 0x67);
    assert_int_equal(update(entry_address(pool[3], 9) | MMU_PT_UPDATE_PRESERVE_AD, pte_make(pool[8], 3), DOMID_SELF), 0);
    assert_int_equal(*entry(pool[3], 9) & 0xfff, 0x67);
    assert_int_equal(pv_audit(true), 0);
}

/* A frame stays mapped while its rights change: the counts follow, and a table stays read-only. */
static void rights_of_a_mapping_change_with_the_type_count_alone(void **state)
{
    struct frame *page = mfn_to_frame(pool[8]);
    uint64_t refs = page->refs, slot = entry_address(pool[3], 9);

    (void)state;
    tree_make(4);
    assert_int_equal(update(slot, pte_make(pool[8], 0x67), DOMID_SELF), 0);
    assert_int_equal(page->refs, refs + 1);
    assert_int_equal(page->type & FRAME_TYPE_COUNT_MASK, 1);
    assert_int_equal(update(slot | MMU_PT_UPDATE_PRESERVE_AD, pte_make(pool[8], 5), DOMID_SELF), 0);
    assert_int_equal(*entry(pool[3], 9) & 0xfff, 0x65);
    assert_int_equal(page->refs, refs + 1);
    assert_int_equal(page->type & FRAME_TYPE_COUNT_MASK, 0);
    assert_int_equal(update(slot, pte_make(pool[8], 0x67), DOMID_SELF), 0);
    assert_int_equal(page->type & FRAME_TYPE_COUNT_MASK, 1);
    assert_int_equal(update(slot, pte_make(pool[3], 0x65), DOMID_SELF), 0);
    assert_int_equal(update(slot, pte_make(pool[3], 0x67), DOMID_SELF), -EBUSY);
    assert_int_equal(*entry(pool[3], 9) & 0xfff, 0x65);
    assert_int_equal(update(slot, pte_make(pool[3], 0x75), DOMID_SELF), -EINVAL); /* cache bits */
    assert_int_equal(pv_audit(true), 0);
}

static void a_foreign_frame_is_mapped_by_who_controls_its_owner(void **state)
{
    (void)state;
    tree_make(4);
    assert_int_equal(update(entry_address(pool[3], 9), pte_make(pool[POOL], 0x67), other->id), 0);
    assert_int_equal(pv_audit(true), 0);
    guest->is_privileged = false;
    assert_int_equal(update(entry_address(pool[3], 10), pte_make(pool[POOL], 0x67), other->id), -EPERM);
    assert_int_equal(update(entry_address(pool[3], 10), pte_make(pool[4], 0x67), DOMID_IO), -EINVAL);
    assert_int_equal(update(entry_address(pool[3], 9), 0, DOMID_SELF), 0);
    assert_int_equal(pv_audit(true), 0);
}

static void a_table_may_refer_to_itself_read_only(void **state)
{
    (void)state;
    tree_make(4);
    assert_int_equal(update(entry_address(pool[0], 5), pte_make(pool[0], 0x67), DOMID_SELF), -EINVAL);
    assert_int_equal(update(entry_address(pool[0], 5), pte_make(pool[0], 0x65), DOMID_SELF), 0);
    *entry(pool[20], 7) = pte_make(pool[0], 0x65);
    assert_int_equal(pin(4, pool[20]), 0);
    assert_int_equal(pv_audit(true), 0);
    /* the first table is referred to by another now: it may not refer to others itself */
    assert_int_equal(update(entry_address(pool[0], 6), pte_make(pool[20], 0x65), DOMID_SELF), -EINVAL);
    assert_int_equal(pv_audit(true), 0);
    release_all(guest);
    assert_int_equal(guest->total_pages, 0);
}

static void a_mapping_is_updated_by_its_address(void **state)
{
    (void)state;
    tree_make(4);
    assert_int_equal(pv_update_va_mapping(0x9000, pte_make(pool[8], 0x67), UVMF_INVLPG, 0, 0), 0);
    assert_int_equal(pte_frame(*entry(pool[3], 9)).value, pool[8].value);
    assert_int_equal(pv_update_va_mapping(0x9000000, pte_make(pool[8], 0x67), 0, 0, 0), -EINVAL);
    assert_int_equal(pv_update_va_mapping(HYPERVISOR_RANGE_START, 0, 0, 0, 0), -EINVAL);
    assert_int_equal(pv_update_va_mapping_otherdomain(0x9000, pte_make(pool[POOL], 0x65), 0, other->id, 0), 0);
    assert_int_equal(pv_audit(true), 0);
}

static void a_grant_is_mapped_and_unmapped(void **state)
{
    (void)state;
    tree_make(4);
    assert_int_equal(pv_grant_map(guest, 0x9000, pool[POOL], GNTMAP_host_map, 0), GNTST_okay);
    assert_int_equal(pv_grant_map(guest, entry_address(pool[3], 10), pool[POOL], GNTMAP_host_map | GNTMAP_contains_pte |
                                       GNTMAP_readonly, 0), GNTST_okay);
    assert_int_equal(pv_audit(true), 0);
    /* a read-only mapping cannot be made writable by its holder */
    assert_int_equal(update(entry_address(pool[3], 10), pte_make(pool[POOL], 0x67), DOMID_SELF), -EINVAL);
    assert_int_equal(pv_grant_unmap(guest, 0x9000, pool[POOL + 1], GNTMAP_host_map, 0), GNTST_general_error);
    assert_int_equal(pv_grant_unmap(guest, 0x9000, pool[POOL], GNTMAP_host_map, 0x1000), GNTST_okay);
    assert_int_equal(pte_frame(*entry(pool[3], 9)).value, pool[5].value);
    assert_int_equal(*entry(pool[3], 1), 0);
    assert_int_equal(pv_audit(true), 0);
    release_all(guest);
    assert_int_equal(guest->total_pages, 0);
    assert_int_equal(pv_audit(true), 0);
}

static void a_batch_stops_at_its_error_and_says_how_far_it_came(void **state)
{
    struct mmu_update requests[40];
    uint32_t done = 0;

    (void)state;
    tree_make(4);
    for (unsigned i = 0; i < 40; i++)
        requests[i] = (struct mmu_update){.ptr = entry_address(pool[3], 100 + i), .val = pte_make(pool[8], 0x65)};
    requests[30].val |= PTE_PCD;
    assert_int_equal(pv_mmu_update((uint64_t)requests, 40, (uint64_t)&done, DOMID_SELF, 0), -EINVAL);
    assert_int_equal(done, 30);
    requests[30].val &= ~PTE_PCD;
    stop_always(true);
    assert_int_equal(pv_mmu_update((uint64_t)requests, 40, (uint64_t)&done, DOMID_SELF, 0), -1025);
    assert_int_equal(done, 16);
    stop_always(false);
    assert_int_equal(pv_mmu_update(host_continuation.args[0], host_continuation.args[1], (uint64_t)&done, DOMID_SELF, 0), 0);
    assert_int_equal(done, 40);
    assert_int_equal(pv_audit(true), 0);
}

/* ---- the property ---- */

static mfn_t any_frame(void)
{
    return pool[random_next(&random_state) % (random_next(&random_state) % 8 ? POOL : POOL + FOREIGN)];
}

static unsigned any_index(void)
{
    static const unsigned indexes[] = {0, 1, 2, 3, 255, 256, 260, 271, 272, 511};

    return indexes[random_next(&random_state) % ARRAY_SIZE(indexes)];
}

static uint64_t any_entry(void)
{
    static const uint64_t flags[] = {0x67, 0x65, 0x67, 0x65, 0x27, 0x25, 0, 0xe7, 0x77, 0x167, 0x8000000000000065UL};

    return pte_make(any_frame(), flags[random_next(&random_state) % ARRAY_SIZE(flags)]);
}

/* What a guest must never reach: a writable mapping of a table, an entry to something that is not the table it should be. */
static void check_wall(void)
{
    for (unsigned i = 0; i < POOL; i++) {
        struct frame *f = mfn_to_frame(pool[i]);
        unsigned level = frame_owner(f) == guest ? frame_table_level(f) : 0;

        for (unsigned k = 0; level && k < PTES_PER_TABLE; k++) {
            uint64_t e = *entry(pool[i], k);
            struct frame *to = mfn_to_frame(pte_frame(e));

            if (!(e & PTE_PRESENT) || !table_slot_is_guest(level, k))
                continue;
            if (level == 1) {
                assert_true(!(e & PTE_WRITE) || frame_type(to) == FRAME_WRITABLE);
                continue;
            }
            assert_ptr_equal(frame_owner(to), guest);
            assert_true(frame_table_level(to) == level - 1 || (frame_table_level(to) == level && !(e & PTE_WRITE)));
        }
    }
}

static void random_operation(bool *granted)
{
    mfn_t m = any_frame();

    switch (random_next(&random_state) % 12) {
    case 0 ... 4:
        update(entry_address(m, any_index()) | (random_next(&random_state) % 4 ? 0 : MMU_PT_UPDATE_PRESERVE_AD), any_entry(),
               random_next(&random_state) % 4 ? DOMID_SELF : other->id);
        break;
    case 5 ... 6:
        mmuext(MMUEXT_PIN_L1_TABLE + random_next(&random_state) % 4, m.value, 0, DOMID_SELF, true);
        break;
    case 7:
        mmuext(MMUEXT_UNPIN_TABLE, m.value, 0, DOMID_SELF, true);
        break;
    case 8:
        mmuext(random_next(&random_state) % 2 ? MMUEXT_NEW_BASEPTR : MMUEXT_NEW_USER_BASEPTR, m.value, 0, DOMID_SELF, true);
        break;
    case 9:
        mmuext(random_next(&random_state) % 2 ? MMUEXT_CLEAR_PAGE : MMUEXT_COPY_PAGE, m.value, any_frame().value, DOMID_SELF,
               true);
        break;
    case 10:
        if (!mfn_equal(v->pv->kernel_table, INVALID_MFN))
            pv_update_va_mapping((random_next(&random_state) % 4) << 12, any_entry(), 0, 0, 0);
        break;
    default:
        *granted ^= true;
        if (*granted)
            pv_grant_map(guest, entry_address(m, 3), pool[POOL], GNTMAP_host_map | GNTMAP_contains_pte, 0);
        else
            pv_grant_unmap(guest, entry_address(m, 3), pool[POOL], GNTMAP_host_map | GNTMAP_contains_pte, 0);
    }
}

static void random_operations_keep_the_recount_true(void **state)
{
    bool granted = false;

    (void)state;
    host_log_quiet = true;
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < 3000; i++) {
            stop_always(random_next(&random_state) % 3 == 0);
            random_operation(&granted);
            if (i % 10 == 0) {
                stop_always(false);
                host_log_quiet = false;
                assert_int_equal(pv_audit(true), 0);
                host_log_quiet = true;
                check_wall();
            }
        }
        /* a guest's life ends at any point: nothing is left */
        stop_always(true);
        release_all(guest);
        stop_always(false);
        assert_int_equal(guest->total_pages, 0);
        assert_int_equal(pv_audit(true), 0);
        guest->state = DOMAIN_ALIVE;
        for (unsigned i = 0; i < POOL; i++)
            pool[i] = host_domain_page(guest);
    }
}

/* ---- attacks found in review ---- */

static void memory_of_no_guest_is_not_written_by_page_operations(void **state)
{
    mfn_t hole = host_domain_page(other);

    (void)state;
    tree_make(4);
    assert_int_equal(heap_steal(other, mfn_to_frame(hole)), 0); /* as start of day leaves I/O memory */
    mfn_to_frame(hole)->owner = (uint32_t)virt_to_mfn(domain_io).value;
    mfn_to_frame(hole)->refs = FRAME_ALLOCATED | 1;
    mfn_to_frame(hole)->type = FRAME_WRITABLE | FRAME_VALIDATED | 1;
    *entry(hole, 0) = 42;
    assert_int_equal(mmuext(MMUEXT_CLEAR_PAGE, hole.value, 0, DOMID_IO, false), -EPERM);
    assert_int_equal(mmuext(MMUEXT_COPY_PAGE, hole.value, hole.value, DOMID_IO, false), -EPERM);
    assert_int_equal(update(mfn_to_maddr(hole).value | MMU_MACHPHYS_UPDATE, 7, DOMID_IO), -EPERM);
    assert_int_equal(*entry(hole, 0), 42);
    mfn_to_frame(hole)->owner = 0;
    mfn_to_frame(hole)->refs = 0;
    heap_free_domain(mfn_to_frame(hole), 0);
}

static void a_frame_that_came_back_is_flushed_before_it_becomes_a_table(void **state)
{
    struct frame *f = mfn_to_frame(pool[8]);
    uint32_t stamp;

    (void)state;
    tree_make(8);
    assert_int_equal(update(entry_address(pool[3], 4), 0, DOMID_SELF), 0); /* other CPUs may still write through it */
    assert_int_equal(heap_steal(guest, f), 0);
    stamp = f->tlb_stamp;
    assert_int_equal(heap_assign(guest, f, 0, 0), 0);
    assert_int_equal(pin(1, pool[8]), 0);
    assert_true(tlb_clock_now() > stamp);
    assert_int_equal(pv_audit(true), 0);
}

static void a_failed_entry_leaves_another_domains_unfinished_table_alone(void **state)
{
    (void)state;
    tree_make(4);
    *entry(pool[POOL], 0) = pte_make(pool[POOL + 1], 0x67);
    *entry(pool[POOL], 1) = pte_make(MFN(FRAMES + 5), 0x67);
    host_set_current(other->vcpus[0]);
    assert_int_equal(pin(2, pool[POOL]), -EINVAL);
    assert_true(frame_is_abandoned(mfn_to_frame(pool[POOL])));
    host_set_current(v);
    assert_int_equal(update(entry_address(pool[1], 9), pte_make(pool[POOL], 0x67), DOMID_SELF), -EINVAL);
    assert_null(v->pv->old_table);
    assert_true(frame_is_abandoned(mfn_to_frame(pool[POOL])));
}

static void the_count_of_linear_uses_does_not_wrap(void **state)
{
    struct frame *f = mfn_to_frame(pool[0]);

    (void)state;
    tree_make(4);
    f->linear = INT16_MIN; /* as after 32768 entries of other tables */
    *entry(pool[20], 7) = pte_make(pool[0], 0x65);
    assert_int_equal(pin(4, pool[20]), -EINVAL);
    assert_int_equal(f->linear, INT16_MIN);
    f->linear = 0;
    assert_int_equal(pv_audit(true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tree_is_validated_pinned_and_taken_back, setup, teardown),
        cmocka_unit_test_setup_teardown(the_audit_finds_a_reference_and_a_type_that_are_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_table_cannot_be_mapped_writable_nor_a_writable_page_become_a_table, setup, teardown),
        cmocka_unit_test_setup_teardown(entries_of_forbidden_kinds_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stored_entry_is_for_ring_three_and_not_global, setup, teardown),
        cmocka_unit_test_setup_teardown(rights_of_a_mapping_change_with_the_type_count_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_foreign_frame_is_mapped_by_who_controls_its_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(a_table_may_refer_to_itself_read_only, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mapping_is_updated_by_its_address, setup, teardown),
        cmocka_unit_test_setup_teardown(a_grant_is_mapped_and_unmapped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_batch_stops_at_its_error_and_says_how_far_it_came, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_of_no_guest_is_not_written_by_page_operations, setup, teardown),
        cmocka_unit_test_setup_teardown(a_frame_that_came_back_is_flushed_before_it_becomes_a_table, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_entry_leaves_another_domains_unfinished_table_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(the_count_of_linear_uses_does_not_wrap, setup, teardown),
        cmocka_unit_test_setup_teardown(random_operations_keep_the_recount_true, setup, teardown),
    };

    return cmocka_run_group_tests(tests, machine_make, machine_unmake);
}
