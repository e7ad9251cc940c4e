// SPDX-License-Identifier: BSD-2-Clause
/*
 * Walking a hardware-assisted guest's own page tables in every paging mode, with the rights of every kind of access, and copies
 * by linear address: what the CPU would do, and no memory but the guest's.
 */
#include "errno.h"

#include "arch/host/host.h"
#include "arch/x86/msr.h"
#include "arch/x86/regs.h"
#include "guest/hvm/physmap.h"
#include "lib_test.h"
#include "mm/dirty_log.h"
#include "mm/guest_copy.h"
#include "mm/heap.h"

#define FRAMES 1024
#define PAGES 64 /* guest frames 0 to 63 are memory, one of them each */
#define P_PRESENT 1u
#define P_RESERVED 8u
#define NO_MEMORY (~0u)
#define FAULTED 0x10000u

const struct frame_type_ops frame_type_ops;
static struct domain *guest;
static struct vcpu *v;
static struct hvm_vcpu hvm;
static mfn_t frames[PAGES];

void tlb_flush_mask(const cpu_mask_t *mask, uint64_t address, unsigned flags) { (void)mask, (void)address, (void)flags; }

static int machine_setup(void **state)
{
    (void)state;
    host_setup(FRAMES);
    return 0;
}

static int machine_teardown(void **state)
{
    (void)state;
    host_teardown();
    return 0;
}

static int setup(void **state)
{
    (void)state;
    guest = host_domain_new(1, 1);
    guest->max_pages = FRAMES;
    guest->is_hvm = true;
    v = guest->vcpus[0];
    v->hvm = &hvm;
    host_set_current(idle_vcpu[0]);
    assert_int_equal(hvm_domain_init(guest), 0);
    for (unsigned i = 0; i < PAGES; i++) {
        frames[i] = host_domain_page(guest);
        memset(mfn_to_virt(frames[i]), 0, PAGE_SIZE);
        assert_int_equal(physmap_set(guest, GFN(i), frames[i], 0, PHYSMAP_RAM), 0);
    }
    host_set_current(v);
    hvm = (struct hvm_vcpu){.cr0 = CR0_PE};
    cpu_info()->guest_regs.rflags = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    host_set_current(idle_vcpu[0]);
    while (hvm_release_memory(guest))
        ;
    hvm_domain_free(guest);
    host_quiesce_run();
    host_domain_free(guest);
    return 0;
}

static uint64_t *at(uint64_t gfn, unsigned index) { return (uint64_t *)mfn_to_virt(frames[gfn]) + index; }
static uint32_t *at32(uint64_t gfn, unsigned index) { return (uint32_t *)mfn_to_virt(frames[gfn]) + index; }

/* 0, or the error code and that there is one. */
static uint32_t walk(uint64_t linear, unsigned access, uint64_t *gpa)
{
    struct hvm_translation t = {.gpa = 0};
    uint32_t code = 0x1234;
    int rc = hvm_walk(v, linear, access, &t, &code);

    if (!rc)
        assert_int_equal(code, 0);
    *gpa = t.gpa;
    return rc ? code | FAULTED : 0;
}

/* Four levels in frames 1 to 4; linear 0 maps guest frame 10, with the given rights of the last entry. */
static void four_levels(uint64_t last)
{
    hvm = (struct hvm_vcpu){.cr0 = CR0_PE | CR0_PG | CR0_WP, .cr3 = 1 << 12, .cr4 = CR4_PAE,
        .efer = EFER_LME | EFER_LMA | EFER_NXE};
    *at(1, 0) = 2 << 12 | 7;
    *at(2, 0) = 3 << 12 | 7;
    *at(3, 0) = 4 << 12 | 7;
    *at(4, 0) = 10 << 12 | last;
}

/* ---- shapes ---- */

