// SPDX-License-Identifier: BSD-2-Clause
//
// Exceptions and interrupts of a PVH guest, by its own descriptor table. The entries are in head.S; who may handle what is told in
// trap.h and pvh/machine.h.

#include "trap.h"

#include "context.h"
#include "memory.h"
#include "pvh/machine.h"
#include "result.h"
#include "string.h"
#include "vcpu.h"

#define GATE_PRESENT_INTERRUPT 0x8e00u
#define SELECTOR_CODE64 0x08u
#define STUB_SIZE 16u
#define FLAGS_IF 0x200u

struct gate { uint16_t offset_low, selector, flags, offset_middle; uint32_t offset_high, zero; };
extern char interrupt_stubs[];
static struct gate table[256];
static trap_handler *handlers[TRAP_EVENT + 1];
static interrupt_handler *interrupts[256];

void trap_handle(enum trap_vector vector, trap_handler *handler)
{
    if (vector <= TRAP_EVENT)
        handlers[vector] = handler;
}

void interrupt_handle(unsigned int vector, interrupt_handler *handler) { interrupts[vector] = handler; }

void interrupt_init(void)
{
    struct { uint16_t limit; uint64_t base; } __attribute__((packed)) pointer = { sizeof(table) - 1, (uint64_t)table };

    for (unsigned int i = 0; i < 256; i++) {
        uint64_t entry = (uint64_t)interrupt_stubs + i * STUB_SIZE;

        table[i] = (struct gate) {
            .offset_low = (uint16_t)entry, .selector = SELECTOR_CODE64, .flags = GATE_PRESENT_INTERRUPT,
            .offset_middle = (uint16_t)(entry >> 16), .offset_high = (uint32_t)(entry >> 32),
        };
    }
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

void trap_init(void) { interrupt_init(); }

static uint64_t fault_address(void)
{
    uint64_t value;

    __asm__ volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}

void trap_dispatch(struct trap_frame *frame);
void trap_dispatch(struct trap_frame *frame)
{
    struct vcpu *vcpu = vcpu_self();

    if (frame->vector == VECTOR_UPCALL && handlers[TRAP_EVENT]) {
        handlers[TRAP_EVENT](frame);
    } else if (frame->vector >= 32) {
        if (!interrupts[frame->vector])
            test_error("interrupt %lu comes from nowhere", frame->vector);
        interrupts[frame->vector]((unsigned int)frame->vector);
    } else if (handlers[frame->vector]) {
        handlers[frame->vector](frame);
    } else if (vcpu->catching) {
        *vcpu->catching = (struct trap_seen) {
            .vector = frame->vector, .error = frame->error, .rip = frame->rip,
            .address = fault_address(), .rflags = frame->rflags, .cs = frame->cs,
        };
        context_jump(vcpu->saved_rsp, 1);
    } else {
        print("exception %lu, error 0x%lx, vcpu %u, rip %lx rsp %lx cr2 %lx\n", frame->vector, frame->error,
              vcpu->number, frame->rip, frame->rsp, fault_address());
        test_error("nobody handles exception %lu at %lx", frame->vector, frame->rip);
    }
}

/* Interrupts are as before afterwards, whatever the function did. */
bool trap_catch(void (*function)(void *argument), void *argument, struct trap_seen *seen)
{
    struct vcpu *vcpu = vcpu_self();
    uint64_t flags;
    bool caught;

    __asm__ volatile("pushfq; pop %0" : "=r"(flags));
    vcpu->catching = seen;
    caught = context_call(&vcpu->saved_rsp, function, argument);
    vcpu->catching = NULL;
    if (flags & FLAGS_IF)
        __asm__ volatile("sti" : : : "memory");
    else
        __asm__ volatile("cli" : : : "memory");
    return caught;
}

void trap_leave(long value) { context_jump(vcpu_self()->saved_rsp, value); }
