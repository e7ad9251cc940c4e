/* SPDX-License-Identifier: BSD-2-Clause */
/* Jumps between stacks. Tests use trap.h and user.h instead. */
#ifndef GUEST_CONTEXT_H
#define GUEST_CONTEXT_H

/* Calls function(argument): 0 when it returned, or the value of the context_jump that ended it. */
long context_call(unsigned long *saved_rsp, void (*function)(void *argument), void *argument);
_Noreturn void context_jump(unsigned long saved_rsp, long value);
/* Goes to user mode; comes back by context_jump. The kernel's stack is what lies below this call. */
long user_enter(unsigned long *saved_rsp, const void *code, void *user_rsp, long argument, long rflags);

#endif
