// SPDX-License-Identifier: BSD-2-Clause
/*
 * The instruction decoder of PV guests: what each form stores and how long it is, what is refused, and that
 * no bytes, however random or short, make it read beyond them.
 */
#include "lib_test.h"

#include "guest/pv/decode.h"
#include "errno.h"

static struct cpu_user_regs test_registers(void)
{
    return (struct cpu_user_regs){
        .rax = 0x1111222233334444,
        .rcx = 0xc0c1c2c3c4c5c6c7,
        .rdx = 0xd0d1d2d3d4d5d6d7,
        .rbx = 0x1000,
        .rsp = 0x5000,
        .rbp = 0x2000,
        .rsi = 0x3000,
        .rdi = 0x4000,
        .r8 = 0x8000,
        .r9 = 9,
        .r10 = 0xa0,
        .r11 = 0xb0,
        .r12 = 0xc000,
        .r13 = 0xd000,
        .r14 = 0xe0,
        .r15 = 0xf0,
        .rip = 0x7000,
    };
}

struct store_case {
    const char *text;
    uint8_t code[15], length;
    enum store_kind kind;
    unsigned size;
    uint64_t value, address;
};

static const struct store_case stores[] = {
    {"mov %rax,(%rdi)", {0x48, 0x89, 0x07}, 3, STORE_WRITE, 8, 0x1111222233334444, 0x4000},
    {"mov %eax,(%rdi)", {0x89, 0x07}, 2, STORE_WRITE, 4, 0x33334444, 0x4000},
    {"mov %ax,(%rdi)", {0x66, 0x89, 0x07}, 3, STORE_WRITE, 2, 0x4444, 0x4000},
    {"mov %al,(%rdi)", {0x88, 0x07}, 2, STORE_WRITE, 1, 0x44, 0x4000},
    {"mov %sil,(%rdi)", {0x40, 0x88, 0x37}, 3, STORE_WRITE, 1, 0x00, 0x4000},
    {"mov %r9,0x10(%r12)", {0x4d, 0x89, 0x4c, 0x24, 0x10}, 5, STORE_WRITE, 8, 9, 0xc010},
    {"mov %rax,-8(%r13,%rbx,8)",
     {0x49, 0x89, 0x44, 0xdd, 0xf8},
     5,
     STORE_WRITE,
     8,
     0x1111222233334444,
     0x14ff8},
    {"mov %rax,0x12345678",
     {0x48, 0x89, 0x04, 0x25, 0x78, 0x56, 0x34, 0x12},
     8,
     STORE_WRITE,
     8,
     0x1111222233334444,
     0x12345678},
    {"mov %rax,0x100(%rip)", {0x48, 0x89, 0x05, 0, 1, 0, 0}, 7, STORE_WRITE, 8, 0x1111222233334444, 0x7107},
    {"movq $-1,(%rbx)", {0x48, 0xc7, 0x03, 0xff, 0xff, 0xff, 0xff}, 7, STORE_WRITE, 8, ~0UL, 0x1000},
    {"movl $0,0x8(%rip)", {0xc7, 0x05, 8, 0, 0, 0, 0, 0, 0, 0}, 10, STORE_WRITE, 4, 0, 0x7012},
    {"movw $0x1234,(%rbx)", {0x66, 0xc7, 0x03, 0x34, 0x12}, 5, STORE_WRITE, 2, 0x1234, 0x1000},
    {"movb $5,(%rbx)", {0xc6, 0x03, 5}, 3, STORE_WRITE, 1, 5, 0x1000},
    {"movabs %rax,0x123456789a",
     {0x48, 0xa3, 0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0, 0},
     10,
     STORE_WRITE,
     8,
     0x1111222233334444,
     0x123456789a},
    {"stos %rax", {0x48, 0xab}, 2, STORE_WRITE, 8, 0x1111222233334444, 0x4000},
    {"movnti %r8,(%rsp)", {0x4c, 0x0f, 0xc3, 0x04, 0x24}, 5, STORE_WRITE, 8, 0x8000, 0x5000},
    {"lock orl $1,(%rbx)", {0xf0, 0x83, 0x0b, 0x01}, 4, STORE_OR, 4, 1, 0x1000},
    {"lock andq $-3,(%rbx)", {0xf0, 0x48, 0x83, 0x23, 0xfd}, 5, STORE_AND, 8, ~2UL, 0x1000},
    {"andl $imm32,(%rbx)", {0x81, 0x23, 0x04, 0x03, 0x02, 0x81}, 6, STORE_AND, 4, 0x81020304, 0x1000},
    {"or %rsi,(%rbx)", {0x48, 0x09, 0x33}, 3, STORE_OR, 8, 0x3000, 0x1000},
    {"xor %r10d,(%rbx)", {0x44, 0x31, 0x13}, 3, STORE_XOR, 4, 0xa0, 0x1000},
    {"add %rbp,(%rbx)", {0x48, 0x01, 0x2b}, 3, STORE_ADD, 8, 0x2000, 0x1000},
    {"sub %rbp,(%rbx)", {0x48, 0x29, 0x2b}, 3, STORE_SUB, 8, 0x2000, 0x1000},
    {"xchg %rsi,(%rdi)", {0x48, 0x87, 0x37}, 3, STORE_XCHG, 8, 0x3000, 0x4000},
    {"lock xadd %rsi,(%rdi)", {0xf0, 0x48, 0x0f, 0xc1, 0x37}, 5, STORE_XADD, 8, 0x3000, 0x4000},
    {"lock cmpxchg %rsi,(%rdi)", {0xf0, 0x48, 0x0f, 0xb1, 0x37}, 5, STORE_CMPXCHG, 8, 0x3000, 0x4000},
    {"lock btrq $1,(%rdi)", {0xf0, 0x48, 0x0f, 0xba, 0x37, 0x01}, 6, STORE_BTR, 8, 1, 0x4000},
    {"bts %r14d,(%rdi)", {0x44, 0x0f, 0xab, 0x37}, 4, STORE_BTS, 4, 0, 0x401c},
};

