// SPDX-License-Identifier: BSD-2-Clause
/*
 * The small decoder of hardware-assisted guests' exits: lengths in every mode, moves between memory and registers, and bytes that
 * are noise or cut off.  Expected lengths are those of the GNU assembler.
 */
#include "errno.h"

#include "guest/hvm/internal.h"
#include "lib_test.h"

#define NOISE_ROUNDS 200000

const struct hvm_vendor *hvm_vendor;
int hvm_copy(uint64_t linear, void *buffer, size_t size, unsigned access, struct hvm_fault *fault)
{
    (void)linear, (void)buffer, (void)size, (void)access, (void)fault;
    return -EFAULT;
}
void hvm_crash(struct vcpu *v, const char *why, uint64_t number) { (void)v, (void)why, (void)number; }
void hvm_inject_page_fault(const struct hvm_fault *fault) { (void)fault; }

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static void lengths_of_opcodes(void **state)
{
    static const struct { uint8_t code[8]; unsigned have, bits, opcode, length; } rows[] = {
        {{0x0f, 0xa2}, 2, 64, 0x0fa2, 2},
        {{0x0f, 0xa2}, 1, 64, 0x0fa2, 0},
        {{0x66, 0x48, 0x0f, 0xa2}, 4, 64, 0x0fa2, 4},
        {{0x48, 0x0f, 0xa2}, 3, 32, 0x0fa2, 0}, /* dec %eax */
        {{0x2e, 0x3e, 0x0f, 0x30}, 4, 32, 0x0f30, 4},
        {{0x0f, 0x32}, 2, 16, 0x0f32, 2},
        {{0x0f, 0x30}, 2, 64, 0x0f32, 0},
        {{0xf4}, 1, 64, 0xf4, 1},
        {{0xf3, 0x90}, 2, 64, 0x90, 2},
        {{0x0f, 0x01, 0xd1}, 3, 64, 0x0f01d1, 3},
        {{0x0f, 0x01, 0xf9}, 3, 64, 0x0f01f9, 3},
        {{0x0f, 0x01, 0xd0}, 3, 64, 0x0f01d1, 0},
        {{0x66, 0x66, 0x66, 0x66}, 4, 64, 0xf4, 0},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(decode_opcode_length(rows[i].code, rows[i].have, rows[i].bits, rows[i].opcode), rows[i].length);
}

static struct decoded_access access_of(const uint8_t *code, unsigned length, unsigned bits)
{
    struct decoded_access a;

    assert_int_equal(decode_access(code, length, bits, &a), 0);
    assert_int_equal(a.length, length);
    for (unsigned cut = 0; cut < length; cut++) /* none of it can be left out */
        assert_int_equal(decode_access(code, cut, bits, &(struct decoded_access){0}), -EFAULT);
    return a;
}

static void loads_and_stores(void **state)
{
    struct decoded_access a;

    (void)state;
    a = access_of(BYTES(0x8b, 0x04, 0x25, 0x20, 0xc0, 0x5f, 0xff), 64); /* mov 0xffffffffff5fc020, %eax */
    assert_int_equal(a.kind, ACCESS_LOAD);
    assert_int_equal(a.size, 4);
    assert_int_equal(a.number, 0);
    a = access_of(BYTES(0x89, 0xb7, 0x00, 0xc0, 0x5f, 0xff), 64); /* mov %esi, -0xa04000(%rdi) */
    assert_int_equal(a.kind, ACCESS_STORE);
    assert_int_equal(a.number, 6);
    a = access_of(BYTES(0x4c, 0x89, 0x64, 0x8b, 0x10), 64); /* mov %r12, 16(%rbx,%rcx,4) */
    assert_int_equal(a.size, 8);
    assert_int_equal(a.number, 12);
    a = access_of(BYTES(0x66, 0x89, 0x07), 32); /* mov %ax, (%edi) */
    assert_int_equal(a.size, 2);
    a = access_of(BYTES(0x89, 0x86, 0x34, 0x12), 16); /* mov %ax, 0x1234(%bp) */
    assert_int_equal(a.size, 2);
    a = access_of(BYTES(0x67, 0x66, 0x89, 0x04, 0x24), 16); /* mov %eax, (%esp) */
    assert_int_equal(a.size, 4);
    a = access_of(BYTES(0x88, 0x27), 32); /* mov %ah, (%edi) */
    assert_true(a.high_byte);
    assert_int_equal(a.number, 0);
    a = access_of(BYTES(0x40, 0x88, 0x27), 64); /* mov %spl, (%rdi) */
    assert_false(a.high_byte);
    assert_int_equal(a.number, 4);
    a = access_of(BYTES(0x87, 0x07), 64); /* xchg %eax, (%rdi) */
    assert_int_equal(a.kind, ACCESS_EXCHANGE);
    a = access_of(BYTES(0x48, 0xc7, 0x07, 0xfe, 0xff, 0xff, 0xff), 64); /* movq $-2, (%rdi) */
    assert_true(a.immediate);
    assert_int_equal(a.value, -2);
    assert_int_equal(a.size, 8);
    a = access_of(BYTES(0x66, 0xc7, 0x07, 0x34, 0x12), 64); /* movw $0x1234, (%rdi) */
    assert_int_equal(a.value, 0x1234);
    a = access_of(BYTES(0xa1, 0x78, 0x56, 0x34, 0x12), 32); /* mov 0x12345678, %eax */
    assert_int_equal(a.kind, ACCESS_LOAD);
    a = access_of(BYTES(0x48, 0xa3, 1, 2, 3, 4, 5, 6, 7, 8), 64); /* movabs %rax, 0x807060504030201 */
    assert_int_equal(a.kind, ACCESS_STORE);
    assert_int_equal(a.size, 8);
}

static void extending_loads(void **state)
{
    struct decoded_access a;

    (void)state;
    a = access_of(BYTES(0x0f, 0xb6, 0x07), 64); /* movzbl (%rdi), %eax */
    assert_int_equal(a.size, 1);
    assert_int_equal(a.register_size, 4);
    assert_false(a.sign_extend);
    a = access_of(BYTES(0x4c, 0x0f, 0xbf, 0x4f, 0x08), 64); /* movswq 8(%rdi), %r9 */
    assert_int_equal(a.size, 2);
    assert_int_equal(a.register_size, 8);
    assert_int_equal(a.number, 9);
    assert_true(a.sign_extend);
    a = access_of(BYTES(0x48, 0x63, 0x07), 64); /* movslq (%rdi), %rax */
    assert_int_equal(a.size, 4);
    assert_int_equal(a.register_size, 8);
    assert_int_equal(decode_access(BYTES(0x63, 0x07), 32, &a), -EOPNOTSUPP); /* arpl */
}

static void strings(void **state)
{
    struct decoded_access a = access_of(BYTES(0xf3, 0x48, 0xab), 64); /* rep stosq */

    (void)state;
    assert_true(a.string && a.repeat);
    assert_int_equal(a.size, 8);
    assert_int_equal(a.address_size, 8);
    a = access_of(BYTES(0x67, 0xaa), 32); /* stosb to es:di */
    assert_false(a.repeat);
    assert_int_equal(a.address_size, 2);
}

static void others_are_refused(void **state)
{
    struct decoded_access a;

    (void)state;
    assert_int_equal(decode_access(BYTES(0x89, 0xc0), 64, &a), -EOPNOTSUPP);       /* register to register */
    assert_int_equal(decode_access(BYTES(0xc7, 0x0f, 0, 0, 0, 0), 64, &a), -EOPNOTSUPP);
    assert_int_equal(decode_access(BYTES(0x01, 0x07), 64, &a), -EOPNOTSUPP);       /* add */
    assert_int_equal(decode_access(BYTES(0x0f, 0x0b), 64, &a), -EOPNOTSUPP);       /* ud2 */
}

static void control_registers(void **state)
{
    struct decoded_control c;

    (void)state;
    assert_int_equal(decode_control(BYTES(0x0f, 0x22, 0xc0), 64, &c), 0); /* mov %rax, %cr0 */
    assert_true(c.kind == CONTROL_WRITE && c.number == 0 && c.general == 0 && c.length == 3);
    assert_int_equal(decode_control(BYTES(0x41, 0x0f, 0x22, 0xe4), 64, &c), 0); /* mov %r12, %cr4 */
    assert_true(c.kind == CONTROL_WRITE && c.number == 4 && c.general == 12 && c.length == 4);
    assert_int_equal(decode_control(BYTES(0x0f, 0x20, 0xc3), 32, &c), 0); /* mov %cr0, %ebx */
    assert_true(c.kind == CONTROL_READ && c.general == 3);
    assert_int_equal(decode_control(BYTES(0x0f, 0x06), 16, &c), 0);
    assert_int_equal(c.kind, CONTROL_CLTS);
    assert_int_equal(decode_control(BYTES(0x0f, 0x01, 0xf0), 16, &c), 0); /* lmsw %ax */
    assert_int_equal(c.kind, CONTROL_LMSW);
    assert_int_equal(decode_control(BYTES(0x0f, 0x22), 64, &c), -EFAULT);
    assert_int_equal(decode_control(BYTES(0x0f, 0xa2), 64, &c), -EOPNOTSUPP);
}

/* Each length in memory of its own, so that a byte read too many is found. */
static void noise_is_never_read_past_its_end(void **state)
{
    uint64_t random = 1;

    (void)state;
    for (unsigned round = 0; round < NOISE_ROUNDS; round++) {
        unsigned length = round % 16;
        uint8_t *code = malloc(length ? length : 1);
        struct decoded_access a = {0};
        struct decoded_control c = {0};
        unsigned bits = 16u << round % 3;

        for (unsigned i = 0; i < length; i++) {
            random = random * 6364136223846793005UL + 1442695040888963407UL;
            code[i] = (uint8_t)(random >> 56);
        }
        if (decode_access(code, length, bits, &a) == 0)
            assert_true(a.length <= length && a.size && a.size <= 8 && a.number < 16);
        if (decode_control(code, length, bits, &c) == 0)
            assert_true(c.length <= length && c.general < 16);
        assert_true(decode_opcode_length(code, length, bits, 0x0fa2) <= length);
        free(code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_of_opcodes),
        cmocka_unit_test(loads_and_stores),
        cmocka_unit_test(extending_loads),
        cmocka_unit_test(strings),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(control_registers),
        cmocka_unit_test(noise_is_never_read_past_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
