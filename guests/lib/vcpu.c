// SPDX-License-Identifier: BSD-2-Clause
//
// Virtual processors. See vcpu.h. A vcpu that has nothing to do spins with yield: work is handed over in memory.

#include "vcpu.h"

#include <stddef.h>
#include <stdint.h>

#include <xen/sched.h>
#include <xen/vcpu.h>

#include "hypercall.h"
#include "memory.h"
#include "result.h"
#include "start.h"
#include "string.h"
#include "timer.h"

#define WAIT_NS 10000000000ul

struct stack {
    struct vcpu vcpu;
    char bytes[VCPU_STACK - sizeof(struct vcpu)];
};

struct stack vcpu_stacks[VCPU_MAX] __attribute__((aligned(VCPU_STACK), section(".bss.page")));
__asm__(".globl vcpu_stack_0_top\nvcpu_stack_0_top = vcpu_stacks + 16384");
_Noreturn void vcpu_start(unsigned int number);

struct vcpu *vcpu_get(unsigned int number)
{
    return &vcpu_stacks[number].vcpu;
}

void vcpu_init(void)
{
    for (unsigned int i = 0; i < VCPU_MAX; i++) {
        vcpu_stacks[i].vcpu.number = i;
        vcpu_stacks[i].vcpu.info = &shared_page()->vcpu_info[i];
    }
    vcpu_stacks[0].vcpu.running = true;
}

unsigned int vcpu_count(void)
{
    unsigned int count = 0;

    while (count < VCPU_MAX && vcpu_op(VCPUOP_is_up, count, 0) >= 0)
        count++;
    return count;
}

_Noreturn void vcpu_start(unsigned int number)
{
    struct vcpu *vcpu = vcpu_get(number);

    trap_init();
    for (;;) {
        if (__atomic_load_n(&vcpu->function, __ATOMIC_ACQUIRE)) {
            vcpu->function(vcpu->argument);
            vcpu->function = NULL;
            __atomic_store_n(&vcpu->done, true, __ATOMIC_RELEASE);
        }
        sched_op(SCHEDOP_yield, 0);
    }
}

void vcpu_run(unsigned int number, void (*function)(void *argument), void *argument)
{
    struct vcpu *vcpu = vcpu_get(number);

    vcpu->done = false;
    vcpu->argument = argument;
    __atomic_store_n(&vcpu->function, function, __ATOMIC_RELEASE);
    if (!vcpu->running)
        vcpu_up(vcpu);
}

bool vcpu_wait(unsigned int number)
{
    uint64_t deadline = time_now() + WAIT_NS;

    while (!__atomic_load_n(&vcpu_get(number)->done, __ATOMIC_ACQUIRE)) {
        if (time_now() > deadline)
            return false;
        sched_op(SCHEDOP_yield, 0);
    }
    return true;
}