static void stores_say_what_they_write(void **state)
{
    const struct cpu_user_regs regs = test_registers();

    (void)state;
    for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
        const struct store_case *c = &stores[i];
        uint8_t *code = copy_exact(c->code, c->length);
        struct decoded_store s;

        print_message("%s\n", c->text);
        assert_int_equal(decode_store(code, c->length, &regs, &s), 0);
        assert_int_equal(s.instruction_length, c->length);
        assert_int_equal(s.kind, c->kind);
        assert_int_equal(s.size, c->size);
        assert_int_equal(s.value, c->value);
        assert_int_equal(s.address, c->address);
        for (unsigned n = 0; n < c->length; n++)
            assert_int_equal(decode_store(code, n, &regs, &s), -EFAULT);
        free(code);
    }
}

static void compare_and_exchange_of_pairs(void **state)
{
    static const uint8_t eight[] = {0xf0, 0x0f, 0xc7, 0x0f}, sixteen[] = {0xf0, 0x48, 0x0f, 0xc7, 0x0f};
    const struct cpu_user_regs regs = test_registers();
    struct decoded_store s;

    (void)state;
    assert_int_equal(decode_store(eight, sizeof(eight), &regs, &s), 0);
    assert_int_equal(s.kind, STORE_CMPXCHG8B);
    assert_int_equal(s.expected, 0xd4d5d6d733334444);
    assert_int_equal(s.value, 0xc4c5c6c700001000);
    assert_int_equal(decode_store(sixteen, sizeof(sixteen), &regs, &s), -EOPNOTSUPP); /* more than one entry */
}

/* Three bytes have a decoder of their own; behind a prefix that means nothing they have not. */
static void short_stores_are_what_the_general_way_finds(void **state)
{
    const struct cpu_user_regs regs = test_registers();
    struct decoded_store s, general;

    (void)state;
    for (unsigned i = 0; i < 8 * 256; i++)
        for (unsigned opcode = 0x86; opcode <= 0x89; opcode++) {
            const uint8_t code[16] = {0x3e, (uint8_t)(0x48 | i >> 8), (uint8_t)opcode, (uint8_t)i};
            bool relative = (i & 0xc7) == 5;
            int rc = decode_store(code, sizeof(code), &regs, &general);

            assert_int_equal(decode_store(code + 1, sizeof(code) - 1, &regs, &s), rc);
            if (rc)
                continue;
            assert_int_equal(s.instruction_length, general.instruction_length - 1);
            assert_int_equal(s.size, general.size);
            assert_int_equal(s.kind, general.kind);
            assert_int_equal(s.is_stos, general.is_stos);
            assert_int_equal(s.register_number, general.register_number);
            assert_int_equal(s.value, general.value);
            assert_int_equal(s.address, general.address - relative);
        }
}

static void what_stores_nothing_is_refused(void **state)
{
    static const uint8_t refused[][6] = {
        {0x48, 0x8b, 0x07},             /* load */
        {0x48, 0x89, 0xc7},             /* register to register */
        {0xf0, 0x48, 0x89, 0x07},       /* lock mov */
        {0xf3, 0x48, 0xab},             /* rep stos */
        {0x88, 0x27},                   /* mov %ah */
        {0x11, 0x07},                   /* adc */
        {0x83, 0x3b, 0x01},             /* cmp */
        {0x0f, 0xc7, 0xf0},             /* rdrand */
        {0x0f, 0x11, 0x07},             /* movups */
    };
    const struct cpu_user_regs regs = test_registers();
    struct decoded_store s;

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_int_equal(decode_store(refused[i], sizeof(refused[i]), &regs, &s), -EOPNOTSUPP);
}

