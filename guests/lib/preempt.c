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

// Where the vcpu was stopped, and the byte to set: for preempt_again, which has no register of its own. It may be stopped
// itself, by a timer of the machine's: before its push or behind its pop, or between the two.
struct again { char *begin, *pushed, *popped, *end; };
uint64_t preempt_rip, preempt_byte;
#define AGAIN(name, bits, rax)                                                                                   \
    extern char name[], name##_pushed[], name##_popped[], name##_end[];                                          \
    __asm__(".text\n.code" bits "\n"                                                                             \
            ".globl " #name "\n" #name ":\n"                                                                     \
            "   push %" rax "\n" #name "_pushed:\n"                                                              \
            "   mov preempt_byte, %" rax "\n"                                                                    \
            "   movb $1, (%" rax ")\n"                                                                           \
            "   pop %" rax "\n" #name "_popped:\n"                                                               \
            "   jmp *preempt_rip\n" #name "_end:\n"                                                              \
            ".code64\n");                                                                                        \
    static const struct again name##_places = { name, name##_pushed, name##_popped, name##_end }
AGAIN(preempt_again, "64", "rax");
AGAIN(preempt_again_32, "32", "eax");

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
    const struct again *again = frame->cs == SELECTOR_CODE32 ? &preempt_again_32_places : &preempt_again_places;
    char *rip = (char *)frame->rip;

    vcpu_self()->info->evtchn_upcall_pending = 0;
    if (!running)
        return;
    if (rip >= again->begin && rip < again->end) {
        frame->rip = (uint64_t)(rip >= again->pushed && rip < again->popped ? again->pushed : again->begin);
        return;
    }
    if (hypercall_at(frame->rip)) {
        if (++stop_count >= PREEMPT_MOST)
            return;
        if (between_stops)
            between_stops(stop_count);
    }
    preempt_rip = frame->rip;
    frame->rip = (uint64_t)again->begin;
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
