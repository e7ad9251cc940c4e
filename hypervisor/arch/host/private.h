/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of arch/host share. */
#ifndef XYLEM_ARCH_HOST_PRIVATE_H
#define XYLEM_ARCH_HOST_PRIVATE_H

#include <stddef.h>

void host_memory_setup(size_t frames);
void host_memory_teardown(void);
void host_domains_setup(void);
void host_domains_teardown(void);

#endif
