// SPDX-License-Identifier: BSD-2-Clause
//
// From the first C instruction to test_main in a PVH guest. What the rest of the library asks of a PV guest's start page
// is put together from HVM parameters.

#include "start.h"

#include <stdint.h>

#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>

#include "console.h"
#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "pvh/machine.h"
#include "result.h"
#include "string.h"
#include "trap.h"
#include "vcpu.h"

#define CALLBACK_BY_VECTOR (2ul << 56)

const bool guest_is_pv = false;
static const struct hvm_start_info *record;
static struct start_info start;
static char shared_frame[PAGE_SIZE] __attribute__((aligned(4096), section(".bss.page")));
_Noreturn void guest_start(const struct hvm_start_info *info);

const struct hvm_start_info *start_record(void) { return record; }
const struct start_info *start_page(void) { return &start; }
struct shared_info *shared_page(void) { return (struct shared_info *)shared_frame; }

uint64_t hvm_param(uint32_t index)
{
    struct xen_hvm_param request = { .domid = DOMID_SELF, .index = index };
    long result = hypercall2(__HYPERVISOR_hvm_op, HVMOP_get_param, &request);

    if (result)
        test_error("HVM parameter %u: %ld", index, result);
    return request.value;
}

long physmap_add(unsigned int space, unsigned long index, unsigned long frame)
{
    struct xen_add_to_physmap request = { .domid = DOMID_SELF, .space = space, .idx = index, .gpfn = frame };

    return memory_op(XENMEM_add_to_physmap, &request);
}

long physmap_remove(unsigned long frame)
{
    struct xen_remove_from_physmap request = { .domid = DOMID_SELF, .gpfn = frame };

    return memory_op(XENMEM_remove_from_physmap, &request);
}

static void upcall(unsigned int vector)
{
    (void)vector;
    event_dispatch();
}

static void callback_init(void)
{
    struct xen_hvm_param request = {
        .domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ, .value = CALLBACK_BY_VECTOR | VECTOR_UPCALL };

    interrupt_handle(VECTOR_UPCALL, upcall);
    NEED(hypercall2(__HYPERVISOR_hvm_op, HVMOP_set_param, &request));
}

static void start_fill(const struct hvm_start_info *info)
{
    const char *line = info->cmdline_paddr ? (const char *)info->cmdline_paddr : "";
    unsigned int length = 0;

    memcpy(start.magic, "xen-3.0-hvm", 12);
    while (length < sizeof(start.cmd_line) - 1 && line[length]) {
        start.cmd_line[length] = (int8_t)line[length];
        length++;
    }
    start.console.domU.mfn = hvm_param(HVM_PARAM_CONSOLE_PFN);
    start.console.domU.evtchn = (uint32_t)hvm_param(HVM_PARAM_CONSOLE_EVTCHN);
    start.store_mfn = hvm_param(HVM_PARAM_STORE_PFN);
    start.store_evtchn = (uint32_t)hvm_param(HVM_PARAM_STORE_EVTCHN);
}

_Noreturn void guest_start(const struct hvm_start_info *info)
{
    record = info;
    wrmsr((uint32_t)cpuid(0x40000002, 0).ebx, (uint64_t)hypercall_page);
    vcpu_init();
    interrupt_init();
    memory_start(info);
    start_fill(info);
    console_init(&start);
    NEED(physmap_add(XENMAPSPACE_shared_info, 0, (unsigned long)shared_frame >> PAGE_SHIFT));
    event_init();
    callback_init();
    print("TEST: %s\n", test_title);
    test_main();
    test_end();
}
