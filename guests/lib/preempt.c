// SPDX-License-Identifier: BSD-2-Clause
//
// Hypercalls stopped at every preemption point. See preempt.h.

#include "preempt.h"

#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "hypercall.h"
#include "pvh/mode32.h"
#include "trap.h"
#include "vcpu.h"

// Where the vcpu was stopped, and the byte to set: for preempt_again, which has no register of its own.
uint64_t preempt_rip, preempt_byte;
extern char preempt_again[], preempt_again_32[];
__asm__(".text\n"
        ".globl preempt_again\n"
        "preempt_again:\n"
        "   push %rax\n"
        "   mov preempt_byte, %rax\n"
        "   movb $1, (%rax)\n"
        "   pop %rax\n"
        "   jmp *preempt_rip\n"
        "   .code32\n"
        "preempt_again_32:\n"
        "   push %eax\n"
        "   mov preempt_byte, %eax\n"
        "   movb $1, (%eax)\n"
        "   pop %eax\n"
        "   jmp *preempt_rip\n"
        "   .code64\n");

static preempt_between *between_stops;
static unsigned long stop_count;
static volatile bool running;

// SYSCALL of a PV guest's page, VMMCALL or VMCALL of a PVH guest's.
static bool hypercall_at(uint64_t rip)
{
    const uint8_t *code = (const uint8_t *)rip;

    return rip - (uint64_t)hypercall_page < sizeof(hypercall_page) && code[0] == 0x0f &&
           (code[1] == 0x05 || code[1] == 0x01);
}

static void stopped(struct trap_frame *frame)
{
    vcpu_self()->info->evtchn_upcall_pending = 0;
    if (!running)
        return;
    if (hypercall_at(frame->rip)) {
        if (++stop_count >= PREEMPT_MOST)
            return;
        if (between_stops)
            between_stops(stop_count);
    }
    preempt_rip = frame->rip;
    frame->rip = (uint64_t)(frame->cs == SELECTOR_CODE32 ? preempt_again_32 : preempt_again);
}

long preempt_all(long (*call)(void *argument), void *argument, preempt_between *between, unsigned long *stops)
{
    volatile uint8_t *pending = &vcpu_self()->info->evtchn_upcall_pending;
    bool masked = event_mask_all();
    long result;

    preempt_byte = (uint64_t)pending;
    between_stops = between;
    stop_count = 0;
    trap_handle(TRAP_EVENT, stopped);
    event_mask_restore(false);
    running = true;
    *pending = 1;
    result = call(argument);
    running = false;
    event_mask_restore(masked);
    trap_handle(TRAP_EVENT, NULL);
    if (stops)
        *stops = stop_count;
    return result;
}
