// SPDX-License-Identifier: BSD-2-Clause
/*
 * A kernel's stores into its page tables, emulated: memory, registers and flags end up as the processor
 * itself leaves them, for every instruction the decoder knows and for operands of all sizes.
 */
#include <errno.h>
#include <sys/mman.h>

#include "arch/host/host.h"
#include "arch/x86/regs.h"
#include "boot_info.h"
#include "guest/pv/decode.h"
#include "guest/pv/tables.h"
#include "guest/pv/traps.h"
#include "lib_test.h"
#include "mm/heap.h"

#define FLAGS_KEPT (RFLAGS_CF | RFLAGS_PF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF | RFLAGS_AF)
#define WINDOW 0x5000 /* where the guest sees its first-level table, read-only */

struct boot_info boot_info;
static struct domain *guest;
static mfn_t tables[4];
static const uint8_t *code_bytes;
static unsigned code_length;
static uint8_t *code_page;

void tlb_flush_local(uint64_t address, unsigned flags) { (void)address, (void)flags; }
void tlb_flush_mask(const cpu_mask_t *mask, uint64_t address, unsigned flags)
{
    (void)mask, (void)address, (void)flags;
}
void cr3_load(uint64_t cr3) { (void)cr3; }
void paging_copy_hypervisor_slots(pte_t *l4) { (void)l4; }
void pv_ldt_clear(struct vcpu *v) { (void)v; }
int pv_validate_segdesc(struct frame *f) { (void)f; return 0; }

unsigned pv_fetch(const struct cpu_user_regs *regs, uint8_t code[15])
{
    (void)regs;
    memcpy(code, code_bytes, code_length);
    return code_length;
}

static int setup(void **state)
{
    (void)state;
    host_setup(1024);
    guest = host_domain_new(1, 1);
    guest->max_pages = 100;
    guest->pv = calloc(1, sizeof(*guest->pv));
    spin_init(&guest->pv->tables_lock, RANK_PV_TABLES);
    guest->pv->perdomain_l3 = heap_alloc(0, HEAP_ZERO);
    guest->vcpus[0]->pv = calloc(1, sizeof(struct pv_vcpu));
    guest->vcpus[0]->pv->kernel_table = guest->vcpus[0]->pv->user_table = INVALID_MFN;
    guest->vcpus[0]->pv->kernel_mode = true;
    host_set_current(guest->vcpus[0]);
    for (unsigned i = 0; i < 4; i++)
        tables[i] = host_domain_page(guest);
    for (unsigned i = 0; i < 3; i++)
        *(uint64_t *)mfn_to_virt(tables[i]) = pte_make(tables[i + 1], 0x67);
    ((uint64_t *)mfn_to_virt(tables[3]))[WINDOW >> PAGE_SHIFT] = pte_make(tables[3], 0x65);
    assert_int_equal(pv_new_kernel_table(current, tables[0]), 0);
    code_page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(code_page, MAP_FAILED);
    return 0;
}

/* ---- the processor's own answer ---- */

struct outcome {
    uint64_t memory, rax, rbx, rcx, rdx, flags;
};

/* Runs the bytes with rdi pointing to memory. */
static void run_natively(struct outcome *o)
{
    uint64_t memory = o->memory, rax = o->rax, rbx = o->rbx, rcx = o->rcx, rdx = o->rdx, flags = o->flags;

    memcpy(code_page, code_bytes, code_length);
    code_page[code_length] = 0xc3;
    __asm__ volatile("push %[flags]\n\tpopfq\n\tcall *%[code]\n\tpushfq\n\tpop %[flags]\n\tcld"
                     : "+a"(rax), "+b"(rbx), "+c"(rcx), "+d"(rdx), [flags] "+r"(flags)
                     : [code] "r"(code_page), "D"(&memory)
                     : "memory", "cc");
    *o = (struct outcome){memory, rax, rbx, rcx, rdx, flags};
}

static bool run_emulated(struct outcome *o, unsigned index)
{
    uint64_t *slot = (uint64_t *)mfn_to_virt(tables[3]) + index;
    struct cpu_user_regs regs = {.rax = o->rax,
                                 .rbx = o->rbx,
                                 .rcx = o->rcx,
                                 .rdx = o->rdx,
                                 .rflags = o->flags,
                                 .rdi = WINDOW + index * 8,
                                 .rip = 0x1000,
                                 .cs = 3};
    bool done;

    *slot = o->memory;
    done = pv_fault_emulate_write(&regs, WINDOW + index * 8, PF_PRESENT | PF_WRITE | PF_USER);
    if (done)
        assert_int_equal(regs.rip, 0x1000 + code_length);
    *o = (struct outcome){*slot, regs.rax, regs.rbx, regs.rcx, regs.rdx, regs.rflags};
    *slot = 0;
    return done;
}

/* ---- instructions with (%rdi) and rbx, without prefixes but lock ---- */

static const struct {
    const char *name;
    uint8_t opcode[4];
    uint8_t opcode_length;
    uint8_t modrm;
    uint8_t immediate; /* bytes of immediate after it, at most the operand's size */
    bool sized;        /* has a form with one byte less */
} instructions[] = {
    {"mov", {0x89}, 1, 0x1f, 0, true},           {"mov imm", {0xc7}, 1, 0x07, 4, false},
    {"or", {0x09}, 1, 0x1f, 0, true},            {"and", {0x21}, 1, 0x1f, 0, true},
    {"xor", {0x31}, 1, 0x1f, 0, true},           {"add", {0x01}, 1, 0x1f, 0, true},
    {"sub", {0x29}, 1, 0x1f, 0, true},           {"and imm8", {0x83}, 1, 0x27, 1, false},
    {"lock and", {0xf0, 0x21}, 2, 0x1f, 0, false}, {"xadd", {0x0f, 0xc1}, 2, 0x1f, 0, false},
    {"xchg", {0x87}, 1, 0x1f, 0, true},          {"cmpxchg", {0x0f, 0xb1}, 2, 0x1f, 0, false},
    {"bts imm", {0x0f, 0xba}, 2, 0x2f, 1, false}, {"btr imm", {0x0f, 0xba}, 2, 0x37, 1, false},
    {"btc imm", {0x0f, 0xba}, 2, 0x3f, 1, false}, {"cmpxchg8b", {0x0f, 0xc7}, 2, 0x0f, 0, false},
};

