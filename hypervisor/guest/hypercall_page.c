// SPDX-License-Identifier: BSD-2-Clause
/*
 * The page of stubs a kernel calls for its hypercalls: 32 bytes for each number (xen/xen.h).  In a 64-bit PV kernel
 * syscall destroys rcx and r11, which the stubs keep; iret never comes back and leaves them and rax on the
 * stack for struct iret_context.  Hardware-assisted guests have the same bytes in every mode of the CPU, and no iret.
 */
#include "guest/pv.h"
#include "lib/string.h"

#define STUB_SIZE 32
#define STUB_INT3 0xcc

/* number: where the immediate is, 0 without; [hardware-assisted][iret] */
static const struct { uint8_t size, number, code[14]; } stubs[2][2] = {
    {{14, 4, {0x51,                   /* push %rcx */
              0x41, 0x53,             /* push %r11 */
              0xb8, 0, 0, 0, 0,       /* mov $number, %eax */
              0x0f, 0x05,             /* syscall */
              0x41, 0x5b,             /* pop %r11 */
              0x59,                   /* pop %rcx */
              0xc3}},                 /* ret */
     {11, 5, {0x51, 0x41, 0x53, 0x50, /* push %rcx, %r11, %rax */
              0xb8, 0, 0, 0, 0,       /* mov $number, %eax */
              0x0f, 0x05}}},          /* syscall */
    {{9, 1, {0xb8, 0, 0, 0, 0,        /* mov $number, %eax */
             0x0f, 0x01, 0xd9,        /* vmmcall */
             0xc3}},                  /* ret */
     {2, 0, {0x0f, 0x0b}}},           /* ud2 */
};

void hypercall_page_fill(struct domain *d, void *page)
{
    memset(page, STUB_INT3, PAGE_SIZE);
    for (unsigned i = 0; i < PAGE_SIZE / STUB_SIZE; i++) {
        const __typeof__(stubs[0][0]) *from = &stubs[d->is_hvm][i == __HYPERVISOR_iret];
        uint8_t *stub = (uint8_t *)page + i * STUB_SIZE;

        memcpy(stub, from->code, from->size);
        if (from->number)
            stub[from->number] = (uint8_t)i;
    }
}