static void without_paging_addresses_are_physical(void **state)
{
    uint64_t gpa;

    (void)state;
    assert_int_equal(walk(0x5123, HVM_ACCESS_WRITE, &gpa), 0);
    assert_int_equal(gpa, 0x5123);
    assert_int_equal(walk(0xffffffff00005123UL, 0, &gpa), 0);
    assert_int_equal(gpa, 0x5123);
}

static void four_levels_are_walked(void **state)
{
    uint64_t gpa;

    (void)state;
    four_levels(7);
    assert_int_equal(walk(0x123, 0, &gpa), 0);
    assert_int_equal(gpa, 0xa123);
    *at(1, 511) = 2 << 12 | 7;
    *at(2, 511) = 3 << 12 | 7;
    *at(3, 511) = 4 << 12 | 7;
    *at(4, 511) = 11 << 12 | 7;
    assert_int_equal(walk(0xffffffffffffffffUL, 0, &gpa), 0);
    assert_int_equal(gpa, 0xbfff);
    assert_int_equal(walk(0x0000800000000000UL, 0, &gpa), NO_MEMORY); /* not canonical */
    *at(3, 5) = 0x200000 | 0x87;
    assert_int_equal(walk(5 * 0x200000 + 0x1234, 0, &gpa), 0);
    assert_int_equal(gpa, 0x201234);
    *at(2, 3) = 0x40000000 | 0x87;
    assert_int_equal(walk(3UL << 30 | 0x1234567, 0, &gpa), 0);
    assert_int_equal(gpa, 0x41234567);
}

static void three_levels_are_walked(void **state)
{
    uint64_t gpa;

    (void)state;
    hvm = (struct hvm_vcpu){.cr0 = CR0_PE | CR0_PG | CR0_WP, .cr3 = 1 << 12 | 0x20, .cr4 = CR4_PAE};
    *at(1, 4 + 3) = 3 << 12 | 1; /* no rights in this one */
    *at(3, 511) = 4 << 12 | 7;
    *at(4, 511) = 10 << 12 | 7;
    assert_int_equal(walk(0xfffff123, HVM_ACCESS_WRITE | HVM_ACCESS_USER, &gpa), 0);
    assert_int_equal(gpa, 0xa123);
    assert_int_equal(*at(1, 4 + 3), 3 << 12 | 1); /* nor an accessed bit */
    assert_int_equal(*at(3, 511), 4 << 12 | 0x27);
    assert_int_equal(*at(4, 511), 10 << 12 | 0x67);
}

static void two_levels_are_walked(void **state)
{
    uint64_t gpa;

    (void)state;
    hvm = (struct hvm_vcpu){.cr0 = CR0_PE | CR0_PG | CR0_WP, .cr3 = 1 << 12, .cr4 = CR4_PSE};
    *at32(1, 1023) = 2 << 12 | 7;
    *at32(2, 1023) = 10 << 12 | 7;
    *at32(1, 1) = 0x00400000 | 3 << 13 | 0x87; /* 4 MiB, above 4 GiB */
    assert_int_equal(walk(0xfffff123, HVM_ACCESS_WRITE, &gpa), 0);
    assert_int_equal(gpa, 0xa123);
    assert_int_equal(*at32(1, 1023), 2 << 12 | 0x27);
    assert_int_equal(*at32(2, 1023), 10 << 12 | 0x67);
    assert_int_equal(walk(0x00412345, 0, &gpa), 0);
    assert_int_equal(gpa, 3UL << 32 | 0x412345);
    hvm.cr4 = 0; /* then bit 7 is nothing, and the entry refers to a table that is no memory */
    assert_int_equal(walk(0x00412345, 0, &gpa), NO_MEMORY);
}

/* ---- rights ---- */

