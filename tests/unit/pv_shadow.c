// SPDX-License-Identifier: BSD-2-Clause
/*
 * Log-dirty mode of PV guests: a CPU played by the test walks the shadow and faults as a CPU does; every
 * frame it stores to is in the log, and it can do what the guest's own tables allow, no more.
 */
#include <errno.h>

#include "arch/host/host.h"
#include "arch/x86/regs.h"
#include "boot_info.h"
#include "guest/pv/tables.h"
#include "guest/pv/traps.h"
#include "lib_test.h"
#include "mm/heap.h"

#define FRAMES 4096
#define DATA 8    /* frames mapped at first */
#define TABLES 4  /* L4, L3, L2, L1 */
#define L1 3

struct boot_info boot_info;
static struct domain *guest;
static struct vcpu *v;
static mfn_t table[TABLES], data[DATA];

/* ---- what the rooms around offer ---- */

void tlb_flush_local(uint64_t address, unsigned flags)
{
    (void)flags;
    if (v->arch.shadow)
        pv_shadow_flush(v, address);
}

void tlb_flush_mask(const cpu_mask_t *mask, uint64_t address, unsigned flags)
{
    (void)mask;
    tlb_flush_local(address, flags);
}

void cr3_load(uint64_t cr3) { (void)cr3; }

void paging_copy_hypervisor_slots(pte_t *l4)
{
    memset(&l4[HYPERVISOR_FIRST_SLOT], 0, 16 * sizeof(*l4));
}

void pv_ldt_clear(struct vcpu *vcpu) { (void)vcpu; }

int pv_validate_segdesc(struct frame *f)
{
    (void)f;
    return 0;
}

/* ---- fixture ---- */

static uint64_t *entry(mfn_t m, unsigned index) { return (uint64_t *)mfn_to_virt(m) + index; }

static int setup(void **state)
{
    (void)state;
    host_setup(FRAMES);
    guest = host_domain_new(1, 1);
    guest->max_pages = 1024;
    guest->shared_info->arch.max_pfn = FRAMES;
    frame_list_init(&guest->pages);
    frame_list_init(&guest->extra_pages);
    rangeset_init(&guest->io_memory);
    rangeset_init(&guest->io_ports);
    guest->pv = calloc(1, sizeof(*guest->pv));
    spin_init(&guest->pv->tables_lock, RANK_PV_TABLES);
    guest->pv->perdomain_l3 = heap_alloc(0, HEAP_ZERO);
    v = guest->vcpus[0];
    v->pv = calloc(1, sizeof(*v->pv));
    v->pv->kernel_table = v->pv->user_table = INVALID_MFN;
    v->pv->kernel_mode = true;
    host_set_current(v);
    for (unsigned i = 0; i < TABLES; i++)
        table[i] = host_domain_page(guest);
    for (unsigned i = 0; i < DATA; i++)
        data[i] = host_domain_page(guest);
    for (unsigned i = 0; i < L1; i++)
        *entry(table[i], 0) = pte_make(table[i + 1], 0x7);
    for (unsigned i = 0; i < DATA; i++)
        *entry(table[L1], i) = pte_make(data[i], i % 2 ? 0x5 : 0x7); /* even ones writable */
    assert_int_equal(pv_new_kernel_table(v, table[0]), 0);
    host_set_current(idle_vcpu[0]);
    while (pv_log_dirty_enable(guest))
        ;
    host_set_current(v);
    pv_shadow_load(v);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_set_current(idle_vcpu[0]);
    pv_log_dirty_disable(guest);
    host_quiesce_run();
    free(v->pv);
    free(guest->pv);
    host_teardown();
    return 0;
}

/* ---- a CPU ---- */

/* The shadow's entry as the CPU would find it; 0 when a level is missing. */
static uint64_t shadow_entry(uint64_t address)
{
    mfn_t m = MFN(v->arch.cr3 >> PAGE_SHIFT);
    uint64_t e = 0;

    for (unsigned level = 4; level >= 1; level--) {
        e = *entry(m, table_index(address, level));
        if (!(e & PTE_PRESENT))
            return 0;
        m = pte_frame(e);
    }
    return e;
}

