// SPDX-License-Identifier: BSD-2-Clause
//
// Exceptions. See trap.h; the entries are in head_pv.S.

#include "trap.h"

#include <stdint.h>

#include <xen/callback.h>

#include "context.h"
#include "event.h"
#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "vcpu.h"

extern const uint64_t trap_entries[32];

static trap_handler *handlers[TRAP_COUNT];

static bool software_may_raise(unsigned int vector)
{
    return vector == TRAP_BREAKPOINT || vector == TRAP_OVERFLOW;
}

long trap_callback(unsigned int type, unsigned int flags, uint64_t address)
{
    struct callback_register request = { .type = (uint16_t)type, .flags = (uint16_t)flags, .address = address };

    return hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &request);
}

long trap_set(unsigned int vector, unsigned int flags, uint64_t address)
{
    struct trap_info table[2] = {
        { .vector = (uint8_t)vector, .flags = (uint8_t)flags, .cs = FLAT_KERNEL_CS, .address = address },
        { .address = 0 },
    };

    return hypercall1(__HYPERVISOR_set_trap_table, table);
}

void trap_init(void)
{
    struct trap_info table[33];

    for (unsigned int vector = 0; vector < 32; vector++) {
        table[vector] = (struct trap_info) {
            .vector = (uint8_t)vector,
            .flags = TRAP_FLAG_MASK_EVENTS | (software_may_raise(vector) ? TRAP_FLAG_LEVEL : 0),
            .cs = FLAT_KERNEL_CS,
            .address = trap_entries[vector],
        };
    }
    table[32] = (struct trap_info) { .address = 0 };
    NEED(hypercall1(__HYPERVISOR_set_trap_table, table));
    NEED(trap_callback(CALLBACKTYPE_event, CALLBACKF_mask_events, (uint64_t)entry_event));
    NEED(trap_callback(CALLBACKTYPE_failsafe, CALLBACKF_mask_events, (uint64_t)entry_failsafe));
    NEED(trap_callback(CALLBACKTYPE_syscall, CALLBACKF_mask_events, (uint64_t)entry_syscall));
}

void trap_handle(enum trap_vector vector, trap_handler *handler)
{
    handlers[vector] = handler;
}

static _Noreturn void trap_report(const struct trap_frame *frame)
{
    const uint64_t *stack = (const uint64_t *)frame->rsp;

    print("exception %lu, error 0x%lx, vcpu %u\n", frame->vector, frame->error, vcpu_self()->number);
    print("rip %lx cs %lx rflags %lx rsp %lx cr2 %lx\n", frame->rip, frame->cs, frame->rflags, frame->rsp,
          vcpu_self()->info->arch.cr2);
    print("rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx rbp %lx\n", frame->rax, frame->rbx, frame->rcx,
          frame->rdx, frame->rsi, frame->rdi, frame->rbp);
    if (!(frame->cs & 3)) {
        for (unsigned int i = 0; i < 8; i++)
            print("stack %lx\n", stack[i]);
    }
    test_error("nobody handles exception %lu at %lx", frame->vector, frame->rip);
}

void trap_dispatch(struct trap_frame *frame);
void trap_dispatch(struct trap_frame *frame)
{
    struct vcpu *vcpu = vcpu_self();

    if (handlers[frame->vector]) {
        handlers[frame->vector](frame);
    } else if (frame->vector == TRAP_EVENT) {
        event_dispatch();
    } else if (vcpu->catching) {
        *vcpu->catching = (struct trap_seen) {
            .vector = frame->vector, .error = frame->error, .rip = frame->rip,
            .address = vcpu->info->arch.cr2, .rflags = frame->rflags, .cs = frame->cs,
        };
        context_jump(vcpu->saved_rsp, 1);
    } else {
        trap_report(frame);
    }
}

bool trap_catch(void (*function)(void *argument), void *argument, struct trap_seen *seen)
{
    struct vcpu *vcpu = vcpu_self();
    bool masked = event_mask_all(), caught;

    event_mask_restore(masked);
    vcpu->catching = seen;
    caught = context_call(&vcpu->saved_rsp, function, argument);
    vcpu->catching = NULL;
    event_mask_restore(masked);
    return caught;
}

void trap_leave(long value)
{
    context_jump(vcpu_self()->saved_rsp, value);
}
