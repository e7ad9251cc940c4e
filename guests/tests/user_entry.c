// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: each way from user mode into the kernel (SYSCALL from 64-bit and 32-bit code, SYSENTER, INT 0x80 and other INT n)
// arrives at the callback or trap-table entry registered for it, with events masked exactly when that was asked for and
// with the user's flags; what is not registered, or not for user mode, is the exception the processor would raise. It
// matters because every system call takes one of these ways.

#include <stddef.h>
#include <stdint.h>

#include <xen/callback.h>
#include <xen/errno.h>

#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "trap.h"
#include "user.h"
#include "vcpu.h"

const char test_title[] = "entries from user mode: syscall, 32-bit syscall, sysenter, int n";

#define INT80 0x80u
#define INT90 0x90u
#define INT90_IN_QEMU 0x20u     /* TCG's error code names vector times 16: the row looked at is 0x20 */
#define HYPERVISOR_ADDRESS 0xffff830000000000ul
#define NON_CANONICAL 0x8000000000000000ul
#define FLAGS_KEPT 0x240cd5ul   /* CF PF AF ZF SF DF OF AC ID */
#define FLAGS_NT 0x4000ul
#define FLAGS_IF 0x200ul
#define MASK_SHIFT 32           /* of the saved event mask in the frame's CS */

static struct trap_frame seen;
static unsigned int seen_mask, arrivals;

static void note(struct trap_frame *frame)
{
    seen = *frame;
    seen_mask = vcpu_self()->info->evtchn_upcall_mask;
    arrivals++;
    trap_leave(1);
}

// Each sets all the flags of its argument, then enters; the label behind the instruction is what the frame names.
extern char syscall_at[], syscall_after[], syscall32_at[], syscall32_after[], sysenter_at[], int80_at[], int80_after[],
    int90_at[], int90_after[];
void user_syscall(long flags);
void user_syscall32(long flags);
void user_sysenter(long flags);
void user_int80(long flags);
void user_int90(long flags);
__asm__(".macro flags_set\n push %rdi\n popfq\n .endm\n"
        ".macro to_32bit\n push %rdi\n push $0xe023\n lea 1f(%rip), %rax\n push %rax\n lretq\n .code32\n 1: popf\n .endm\n"
        ".text\n"
        "user_syscall: flags_set\n syscall_at: syscall\n syscall_after: ud2\n"
        "user_int80: flags_set\n int80_at: int $0x80\n int80_after: ud2\n"
        "user_int90: flags_set\n int90_at: int $0x90\n int90_after: ud2\n"
        "user_syscall32: to_32bit\n syscall32_at: syscall\n syscall32_after: ud2\n .code64\n"
        "user_sysenter: to_32bit\n sysenter_at: sysenter\n ud2\n .code64\n");

static void enter(void (*code)(long), long flags)
{
    arrivals = 0;
    seen.vector = 999;
    event_mask_restore(false);
    user_run(code, flags);
    event_mask_all();
    if (arrivals != 1)
        test_failure("expected one arrival, got %u", arrivals);
}

struct way {
    const char *name;
    void (*code)(long flags);
    unsigned int vector;
    const char *at, *after;
    uint64_t cs;
};

static void arrival_check(const struct way *way, unsigned int masked, uint64_t flags)
{
    if (seen.vector != way->vector) {
        test_failure("%s: expected to arrive at %u, got %lu with error %lx at %lx", way->name, way->vector, seen.vector,
                     seen.error, seen.rip);
        return;
    }
    if (seen_mask != masked || seen.cs >> MASK_SHIFT)
        test_failure("%s: expected events %s on entry and unmasked before, got %u and %lu", way->name,
                     masked ? "masked" : "unmasked", seen_mask, seen.cs >> MASK_SHIFT);
    if ((seen.cs & 0xffff) != way->cs || (seen.ss & 0xffff) != FLAT_USER_SS)
        test_failure("%s: expected cs %lx and ss %x, got %lx and %lx", way->name, way->cs, FLAT_USER_SS, seen.cs & 0xffff,
                     seen.ss & 0xffff);
    if (seen.rip != (uint64_t)way->after)
        test_failure("%s: expected rip %lx, got %lx", way->name, (uint64_t)way->after, seen.rip);
    if ((seen.rflags & (FLAGS_KEPT | FLAGS_NT | FLAGS_IF)) != (flags | FLAGS_IF))
        test_failure("%s: expected flags %lx, got %lx", way->name, flags | FLAGS_IF, seen.rflags);
}

