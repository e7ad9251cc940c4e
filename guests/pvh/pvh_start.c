// SPDX-License-Identifier: BSD-2-Clause
//
// Rule: a PVH guest without an operating system starts as xen/arch-x86/hvm/start_info.h says, and finds by CPUID what
// the hypervisor is. It matters because a kernel decides by these few values what it is going to use.
//
// config: vcpus = 2

#include <stdint.h>

#include <xen/arch-x86/cpuid.h>
#include <xen/features.h>
#include <xen/version.h>

#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "pvh/machine.h"
#include "result.h"
#include "timer.h"
#include "vcpu.h"

const char test_title[] = "PVH: start, CPUID, an event, another vcpu";

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

void test_main(void)
{
    cpuid_check();
    start_check();
    event_check();
    vcpu_check();
}