struct privileged_case {
    uint8_t code[6], length;
    enum privileged_kind kind;
    unsigned size, port, special, general;
};

static const struct privileged_case privileged[] = {
    {{0xec}, 1, PRIVILEGED_IN, 1, 0xd6d7, 0, 0},
    {{0x66, 0xef}, 2, PRIVILEGED_OUT, 2, 0xd6d7, 0, 0},
    {{0xe5, 0x71}, 2, PRIVILEGED_IN, 4, 0x71, 0, 0},
    {{0xe6, 0x70}, 2, PRIVILEGED_OUT, 1, 0x70, 0, 0},
    {{0xf3, 0x6d}, 2, PRIVILEGED_INS, 4, 0xd6d7, 0, 0},
    {{0xf3, 0x66, 0x6f}, 3, PRIVILEGED_OUTS, 2, 0xd6d7, 0, 0},
    {{0xfa}, 1, PRIVILEGED_CLI, 0, 0, 0, 0},
    {{0xfb}, 1, PRIVILEGED_STI, 0, 0, 0, 0},
    {{0x0f, 0x06}, 2, PRIVILEGED_CLTS, 0, 0, 0, 0},
    {{0x0f, 0x09}, 2, PRIVILEGED_WBINVD, 0, 0, 0, 0},
    {{0x0f, 0x20, 0xd8}, 3, PRIVILEGED_READ_CR, 0, 0, 3, 0},
    {{0x41, 0x0f, 0x22, 0xe0}, 4, PRIVILEGED_WRITE_CR, 0, 0, 4, 8},
    {{0x0f, 0x21, 0xf8}, 3, PRIVILEGED_READ_DR, 0, 0, 7, 0},
    {{0x0f, 0x23, 0xf9}, 3, PRIVILEGED_WRITE_DR, 0, 0, 7, 1},
    {{0x0f, 0x32}, 2, PRIVILEGED_RDMSR, 0, 0, 0, 0},
    {{0x0f, 0x30}, 2, PRIVILEGED_WRMSR, 0, 0, 0, 0},
    {{0x0f, 0xa2}, 2, PRIVILEGED_CPUID, 0, 0, 0, 0},
    {{0x0f, 0x01, 0xd1}, 3, PRIVILEGED_XSETBV, 0, 0, 0, 0},
    {{0x0f, 0x01, 0xf9}, 3, PRIVILEGED_RDTSCP, 0, 0, 0, 0},
    {{0x0f, 0x01, 0x3f}, 3, PRIVILEGED_INVLPG, 0, 0, 0, 0},
};

static void privileged_instructions_are_told_apart(void **state)
{
    const struct cpu_user_regs regs = test_registers();

    (void)state;
    for (size_t i = 0; i < sizeof(privileged) / sizeof(privileged[0]); i++) {
        const struct privileged_case *c = &privileged[i];
        uint8_t *code = copy_exact(c->code, c->length);
        struct decoded_privileged p;

        assert_int_equal(decode_privileged(code, c->length, &regs, &p), 0);
        assert_int_equal(p.length, c->length);
        assert_int_equal(p.kind, c->kind);
        assert_int_equal(p.size, c->size);
        assert_int_equal(p.port, c->port);
        assert_int_equal(p.special, c->special);
        assert_int_equal(p.general, c->general);
        free(code);
    }
}

static void any_bytes_are_safe(void **state)
{
    const struct cpu_user_regs regs = test_registers();
    uint64_t seed = 17;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        unsigned length = random_next(&seed) % 17;
        uint8_t bytes[17], *code;
        struct decoded_store s;
        struct decoded_privileged p;

        for (unsigned n = 0; n < length; n++)
            bytes[n] = (uint8_t)(random_next(&seed) >> 20);
        code = copy_exact(bytes, length);
        if (decode_store(code, length, &regs, &s) == 0)
            assert_in_range(s.instruction_length, 1, length < 15 ? length : 15);
        if (decode_privileged(code, length, &regs, &p) == 0)
            assert_in_range(p.length, 1, length < 15 ? length : 15);
        free(code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_say_what_they_write),
        cmocka_unit_test(compare_and_exchange_of_pairs),
        cmocka_unit_test(short_stores_are_what_the_general_way_finds),
        cmocka_unit_test(what_stores_nothing_is_refused),
        cmocka_unit_test(privileged_instructions_are_told_apart),
        cmocka_unit_test(any_bytes_are_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