static void every_access_has_its_rights(void **state)
{
    const unsigned write = HVM_ACCESS_WRITE, user = HVM_ACCESS_USER, fetch = HVM_ACCESS_FETCH;
    uint64_t gpa;

    (void)state;
    four_levels(0); /* not present */
    assert_int_equal(walk(0, 0, &gpa), FAULTED);
    assert_int_equal(walk(0, write | user, &gpa), FAULTED | write | user);
    assert_int_equal(walk(0, fetch, &gpa), FAULTED | fetch);
    four_levels(1); /* the kernel's, read-only */
    assert_int_equal(walk(0, 0, &gpa), 0);
    assert_int_equal(walk(0, user, &gpa), FAULTED | P_PRESENT | user);
    assert_int_equal(walk(0, write, &gpa), FAULTED | P_PRESENT | write);
    hvm.cr0 &= ~(uint64_t)CR0_WP;
    assert_int_equal(walk(0, write, &gpa), 0);
    four_levels(5); /* everybody's, read-only */
    hvm.cr0 &= ~(uint64_t)CR0_WP;
    assert_int_equal(walk(0, write | user, &gpa), FAULTED | P_PRESENT | write | user);
    assert_int_equal(walk(0, fetch, &gpa), 0);
    hvm.cr4 |= CR4_SMEP;
    assert_int_equal(walk(0, fetch, &gpa), FAULTED | P_PRESENT | fetch);
    assert_int_equal(walk(0, fetch | user, &gpa), 0);
    hvm.cr4 = CR4_PAE | CR4_SMAP;
    assert_int_equal(walk(0, 0, &gpa), FAULTED | P_PRESENT);
    assert_int_equal(walk(0, user, &gpa), 0);
    cpu_info()->guest_regs.rflags = RFLAGS_AC;
    assert_int_equal(walk(0, 0, &gpa), 0);
    four_levels(7 | PTE_NX);
    assert_int_equal(walk(0, fetch, &gpa), FAULTED | P_PRESENT | fetch);
    assert_int_equal(walk(0, write, &gpa), 0);
    hvm.efer &= ~(uint64_t)EFER_NXE; /* then the bit is reserved */
    assert_int_equal(walk(0, 0, &gpa), FAULTED | P_PRESENT | P_RESERVED);
    four_levels(7);
    *at(3, 0) &= ~2UL; /* upper levels count too */
    assert_int_equal(walk(0, write, &gpa), FAULTED | P_PRESENT | write);
}

static void accessed_and_dirty_bits_are_set_as_the_cpu_would(void **state)
{
    uint64_t gpa;

    (void)state;
    four_levels(5);
    assert_int_equal(walk(0, HVM_ACCESS_WRITE, &gpa), FAULTED | P_PRESENT | HVM_ACCESS_WRITE);
    assert_int_equal(*at(4, 0), 10 << 12 | 5); /* a fault sets none */
    assert_int_equal(walk(0, 0, &gpa), 0);
    assert_int_equal(*at(1, 0), 2 << 12 | 0x27);
    assert_int_equal(*at(4, 0), 10 << 12 | 0x25);
    *at(4, 0) |= 2;
    assert_int_equal(walk(0, HVM_ACCESS_WRITE, &gpa), 0);
    assert_int_equal(*at(4, 0), 10 << 12 | 0x67);
    assert_int_equal(*at(3, 0), 4 << 12 | 0x27);
}

/* ---- memory ---- */

static void tables_in_memory_that_is_none_end_the_walk(void **state)
{
    uint64_t gpa;

    (void)state;
    four_levels(7);
    hvm.cr3 = 999UL << 12;
    assert_int_equal(walk(0, 0, &gpa), NO_MEMORY);
    hvm.cr3 = 0x000ffffffffff000UL;
    assert_int_equal(walk(0, 0, &gpa), NO_MEMORY);
    four_levels(7);
    *at(2, 0) = 0x000ffffffffff000UL | 7;
    assert_int_equal(walk(0, 0, &gpa), NO_MEMORY);
}

