// SPDX-License-Identifier: BSD-2-Clause
//
// First and only program of a small Linux: measures what a process pays, in ticks of the time stamp counter (one
// instruction each under QEMU's "-icount shift=0"), prints "BENCH linux_KEY VALUE" lines, and powers the machine off.
// The best of many short rounds counts, as in bench/guests/micro.c.  The kernel's command line, whose words become
// this program's environment, may say more: "kind=pvh_" is put before the keys; with "loop=linux_KEY" only that row
// runs, for ever after the line "LOOP", for bench/profile; "since=reset" tells how long it took to get here; "rows=no"
// measures nothing: who waits for the line "RESULT" knows that user space is there.

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul
#define PAGES 64ul
#define ROUNDS 40

static uint64_t ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static const char *kind(void)
{
    const char *said = getenv("kind");

    return said ? said : "";
}

static void fail(const char *what)
{
    printf("BENCH %slinux_%s failed\n", kind(), what);
}

// Runs once and returns how many ticks count; setup outside of them is the function's own affair.
typedef uint64_t measured(void);

static void measure(const char *key, measured *once, unsigned int rounds, unsigned int operations)
{
    const char *wanted = getenv("loop");
    uint64_t best = ~0ul;

    if (wanted) {
        if (strcmp(wanted, key) != 0)
            return;
        printf("LOOP %s\n", key);
        fflush(stdout);
        rounds = ~0u;
    }
    for (unsigned int round = 0; round < rounds; round++) {
        uint64_t taken = once();

        best = taken < best ? taken : best;
    }
    printf("BENCH %s%s %lu.%lu\n", kind(), key, best / operations, best * 10 / operations % 10);
    fflush(stdout);
}

static uint64_t system_calls(void)
{
    uint64_t start = ticks();

    for (int i = 0; i < 16; i++)
        syscall(SYS_getppid);
    return ticks() - start;
}

static char *area_map(void)
{
    char *area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (area == MAP_FAILED) {
        fail("mmap");
        exit(1);
    }
    return area;
}

static void area_touch(char *area)
{
    for (unsigned long i = 0; i < PAGES; i++)
        ((volatile char *)area)[i * PAGE] = 1;
}

static uint64_t page_faults(void)
{
    char *area = area_map();
    uint64_t start = ticks(), taken;

    area_touch(area);
    taken = ticks() - start;
    munmap(area, PAGES * PAGE);
    return taken;
}

static uint64_t unmaps(void)
{
    char *area = area_map();
    uint64_t start, taken;

    area_touch(area);
    start = ticks();
    munmap(area, PAGES * PAGE);
    taken = ticks() - start;
    return taken;
}

static uint64_t protects(void)
{
    static char *area;
    uint64_t start;

    if (!area) {
        area = area_map();
        area_touch(area);
    }
    start = ticks();
    mprotect(area, PAGES * PAGE, PROT_READ);
    mprotect(area, PAGES * PAGE, PROT_READ | PROT_WRITE);
    return ticks() - start;
}

static uint64_t forks(void)
{
    uint64_t start = ticks();
    pid_t child = fork();

    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    return ticks() - start;
}

static uint64_t execs(void)
{
    static char *const arguments[] = { "/init", "exit", NULL };
    uint64_t start = ticks();
    pid_t child = fork();

    if (child == 0) {
        execv("/init", arguments);
        _exit(1);
    }
    waitpid(child, NULL, 0);
    return ticks() - start;
}

static uint64_t pings(void)
{
    int to[2], from[2];
    char byte = 0;
    uint64_t start, best = ~0ul;
    pid_t child;

    if (pipe(to) || pipe(from))
        return ~0ul;
    child = fork();
    if (child == 0) {
        close(to[1]);
        while (read(to[0], &byte, 1) == 1) {
            if (write(from[1], &byte, 1) != 1)
                break;
        }
        _exit(0);
    }
    for (int i = 0; i < 20; i++) {
        start = ticks();
        if (write(to[1], &byte, 1) != 1 || read(from[0], &byte, 1) != 1)
            break;
        start = ticks() - start;
        best = start < best ? start : best;
    }
    close(to[0]);
    close(to[1]);
    close(from[0]);
    close(from[1]);
    waitpid(child, NULL, 0);
    return best;
}

static void on_signal(int number)
{
    (void)number;
}

static uint64_t signals(void)
{
    pid_t self = getpid();
    uint64_t start = ticks();

    for (int i = 0; i < 16; i++)
        kill(self, SIGUSR1);
    return ticks() - start;
}

static uint64_t sleeps(void)
{
    struct timespec microsecond = { .tv_nsec = 1000 };
    uint64_t start = ticks();

    nanosleep(&microsecond, NULL);
    return ticks() - start;
}

// What comes on top of a longer sleep, in ticks of 1 ns: a PV kernel sets no timer closer than 100 us, which makes up most
// of the row above.
static uint64_t late(void)
{
    struct timespec half_millisecond = { .tv_nsec = 500000 };
    uint64_t start = ticks();

    nanosleep(&half_millisecond, NULL);
    return ticks() - start - 500000;
}

static void console_open(void)
{
    int console;

    mkdir("/dev", 0755);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    console = open("/dev/console", O_RDWR);
    if (console >= 0) {
        dup2(console, 0);
        dup2(console, 1);
        dup2(console, 2);
    }
}

static void measure_all(void)
{
    prctl(PR_SET_TIMERSLACK, 1);        /* the usual 50 us would be most of the sleep */
    signal(SIGUSR1, on_signal);
    measure("linux_syscall", system_calls, ROUNDS, 16);
    measure("linux_page_fault", page_faults, ROUNDS, PAGES);
    measure("linux_munmap", unmaps, ROUNDS, PAGES);
    measure("linux_mprotect", protects, ROUNDS, 2 * PAGES);
    measure("linux_fork", forks, ROUNDS, 1);
    measure("linux_exec", execs, ROUNDS, 1);
    measure("linux_pipe", pings, 10, 1);
    measure("linux_signal", signals, ROUNDS, 16);
    measure("linux_sleep", sleeps, ROUNDS, 1);
    measure("linux_late", late, ROUNDS, 1);
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "exit") == 0)
        return 0;
    console_open();
    if (getenv("since"))
        printf("BENCH linux_created %llu\n", (unsigned long long)ticks());
    if (!getenv("rows"))
        measure_all();
    printf("RESULT: SUCCESS\n");
    fflush(stdout);
    sleep(1);
    reboot(RB_POWER_OFF);
    return 0;
}