/* An access: -1 done, else the error code the guest would see. */
static int access_try(uint64_t address, bool write)
{
    for (unsigned tries = 0; tries < 4; tries++) {
        uint64_t e = shadow_entry(address);
        uint32_t error = PF_USER | (write ? PF_WRITE : 0) | (e ? PF_PRESENT : 0);

        if (e && (!write || (e & PTE_WRITE)))
            return -1;
        if (!pv_shadow_fault(v, address, &error))
            return (int)error;
    }
    fail_msg("the CPU faults for ever at %#lx", address);
    return 0;
}

static bool logged(mfn_t m) { return dirty_log_test(guest->dirty_log, m.value); }

static uint32_t log_clean(void)
{
    static uint64_t words[PAGE_SIZE / 8];
    uint32_t found = dirty_log_harvest(guest->dirty_log, 0, true, words);

    pv_shadow_flush(v, TLB_FLUSH_ALL); /* getting on a CPU */
    return found;
}

/* ---- tests ---- */

static void reads_are_not_logged_and_stores_are(void **state)
{
    (void)state;
    assert_int_equal(access_try(0, false), -1);
    assert_false(logged(data[0]));
    assert_false(shadow_entry(0) & PTE_WRITE);
    assert_int_equal(access_try(0, true), -1);
    assert_true(logged(data[0]));
    assert_false(logged(data[2]));
}

static void a_harvest_takes_the_bits_and_the_next_store_is_logged_again(void **state)
{
    (void)state;
    assert_int_equal(access_try(0, true), -1);
    log_clean();
    assert_false(logged(data[0]));
    assert_int_equal(access_try(0, false), -1);
    assert_false(logged(data[0]));
    assert_int_equal(access_try(0, true), -1);
    assert_true(logged(data[0]));
    assert_true(log_clean() >= 1);
    assert_int_equal(log_clean(), 0);
}

static void the_guest_sees_its_own_error_codes(void **state)
{
    (void)state;
    assert_int_equal(access_try(PAGE_SIZE, true), PF_USER | PF_WRITE | PF_PRESENT); /* read-only */
    assert_int_equal(access_try(PAGE_SIZE, false), -1);
    assert_int_equal(access_try(DATA * PAGE_SIZE, true), PF_USER | PF_WRITE);       /* not present */
    assert_int_equal(access_try(1UL << 30, false), PF_USER);                        /* no table */
    assert_false(logged(data[1]));
}

static void accessed_and_dirty_bits_are_the_guests_and_their_table_is_logged(void **state)
{
    (void)state;
    log_clean();
    assert_int_equal(access_try(0, false), -1);
    assert_int_equal(*entry(table[L1], 0) & (PTE_ACCESSED | PTE_DIRTY | PTE_WRITE), PTE_ACCESSED | PTE_WRITE);
    assert_int_equal(*entry(table[0], 0) & PTE_ACCESSED, PTE_ACCESSED);
    assert_true(logged(table[L1]));
    assert_true(logged(table[0]));
    log_clean();
    assert_int_equal(access_try(0, true), -1);
    assert_int_equal(*entry(table[L1], 0) & PTE_DIRTY, PTE_DIRTY);
    assert_true(logged(table[L1]));
    assert_false(logged(table[0]));
}

static void a_flush_forgets_what_the_guest_changed(void **state)
{
    (void)state;
    assert_int_equal(access_try(0, true), -1);
    assert_int_equal(access_try(2 * PAGE_SIZE, true), -1);
    assert_int_equal(pv_update_va_mapping(0, pte_make(data[1], 0x5), UVMF_INVLPG | UVMF_LOCAL, 0, 0), 0);
    assert_int_equal(shadow_entry(0), 0);
    assert_int_not_equal(shadow_entry(2 * PAGE_SIZE), 0);
    assert_int_equal(access_try(0, true), PF_USER | PF_WRITE | PF_PRESENT);
    tlb_flush_local(TLB_FLUSH_ALL, 0);
    assert_int_equal(shadow_entry(2 * PAGE_SIZE), 0);
}

static void page_tables_changed_by_hypercall_are_logged(void **state)
{
    struct mmu_update r = {.ptr = mfn_to_maddr(table[L1]).value + 8 * DATA, .val = pte_make(data[0], 0x7)};

    (void)state;
    log_clean();
    assert_int_equal(pv_mmu_update((uint64_t)&r, 1, 0, DOMID_SELF, 0), 0);
    assert_true(logged(table[L1]));
    assert_false(logged(data[0]));
}

