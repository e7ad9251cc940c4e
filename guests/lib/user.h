/* SPDX-License-Identifier: BSD-2-Clause */
/* User mode: the same addresses under a second level 4 table. */
#ifndef GUEST_USER_H
#define GUEST_USER_H

/* Makes the user page table and installs it on this vcpu. */
void user_init(void);
/* Runs code(argument) in user mode on its own stack until a handler calls trap_leave: its value. */
long user_run(void (*code)(long argument), long argument);

#endif
