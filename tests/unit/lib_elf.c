// SPDX-License-Identifier: BSD-2-Clause
/*
 * ELF reading: a kernel built here in memory is read back; then it is cut off, bent and scrambled in every
 * way, always in a block of exact size, so that the sanitizers see any access outside of it.
 */
#include "lib_test.h"

#include <xen/elfnote.h>
#include <xen/errno.h>
#include <xen/features.h>

#include "lib/elf.h"
#include "lib/print.h"

enum {
    NOTES_AT = 0x400,
    TEXT_AT = 0x1000,
    DATA_AT = 0x1800,
    SECTIONS_AT = 0x1900,
    SYMBOLS_AT = 0x1b00,
    FILE_SIZE = 0x1c00,

    TEXT_SIZE = 0x800,
    DATA_SIZE = 0x100,
    DATA_MEMORY = 0x3000,
};

#define VIRT_BASE UINT64_C(0xffffffff80000000)
#define PHYS_TEXT UINT64_C(0x1000000)
#define PHYS_DATA UINT64_C(0x1002000)
#define INIT_P2M UINT64_C(0x8000000000)

struct kernel {
    struct elf_header *header;
    struct elf_segment *segments;
    struct elf_section *sections;
    uint8_t *bytes;
    size_t notes_size;
};

static void add_note(struct kernel *kernel, const char *name, uint32_t type, const void *description,
                     uint32_t size)
{
    struct elf_note header = { (uint32_t)strlen(name) + 1, size, type };
    uint8_t *to = kernel->bytes + NOTES_AT + kernel->notes_size;

    memcpy(to, &header, sizeof(header));
    memcpy(to + sizeof(header), name, header.name_size);
    memcpy(to + sizeof(header) + ROUND_UP(header.name_size, 4), description, size);
    kernel->notes_size += sizeof(header) + ROUND_UP(header.name_size, 4) + ROUND_UP(size, 4);
    kernel->segments[0].file_size = kernel->notes_size;
}

static void add_number(struct kernel *kernel, uint32_t type, uint64_t number)
{
    add_note(kernel, "Xen", type, &number, sizeof(number));
}

static void add_text(struct kernel *kernel, uint32_t type, const char *text)
{
    add_note(kernel, "Xen", type, text, (uint32_t)strlen(text) + 1);
}

/* Two loadable segments, one of notes, three sections; without any notes. The caller frees ->bytes. */
static struct kernel make_kernel(void)
{
    struct kernel kernel = { .bytes = calloc(1, FILE_SIZE) };

    kernel.header = (struct elf_header *)kernel.bytes;
    kernel.segments = (struct elf_segment *)(kernel.bytes + 64);
    kernel.sections = (struct elf_section *)(kernel.bytes + SECTIONS_AT);
    *kernel.header = (struct elf_header){
        .identity = { 0x7f, 'E', 'L', 'F', 2, 1, 1 },
        .type = 2, .machine = ELF_MACHINE_X86_64, .version = 1, .entry = VIRT_BASE + PHYS_TEXT + 0x10,
        .segment_table = 64, .section_table = SECTIONS_AT, .header_size = 64,
        .segment_size = 56, .segments = 3, .section_size = 64, .sections = 4,
    };
    kernel.segments[0] = (struct elf_segment){ .type = 4, .offset = NOTES_AT, .align = 4 };
    kernel.segments[1] = (struct elf_segment){
        1, 5, TEXT_AT, VIRT_BASE + PHYS_TEXT, PHYS_TEXT, TEXT_SIZE, TEXT_SIZE, 4096,
    };
    kernel.segments[2] = (struct elf_segment){
        1, 6, DATA_AT, VIRT_BASE + PHYS_DATA, PHYS_DATA, DATA_SIZE, DATA_MEMORY, 4096,
    };
    kernel.sections[1] = (struct elf_section){ .type = 2, .offset = SYMBOLS_AT, .size = 48, .link = 2 };
    kernel.sections[2] = (struct elf_section){ .type = 3, .offset = SYMBOLS_AT + 48, .size = 16 };
    memset(kernel.bytes + TEXT_AT, 0x90, TEXT_SIZE);
    memset(kernel.bytes + DATA_AT, 0xda, DATA_SIZE);
    return kernel;
}