static void more_pages_than_the_pool_maps_work_one_after_the_other(void **state)
{
    (void)state;
    for (unsigned i = 1; i < 512; i++) {
        mfn_t l1 = host_domain_page(guest);
        struct mmu_update r = {.ptr = mfn_to_maddr(table[2]).value + 8 * i, .val = pte_make(l1, 0x7)};

        *entry(l1, 0) = pte_make(data[0], 0x7);
        assert_int_equal(pv_mmu_update((uint64_t)&r, 1, 0, DOMID_SELF, 0), 0);
    }
    for (unsigned round = 0; round < 3; round++)
        for (uint64_t i = 0; i < 512; i++)
            assert_int_equal(access_try(i << 21, i % 2), -1);
}

static void user_space_has_a_tree_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(access_try(0, true), -1);
    v->pv->kernel_mode = false;
    pv_load_tables(v);
    assert_int_equal(shadow_entry(0), 0);
    assert_int_equal(access_try(0, true), PF_USER | PF_WRITE); /* it has no tables at all */
    v->pv->kernel_mode = true;
    pv_load_tables(v);
    assert_int_not_equal(shadow_entry(0), 0);
}

static void switching_off_gives_everything_back_and_short_memory_leaves_it_off(void **state)
{
    long live;

    (void)state;
    host_set_current(idle_vcpu[0]);
    assert_int_equal(pv_log_dirty_enable(guest), -EINVAL);
    assert_int_equal(pv_log_dirty_disable(guest), 0);
    host_quiesce_run();
    live = host_allocations_live;
    assert_null(guest->dirty_log);
    assert_null(v->arch.shadow);
    for (unsigned long nth = 1; nth < 128; nth += 9) {
        host_fail_allocation(nth);
        assert_int_equal(pv_log_dirty_enable(guest), -ENOMEM);
        host_fail_allocation(0);
        host_quiesce_run();
        assert_int_equal(host_allocations_live, live);
        assert_null(guest->dirty_log);
    }
    assert_int_equal(pv_log_dirty_enable(guest), 0);
}

/* Random entries, flushes, accesses and harvests against a record of what was stored to. */
static void random_stores_are_all_in_the_log(void **state)
{
    uint64_t seed = 4711;
    bool stored[DATA] = {false};

    (void)state;
    log_clean();
    for (unsigned step = 0; step < 20000; step++) {
        uint64_t r = random_next(&seed), page = r / 8 % 32, frame = r / 256 % DATA, flags, value;

        switch (r % 8) {
        case 0:
            flags = UVMF_LOCAL | (r & 8192 ? UVMF_INVLPG : UVMF_TLB_FLUSH);
            value = pte_make(data[frame], r & 4096 ? 0x7 : 0x5);
            assert_int_equal(pv_update_va_mapping(page * PAGE_SIZE, value, flags, 0, 0), 0);
            break;
        case 1:
            if (r / 4096 % 16)
                break;
            for (unsigned i = 0; i < DATA; i++)
                assert_true(logged(data[i]) == stored[i]);
            log_clean();
            memset(stored, 0, sizeof(stored));
            break;
        default:
            if (access_try(page * PAGE_SIZE, r & 4096) == -1 && (r & 4096))
                for (unsigned i = 0; i < DATA; i++)
                    stored[i] |= pte_frame(shadow_entry(page * PAGE_SIZE)).value == data[i].value;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_are_not_logged_and_stores_are, setup, teardown),
        cmocka_unit_test_setup_teardown(a_harvest_takes_the_bits_and_the_next_store_is_logged_again, setup, teardown),
        cmocka_unit_test_setup_teardown(the_guest_sees_its_own_error_codes, setup, teardown),
        cmocka_unit_test_setup_teardown(accessed_and_dirty_bits_are_the_guests_and_their_table_is_logged, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_flush_forgets_what_the_guest_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(page_tables_changed_by_hypercall_are_logged, setup, teardown),
        cmocka_unit_test_setup_teardown(more_pages_than_the_pool_maps_work_one_after_the_other, setup, teardown),
        cmocka_unit_test_setup_teardown(user_space_has_a_tree_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(switching_off_gives_everything_back_and_short_memory_leaves_it_off, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(random_stores_are_all_in_the_log, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
