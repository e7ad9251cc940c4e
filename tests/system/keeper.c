// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program without a C library for the test that saves and restores a guest: it fills its vector registers
 * and looks again and again whether they still hold the same, and whether RDTSCP gives the value that keeper
 * wrote to TSC_AUX of each CPU (Linux itself leaves it at 0 on all CPUs of a PV guest). A '.' each time all
 * is well, and 'v' or 't' and the end when not; 'm' when TSC_AUX cannot be written.
 */
#define CALL_OPEN          2
#define CALL_PWRITE        18
#define CALL_WRITE         1
#define CALL_SCHED_YIELD   24
#define CALL_EXIT          60
#define CALL_GETCPU        309
#define ROUNDS_OF_ONE_SIGN 200
#define FEATURE_OSXSAVE    (1u << 27)
#define FEATURE_RDTSCP     (1u << 27)
#define XCR0_AVX           4u
#define MSR_TSC_AUX        0xc0000103
#define NAME_OF_CPU(cpu)   (0x5a0000u + (cpu))
#define CPUS               2

typedef unsigned char bytes[32];
static bytes wanted[16] __attribute__((aligned(32))), got[16] __attribute__((aligned(32)));
static unsigned avx;

static long call(long number, long a, long b, long c, long fourth)
{
    register long d __asm__("r10") = fourth;

    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(d) : "rcx", "r11", "memory");
    return number;
}

static _Noreturn void end(const char *sign)
{
    call(CALL_WRITE, 1, (long)sign, 1, 0);
    for (;;)
        call(CALL_EXIT, *sign != '.', 0, 0, 0);
}

static void cpuid(unsigned leaf, unsigned *c, unsigned *d)
{
    unsigned b;

    __asm__ volatile("cpuid" : "+a"(leaf), "=b"(b), "=c"(*c), "=d"(*d) : "2"(0));
}

#define EACH(do)                                                                                             \
    do                                                                                                       \
    (0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11) do(12) do(13) do(14) do(15)
#define LOAD_YMM(n)  "vmovdqa " #n "*32(%0), %%ymm" #n "\n"
#define LOAD_XMM(n)  "movdqa " #n "*32(%0), %%xmm" #n "\n"
#define STORE_YMM(n) "vmovdqa %%ymm" #n ", " #n "*32(%0)\n"
#define STORE_XMM(n) "movdqa %%xmm" #n ", " #n "*32(%0)\n"

static void registers_fill(void)
{
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < (avx ? 32 : 16); j++)
            wanted[i][j] = (unsigned char)(i * 32 + j * 3 + 17);
    if (avx)
        __asm__ volatile(EACH(LOAD_YMM) : : "r"(wanted));
    else
        __asm__ volatile(EACH(LOAD_XMM) : : "r"(wanted));
}

static int registers_hold(void)
{
    if (avx)
        __asm__ volatile(EACH(STORE_YMM) : : "r"(got) : "memory");
    else
        __asm__ volatile(EACH(STORE_XMM) : : "r"(got) : "memory");
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 32; j++)
            if (((volatile unsigned char *)got[i])[j] != wanted[i][j])
                return 0;
    return 1;
}

static void cpus_name(void)
{
    char path[] = "/dev/cpu/0/msr";

    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        unsigned long name = NAME_OF_CPU(cpu);

        path[9] = (char)('0' + cpu);
        if (call(CALL_PWRITE, call(CALL_OPEN, (long)path, 1, 0, 0), (long)&name, sizeof(name), MSR_TSC_AUX) !=
            sizeof(name))
            end("m");
    }
}

static int counter_names_cpu(void)
{
    unsigned before = 0, after = 1, low, high, named = 0;

    while (before != after) {
        call(CALL_GETCPU, (long)&before, 0, 0, 0);
        __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(named));
        call(CALL_GETCPU, (long)&after, 0, 0, 0);
    }
    return named == NAME_OF_CPU(after);
}

__attribute__((force_align_arg_pointer)) void _start(void)
{
    unsigned c, d, extended, low = 0, high;

    cpuid(1, &c, &d);
    if (c & FEATURE_OSXSAVE)
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    avx = low & XCR0_AVX;
    cpuid(0x80000001, &c, &extended);
    if (extended & FEATURE_RDTSCP)
        cpus_name();
    registers_fill();
    for (;;) {
        for (int i = 0; i < ROUNDS_OF_ONE_SIGN; i++) {
            if (!registers_hold())
                end("v");
            if ((extended & FEATURE_RDTSCP) && !counter_names_cpu())
                end("t");
            call(CALL_SCHED_YIELD, 0, 0, 0, 0);
        }
        call(CALL_WRITE, 1, (long)".", 1, 0);
    }
}
