// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a PVH guest without an operating system starts as xen/arch-x86/hvm/start_info.h says, and finds by CPUID what
// the hypervisor is. It matters because a kernel decides by these few values what it is going to use.
//
// config: vcpus = 2

#include <stdint.h>

#include <xen/arch-x86/cpuid.h>
#include <xen/features.h>
#include <xen/sched.h>
#include <xen/version.h>

#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "pvh/machine.h"
#include "result.h"
#include "timer.h"
#include "vcpu.h"

const char test_title[] = "PVH: start, CPUID, an event, another vcpu, the local APIC as x2APIC";

static void cpuid_check(void)
{
    struct cpuid_result r = cpuid(XEN_CPUID_FIRST_LEAF, 0);

    CHECK_EQUAL(r.ebx, XEN_CPUID_SIGNATURE_EBX);
    CHECK_EQUAL(r.ecx, XEN_CPUID_SIGNATURE_ECX);
    CHECK_EQUAL(r.edx, XEN_CPUID_SIGNATURE_EDX);
    CHECK(r.eax >= XEN_CPUID_FIRST_LEAF + 4);
    CHECK_EQUAL(cpuid(XEN_CPUID_FIRST_LEAF + 1, 0).eax, 4 << 16 | 17);
    CHECK_EQUAL(cpuid(XEN_CPUID_FIRST_LEAF + 2, 0).ebx, MSR_HYPERCALL_PAGE);
    r = cpuid(XEN_CPUID_FIRST_LEAF + 4, 0);
    CHECK(r.eax & XEN_HVM_CPUID_VCPU_ID_PRESENT);
    CHECK_EQUAL(r.ebx, 0);
    CHECK(cpuid(1, 0).ecx >> 31);
    CHECK_EQUAL(cpuid(1, 0).ebx >> 24, 0);
}

static void start_check(void)
{
    const struct hvm_start_info *info = start_record();
    struct xen_feature_info features = { .submap_idx = 0 };

    CHECK_EQUAL(info->magic, XEN_HVM_START_MAGIC_VALUE);
    CHECK(info->version >= 1);
    CHECK(info->memmap_entries > 0);
    CHECK_EQUAL(version_op(XENVER_version, 0), 4 << 16 | 17);
    CHECK_EQUAL(version_op(XENVER_get_features, &features), 0);
    CHECK(features.submap & 1u << XENFEAT_auto_translated_physmap);
    CHECK(features.submap & 1u << XENFEAT_hvm_callback_vector);
}

static void event_check(void)
{
    int port = event_bind_ipi(0);
    struct evtchn_send send = { .port = (evtchn_port_t)port };

    CHECK(port > 0);
    event_handle((evtchn_port_t)port, NULL);
    event_port_unmask((evtchn_port_t)port);
    CHECK_EQUAL(event_op(EVTCHNOP_send, &send), 0);
    CHECK_EQUAL(event_count((evtchn_port_t)port), 0);
    event_mask_restore(false);
    CHECK_EQUAL(event_count((evtchn_port_t)port), 1);
    CHECK_EQUAL(event_op(EVTCHNOP_send, &send), 0);
    CHECK_EQUAL(event_count((evtchn_port_t)port), 2);
    event_mask_all();
}

static volatile unsigned int other_number, other_apic;

static void other(void *argument)
{
    other_number = *(unsigned int *)argument + vcpu_self()->number;
    other_apic = cpuid(1, 0).ebx >> 24;
}

static void vcpu_check(void)
{
    unsigned int argument = 40;

    CHECK_EQUAL(vcpu_count(), 2);
    vcpu_run(1, other, &argument);
    CHECK(vcpu_wait(1));
    CHECK_EQUAL(other_number, 41);
    CHECK_EQUAL(other_apic, 2);
}

// ---- the local APIC's other mode: registers are MSRs, and an interrupt is sent by one write

#define VECTOR_OURS 0x71u
#define APIC_X2APIC 0x400u
#define X2APIC_ID (MSR_X2APIC + 0x02)
#define X2APIC_EOI (MSR_X2APIC + 0x0b)
#define X2APIC_SPURIOUS (MSR_X2APIC + 0x0f)
#define X2APIC_COMMAND (MSR_X2APIC + 0x30)
#define X2APIC_TIMER (MSR_X2APIC + 0x32)
#define X2APIC_TIMER_START (MSR_X2APIC + 0x38)
#define X2APIC_TIMER_DIVIDE (MSR_X2APIC + 0x3e)
#define X2APIC_TO_SELF (MSR_X2APIC + 0x3f)

static volatile unsigned int interrupts[2], other_id;
static volatile bool other_ready;

static void interrupt_taken(unsigned int vector)
{
    (void)vector;
    interrupts[vcpu_self()->number]++;
    wrmsr(X2APIC_EOI, 0);
}

static bool interrupts_wait(unsigned int vcpu, unsigned int count)
{
    uint64_t deadline = time_now() + 5000000000ul;

    while (interrupts[vcpu] < count && time_now() < deadline)
        sched_op(SCHEDOP_yield, 0);
    return interrupts[vcpu] == count;
}

static void x2apic_enable(void)
{
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_X2APIC);
    wrmsr(X2APIC_SPURIOUS, 0x1ff);
}

static void x2apic_other(void *unused)
{
    (void)unused;
    x2apic_enable();
    other_id = (unsigned int)rdmsr(X2APIC_ID);
    other_ready = true;
    __asm__ volatile("sti");
    interrupts_wait(1, 1);
    __asm__ volatile("cli");
    wrmsr(X2APIC_COMMAND, 0x4000 | VECTOR_OURS); /* to APIC 0 */
}

static void x2apic_check(void)
{
    CHECK(cpuid(1, 0).ecx >> 21 & 1);
    interrupt_handle(VECTOR_OURS, interrupt_taken);
    x2apic_enable();
    CHECK_EQUAL(rdmsr(X2APIC_ID), 0);
    vcpu_run(1, x2apic_other, NULL);
    while (!other_ready)
        sched_op(SCHEDOP_yield, 0);
    CHECK_EQUAL(other_id, 2);
    __asm__ volatile("sti");
    wrmsr(X2APIC_TO_SELF, VECTOR_OURS);
    CHECK(interrupts_wait(0, 1));
    wrmsr(X2APIC_TIMER_DIVIDE, 0xb);
    wrmsr(X2APIC_TIMER, VECTOR_OURS);
    wrmsr(X2APIC_TIMER_START, 100000);
    CHECK(interrupts_wait(0, 2));
    wrmsr(X2APIC_COMMAND, 2ul << 32 | 0x4000 | VECTOR_OURS);
    CHECK(interrupts_wait(0, 3));
    __asm__ volatile("cli");
    CHECK_EQUAL(interrupts[1], 1);
    CHECK(vcpu_wait(1));
}

void test_main(void)
{
    cpuid_check();
    start_check();
    event_check();
    vcpu_check();
    x2apic_check();
}
