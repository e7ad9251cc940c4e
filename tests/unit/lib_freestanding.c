// SPDX-License-Identifier: BSD-2-Clause
/*
 * Proves that hypervisor/lib and the unpacking libraries run without a C library: a Linux program of system
 * calls alone, compiled as the hypervisor is. `lib_freestanding PACKED PLAIN` unpacks the first file and
 * compares with the second, under the conditions that lib/unpack/unpack.h asks for and no better: FS base at
 * 64 bytes, a stack of known depth (painted first, so that its use can be told), an arena of the size
 * measured. Exit status 0 when they are the same.
 */
#include "lib/print.h"
#include "lib/string.h"
#include "lib/unpack/unpack.h"

enum { SYS_READ = 0, SYS_WRITE = 1, SYS_OPEN = 2, SYS_MMAP = 9, SYS_EXIT = 60, SYS_ARCH_PRCTL = 158 };

enum {
    MMAP_READ_WRITE = 3,
    MMAP_PRIVATE_ANONYMOUS = 0x22,
    ARCH_SET_FS = 0x1002,
    FILE_MAX = 256 * 1024 * 1024,
    STACK_PROMISED = 16 * 1024, /* unpack.h */
    STACK_SIZE = 4 * STACK_PROMISED,
    PAINT = 0x5a,
};

struct file {
    uint8_t *bytes;
    size_t size;
};

struct run {
    struct file packed;
    struct unpack_needs needs;
    struct bzimage image;
    uint8_t *out;
    void *arena;
    size_t capacity, out_size;
    const char *reason;
    int error;
};

void start(char **stack) __attribute__((noreturn, used));

static uint64_t fs_block[8] = { 0, 0, 0, 0, 0, UINT64_C(0x1122334455667700) };
static uint8_t deep_stack[STACK_SIZE] __attribute__((aligned(64)));
static struct run the_run;

__asm__(".globl _start\n"
        "_start:\n\t"
        "mov %rsp, %rdi\n\t"
        "and $-16, %rsp\n\t"
        "call start\n");

static long system_call(long number, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = -1;
    register long r9 __asm__("r9") = 0;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static void __attribute__((noreturn)) leave(int status)
{
    for (;;)
        system_call(SYS_EXIT, status, 0, 0, 0);
}

static void say(const char *text)
{
    system_call(SYS_WRITE, 1, (long)text, (long)strlen(text), 0);
}

static void *allocate(size_t size)
{
    return (void *)system_call(SYS_MMAP, 0, (long)size + 1, MMAP_READ_WRITE, MMAP_PRIVATE_ANONYMOUS);
}

static struct file file_read(const char *name)
{
    struct file file = { allocate(FILE_MAX), 0 };
    long handle = system_call(SYS_OPEN, (long)name, 0, 0, 0), got;

    do {
        got = system_call(SYS_READ, handle, (long)(file.bytes + file.size), (long)(FILE_MAX - file.size), 0);
        file.size += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    if (file.size == 0) {
        say("cannot read the file\n");
        leave(2);
    }
    return file;
}

static void unpack_on_deep_stack(void)
{
    struct run *run = &the_run;

    run->error = unpack(run->image.kind, run->image.payload, run->image.payload_size, run->out, run->capacity,
                        &run->out_size, run->arena, run->needs.arena_size, &run->reason);
}

/* Calls `function` at the top of deep_stack. */
static void call_on_deep_stack(void (*function)(void))
{
    __asm__ volatile("mov %%rsp, %%rbx\n\t"
                     "mov %0, %%rsp\n\t"
                     "call *%1\n\t"
                     "mov %%rbx, %%rsp"
                     :
                     : "r"(deep_stack + STACK_SIZE), "r"(function)
                     : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
}

static size_t stack_used(void)
{
    size_t untouched = 0;

    while (untouched < STACK_SIZE && deep_stack[untouched] == PAINT)
        untouched++;
    return STACK_SIZE - untouched;
}

static int compare(const struct run *run, const struct file *plain)
{
    char line[160];

    print_format(line, sizeof(line), "%-12s %zu -> %zu bytes, arena %zu KiB, stack %zu bytes: %s\n",
                 unpack_name(run->image.kind), run->image.payload_size, run->out_size,
                 run->needs.arena_size / 1024, stack_used(), run->error != 0 ? run->reason : "unpacked");
    say(line);
    if (run->error != 0 || run->out_size != plain->size || memcmp(run->out, plain->bytes, plain->size) != 0)
        return 1;
    return stack_used() > STACK_PROMISED;
}

void start(char **stack)
{
    struct run *run = &the_run;
    struct file plain;

    if ((uintptr_t)stack[0] != 3)
        leave(2);
    system_call(SYS_ARCH_PRCTL, ARCH_SET_FS, (long)fs_block, 0, 0);
    run->packed = file_read(stack[2]);
    plain = file_read(stack[3]);
    if (bzimage_open(&run->image, run->packed.bytes, run->packed.size, &run->reason) != 0) {
        say(run->reason);
        leave(2);
    }
    run->needs = unpack_measure(run->image.kind, run->image.payload, run->image.payload_size);
    run->capacity = plain.size;
    run->out = allocate(plain.size);
    run->arena = allocate(run->needs.arena_size);
    memset(deep_stack, PAINT, STACK_SIZE);
    call_on_deep_stack(unpack_on_deep_stack);
    leave(compare(run, &plain));
}