static void copies_cross_pages(void **state)
{
    uint8_t out[3 * PAGE_SIZE], in[sizeof(out)];
    struct hvm_fault fault;

    (void)state;
    four_levels(7);
    for (unsigned i = 1; i < 5; i++)
        *at(4, i) = (uint64_t)(20 - i) << 12 | 7; /* in another order */
    for (unsigned i = 0; i < sizeof(out); i++)
        out[i] = (uint8_t)(i * 7 + i / 256);
    assert_int_equal(hvm_copy(0x1801, out, sizeof(out), HVM_ACCESS_WRITE, &fault), 0);
    assert_int_equal(hvm_copy(0x1801, in, sizeof(in), 0, &fault), 0);
    assert_memory_equal(in, out, sizeof(in));
    assert_memory_equal((char *)mfn_to_virt(frames[18]), out + 0x7ff, PAGE_SIZE);
    /* The page behind is not there: the copy says where it stopped. */
    assert_int_equal(hvm_copy(0x4ffc, out, 8, HVM_ACCESS_WRITE | HVM_ACCESS_USER, &fault), -EFAULT);
    assert_int_equal(fault.linear, 0x5000);
    assert_int_equal(fault.code, HVM_ACCESS_WRITE | HVM_ACCESS_USER);
}

/* What a word of linear address 0 is for an access; FAULTED and the error code where there is none. */
static uint64_t word_at_0(unsigned access)
{
    struct hvm_fault fault;
    uint64_t word;

    return hvm_copy(0, &word, sizeof(word), access, &fault) ? FAULTED | fault.code : word;
}

/* Twice, so that the second answer is of a page that was walked for before. */
#define ASSERT_WORD(access, expected)                                                                         \
    do {                                                                                                      \
        assert_int_equal(word_at_0(access), expected);                                                        \
        assert_int_equal(word_at_0(access), expected);                                                        \
    } while (0)

/* Every level of the tables, the rights, the modes and the memory behind may be others the next time. */
static void pages_walked_for_before_are_looked_at_again(void **state)
{
    uint64_t word = 99;
    struct hvm_fault fault;

    (void)state;
    *at(10, 0) = 10;
    *at(11, 0) = 11;
    for (unsigned level = 1; level <= 4; level++) { /* the table of that level is another one */
        four_levels(7);
        *at(20, 0) = 21 << 12 | 7;
        *at(21, 0) = 22 << 12 | 7;
        *at(22, 0) = 23 << 12 | 7;
        *at(23, 0) = 11 << 12 | 7;
        ASSERT_WORD(0, 10);
        if (level == 4)
            hvm.cr3 = 20 << 12;
        else
            *at(4 - level, 0) = level == 1 ? 23 << 12 | 7 : level == 2 ? 22 << 12 | 7 : 21 << 12 | 7;
        ASSERT_WORD(0, 11);
    }
    four_levels(7);
    assert_int_equal(word_at_0(0), 10);
    for (unsigned gfn = 1; gfn <= 4; gfn++) /* the guest takes the accessed bits away: the next access sets them again */
        *at(gfn, 0) &= ~PTE_ACCESSED;
    assert_int_equal(word_at_0(0), 10);
    assert_int_equal(*at(4, 0) & *at(3, 0) & *at(2, 0) & *at(1, 0) & PTE_ACCESSED, PTE_ACCESSED);
    ASSERT_WORD(0, 10);
    *at(4, 0) = 10 << 12 | 6; /* not present */
    ASSERT_WORD(0, FAULTED);
    *at(4, 0) = 10 << 12 | 3; /* the kernel's */
    ASSERT_WORD(0, 10);
    ASSERT_WORD(HVM_ACCESS_USER, FAULTED | P_PRESENT | HVM_ACCESS_USER);
    ASSERT_WORD(0, 10);
    *at(4, 0) = 10 << 12 | 7 | PTE_NX;
    ASSERT_WORD(0, 10);
    ASSERT_WORD(HVM_ACCESS_FETCH, FAULTED | P_PRESENT | HVM_ACCESS_FETCH);
    ASSERT_WORD(0, 10);
    hvm.efer &= ~(uint64_t)EFER_NXE;
    ASSERT_WORD(0, FAULTED | P_PRESENT | P_RESERVED);
    hvm.efer |= EFER_NXE;
    *at(4, 0) = 10 << 12 | 5; /* read-only */
    ASSERT_WORD(0, 10);
    assert_int_equal(hvm_copy(0, &word, sizeof(word), HVM_ACCESS_WRITE, &fault), -EFAULT);
    *at(4, 0) = 10 << 12 | 7;
    ASSERT_WORD(0, 10);
    assert_int_equal(*at(4, 0) & PTE_DIRTY, 0);
    assert_int_equal(hvm_copy(0, &word, sizeof(word), HVM_ACCESS_WRITE, &fault), 0);
    assert_int_equal(*at(4, 0) & PTE_DIRTY, PTE_DIRTY); /* though it was only read before */
    ASSERT_WORD(0, 99);
    assert_int_equal(physmap_set(guest, GFN(10), frames[10], 0, PHYSMAP_RAM_RO), 0);
    ASSERT_WORD(0, 99);
    assert_int_equal(hvm_copy(0, &word, sizeof(word), HVM_ACCESS_WRITE, &fault), -EFAULT);
    assert_int_equal(physmap_clear(guest, GFN(10), 0), 0);
    ASSERT_WORD(0, FAULTED | NO_MEMORY);
    assert_int_equal(physmap_set(guest, GFN(10), frames[10], 0, PHYSMAP_RAM), 0);
    ASSERT_WORD(0, 99);
    assert_int_equal(physmap_clear(guest, GFN(3), 0), 0); /* a table */
    ASSERT_WORD(0, FAULTED | NO_MEMORY);
    assert_int_equal(physmap_set(guest, GFN(3), frames[3], 0, PHYSMAP_RAM), 0);
    ASSERT_WORD(0, 99);
    hvm.efer &= ~(uint64_t)EFER_LMA; /* another shape of the same tables: PAE, one level less, so that the last is the page */
    ASSERT_WORD(0, *at(4, 0));
}

