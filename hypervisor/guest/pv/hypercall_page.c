// SPDX-License-Identifier: BSD-2-Clause
/*
 * The page of stubs a 64-bit PV kernel calls for its hypercalls: 32 bytes for each number (xen/xen.h). 
 * syscall destroys rcx and r11, which the stubs keep; iret never comes back and leaves them and rax on the
 * stack for struct iret_context.
 */
#include "guest/hvm.h"
#include "guest/pv/traps.h"
#include "lib/string.h"

#define STUB_SIZE 32
#define STUB_INT3 0xcc

static const uint8_t stub_call[] = {
    0x51,                   /* push %rcx */
    0x41, 0x53,             /* push %r11 */
    0xb8, 0, 0, 0, 0,       /* mov $number, %eax */
    0x0f, 0x05,             /* syscall */
    0x41, 0x5b,             /* pop %r11 */
    0x59,                   /* pop %rcx */
    0xc3,                   /* ret */
};
static const uint8_t stub_iret[] = {
    0x51,                   /* push %rcx */
    0x41, 0x53,             /* push %r11 */
    0x50,                   /* push %rax */
    0xb8, 0, 0, 0, 0,       /* mov $number, %eax */
    0x0f, 0x05,             /* syscall */
};
#define STUB_CALL_NUMBER 4 /* offset of the immediate */
#define STUB_IRET_NUMBER 5

void hypercall_page_fill(struct domain *d, void *page)
{
    uint8_t *stubs = page;

    if (d->is_hvm) {
        hvm_hypercall_page_fill(page);
        return;
    }
    memset(page, STUB_INT3, PAGE_SIZE);
    for (unsigned i = 0; i < PAGE_SIZE / STUB_SIZE; i++) {
        uint8_t *stub = stubs + i * STUB_SIZE;
        bool iret = i == __HYPERVISOR_iret;

        memcpy(stub, iret ? stub_iret : stub_call, iret ? sizeof(stub_iret) : sizeof(stub_call));
        stub[iret ? STUB_IRET_NUMBER : STUB_CALL_NUMBER] = (uint8_t)i;
    }
}