/* With the notes Linux has. */
static struct kernel make_linux(void)
{
    static const uint64_t present[2] = { 1, 1 };
    struct kernel kernel = make_kernel();

    add_note(&kernel, "GNU", XEN_ELFNOTE_ENTRY, "\1\2\3", 3);
    add_text(&kernel, XEN_ELFNOTE_GUEST_OS, "linux");
    add_text(&kernel, XEN_ELFNOTE_GUEST_VERSION, "2.6");
    add_text(&kernel, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    add_number(&kernel, XEN_ELFNOTE_VIRT_BASE, VIRT_BASE);
    add_number(&kernel, XEN_ELFNOTE_INIT_P2M, INIT_P2M);
    add_number(&kernel, XEN_ELFNOTE_ENTRY, VIRT_BASE + PHYS_TEXT + 0x200);
    add_text(&kernel, XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb|future_thing");
    add_note(&kernel, "Xen", XEN_ELFNOTE_SUPPORTED_FEATURES, &(uint32_t){ 1u << XENFEAT_dom0 }, 4);
    add_text(&kernel, XEN_ELFNOTE_PAE_MODE, "yes");
    add_text(&kernel, XEN_ELFNOTE_LOADER, "generic");
    add_note(&kernel, "Xen", XEN_ELFNOTE_L1_MFN_VALID, present, sizeof(present));
    add_note(&kernel, "Xen", XEN_ELFNOTE_MOD_START_PFN, &(uint32_t){ 1 }, 4);
    add_number(&kernel, XEN_ELFNOTE_PADDR_OFFSET, 0);
    add_number(&kernel, XEN_ELFNOTE_HYPERCALL_PAGE, VIRT_BASE + PHYS_TEXT);
    add_number(&kernel, 4711, 1);
    return kernel;
}

/* Opens and reads a copy of exact size; returns the first error. */
static int read_copy(const struct kernel *kernel, size_t size, struct elf_xen *xen)
{
    uint8_t *copy = copy_exact(kernel->bytes, size);
    struct elf_image image;
    const char *reason = NULL;
    int error = elf_open(&image, copy, size, &reason);

    if (error == 0)
        error = elf_xen_read(&image, xen, &reason);
    assert_int_equal(error == 0, reason == NULL);
    free(copy);
    return error;
}

static void notes_of_a_linux_kernel_are_read(void **state)
{
    struct kernel kernel = make_linux();
    struct elf_xen xen;

    (void)state;
    assert_int_equal(read_copy(&kernel, FILE_SIZE, &xen), 0);
    assert_string_equal(xen.guest_os, "linux");
    assert_string_equal(xen.guest_version, "2.6");
    assert_int_equal(xen.virt_base, VIRT_BASE);
    assert_int_equal(xen.entry, VIRT_BASE + PHYS_TEXT + 0x200);
    assert_int_equal(xen.init_p2m, INIT_P2M);
    assert_int_equal(xen.hypercall_page, VIRT_BASE + PHYS_TEXT);
    assert_int_equal(xen.mod_start_pfn, 1);
    assert_true(elf_xen_has(&xen, XEN_ELFNOTE_PADDR_OFFSET) && !elf_xen_has(&xen, XEN_ELFNOTE_PHYS32_ENTRY));
    assert_int_equal(xen.virt_start, VIRT_BASE + PHYS_TEXT);
    assert_int_equal(xen.virt_end, VIRT_BASE + PHYS_DATA + DATA_MEMORY);
    free(kernel.bytes);
}

static void add_note_section(struct kernel *kernel)
{
    kernel->sections[3] =
        (struct elf_section){ .type = 7, .offset = NOTES_AT, .size = kernel->notes_size };
}

static void sections_serve_when_there_is_no_note_segment(void **state)
{
    struct kernel kernel = make_linux();
    struct elf_xen xen;

    (void)state;
    kernel.segments[0].type = 0;
    assert_int_equal(read_copy(&kernel, FILE_SIZE, &xen), 0);
    assert_int_equal(xen.present, 0);
    add_note_section(&kernel);
    assert_int_equal(read_copy(&kernel, FILE_SIZE, &xen), 0);
    assert_int_equal(xen.init_p2m, INIT_P2M);
    kernel.sections[3].size = FILE_SIZE;
    assert_int_equal(read_copy(&kernel, FILE_SIZE, &xen), -XEN_EINVAL);
    kernel.header->section_table = UINT64_MAX - 8; /* cut off: counts as no sections */
    assert_int_equal(read_copy(&kernel, FILE_SIZE, &xen), 0);
    assert_int_equal(xen.present, 0);
    free(kernel.bytes);
}

static void an_address_offset_moves_the_kernel(void **state)
{
    struct kernel kernel = make_kernel();
    struct elf_xen xen;

    (void)state;
    kernel.segments[1].phys = VIRT_BASE + PHYS_TEXT; /* as old kernels have it */
    kernel.segments[2].phys = VIRT_BASE + PHYS_DATA;
    add_number(&kernel, XEN_ELFNOTE_VIRT_BASE, VIRT_BASE);
    assert_int_equal(read_copy(&kernel, FILE_SIZE, &xen), -XEN_EINVAL);
    add_number(&kernel, XEN_ELFNOTE_PADDR_OFFSET, VIRT_BASE);
    assert_int_equal(read_copy(&kernel, FILE_SIZE, &xen), 0);
    assert_int_equal(xen.virt_start, VIRT_BASE + PHYS_TEXT);
    add_number(&kernel, XEN_ELFNOTE_PADDR_OFFSET, VIRT_BASE + PHYS_TEXT + 1);
    assert_int_equal(read_copy(&kernel, FILE_SIZE, &xen), -XEN_EINVAL);
    free(kernel.bytes);
}

struct memory {
    uint8_t *bytes;
    uint64_t base;
    size_t size;
};

static int memory_copy(void *context, uint64_t phys, const void *from, uint64_t size)
{
    struct memory *memory = context;

    if (phys < memory->base || phys - memory->base > memory->size || size > memory->size - (phys - memory->base))
        return -XEN_ENOSPC;
    if (from)
        memcpy(memory->bytes + (phys - memory->base), from, size);
    else
        memset(memory->bytes + (phys - memory->base), 0, size);
    return 0;
}

static int memory_zero(void *context, uint64_t phys, uint64_t size)
{
    return memory_copy(context, phys, NULL, size);
}

static int load(const struct elf_image *image, uint64_t paddr_offset, uint64_t base, uint8_t *bytes, size_t size)
{
    struct memory memory = { bytes, base, size };
    const struct elf_load_target target = { &memory, memory_copy, memory_zero };
    const char *reason = NULL;
    int error = elf_load(image, paddr_offset, &target, &reason);

    assert_int_equal(error == 0, reason == NULL);
    return error;
}

static void loading_copies_and_clears_exactly_the_segments(void **state)
{
    struct kernel kernel = make_linux();
    size_t size = PHYS_DATA + DATA_MEMORY - PHYS_TEXT;
    uint8_t *memory = malloc(size);
    const char *reason = NULL;
    struct elf_image image;

    (void)state;
    assert_int_equal(elf_open(&image, kernel.bytes, FILE_SIZE, &reason), 0);
    assert_int_equal(image.phys_start, PHYS_TEXT);
    assert_int_equal(image.phys_end, PHYS_TEXT + size);
    memset(memory, 0xee, size);
    assert_int_equal(load(&image, 0, PHYS_TEXT, memory, size), 0);
    for (size_t i = 0; i < size; i++) {
        uint64_t phys = PHYS_TEXT + i;

        assert_int_equal(memory[i], phys < PHYS_TEXT + TEXT_SIZE     ? 0x90
                                    : phys < PHYS_DATA               ? 0xee
                                    : phys < PHYS_DATA + DATA_SIZE   ? 0xda
                                                                     : 0);
    }
    assert_int_equal(load(&image, 0, PHYS_TEXT, memory, size - 1), -XEN_ENOSPC);
    assert_int_equal(load(&image, 0, PHYS_TEXT + 1, memory, size), -XEN_ENOSPC);
    assert_int_equal(load(&image, 4096, PHYS_TEXT - 4096, memory, size), 0);
    free(memory);
    free(kernel.bytes);
}

static void unknown_features_are_refused_when_required(void **state)
{
    static const struct { const char *text; int error; } cases[] = {
        { "", 0 },
        { "|||", 0 },
        { "dom0|future_thing", 0 },
        { "!dom0|", 0 },
        { "dom|dom00|0|!hvm_pirqs", 0 },
        { "!dom", -XEN_EOPNOTSUPP },
        { "dom0|!dom00|dom0", -XEN_EOPNOTSUPP },
        { "!", -XEN_EOPNOTSUPP },
        { "!!dom0", -XEN_EOPNOTSUPP },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *text = copy_exact(cases[i].text, strlen(cases[i].text)); /* unterminated */
        const char *reason = NULL;

        assert_int_equal(elf_xen_check_features(text, strlen(cases[i].text), &reason), cases[i].error);
        assert_int_equal(reason == NULL, cases[i].error == 0);
        free(text);
    }
}

/* What one change to a good kernel leads to. */
#define EXPECT_AFTER(change, expected)                                                                       \
    do {                                                                                                     \
        struct kernel kernel = make_linux();                                                                 \
        struct elf_xen xen;                                                                                  \
        assert_int_equal(read_copy(&kernel, FILE_SIZE, &xen), 0);                                            \
        change;                                                                                              \
        assert_int_equal(read_copy(&kernel, FILE_SIZE, &xen), expected);                                     \
        free(kernel.bytes);                                                                                  \
    } while (0)

static void bad_headers_are_refused(void **state)
{
    (void)state;
    EXPECT_AFTER(kernel.bytes[0] = 0, -XEN_ENOEXEC);
    EXPECT_AFTER(kernel.bytes[4] = 1, -XEN_EOPNOTSUPP); /* 32-bit */
    EXPECT_AFTER(kernel.bytes[4] = 3, -XEN_ENOEXEC);
    EXPECT_AFTER(kernel.bytes[5] = 2, -XEN_EOPNOTSUPP); /* big-endian */
    EXPECT_AFTER(kernel.header->version = 2, -XEN_ENOEXEC);
    EXPECT_AFTER(kernel.header->type = 1, -XEN_ENOEXEC);
    EXPECT_AFTER(kernel.header->segments = 0, -XEN_ENOEXEC);
    EXPECT_AFTER(kernel.header->segments = UINT16_MAX, -XEN_EOPNOTSUPP);
    EXPECT_AFTER(kernel.header->segment_size = 32, -XEN_ENOEXEC);
    EXPECT_AFTER(kernel.header->segment_table = UINT64_MAX - 10, -XEN_ENOEXEC);
    EXPECT_AFTER(kernel.header->segment_table = FILE_SIZE - 3 * 56 + 1, -XEN_ENOEXEC);
    EXPECT_AFTER(kernel.header->entry = 0, 0); /* the note counts */
}

static void bad_segments_are_refused(void **state)
{
    (void)state;
    EXPECT_AFTER(kernel.segments[1].offset = FILE_SIZE - TEXT_SIZE + 1, -XEN_ENOEXEC);
    EXPECT_AFTER(kernel.segments[1].offset = UINT64_MAX, -XEN_ENOEXEC);
    EXPECT_AFTER(kernel.segments[1].file_size = UINT64_MAX, -XEN_ENOEXEC);
    EXPECT_AFTER(kernel.segments[1].memory_size = TEXT_SIZE - 1, -XEN_EINVAL);
    EXPECT_AFTER(kernel.segments[1].memory_size = UINT64_MAX, -XEN_EINVAL);
    EXPECT_AFTER(kernel.segments[2].memory_size = UINT64_C(1) << 63, -XEN_EINVAL);
    EXPECT_AFTER(kernel.segments[2].phys = UINT64_MAX, -XEN_EINVAL);
    EXPECT_AFTER(kernel.segments[2].phys = PHYS_TEXT + TEXT_SIZE - 1, -XEN_EINVAL); /* overlap by one byte */
    EXPECT_AFTER(kernel.segments[2].phys = PHYS_TEXT + TEXT_SIZE, 0);
    EXPECT_AFTER(kernel.segments[1].type = kernel.segments[2].type = 0, -XEN_ENOEXEC);
    EXPECT_AFTER(kernel.segments[0].offset = FILE_SIZE, -XEN_ENOEXEC);
}

static void bad_notes_are_refused(void **state)
{
    (void)state;
    EXPECT_AFTER(add_note(&kernel, "Xen", XEN_ELFNOTE_ENTRY, "123", 3), -XEN_EINVAL);
    EXPECT_AFTER(add_note(&kernel, "Xen", XEN_ELFNOTE_ENTRY, "", 0), -XEN_EINVAL);
    EXPECT_AFTER(add_number(&kernel, XEN_ELFNOTE_ENTRY, 0), -XEN_EINVAL);
    EXPECT_AFTER(add_number(&kernel, XEN_ELFNOTE_ENTRY, VIRT_BASE + PHYS_DATA + DATA_MEMORY), -XEN_EINVAL);
    EXPECT_AFTER(add_number(&kernel, XEN_ELFNOTE_INIT_P2M, VIRT_BASE + PHYS_TEXT), -XEN_EINVAL);
    EXPECT_AFTER(add_number(&kernel, XEN_ELFNOTE_HYPERCALL_PAGE, VIRT_BASE + PHYS_TEXT + 8), -XEN_EINVAL);
    EXPECT_AFTER(add_number(&kernel, XEN_ELFNOTE_HYPERCALL_PAGE, VIRT_BASE + PHYS_TEXT - 0x1000), -XEN_EINVAL);
    EXPECT_AFTER(add_number(&kernel, XEN_ELFNOTE_HYPERCALL_PAGE, VIRT_BASE + PHYS_DATA + ROUND_UP(DATA_MEMORY, 0x1000)),
                 -XEN_EINVAL);
    EXPECT_AFTER(add_number(&kernel, XEN_ELFNOTE_VIRT_BASE, UINT64_MAX), -XEN_EINVAL);
    EXPECT_AFTER(add_text(&kernel, XEN_ELFNOTE_FEATURES, "!no_such_feature"), -XEN_EOPNOTSUPP);
    EXPECT_AFTER(((uint32_t *)(kernel.bytes + NOTES_AT))[0] = UINT32_MAX, -XEN_EINVAL);
    EXPECT_AFTER(((uint32_t *)(kernel.bytes + NOTES_AT))[1] = UINT32_MAX, -XEN_EINVAL);
    EXPECT_AFTER(kernel.segments[0].file_size -= 12, -XEN_EINVAL);
    EXPECT_AFTER(add_note(&kernel, "Xen", XEN_ELFNOTE_GUEST_OS,
                          "a name that is longer than the place there is for it, and has no end", 60), 0);
    EXPECT_AFTER(add_text(&kernel, XEN_ELFNOTE_PAE_MODE, "yes,bimodal"), 0);
}

static void a_kernel_cut_off_anywhere_is_an_error(void **state)
{
    struct kernel kernel = make_linux();
    struct elf_xen xen;

    (void)state;
    for (size_t size = 0; size < DATA_AT + DATA_SIZE; size++)
        assert_int_not_equal(read_copy(&kernel, size, &xen), 0);
    for (size_t size = DATA_AT + DATA_SIZE; size <= FILE_SIZE; size += 16)
        assert_int_equal(read_copy(&kernel, size, &xen), 0);
    free(kernel.bytes);
}

static int count_bytes(void *context, uint64_t phys, const void *from, uint64_t size)
{
    uint64_t *sum = context;

    (void)phys;
    for (uint64_t i = 0; i < size; i++)
        *sum += ((const uint8_t *)from)[i];
    return 0;
}

static int ignore_zeros(void *context, uint64_t phys, uint64_t size)
{
    (void)context;
    (void)phys;
    return size > 0 ? 0 : -XEN_EINVAL;
}

/* Does everything that can be done with an image; the sanitizers judge. */
static void exercise(const uint8_t *data, size_t size)
{
    uint64_t sum = 0;
    const struct elf_load_target target = { &sum, count_bytes, ignore_zeros };
    const char *reason = NULL;
    struct elf_image image;
    struct elf_xen xen;

    if (elf_open(&image, data, size, &reason) == 0) {
        int error = elf_xen_read(&image, &xen, &reason);

        if (error == 0)
            assert_true(xen.present == 0 || (xen.entry >= xen.virt_start && xen.entry < xen.virt_end));
        elf_load(&image, 0, &target, &reason);
    } else {
        assert_non_null(reason);
    }
}

/* Changes one to eight places, with favour for the tables and for extreme values. */
static void scramble(uint8_t *bytes, uint64_t *seed)
{
    static const uint64_t extremes[] = {
        0, 1, 3, 4, 0x7fffffff, UINT32_MAX, UINT64_MAX, FILE_SIZE, UINT64_MAX - 7,
    };

    for (uint64_t n = random_next(seed) % 8 + 1; n > 0; n--) {
        size_t area = random_next(seed) % 3;
        size_t at = area == 0   ? random_next(seed) % 232
                    : area == 1 ? NOTES_AT + random_next(seed) % 0x1e0
                                : SECTIONS_AT + random_next(seed) % 256;
        uint64_t value = extremes[random_next(seed) % ARRAY_SIZE(extremes)];

        if (random_next(seed) % 2 == 0)
            value = random_next(seed);
        memcpy(bytes + at, &value, (size_t)1 << random_next(seed) % 4);
    }
}

static void scrambled_kernels_never_fault(void **state)
{
    struct kernel kernel = make_linux();
    uint64_t seed = 5;

    (void)state;
    add_note_section(&kernel);
    for (int round = 0; round < 100000; round++) {
        size_t size = round % 4 == 0 ? random_next(&seed) % FILE_SIZE : FILE_SIZE;
        uint8_t *copy = copy_exact(kernel.bytes, FILE_SIZE), *exact;

        scramble(copy, &seed);
        exact = copy_exact(copy, size);
        exercise(exact, size);
        free(exact);
        free(copy);
    }
    free(kernel.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_of_a_linux_kernel_are_read),
        cmocka_unit_test(sections_serve_when_there_is_no_note_segment),
        cmocka_unit_test(an_address_offset_moves_the_kernel),
        cmocka_unit_test(loading_copies_and_clears_exactly_the_segments),
        cmocka_unit_test(unknown_features_are_refused_when_required),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(bad_segments_are_refused),
        cmocka_unit_test(bad_notes_are_refused),
        cmocka_unit_test(a_kernel_cut_off_anywhere_is_an_error),
        cmocka_unit_test(scrambled_kernels_never_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