static void only_memory_is_copied(void **state)
{
    uint64_t word = 42;
    struct hvm_fault fault;

    (void)state;
    four_levels(7);
    assert_int_equal(physmap_clear(guest, GFN(10), 0), 0);
    assert_int_equal(hvm_copy(0, &word, 8, 0, &fault), -EFAULT);
    assert_int_equal(fault.code, NO_MEMORY);
    assert_int_equal(physmap_set(guest, GFN(10), MFN(0), 0, PHYSMAP_MMIO), 0);
    assert_int_equal(hvm_copy(0, &word, 8, 0, &fault), -EFAULT);
    assert_int_equal(fault.code, NO_MEMORY);
    assert_int_equal(physmap_set(guest, GFN(10), frames[10], 0, PHYSMAP_RAM_RO), 0);
    assert_int_equal(hvm_copy(0, &word, 8, 0, &fault), 0);
    word = 42;
    assert_int_equal(hvm_copy(0, &word, 8, HVM_ACCESS_WRITE, &fault), -EFAULT);
    assert_int_equal(*at(10, 0), 0);
    *at(4, 0) = 1UL << 51 | 7; /* beyond every guest frame there can be */
    assert_int_equal(hvm_copy(0, &word, 8, 0, &fault), -EFAULT);
    assert_int_equal(fault.code, NO_MEMORY);
}

