// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a boot loader left: both protocols give the same facts, ranges that overlap come out apart, and sizes that lead out of
 * low memory end the reading. (tests/fuzz/multiboot.c looks for worse.)
 */
#include "lib_test.h"

#include <sys/mman.h>

#include "arch/layout.h"
#include "arch/x86/start.h"
#include "boot_info.h"
#include "lib/base.h"

#define LOW_MEMORY (1ul << 32)
#define PLACE 0x100000u
#define MAGIC_1 0x2badb002
#define MAGIC_2 0x36d76289
#define RAM BOOT_MEMORY_RAM
#define RESERVED BOOT_MEMORY_RESERVED

unsigned char *host_memory;
static uint8_t *end; /* of what was put so far */

static int memory_make(void **state)
{
    (void)state;
    host_memory = mmap(NULL, LOW_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return host_memory == MAP_FAILED;
}

static int setup(void **state)
{
    (void)state;
    memset(&boot_info, 0, sizeof(boot_info));
    memset(host_memory + PLACE, 0, 8192);
    end = host_memory + PLACE;
    return 0;
}

static void put(const void *data, size_t size)
{
    memcpy(end, data, size);
    end += size;
}

static void put32(uint32_t value) { put(&value, sizeof(value)); }
static void put64(uint64_t value) { put(&value, sizeof(value)); }

/* Multiboot 2: the header, tags, and the total once all are there. */
static void tags_begin(void)
{
    put32(0);
    put32(0);
}

static void tag(uint32_t type, const void *data, uint32_t size)
{
    put32(type);
    put32(size + 8);
    put(data, size);
    end = host_memory + ROUND_UP((size_t)(end - host_memory), 8);
}

static void tags_parse(void)
{
    uint32_t total;

    tag(0, "", 0);
    total = (uint32_t)(end - host_memory - PLACE);
    memcpy(host_memory + PLACE, &total, sizeof(total));
    multiboot_parse(MAGIC_2, PLACE);
}

struct range { uint64_t start, size; uint32_t type, zero; };

static void tag_map(const struct range *ranges, unsigned count)
{
    uint8_t data[8 + 16 * sizeof(struct range)] = {sizeof(struct range)};

    memcpy(data + 8, ranges, count * sizeof(*ranges));
    tag(6, data, 8 + count * (uint32_t)sizeof(*ranges));
}

static void assert_range(unsigned i, uint64_t start, uint64_t stop, uint32_t type)
{
    assert_true(i < boot_info.memory_count);
    assert_int_equal(boot_info.memory[i].start, start);
    assert_int_equal(boot_info.memory[i].end, stop);
    assert_int_equal(boot_info.memory[i].type, type);
}

static void tags_give_texts_modules_and_memory(void **state)
{
    static const struct range ranges[] = {{0x100000, 0x7f00000, RAM, 0}, {0, 0x9fc00, RAM, 0}};
    uint8_t module[8 + 20] = {0, 0, 0x20, 0, 0, 0, 0x30, 0};

    (void)state;
    memcpy(module + 8, "vmlinuz root=/dev/vda", 20);
    tags_begin();
    tag(1, "console=com1", 13);
    tag(2, "GRUB 2.06", 10);
    tag(3, module, sizeof(module));
    tag_map(ranges, 2);
    tags_parse();
    assert_string_equal(boot_info.cmdline, "console=com1");
    assert_string_equal(boot_info.loader, "GRUB 2.06");
    assert_int_equal(boot_info.module_count, 1);
    assert_int_equal(boot_info.modules[0].start, 0x200000);
    assert_int_equal(boot_info.modules[0].end, 0x300000);
    assert_string_equal(boot_info.modules[0].cmdline, "vmlinuz root=/dev/vd"); /* ends with its tag */
    assert_int_equal(boot_info.memory_count, 2);
    assert_range(0, 0, 0x9fc00, RAM);
    assert_range(1, 0x100000, 0x8000000, RAM);
}

static void where_ranges_overlap_the_least_usable_wins(void **state)
{
    static const struct range ranges[] = {{0x1000, 0xf000, RAM, 0}, {0x2000, 0x1000, RESERVED, 0}, {0x2800, 0x2000, BOOT_MEMORY_ACPI, 0},
                                          {0x8000, 0x2000, RAM, 0}, {0xf000, 0x3000, RAM, 0}};

    (void)state;
    tags_begin();
    tag_map(ranges, 5);
    tags_parse();
    assert_int_equal(boot_info.memory_count, 4);
    assert_range(0, 0x1000, 0x2000, RAM);
    assert_range(1, 0x2000, 0x2800, RESERVED);
    assert_range(2, 0x2800, 0x4800, BOOT_MEMORY_ACPI);
    assert_range(3, 0x4800, 0x12000, RAM);
}

static void a_tag_that_is_longer_than_all_ends_the_reading(void **state)
{
    (void)state;
    tags_begin();
    tag(1, "before", 7);
    tag(2, "loader", 7);
    end[-12] = 0xff; /* its size */
    end[-11] = 0xff;
    tags_parse();
    assert_string_equal(boot_info.cmdline, "before");
    assert_string_equal(boot_info.loader, "");
}

static void the_first_protocol_says_the_same(void **state)
{
    uint32_t words[30] = {1u << 0 | 1u << 2 | 1u << 3 | 1u << 6 | 1u << 9};

    (void)state;
    words[4] = PLACE + 0x200; /* command line */
    words[5] = 1;
    words[6] = PLACE + 0x280; /* modules */
    words[11] = 48;
    words[12] = PLACE + 0x300; /* memory map */
    words[16] = PLACE + 0x3c0; /* loader */
    put(words, sizeof(words));
    strcpy((char *)host_memory + PLACE + 0x200, "xylem console=com1 x");
    end = host_memory + PLACE + 0x280;
    put32(0x200000);
    put32(0x300000);
    put32(PLACE + 0x2c0);
    strcpy((char *)host_memory + PLACE + 0x2c0, "vmlinuz quiet");
    end = host_memory + PLACE + 0x300;
    for (unsigned i = 0; i < 2; i++) {
        put32(20);
        put64(i * 0x100000);
        put64(0x90000);
        put32(RAM);
    }
    strcpy((char *)host_memory + PLACE + 0x3c0, "qemu");
    multiboot_parse(MAGIC_1, PLACE);
    assert_string_equal(boot_info.cmdline, "console=com1 x"); /* without the program's own name */
    assert_string_equal(boot_info.loader, "qemu");
    assert_string_equal(boot_info.modules[0].cmdline, "vmlinuz quiet");
    assert_int_equal(boot_info.memory_count, 2);
    assert_range(1, 0x100000, 0x190000, RAM);
}

static void sizes_that_cannot_be_end_the_reading(void **state)
{
    uint32_t words[30] = {1u << 3 | 1u << 6};

    (void)state;
    words[5] = UINT32_MAX;        /* modules */
    words[6] = 0xffffffe0;
    words[11] = UINT32_MAX;
    words[12] = 0xfffffff0;       /* a map at the end of low memory */
    put(words, sizeof(words));
    multiboot_parse(MAGIC_1, PLACE);
    assert_int_equal(boot_info.memory_count, 0);
    assert_true(boot_info.module_count <= 2);
    words[12] = PLACE + 0x1000;   /* entries of size 0 */
    memcpy(host_memory + PLACE, words, sizeof(words));
    multiboot_parse(MAGIC_1, PLACE);
    assert_int_equal(boot_info.memory_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(tags_give_texts_modules_and_memory, setup),
        cmocka_unit_test_setup(where_ranges_overlap_the_least_usable_wins, setup),
        cmocka_unit_test_setup(a_tag_that_is_longer_than_all_ends_the_reading, setup),
        cmocka_unit_test_setup(the_first_protocol_says_the_same, setup),
        cmocka_unit_test_setup(sizes_that_cannot_be_end_the_reading, setup),
    };

    return cmocka_run_group_tests(tests, memory_make, NULL);
}
