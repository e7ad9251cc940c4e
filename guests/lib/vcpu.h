/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual processors. Each has a 16 KiB stack on a 16 KiB boundary whose first bytes are its struct vcpu, so
 * that the stack pointer alone tells who runs.
 */
#ifndef GUEST_VCPU_H
#define GUEST_VCPU_H

#include <stdbool.h>
#include <stdint.h>

#include <xen/xen.h>

#include "trap.h"

#define VCPU_MAX 4u
#define VCPU_STACK 16384ul

struct vcpu {
    unsigned int number;
    struct vcpu_info *info;
    struct trap_seen *catching;         /* set while trap_catch runs */
    unsigned long saved_rsp;            /* where trap_leave goes */
    void (*function)(void *argument);   /* what vcpu_run gave */
    void *argument;
    bool running;
    bool done;
};

static inline struct vcpu *vcpu_self(void)
{
    unsigned long rsp;

    __asm__ volatile("mov %%rsp, %0" : "=r"(rsp));
    return (struct vcpu *)(rsp & ~(VCPU_STACK - 1));
}

struct vcpu *vcpu_get(unsigned int number);
/* The number and the vcpu_info of the boot vcpu; the shared page has to be mapped. */
void vcpu_init(void);
/* How many vcpus the domain has, at most VCPU_MAX. */
unsigned int vcpu_count(void);
/* Lets a vcpu other than ours run function(argument) once; brings it up first if need be. */
void vcpu_run(unsigned int number, void (*function)(void *argument), void *argument);
/* Brings up a vcpu that does not run yet; it goes to vcpu_start on its stack. */
void vcpu_up(struct vcpu *vcpu);
/* Waits until it has finished. False after some 10 s. */
bool vcpu_wait(unsigned int number);

#endif