/* Memory lies on both sides of 4 GiB; an argument of a hypercall from 32-bit code ends there. */
static void arguments_of_32_bit_code_end_at_4_gib(void **state)
{
    const uint64_t end = 1UL << 32;
    uint64_t word = 42;

    (void)state;
    four_levels(7);
    *at(2, 3) = 5 << 12 | 7;
    *at(5, 511) = 6 << 12 | 7;
    *at(6, 511) = 11 << 12 | 7;
    *at(2, 4) = 7 << 12 | 7;
    *at(7, 0) = 8 << 12 | 7;
    *at(8, 0) = 12 << 12 | 7;
    for (int narrow = 0; narrow < 2; narrow++) {
        int beyond = narrow ? -EFAULT : 0;

        cpu_info()->guest_32bit = narrow;
        assert_int_equal(guest_write_walked(end - 8, &word, 8), 0);
        assert_int_equal(guest_read_walked(&word, end - 8, 8), 0);
        assert_int_equal(guest_read_walked(&word, end - 7, 8), beyond);
        assert_int_equal(guest_read_walked(&word, end, 1), beyond);
        assert_int_equal(guest_write_walked(end - 7, &word, 8), beyond);
        assert_int_equal(guest_zero_walked(end - 4096, 4097), beyond);
    }
    cpu_info()->guest_32bit = false;
}

static void stores_are_noted_in_log_dirty_mode(void **state)
{
    uint64_t words[PAGE_SIZE / 8], word = 1;
    struct hvm_fault fault;

    (void)state;
    four_levels(7);
    host_set_current(idle_vcpu[0]);
    while (hvm_log_dirty_enable(guest))
        ;
    host_set_current(v);
    assert_int_equal(hvm_copy(8, &word, sizeof(word), HVM_ACCESS_WRITE, &fault), 0);
    dirty_log_harvest(guest->dirty_log, 0, true, words);
    assert_int_equal(words[0], 1UL << 1 | 1UL << 2 | 1UL << 3 | 1UL << 4 | 1UL << 10); /* the tables' bits too */
    hvm_log_dirty_protect(guest, 0, words);
    assert_int_equal(hvm_copy(8, &word, sizeof(word), HVM_ACCESS_WRITE, &fault), 0);
    dirty_log_harvest(guest->dirty_log, 0, true, words);
    assert_int_equal(words[0], 1UL << 10);
}

/* Tables made of noise: whatever they say, the walk ends within the guest's memory (or AddressSanitizer tells). */
static void noise_stays_within_the_guest(void **state)
{
    uint64_t random = 99, word;
    struct hvm_fault fault;

    (void)state;
    for (unsigned i = 0; i < PAGES; i++)
        for (unsigned k = 0; k < 512; k++) {
            uint64_t r = random_next(&random);

            *at(i, k) = r % 4 ? (r >> 20 & (PAGES - 1)) << 12 | (r & 0xfff) | 1 : r;
        }
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t r = random_next(&random);

        hvm = (struct hvm_vcpu){.cr0 = CR0_PE | (r & 1 ? CR0_PG : 0) | (r & 2 ? CR0_WP : 0),
            .cr3 = r & 4 ? (r >> 8 & (PAGES - 1)) << 12 : random_next(&random),
            .cr4 = r & 8 ? CR4_PAE : CR4_PSE};
        cpu_info()->guest_regs.rflags = r & 16 ? RFLAGS_AC : 0;
        if ((r & 9) == 9 && r & 32)
            hvm.efer = EFER_LMA | EFER_LME | (r & 64 ? EFER_NXE : 0);
        if (r & 128)
            (void)hvm_copy(random_next(&random), &r, 8, HVM_ACCESS_WRITE | (r >> 50 & 0x16), &fault);
        else
            (void)hvm_copy(random_next(&random), &word, 8, r >> 50 & 0x14, &fault);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_paging_addresses_are_physical),
        TEST(four_levels_are_walked),
        TEST(three_levels_are_walked),
        TEST(two_levels_are_walked),
        TEST(every_access_has_its_rights),
        TEST(accessed_and_dirty_bits_are_set_as_the_cpu_would),
        TEST(tables_in_memory_that_is_none_end_the_walk),
        TEST(copies_cross_pages),
        TEST(pages_walked_for_before_are_looked_at_again),
        TEST(only_memory_is_copied),
        TEST(arguments_of_32_bit_code_end_at_4_gib),
        TEST(stores_are_noted_in_log_dirty_mode),
        TEST(noise_stays_within_the_guest),
    };

    return cmocka_run_group_tests(tests, machine_setup, machine_teardown);
}