static void callback_check(const struct way *way, unsigned int type, const char *entry)
{
    for (unsigned int mask = 0; mask < 2; mask++) {
        // Xen 4.17 masks events for both kinds of SYSCALL when the 64-bit one asked for it.
        CHECK_EQUAL(trap_callback(CALLBACKTYPE_syscall, mask ? CALLBACKF_mask_events : 0, (uint64_t)entry_syscall), 0);
        CHECK_EQUAL(trap_callback(type, mask ? CALLBACKF_mask_events : 0, (uint64_t)entry), 0);
        enter(way->code, FLAGS_KEPT);
        arrival_check(way, mask, FLAGS_KEPT);
        enter(way->code, FLAGS_NT);
        arrival_check(way, mask, FLAGS_NT);
    }
}

// What happens without a handler, with one in the hypervisor's range, and with addresses that cannot be.
static void address_check(const struct way *way, unsigned int type, const char *entry, unsigned int vector,
                          const char *fault_at)
{
    CHECK_EQUAL(trap_callback(type, 0, NON_CANONICAL), -XEN_EINVAL);
    CHECK_EQUAL(trap_callback(type, 0, 0), 0);
    enter(way->code, 0);
    if (seen.vector != vector || seen.rip != (uint64_t)fault_at || seen.error)
        test_failure("%s without a callback: expected exception %u at %lx, got %lu at %lx with error %lx", way->name,
                     vector, (uint64_t)fault_at, seen.vector, seen.rip, seen.error);
    CHECK_EQUAL(trap_callback(type, 0, HYPERVISOR_ADDRESS), 0);
    enter(way->code, 0);
    CHECK_EQUAL(seen.vector, TRAP_PAGE_FAULT);
    CHECK_EQUAL(seen.rip, HYPERVISOR_ADDRESS);
    CHECK_EQUAL(seen.cs & 3, 0);
    CHECK_EQUAL(trap_callback(type, CALLBACKF_mask_events, (uint64_t)entry), 0);
}

static void unregister_check(void)
{
    static const unsigned int fixed[] = { CALLBACKTYPE_event, CALLBACKTYPE_failsafe, CALLBACKTYPE_syscall,
                                          CALLBACKTYPE_syscall32, CALLBACKTYPE_sysenter };
    struct callback_unregister request = { .type = CALLBACKTYPE_nmi };

    CHECK_EQUAL(hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &request), 0);
    for (unsigned int i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        request.type = (uint16_t)fixed[i];
        CHECK_EQUAL(hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &request), -XEN_EINVAL);
    }
    request.type = 99;
    CHECK_EQUAL(hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_unregister, &request), -XEN_ENOSYS);
    CHECK_EQUAL(hypercall2(__HYPERVISOR_callback_op, 99, &request), -XEN_ENOSYS);
    CHECK_EQUAL(hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    CHECK_EQUAL(hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_unregister, HYPERVISOR_ADDRESS), -XEN_EFAULT);
    CHECK_EQUAL(trap_callback(99, 0, 0), -XEN_ENOSYS);
    CHECK_EQUAL(trap_callback(3, 0, 0), -XEN_ENOSYS);   /* CALLBACKTYPE_sysenter_deprecated */
}

// The older call takes the good ones and passes over an address that cannot be.
static void set_callbacks_check(const struct way *syscall)
{
    CHECK_EQUAL(trap_callback(CALLBACKTYPE_syscall, CALLBACKF_mask_events, HYPERVISOR_ADDRESS), 0);
    CHECK_EQUAL(hypercall3(__HYPERVISOR_set_callbacks, entry_event, NON_CANONICAL, entry_syscall), 0);
    enter(syscall->code, 0);
    arrival_check(syscall, 0, 0);
    CHECK_EQUAL(hypercall3(__HYPERVISOR_set_callbacks, entry_event, entry_failsafe, NON_CANONICAL), 0);
    enter(syscall->code, 0);
    arrival_check(syscall, 0, 0);
}