/* size 1, 2, 4 or 8.  Returns the length; 0 when there is no such form. */
static unsigned assemble(unsigned which, unsigned size, uint64_t immediate, uint8_t *out)
{
    unsigned n = 0, k = 0, bytes = instructions[which].immediate;

    if ((size == 1 && !instructions[which].sized) ||
        (strcmp(instructions[which].name, "cmpxchg8b") == 0 && size != 4))
        return 0;
    if (instructions[which].opcode[0] == 0xf0)
        out[n++] = instructions[which].opcode[k++];
    if (size == 2)
        out[n++] = 0x66;
    if (size == 8)
        out[n++] = 0x48;
    for (; k < instructions[which].opcode_length; k++)
        out[n++] = instructions[which].opcode[k];
    if (size == 1)
        out[n - 1]--;
    out[n++] = instructions[which].modrm;
    if (bytes > size && bytes > 1)
        bytes = size;
    memcpy(&out[n], &immediate, bytes);
    return n + bytes;
}

static void stores_do_what_the_processor_does(void **state)
{
    uint64_t random = 99;
    uint8_t code[16];
    unsigned done = 0;

    (void)state;
    code_bytes = code;
    for (unsigned round = 0; round < 100000; round++) {
        unsigned which = random_next(&random) % ARRAY_SIZE(instructions),
                 size = 1u << random_next(&random) % 4;
        uint64_t even = ~1UL; /* entries stay "not present": any other bits are allowed */
        struct outcome native = {.memory = random_next(&random) & even,
                                 .rax = random_next(&random) & even,
                                 .rbx = random_next(&random) & even,
                                 .rcx = random_next(&random),
                                 .rdx = random_next(&random),
                                 .flags = (random_next(&random) & FLAGS_KEPT) | 2};
        struct outcome emulated;

        code_length = assemble(which, size, random_next(&random) & even, code);
        if (!code_length)
            continue;
        if (random_next(&random) % 2)
            native.rax = native.memory;
        if (random_next(&random) % 2)
            native.rdx = native.memory >> 32;
        emulated = native;
        run_natively(&native);
        if (native.memory & 1)
            continue; /* would be present, and refused */
        if (!run_emulated(&emulated, 100 + round % 100))
            fail_msg("%s, %u bytes: not done", instructions[which].name, size);
        done++;
        if (strncmp(instructions[which].name, "bt", 2) == 0) /* others than CF are undefined */
            native.flags &= ~FLAGS_KEPT | RFLAGS_CF, emulated.flags &= ~FLAGS_KEPT | RFLAGS_CF;
        if (strstr("or and xor lock and and imm8", instructions[which].name)) /* AF is undefined */
            native.flags &= ~(uint64_t)RFLAGS_AF, emulated.flags &= ~(uint64_t)RFLAGS_AF;
        native.flags = (native.flags & FLAGS_KEPT) | 2;
        if (memcmp(&native, &emulated, sizeof(native)))
            fail_msg("%s, %u bytes: memory %#lx, is %#lx; rax %#lx, is %#lx; rbx %#lx, is %#lx; rdx %#lx, is "
                     "%#lx; flags %#lx, is %#lx",
                     instructions[which].name, size, native.memory, emulated.memory, native.rax, emulated.rax,
                     native.rbx, emulated.rbx, native.rdx, emulated.rdx, native.flags, emulated.flags);
    }
    assert_true(done > 50000);
}

static void what_is_no_store_into_a_table_is_a_fault(void **state)
{
    static const uint8_t mov[] = {0x48, 0x89, 0x1f};
    struct cpu_user_regs regs = {.rdi = WINDOW, .rip = 0x1000, .cs = 3};
    uint64_t *table = mfn_to_virt(tables[3]);
    mfn_t plain = host_domain_page(guest);

    (void)state;
    code_bytes = mov;
    code_length = sizeof(mov);
    table[8] = 0;
    /* nothing mapped */
    assert_false(pv_fault_emulate_write(&regs, 0x8000, PF_PRESENT | PF_WRITE | PF_USER));
    assert_false(pv_fault_emulate_write(&regs, WINDOW, PF_WRITE | PF_USER));
    /* not aligned */
    assert_false(pv_fault_emulate_write(&regs, WINDOW + 3, PF_PRESENT | PF_WRITE | PF_USER));
    regs.rbx = pte_make(tables[3], 0x67); /* a table, writable */
    assert_false(pv_fault_emulate_write(&regs, WINDOW + 0x800, PF_PRESENT | PF_WRITE | PF_USER));
    regs.rbx = pte_make(plain, 0x65);
    assert_true(pv_fault_emulate_write(&regs, WINDOW + 0x40, PF_PRESENT | PF_WRITE | PF_USER));
    assert_int_equal(table[8], pte_make(plain, 0x65));
    /* read-only, but no table */
    assert_false(pv_fault_emulate_write(&regs, 0x8000, PF_PRESENT | PF_WRITE | PF_USER));
    assert_int_equal(pv_audit(true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_do_what_the_processor_does),
        cmocka_unit_test(what_is_no_store_into_a_table_is_a_fault),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
