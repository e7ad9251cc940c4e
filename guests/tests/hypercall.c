// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a call nobody implements, or one this domain may not make, fails with an error and changes nothing; a call
// preserves every register but RAX and its own arguments. It matters because a guest kernel's probes rely on the
// first, and its compiler on the second.
//
// kinds: pv pvh

#include <stdint.h>

#include <xen/errno.h>
#include <xen/features.h>
#include <xen/version.h>

#include "hypercall.h"
#include "result.h"
#include "start.h"

const char test_title[] = "hypercalls: version, unknown and privileged calls, registers";

#define PATTERN 0x1122334455667788ul

static void registers_check(void)
{
    uint64_t bx = PATTERN + 1, bp, r12 = PATTERN + 2, r13 = PATTERN + 3, r14 = PATTERN + 4, r15 = PATTERN + 5, bad;

    __asm__ volatile("push %%rbp\n\t"
                     "mov %[pattern], %%rbx; lea 1(%%rbx), %%rbp; lea 2(%%rbx), %%r12; lea 3(%%rbx), %%r13\n\t"
                     "lea 4(%%rbx), %%r14; lea 5(%%rbx), %%r15; lea 6(%%rbx), %%r9\n\t"
                     "xor %%edi, %%edi; xor %%esi, %%esi\n\t"
                     "call hypercall_page + 17 * 32\n\t"
                     "lea 6(%%rbx), %%rax; xor %%rax, %%r9\n\t"
                     "mov %%rbp, %%rax\n\t"
                     "pop %%rbp\n\t"
                     : "=&b"(bx), "=&a"(bp), "=r"(r12), "=r"(r13), "=r"(r14), "=r"(r15), "=r"(bad)
                     : [pattern] "i"(PATTERN)
                     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
    CHECK_EQUAL(bx, PATTERN);
    CHECK_EQUAL(bp, PATTERN + 1);
}

static void version_check(void)
{
    struct xen_extraversion_holder {
        xen_extraversion_t text;
        char guard;
    } extra = { .guard = 'g' };
    struct xen_feature_info features = { .submap_idx = 0 };
    long version = version_op(XENVER_version, 0);

    print("version %ld.%ld\n", version >> 16, version & 0xffff);
    CHECK_EQUAL(version, 4 << 16 | 17);
    CHECK_EQUAL(version_op(XENVER_extraversion, &extra), 0);
    CHECK_EQUAL(extra.guard, 'g');
    CHECK_EQUAL(version_op(XENVER_pagesize, 0), 4096);
    CHECK_EQUAL(version_op(XENVER_get_features, &features), 0);
    CHECK_EQUAL(!(features.submap & 1u << XENFEAT_auto_translated_physmap), guest_is_pv);
    CHECK_EQUAL(!(features.submap & 1u << XENFEAT_mmu_pt_update_preserve_ad), !guest_is_pv);
    features.submap_idx = 1000;
    CHECK_EQUAL(version_op(XENVER_get_features, &features), -XEN_EINVAL);
    CHECK_EQUAL(version_op(1000, 0), -XEN_ENOSYS);
}

static void refused_check(void)
{
    CHECK_EQUAL(hypercall1(63, 0), -XEN_ENOSYS);
    CHECK_EQUAL(hypercall1(11, 0), -XEN_ENOSYS);
    CHECK_EQUAL(version_op(XENVER_extraversion, 0xffff830000000000ul), -XEN_EFAULT);
    CHECK_EQUAL(version_op(XENVER_extraversion, 0x0000700000000000ul), -XEN_EFAULT);
    CHECK_EQUAL(version_op(XENVER_extraversion, 0x8000000000000000ul), -XEN_EFAULT);
    CHECK(hypercall1(__HYPERVISOR_domctl, 0) < 0);
    CHECK(hypercall1(__HYPERVISOR_sysctl, 0) < 0);
    CHECK(hypercall1(__HYPERVISOR_platform_op, 0) < 0);
}

void test_main(void)
{
    version_check();
    refused_check();
    registers_check();
}