static void gate_set(unsigned int vector, unsigned int flags, const char *entry)
{
    CHECK_EQUAL(trap_set(vector, flags, (uint64_t)entry), 0);
    if (vector == INT90)
        CHECK_EQUAL(trap_set(INT90_IN_QEMU, flags, (uint64_t)entry), 0);
}

static void refused_check(const struct way *way, unsigned int vector)
{
    uint64_t error = vector << 3 | 2;

    enter(way->code, 0);
    if (vector == INT90 && seen.error == (vector << 4 | 2))
        error = vector << 4 | 2;
    if (seen.vector != TRAP_PROTECTION || seen.error != error || seen.rip != (uint64_t)way->at)
        test_failure("%s: expected exception 13 with error %lx at %lx, got %lu with %lx at %lx", way->name, error,
                     (uint64_t)way->at, seen.vector, seen.error, seen.rip);
}

static void gate_check(const struct way *way, unsigned int vector)
{
    refused_check(way, vector);
    for (unsigned int level = 0; level < 3 && vector != INT80; level++) {   /* Xen's short way for 0x80 does not look */
        gate_set(vector, level, entry_software);
        refused_check(way, vector);
    }
    gate_set(vector, TRAP_FLAG_LEVEL, entry_software);
    enter(way->code, FLAGS_KEPT);
    arrival_check(way, 0, FLAGS_KEPT);
    gate_set(vector, TRAP_FLAG_LEVEL | TRAP_FLAG_MASK_EVENTS, entry_software);
    enter(way->code, FLAGS_NT);
    arrival_check(way, 1, FLAGS_NT);
    gate_set(vector, TRAP_FLAG_LEVEL, (const char *)HYPERVISOR_ADDRESS);
    enter(way->code, 0);
    CHECK_EQUAL(seen.vector, TRAP_PAGE_FAULT);
    CHECK_EQUAL(seen.rip, HYPERVISOR_ADDRESS);
    CHECK_EQUAL(trap_set(vector, TRAP_FLAG_LEVEL, NON_CANONICAL), -XEN_EINVAL);
}

// Long mode's SYSENTER is Intel's alone: with AMD's it is an undefined instruction, or (in QEMU) what the hypervisor set up.
static bool sysenter_there(const struct way *sysenter)
{
    CHECK_EQUAL(trap_callback(CALLBACKTYPE_sysenter, CALLBACKF_mask_events, (uint64_t)entry_sysenter), 0);
    enter(sysenter->code, 0);
    return seen.vector == TRAP_SYSENTER;
}

void test_main(void)
{
    static const struct way syscall = { "syscall", user_syscall, TRAP_SYSCALL, syscall_at, syscall_after, FLAT_USER_CS64 },
        syscall32 = { "32-bit syscall", user_syscall32, TRAP_SYSCALL32, syscall32_at, syscall32_after, FLAT_USER_CS32 },
        sysenter = { "sysenter", user_sysenter, TRAP_SYSENTER, NULL, NULL, 3 },
        int80 = { "int 0x80", user_int80, TRAP_SOFTWARE, int80_at, int80_after, FLAT_USER_CS64 },
        int90 = { "int 0x90", user_int90, TRAP_SOFTWARE, int90_at, int90_after, FLAT_USER_CS64 };

    user_init();
    for (unsigned int vector = 0; vector < TRAP_COUNT; vector++)
        trap_handle(vector, vector == TRAP_EVENT ? NULL : note);
    callback_check(&syscall, CALLBACKTYPE_syscall, entry_syscall);
    address_check(&syscall, CALLBACKTYPE_syscall, entry_syscall, TRAP_INVALID_OPCODE, syscall_at);
    callback_check(&syscall32, CALLBACKTYPE_syscall32, entry_syscall32);
    address_check(&syscall32, CALLBACKTYPE_syscall32, entry_syscall32, TRAP_INVALID_OPCODE, syscall32_at);
    if (sysenter_there(&sysenter)) {
        callback_check(&sysenter, CALLBACKTYPE_sysenter, entry_sysenter);
        address_check(&sysenter, CALLBACKTYPE_sysenter, entry_sysenter, TRAP_PROTECTION, NULL);
    } else {
        print("no sysenter here\n");
        CHECK_EQUAL(seen.rip, (uint64_t)sysenter_at);
    }
    gate_check(&int80, INT80);
    gate_check(&int90, INT90);
    unregister_check();
    set_callbacks_check(&syscall);
}
