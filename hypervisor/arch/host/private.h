/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of arch/host share. */
#pragma once

#include <stddef.h>

void host_memory_setup(size_t frames);
void host_memory_teardown(void);
void host_domains_setup(void);
void host_domains_teardown(void);
