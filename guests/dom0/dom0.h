/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that test what domain 0 alone may do: they make hypercalls through the kernel's privcmd device
 * (xen/sys/privcmd.h of Linux), and report like the guests do. What a hypercall points to is static
 * memory, kept in place.
 */
#ifndef GUEST_DOM0_H
#define GUEST_DOM0_H

#define __XEN_TOOLS__ 1 /* the public headers then show what is for domain 0 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/xen.h>

struct privcmd_hypercall {
    uint64_t op, arg[5];
};
#define IOCTL_PRIVCMD_HYPERCALL _IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall))

extern const char test_title[];
static int privcmd = -1, failures;

/* The hypercall's result: Linux's and Xen's error numbers are the same. */
static long hypercall(unsigned int number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    struct privcmd_hypercall call = {.op = number, .arg = {a, b, c, d, e}};
    int result = ioctl(privcmd, IOCTL_PRIVCMD_HYPERCALL, &call);

    return result < 0 ? -errno : result;
}

__attribute__((format(printf, 1, 2))) static void test_failure(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    printf("FAIL: ");
    vprintf(format, list);
    printf("\n");
    va_end(list);
    failures++;
}

__attribute__((format(printf, 1, 2), noreturn)) static void test_error(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    printf("ERROR: ");
    vprintf(format, list);
    printf("\nRESULT: ERROR\n");
    exit(1);
}

#define CHECK_EQUAL(expression, expected)                                                                          \
    do {                                                                                                           \
        long check_got = (long)(expression), check_wanted = (long)(expected);                                      \
                                                                                                                   \
        if (check_got != check_wanted)                                                                             \
            test_failure("line %d: %s: expected %ld, got %ld", __LINE__, #expression, check_wanted, check_got);    \
    } while (0)

#define CHECK(condition)                                                                                           \
    do {                                                                                                           \
        if (!(condition))                                                                                          \
            test_failure("line %d: expected %s", __LINE__, #condition);                                            \
    } while (0)

static void dom0_start(void)
{
    printf("TEST: %s\n", test_title);
    privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
    if (privcmd < 0)
        test_error("/dev/xen/privcmd: %s", strerror(errno));
    if (mlockall(MCL_CURRENT | MCL_FUTURE))
        test_error("mlockall: %s", strerror(errno));
}

static int dom0_end(void)
{
    printf("RESULT: %s\n", failures ? "FAILURE" : "SUCCESS");
    return failures != 0;
}

#endif
