// SPDX-License-Identifier: BSD-2-Clause
/*
 * The 32-bit forms of the interface's structures: sizes and places of fields as the i386 ABI has them, values that
 * survive the way in and out, no byte read or written beside the form's, and lists of words.
 */
#include "errno.h"

#include "arch/host/host.h"
#include "lib_test.h"
#include "mm/guest_form.h"
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

static unsigned char memory[256];

static int setup(void **state)
{
    (void)state;
    memset(memory, 0xee, sizeof(memory));
    host_guest_range(memory, sizeof(memory));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cpu_info()->guest_32bit = false;
    host_guest_ranges_clear();
    return 0;
}

static guest_addr_t at(size_t offset) { return GUEST_ADDR((uint64_t)(memory + offset)); }

/* By the headers' declarations: sizeof here, and what gcc -m32 says of the same. */
static const struct {
    const char *form;
    size_t size, size_32;
} forms[] = {
    {FORM_RESERVATION, sizeof(struct xen_memory_reservation), 20},
    {FORM_EXCHANGE, sizeof(struct xen_memory_exchange), 44},
    {FORM_ADD_TO_PHYSMAP, sizeof(struct xen_add_to_physmap), 16},
    {FORM_ADD_TO_PHYSMAP_BATCH, sizeof(struct xen_add_to_physmap_batch), 20},
    {FORM_REMOVE_FROM_PHYSMAP, sizeof(struct xen_remove_from_physmap), 8},
    {FORM_MEMORY_MAP, sizeof(struct xen_memory_map), 8},
    {FORM_FOREIGN_MEMORY_MAP, sizeof(struct xen_foreign_memory_map), 12},
    {FORM_RESERVED_DEVICE_MAP, sizeof(struct xen_reserved_device_memory_map), 16},
    {FORM_POLL, sizeof(struct sched_poll), 16},
    {FORM_RUNSTATE, sizeof(struct vcpu_runstate_info), 44},
    {FORM_AREA, sizeof(struct vcpu_register_time_memory_area), 4}, /* the pointer alone */
    {FORM_SINGLESHOT, sizeof(struct vcpu_set_singleshot_timer), 12},
    {FORM_PLATFORM, sizeof(struct xen_platform_parameters), 4},
    {FORM_SETUP_TABLE, sizeof(struct gnttab_setup_table), 16},
    {FORM_STATUS_FRAMES, sizeof(struct gnttab_get_status_frames), 12},
    {FORM_TRANSFER, sizeof(struct gnttab_transfer), 16},
    {FORM_GRANT_COPY, sizeof(struct gnttab_copy), 24},
    {FORM_MULTICALL, sizeof(struct multicall_entry), 32},
};

static void test_every_form_reads_its_bytes_and_no_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        unsigned char wide[128], back[FORM_MAX];
        size_t size = forms[i].size_32;
        guest_addr_t last = at(sizeof(memory) - size);

        assert_int_equal(form_size_32(forms[i].form), size);
        assert_int_equal(form_offset_32(forms[i].form, 0), 0);
        memset(wide, 0xcc, sizeof(wide));
        for (size_t b = 0; b < size; b++)
            memory[sizeof(memory) - size + b] = back[b] = (unsigned char)(b + 1);
        /* asserts itself that the 64-bit form has that size */
        assert_int_equal(guest_read_32(wide, last, forms[i].size, forms[i].form), 0);
        assert_int_equal(wide[forms[i].size], 0xcc);
        assert_int_equal(guest_read_32(wide, GUEST_ADDR(last.value + 1), forms[i].size, forms[i].form), -EFAULT);
        assert_int_equal(guest_read_32(wide, last, forms[i].size, forms[i].form), 0);
        memset(memory, 0xee, sizeof(memory));
        assert_int_equal(guest_write_32(last, wide, forms[i].form), 0);
        assert_int_equal(memory[sizeof(memory) - size - 1], 0xee);
        for (size_t b = 0; b < size; b++) /* padding was not read: it is written as zero */
            assert_true(memory[sizeof(memory) - size + b] == back[b] || !memory[sizeof(memory) - size + b]);
        assert_int_equal(guest_write_32(GUEST_ADDR(last.value + 1), wide, forms[i].form), -EFAULT);
    }
}

static void test_fields_find_their_places(void **state)
{
    struct gnttab_copy copy;
    struct vcpu_runstate_info run = {1, 2, {3, 4, 5, ~6UL}};
    struct xen_memory_exchange exchange;
    uint32_t words[11];

    (void)state;
    for (unsigned i = 0; i < 11; i++)
        words[i] = 0x80000000u + i;
    memcpy(memory, words, sizeof(words));
    assert_int_equal(guest_read_32(&copy, at(0), sizeof(copy), FORM_GRANT_COPY), 0);
    assert_int_equal(copy.source.u.gmfn, 0x80000000u); /* no sign */
    assert_int_equal(copy.source.domid, 1);
    assert_int_equal(copy.source.offset, 0x8000);
    assert_int_equal(copy.dest.u.gmfn, 0x80000002u);
    assert_int_equal(copy.dest.domid, 3);
    assert_int_equal(copy.len, 4);
    assert_int_equal(copy.flags, 0x8000);
    assert_int_equal(copy.status, 5);
    assert_int_equal(form_offset_32(FORM_GRANT_COPY, offsetof(struct gnttab_copy, status)), 20);
    assert_int_equal(form_offset_32(FORM_TRANSFER, offsetof(struct gnttab_transfer, status)), 12);
    assert_int_equal(guest_read_32(&exchange, at(0), sizeof(exchange), FORM_EXCHANGE), 0);
    assert_int_equal(exchange.in.nr_extents, 0x80000001u);
    assert_int_equal(exchange.in.domid, 4);
    assert_int_equal(exchange.out.nr_extents, 0x80000006u);
    assert_int_equal(exchange.nr_exchanged, 0x8000000au);
    assert_int_equal(guest_write_32(at(0), &run, FORM_RUNSTATE), 0);
    assert_memory_equal(memory, &run.state, 4);
    assert_memory_equal(memory + 4, &run.state_entry_time, 40);
    assert_int_equal(form_offset_32(FORM_RUNSTATE, offsetof(struct vcpu_runstate_info, state_entry_time)), 4);
}

static void test_words_have_the_callers_width(void **state)
{
    uint64_t word;

    (void)state;
    memcpy(memory, (uint32_t[]){1, 0xfffffffe, 3, 4}, 16);
    assert_int_equal(guest_read_word(&word, at(0), 1), 0);
    assert_true(word == 0x400000003UL);
    cpu_info()->guest_32bit = true;
    assert_int_equal(guest_read_word(&word, at(0), 1), 0);
    assert_true(word == 0xfffffffeUL);
    assert_int_equal(guest_write_word(at(0), 2, 0x1122334455667788UL), 0);
    assert_memory_equal(memory + 8, "\x88\x77\x66\x55\x04", 5);
    assert_int_equal(guest_read_word(&word, at(0), sizeof(memory) / 4), -EFAULT);
    assert_int_equal(guest_form_size(FORM_MULTICALL, 64), 32);
    cpu_info()->guest_32bit = false;
    assert_int_equal(guest_form_size(FORM_MULTICALL, 64), 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_form_reads_its_bytes_and_no_more, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fields_find_their_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_words_have_the_callers_width, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
